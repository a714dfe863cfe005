"""Tables as people have them, and what they hear about those that cannot be used."""

import json
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import specreg_sklearn.report
from specreg_sklearn.report.command_line import main

TARGET = ["--target", "risk class"]
QUICK = ["--eps", "0.3", "--max-samples", "8", "--attack", "auto"]
OF_FIT = ["income", "age", "city", "remark", "active"]


class ByMedian(ClassifierMixin, BaseEstimator):
    """Somebody's own classifier: a threshold on the first column."""

    def fit(self, X, y):
        self.classes_, self.threshold_ = np.unique(y), float(np.median(X.iloc[:, 0]))
        return self

    def predict(self, X):
        return np.where(X.iloc[:, 0] > self.threshold_, self.classes_[1], self.classes_[0])


@pytest.fixture(scope="module")
def table():
    """Words, gaps, dates, flags, an identifier, and three classes of which one has 2 percent."""
    rng, n = np.random.default_rng(0), 400
    frame = pd.DataFrame(
        {
            "customer id": np.arange(100_000, 100_000 + n),
            "opened": pd.date_range("2020-01-01", periods=n, freq="7h"),
            "income": rng.lognormal(10, 0.5, n).round(2),
            "age": rng.integers(18, 90, n),
            "city": rng.choice(["Köln", "Paris", "Zürich"], n),
            "remark": rng.choice(["fine", "late; twice", "a, b"], n),
            "active": rng.random(n) < 0.5,
        }
    )
    worth = frame["income"] / 20_000 + 0.5 * frame["active"] + rng.normal(0, 0.2, n)
    frame.loc[rng.random(n) < 0.1, "income"] = np.nan
    frame.loc[rng.random(n) < 0.1, "city"] = None
    frame["risk class"] = np.where(worth > worth.quantile(0.98), 2, (worth > 1.4).astype(int))
    return frame


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Fill a folder with the table in the forms that people have, and with models."""
    place = tmp_path_factory.mktemp("newcomer")
    y = table["risk class"]
    table.to_csv(place / "german.csv", index=False, sep=";", encoding="utf-8-sig")
    table.to_csv(place / "tabs.csv.gz", index=False, sep="\t")
    table.to_csv(place / "plain.csv", index=False)
    table.to_parquet(place / "table.parquet")
    table.to_csv(place / "comma.csv", index=False, sep=";", decimal=",")
    table.to_csv(place / "old.csv", index=False, encoding="latin-1")
    table.to_csv(place / "numbered.csv")
    table.head(0).to_csv(place / "norows.csv", index=False)
    (place / "empty.csv").touch()
    table.drop(columns="age").to_csv(place / "fewer.csv", index=False)
    table.rename(columns={"age": " Age"}).to_csv(place / "renamed.csv", index=False)
    names = np.array(["low", "middle", "high"])[y]
    table.assign(**{"risk class": names}).to_csv(place / "names.csv", index=False)
    table.assign(**{"risk class": [f"0{k}" for k in y]}).to_csv(place / "zeros.csv", index=False)
    numbers = table[["income", "age"]].fillna(0)
    numbers.assign(**{"risk class": y}).to_csv(place / "numbers.csv", index=False)

    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (words, ["city", "remark"]), ("passthrough", ["income", "age", "active"])
    )
    trees = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    model = make_pipeline(columns, trees).fit(table[OF_FIT], y)
    joblib.dump(model, place / "model.joblib")
    joblib.dump(make_pipeline(columns, trees).fit(table[OF_FIT], "0" + y.astype(str)),
                place / "zeros.joblib")  # fmt: skip
    sparse = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city", "remark"]),
        (SimpleImputer(), ["income", "age"]),
        sparse_threshold=1.0,
    )
    linear = make_pipeline(sparse, LogisticRegression(max_iter=50, tol=0.1)).fit(table[OF_FIT], y)
    assert "sparse" in type(linear[0].transform(table[OF_FIT])).__module__
    joblib.dump(linear, place / "sparse.joblib")
    joblib.dump(ByMedian().fit(numbers, y), place / "own.joblib")
    joblib.dump(LinearRegression().fit(numbers, y), place / "regressor.joblib")
    nameless = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(numbers.to_numpy(), y)
    joblib.dump(nameless, place / "nameless.joblib")
    joblib.dump({"model": nameless}, place / "dict.joblib")
    joblib.dump(HistGradientBoostingClassifier(), place / "raw.joblib")
    return place


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def in_folder(word, model, data, *more):
        files = [str(folder / model), str(folder / data), *TARGET, "--trust"]
        return main([*word.split(), *files, *more])

    return in_folder


@pytest.mark.parametrize(
    ("model", "data", "more"),
    [
        ("model.joblib", "german.csv", []),
        ("model.joblib", "tabs.csv.gz", []),
        ("model.joblib", "table.parquet", []),
        ("model.joblib", "numbered.csv", []),
        ("model.joblib", "comma.csv", ["--decimal", ","]),
        ("model.joblib", "old.csv", ["--encoding", "latin-1"]),
        ("model.joblib", "plain.csv", ["--sep", ","]),
        ("sparse.joblib", "german.csv", []),
        ("own.joblib", "numbers.csv", []),
        ("nameless.joblib", "numbers.csv", []),
        ("zeros.joblib", "zeros.csv", []),
    ],
)  # fmt: skip
def test_two_commands_lead_to_a_verified_report(run, tmp_path, capsys, model, data, more):
    assert run("report", model, data, *more, *QUICK) == 0
    assert run("verify report.json", model, data, *more) == 0
    said = capsys.readouterr()
    assert "Everything held." in said.out and "Traceback" not in said.err
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (record,) = document["models"]
    assert record["predictions"]["n_right"] > 200
    rare = next(line for line in document["limits"] if "2 (0 of 8)" in line)
    assert "little is known of it" in rare


def test_the_same_cells_in_other_files_are_the_same_data(run, capsys):
    assert run("report", "model.joblib", "german.csv", *QUICK) == 0
    for data, more in (("tabs.csv.gz", []), ("comma.csv", ["--decimal", ","])):
        assert run("verify report.json", "model.joblib", data, "--no-proofs", *more) == 0


def test_columns_that_are_left_out_and_identifiers_are_named(run, capsys):
    assert run("report", "model.joblib", "numbered.csv", *QUICK) == 0
    said = capsys.readouterr().err
    left = "Left out, since the model was not fitted on them: Unnamed: 0, customer id, opened."
    assert left in said and "note" not in said


def test_an_identifier_that_would_move_is_named(run, folder, table, capsys):
    columns = ["customer id", "age"]
    model = HistGradientBoostingClassifier(max_iter=2, random_state=0).fit(
        table[columns], table["risk class"]
    )
    joblib.dump(model, folder / "identified.joblib")
    assert run("report", "identified.joblib", "plain.csv", *QUICK) == 0
    said = capsys.readouterr().err
    assert "note: column 'customer id' has another whole number in every row" in said
    assert "'age'" not in said
    assert run("report", "identified.joblib", "plain.csv", *QUICK, "--mutable", "age") == 0
    assert "note" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "data", "more", "message"),
    [
        ("model.joblib", "fewer.csv", [], "does not have: age. Was it fitted on another table?"),
        ("model.joblib", "renamed.csv", [], "does not have: age. Is it ' Age'?"),
        ("model.joblib", "norows.csv", [], "norows.csv' has names of columns, and no rows."),
        ("model.joblib", "empty.csv", [], "empty.csv' is empty."),
        ("model.joblib", "old.csv", [], "is not encoded as utf-8"),
        ("model.joblib", "comma.csv", [], "column 'income' of "),
        ("model.joblib", "comma.csv", [], "with a decimal comma, such as '"),
        ("model.joblib", "german.csv", ["--sep", "|"], "has: customer id;opened;income"),
        ("model.joblib", "german.csv", ["--target", "Risk Class"], "Did you mean 'risk class'?"),
        ("model.joblib", "names.csv", [], "holds the labels high, low, middle, and model 'model'"),
        ("model.joblib", "german.csv", ["--pool", "PLACE/numbers.csv"], "has no column 'city'"),
        ("regressor.joblib", "numbers.csv", [], "LinearRegression is a regressor"),
        ("dict.joblib", "numbers.csv", [], "dict has no method predict"),
        ("raw.joblib", "numbers.csv", [], "is not fitted yet"),
        ("nameless.joblib", "german.csv", [], "2 columns without names; "),
    ],
)
def test_what_cannot_be_used_is_said(run, folder, capsys, model, data, more, message):
    more = [word.replace("PLACE", str(folder)) for word in more]
    assert run("report", model, data, *more, *QUICK) == 2
    said = capsys.readouterr().err
    (said,) = (line for line in said.splitlines() if not line.startswith("Left out"))
    assert said.startswith("specreg report: error: ") and message in said


def test_warnings_are_said_without_code(run, capsys, monkeypatch):
    def warns(models, X, y, **settings):
        warnings.warn("Two rows are undecided.", UserWarning, stacklevel=1)
        raise ValueError("enough")

    monkeypatch.setattr(specreg_sklearn.report, "robustness_report", warns)
    assert run("report", "model.joblib", "plain.csv", *QUICK) == 2
    lines = capsys.readouterr().err.splitlines()[1:]
    assert lines == [
        "specreg report: warning: Two rows are undecided.",
        "specreg report: error: enough",
    ]
