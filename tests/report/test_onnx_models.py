"""Models in ONNX on the command line: written by to_onnx, asked by onnxruntime."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import RobustLinearProbe
from specreg_sklearn.export import to_onnx
from specreg_sklearn.report.command_line import main

WORDS = np.array(["setosa", "versicolor", "virginica"])
REST = ["test.csv", "--target", "species"]
QUICK = ["--eps", "0.5", "--max-samples", "6", "--attack", "auto"]


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """Stand in a folder with a table of numbers, words and names that are no identifiers."""
    monkeypatch.chdir(tmp_path)
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["kind of soil"] = np.where(X["petal width (cm)"] > 1, "dry", "wet")
    X["leaves"] = np.arange(150) % 7
    X.assign(species=WORDS[y]).to_csv("test.csv", index=False)
    X.iloc[:, :4].assign(species=WORDS[y]).to_csv("numbers.csv", index=False)
    return X, WORDS[y]


def store(model, X):
    with open("model.onnx", "wb") as file:
        file.write(to_onnx(model, X).SerializeToString())


def test_one_table_of_numbers(flowers, capsys):
    X, y = flowers
    numbers = X.iloc[:, :4].to_numpy(dtype=np.float32)
    store(make_pipeline(StandardScaler(), RobustLinearProbe()).fit(numbers, y), numbers)
    files = ["model.onnx", "numbers.csv", "--target", "species"]
    assert main(["report", *files, *QUICK]) == 0
    assert main(["verify", "report.json", *files]) == 0
    assert "Everything held." in capsys.readouterr().out
    with open("report.json") as file:
        (record,) = json.load(file)["models"]
    assert record["predictions"]["n_right"] > 130 and record["n_queries"] > 0
    assert any(row["status"] == "attack_only" for row in record["rows"])
    assert main(["report", "model.onnx", *REST, *QUICK]) == 2
    assert "fitted on 4 columns without names" in capsys.readouterr().err


def test_one_input_for_each_column(flowers, capsys):
    """As a frame is written down; the converter changes names that are no identifiers."""
    X, y = flowers
    words = ["kind of soil"]
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), words), ("passthrough", list(X.columns.drop(words)))
    )
    model = make_pipeline(columns, DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X, y)
    store(model, X)
    shuffled = pd.read_csv("test.csv")
    shuffled[shuffled.columns[::-1]].assign(more=1).to_csv("test.csv", index=False)
    assert main(["report", "model.onnx", *REST, *QUICK]) == 0
    assert main(["verify", "report.json", "model.onnx", *REST]) == 0
    said = capsys.readouterr()
    assert "Everything held." in said.out and "not fitted on them: more" in said.err
    with open("report.json") as file:
        document = json.load(file)
    assert document["models"][0]["predictions"]["n_right"] == (model.predict(X) == y).sum()
    assert [c["column"] for c in document["threat_model"]["columns"]] == list(X.columns)
    assert main(["report", "model.onnx", "numbers.csv", "--target", "species"]) == 2
    assert "does not have: kind_of_soil, leaves" in capsys.readouterr().err


def test_a_file_that_is_no_onnx_model(flowers, tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    assert main(["report", "model.onnx", *REST]) == 2
    assert "is no ONNX model that can be asked" in capsys.readouterr().err
