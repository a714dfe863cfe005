"""From files to a verified report, and what is said about files that cannot be used."""

import json
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import RobustLinearProbe
from specreg_sklearn.report.command_line import main
from specreg_sklearn.space import FeatureSpace

QUICK = ["--eps", "0.5", "--max-samples", "6", "--attack", "auto"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fill a folder with a table, in several files, and a model, in several forms."""
    place = tmp_path_factory.mktemp("files")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["sepal length", "sepal width", "petal length", "petal width"]
    table = X.assign(species=np.array(["setosa", "versicolor", "virginica"])[y])
    table.to_csv(place / "test.csv", index=False)
    table.to_parquet(place / "test.parquet")
    table.assign(extra=1.0).to_csv(place / "more.csv.gz", index=False)
    table.drop(columns="petal width").to_csv(place / "fewer.csv", index=False)
    table.assign(species=y).to_csv(place / "codes.csv", index=False)
    table.assign(species=table["species"].where(y > 0)).to_csv(place / "gaps.csv", index=False)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[::2], table["species"][::2])
    joblib.dump(tree, place / "tree.joblib")
    skops.io.dump(tree, place / "tree.skops")
    flat = LogisticRegression(max_iter=500).fit(X, table["species"])
    skops.io.dump(flat, place / "flat.skops")
    nameless = LogisticRegression(max_iter=500).fit(X.to_numpy(), table["species"])
    joblib.dump(nameless, place / "nameless.pkl")
    probe = make_pipeline(StandardScaler(), RobustLinearProbe()).fit(X, table["species"])
    skops.io.dump(probe, place / "probe.skops")
    (place / "broken.joblib").write_bytes(b"nothing")
    (place / "broken.skops").write_bytes(b"nothing")
    (place / "model.txt").write_text("nothing")
    (place / "space.json").write_text(FeatureSpace.from_data(X, scale="range").to_json())
    return place


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    """Stand in an empty folder; `run` puts paths of the files into its words."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return main([str(folder / word[1:]) if word[0] == "@" else word for word in words])

    return run


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (["@tree.joblib", "--trust"], "@test.csv"),
        (["@flat.skops"], "@test.parquet"),
        (["@nameless.pkl", "--trust"], "@test.csv"),
        (["@probe.skops"], "@test.csv"),
        (["@tree.skops", "--trusted-types", "sklearn.tree._tree.Tree"], "@test.csv"),
    ],
    ids=["joblib", "skops", "array", "probe", "trusted"],
)
def test_two_commands_lead_from_files_to_a_verified_report(here, capsys, tmp_path, model, data):
    files = [model[0], data, "--target", "species", *model[1:]]
    assert here("report", *files, *QUICK) == 0
    assert capsys.readouterr().out.startswith("Within 0.5 standard deviations, an attacker turns")
    assert here("verify", "report.json", *files, "--json", "held.json") == 0
    assert "Everything held." in capsys.readouterr().out
    assert json.loads((tmp_path / "held.json").read_text())["held"] is True
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "petal length" in page


def test_a_report_that_does_not_hold_ends_with_1(here, capsys, tmp_path):
    files = ["@tree.joblib", "@test.csv", "--target", "species", "--trust"]
    out = ["--json", "a.json", "--out", "a.html", "--markdown", "a.md"]
    assert here("report", *files, *QUICK, *out) == 0
    document = json.loads((tmp_path / "a.json").read_text())
    document["models"][0]["rows"][2]["row"] += 1
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert here("verify", "a.json", *files, "--no-proofs") == 1
    assert "models[0].rows[2].row" in capsys.readouterr().out
    assert (tmp_path / "a.md").read_text().startswith("## Robustness")
    assert not (tmp_path / "report.html").exists()


def test_models_are_compared_under_names(here, tmp_path, capsys, folder):
    models = [f"tree={folder / 'tree.joblib'}", f"probe={folder / 'probe.skops'}"]
    files = [*models, "@test.csv", "--target", "species", "--trust"]
    assert here("report", *files, *QUICK) == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert [model["name"] for model in document["models"]] == ["tree", "probe"]
    assert here("verify", "report.json", *files) == 0


def test_the_threat_model_is_that_of_the_options(here, tmp_path):
    files = ["@tree.joblib", "@more.csv.gz", "--target", "species", "--trust", *QUICK]
    asked = ["--mutable", "petal length,sepal width", "--increase-only", "sepal width"]
    assert here("report", *files, *asked, "--norm", "inf", "--scale", "none", "--seed", "3") == 0
    document = json.loads((tmp_path / "report.json").read_text())
    threat = document["threat_model"]
    moves = {record["column"]: record["moves"] for record in threat["columns"]}
    assert [name for name, way in moves.items() if way == "yes"] == ["sepal width", "petal length"]
    assert threat["norm"] == "inf" and threat["units"] == "units of the data"
    assert "May only grow: sepal width." in threat["sentences"]
    assert document["settings"]["random_state"] == 3


def test_a_space_and_a_pool_come_from_files(here, folder, tmp_path, capsys):
    files = ["@nameless.pkl", "@test.csv", "--target", "species", "--trust", *QUICK]
    assert here("report", *files, "--pool", "@test.csv") == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["settings"]["pool_sha256"] == document["data"]["X_sha256"]
    assert here("verify", "report.json", *files[: -len(QUICK)], "--pool", "@test.csv") == 0
    (tmp_path / "other.csv").write_text((folder / "test.csv").read_text().replace("5.1", "5.2"))
    capsys.readouterr()
    assert here("verify", "report.json", *files[: -len(QUICK)], "--pool", "other.csv") == 1
    assert "settings.pool_sha256: is" in capsys.readouterr().out
    files[0] = "@tree.joblib"
    assert here("report", *files, "--space", "@space.json") == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["threat_model"]["units"] == "ranges of the columns"


def test_an_object_that_python_can_import(here, tmp_path, folder, monkeypatch):
    (tmp_path / "own_model.py").write_text(
        f"import joblib\nclass shelf:\n    tree = joblib.load({str(folder / 'tree.joblib')!r})\n"
    )
    assert here("report", "own_model:shelf.tree", "@test.csv", "--target", "species", *QUICK) == 0
    monkeypatch.delitem(sys.modules, "own_model")


T = ("--target", "species")
CANNOT = [
    (("@tree.joblib", "@test.csv", *T), "is a pickle.*runs the code.*Add --trust if you know who"),
    (("@flat.skops", "@test.csv"), "which column of .* Say --target COLUMN, one of: sepal length"),
    (
        ("@flat.skops", "@test.csv", "--target", "specie"),
        r"--target 'specie' is no column of .* Did you mean 'species'\?",
    ),
    (("@flat.skops", "@gaps.csv", *T), "is missing in 50 of 150 rows"),
    (("@flat.skops", "@fewer.csv", *T), "columns that .* does not have: petal width"),
    (
        ("@nameless.pkl", "@more.csv.gz", *T, "--trust"),
        "fitted on 4 columns without names; .* has 5 beside the target",
    ),
    (("@flat.skops", "@codes.csv", *T), "holds the labels 0, 1, 2, and model 'flat' predicts"),
    (
        ("@tree.skops", "@test.csv", *T),
        r"types that skops does not trust.*--trusted-types sklearn.tree._tree.Tree",
    ),
    (("@broken.joblib", "@test.csv", *T, "--trust"), "broken.joblib' cannot be read"),
    (("@broken.skops", "@test.csv", *T), "broken.skops' is no skops file"),
    (("@model.txt", "@test.csv", *T), "ends in '.txt'. Accepted: a .skops, .joblib"),
    (("nowhere.skops", "@test.csv", *T), "there is no such file. Accepted: a .skops"),
    (("no_module:model", "@test.csv", *T), "No module named 'no_module'"),
    (("json:model", "@test.csv", *T), "json has no 'model'"),
    (("@flat.skops", "nowhere.csv", *T), "data 'nowhere.csv': there is no such file"),
    (("@flat.skops", "@model.txt", *T), "accepted are .csv"),
    (("@test.csv",), "stands alone: give MODEL ... DATA"),
    (("@flat.skops", "@flat.skops", "@test.csv", *T), "two models are called 'flat'"),
    (("@flat.skops", "@test.csv", *T, "--mutable", "petal"), "'petal' is no column. Columns are"),
    (("@flat.skops", "@test.csv", *T, "--eps", "-1"), "eps=-1.0 is not a distance"),
    (("@flat.skops", "@test.csv", *T, "--space", "@test.csv"), "is not a feature space"),
    (("@flat.skops", "@test.csv", *T, "--out", "no/where.html", *QUICK), "No such file"),
]


@pytest.mark.parametrize(("words", "message"), CANNOT)
def test_what_cannot_be_used_ends_with_2_and_says_why(here, capsys, words, message):
    assert here("report", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("specreg report: error: ") and "Traceback" not in said
    assert pd.Series([said]).str.contains(message, regex=True)[0], said


@pytest.mark.parametrize(
    ("module", "words", "message"),
    [
        ("skops", ("@flat.skops", "@test.csv"), "pip install skops"),
        ("pandas", ("@flat.skops", "@test.csv"), "pip install pandas"),
        ("pyarrow", ("@flat.skops", "@test.parquet"), "pip install pyarrow"),
        ("onnxruntime", ("net.onnx", "@test.csv"), "pip install onnxruntime"),
    ],
)
def test_a_package_that_is_missing_is_named(
    here, tmp_path, capsys, monkeypatch, module, words, message
):
    (tmp_path / "net.onnx").write_bytes(b"graph")
    for name in [module, *(name for name in sys.modules if name.startswith(f"{module}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    assert here("report", *words, *T) == 2
    assert message in capsys.readouterr().err


def test_a_report_of_another_version_or_cut_off_is_refused(here, tmp_path, capsys):
    (tmp_path / "cut.json").write_text('{"format": "specreg-sk')
    assert here("verify", "cut.json", "@flat.skops", "@test.csv", *T) == 2
    assert "was cut off" in capsys.readouterr().err
    (tmp_path / "new.json").write_text(
        json.dumps({"format": "specreg-sklearn robustness report", "schema_version": 9})
    )
    assert here("verify", "new.json", "@flat.skops", "@test.csv", *T) == 2
    assert "schema_version 9" in capsys.readouterr().err


def test_the_bundled_example_needs_no_files(here, capsys):
    assert here("report", "--max-samples", "4") == 0
    assert here("verify", "report.json", "--no-proofs") == 0


def test_without_a_word_it_is_the_demo(here, monkeypatch, tmp_path):
    asked = []
    home = "specreg_sklearn.report.command_line._demo"
    monkeypatch.setattr(f"{home}.run_demo", asked.append)
    assert here() == here("demo") == here("--output", "other.png") == 0
    assert [path.name for path in asked] == [
        "robustness_curve.png",
        "robustness_curve.png",
        "other.png",
    ]


@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["verify", "--help"]])
def test_help_teaches(capsys, words):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    assert "specreg verify report.json" in capsys.readouterr().out or words[0] == "report"


def test_an_unknown_word_ends_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        main(["prove"])
    assert end.value.code == 2
    assert "invalid choice: 'prove'" in capsys.readouterr().err
