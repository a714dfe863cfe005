"""The report says what models do, and what it says follows from its rows."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom, binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from specreg_sklearn.metrics import adversarial_band, compare_robustness
from specreg_sklearn.report import RobustnessReport, robustness_report, verify_report
from specreg_sklearn.report.document import TOLERANCES
from specreg_sklearn.space import FeatureSpace


@pytest.fixture(scope="module")
def document(flower_report):
    return flower_report.to_dict()


def model_of(document, name):
    return next(model for model in document["models"] if model["name"] == name)


def test_rows_are_those_of_the_band(flowers, document):
    X, y, models, space = flowers
    band = adversarial_band(
        models["linear"], X, y, space=space, attack="auto", max_samples=24, max_nodes=200
    )
    rows = model_of(document, "linear")["rows"]
    assert [row["row"] for row in rows] == band.places.tolist()
    assert [row["status"] for row in rows] == band.status.tolist()
    upper = [np.inf if row["upper"] is None else row["upper"] for row in rows]
    assert upper == band.upper.tolist()


@pytest.mark.parametrize("name", ["tree", "linear"])
def test_shares_are_counts_of_rows(flowers, document, name):
    X, y, models, _ = flowers
    model = model_of(document, name)
    summary, rows = model["summary"], model["rows"]
    n_right = int((models[name].predict(X) == y).sum())
    assert summary["accuracy_all"]["count"] == n_right
    assert model["predictions"]["n_right"] == n_right
    upper = np.array([np.inf if r["upper"] is None else r["upper"] for r in rows])
    lower = np.array([np.inf if r["lower"] is None else r["lower"] for r in rows])
    assert summary["robust_attacked"]["count"] == (upper > 0.6).sum()
    assert summary["robust_proved"]["count"] == (lower > 0.6).sum()
    for share in (summary["accuracy"], summary["robust_attacked"]):
        found = binomtest(share["count"], share["of"]).proportion_ci(0.95, method="wilson")
        assert share["interval"] == pytest.approx([found.low, found.high])
    by_class = {entry["label"]: entry["attacked"] for entry in summary["classes"]}
    truth = np.array([row["label"] for row in rows])
    assert by_class == {label: int((upper[truth == label] > 0.6).sum()) for label in by_class}
    curve = summary["curve"]
    assert [p["attacked"] for p in curve[1:]] == [(upper > p["eps"]).mean() for p in curve[1:]]


def test_pairs_of_models_are_compared_by_an_exact_test(document):
    (pair,) = document["comparison"]
    b, c = pair["only_first_withstands"], pair["only_second_withstands"]
    both = [
        [row["upper"] is None or row["upper"] > 0.6 for row in model_of(document, name)["rows"]]
        for name in (pair["first"], pair["second"])
    ]
    assert b - c == sum(both[0]) - sum(both[1])
    assert b != c
    # Outcomes as likely as the observed one count half.
    expected = binomtest(b, b + c).pvalue - binom.pmf(b, b + c, 0.5)
    assert pair["p_value"] == pytest.approx(expected)
    low, high = pair["interval"]
    assert low <= pair["difference"] <= high


def test_shares_intervals_and_tests_are_those_of_the_scores(flowers, document):
    X, y, models, space = flowers
    options = {"space": space, "eps": 0.6, "attack": "auto", "max_samples": 24}
    found = compare_robustness(models, X, y, **options)
    for name in models:
        share = model_of(document, name)["summary"]["robust_attacked"]
        score = found.scores[name]
        assert share["share"] == pytest.approx(score.score[0])
        assert share["interval"] == pytest.approx(score.interval()[0])
    (mine,), (theirs,) = document["comparison"], found.to_frame().to_dict("records")
    assert mine["difference"] == pytest.approx(theirs["difference"])
    assert mine["p_value"] == pytest.approx(theirs["p_value"])
    assert mine["interval"] == pytest.approx([theirs["low"], theirs["high"]])


def test_columns_of_the_attacker_are_in_units_of_the_data(document):
    model = model_of(document, "tree")
    changed = [
        row for row in model["rows"] if row["upper"] and row["upper"] <= 0.6 and row["changes"]
    ]
    steps = {}
    for row in changed:
        for change in row["changes"]:
            steps.setdefault(change["column"], []).append(abs(change["to"] - change["from"]))
    found = model["summary"]["columns"]
    assert {e["column"]: e["median_change"] for e in found} == {
        column: np.median(sizes) for column, sizes in steps.items()
    }
    assert sum(e["share"] for e in found) == pytest.approx(1)
    assert "sepal length" not in steps


def test_json_is_strict_and_comes_back(flower_report, tmp_path):
    path = flower_report.write_json(tmp_path / "report.json")
    text = path.read_text(encoding="utf-8")

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    assert json.loads(text, parse_constant=refuse) == flower_report.to_dict()
    again = RobustnessReport.from_json(path)
    assert again.headline == flower_report.headline
    assert again.to_dict()["tolerances"] == TOLERANCES


def test_the_headline_of_one_model_counts_rows(flowers):
    X, y, models, space = flowers
    report = robustness_report(models["tree"], X, y, space=space, eps=0.6, max_samples=12)
    summary = report.to_dict()["models"][0]["summary"]
    low, high = summary["changed_at_least"], summary["changed_at_most"]
    said = f"exactly {low}" if low == high else f"at least {low} and at most {high}"
    assert f"turns {said} of {summary['accuracy']['count']} right answers wrong" in report.headline
    assert report.to_dict()["models"][0]["name"] == "DecisionTreeClassifier"


def test_a_model_without_a_proof_says_so(flowers):
    X, y, *_ = flowers

    class Silent:
        def predict(self, X):
            return np.where(X["petal width"] > 0.8, "virginica", "setosa")

    report = robustness_report(Silent(), X, y, max_samples=6, attack="auto")
    model = report.to_dict()["models"][0]
    assert model["unproved"] and all(row["lower"] == 0 for row in model["rows"])
    assert any("nothing is proved" in line for line in report.to_dict()["limits"])
    assert verify_report(report, Silent(), X, y, proofs=False).held


@pytest.mark.parametrize("container", ["array", "float32", "list", "polars", "integers"])
def test_any_container_is_reported_and_verified(flowers, container):
    X, y, *_ = flowers
    numbers = X.to_numpy()
    if container == "integers":
        numbers = np.round(10 * numbers).astype(np.int16)
    kinds = {
        "array": numbers,
        "integers": numbers,
        "float32": numbers.astype(np.float32),
        "list": numbers.tolist(),
        "polars": pl.DataFrame(dict(zip(X.columns, numbers.T, strict=True))),
    }
    rows = kinds[container]
    model = LogisticRegression(max_iter=500).fit(rows, y)
    report = robustness_report(model, rows, y, eps=0.5, max_samples=8, attack="auto")
    assert verify_report(json.loads(json.dumps(report.to_dict())), model, rows, y).held


def test_missing_cells_words_and_flags_stay_and_verify(flowers):
    X, y, *_ = flowers
    frame = X.assign(word=np.where(X["petal width"] > 1, "wide", None), flag=X["petal width"] > 1)
    frame.loc[3, "sepal width"] = np.nan

    class Numbers:
        def predict(self, X):
            return np.where(X["petal length"].to_numpy() > 2.5, "virginica", "setosa")

    report = robustness_report(Numbers(), frame, y, eps=0.5, max_samples=10, attack="auto")
    assert verify_report(report, Numbers(), frame, y).held
    other = frame.copy()
    other.loc[0, "word"] = "else"
    failed = dict(verify_report(report, Numbers(), other, y).failures)
    assert "data.X_sha256" in failed


def test_wrong_rows_and_ties_are_reported_as_they_are(flowers):
    X, y, *_ = flowers
    model = KNeighborsClassifier(1).fit(X[::3], y[::3])
    wrong = y.copy()
    wrong[:60] = "versicolor"
    report = robustness_report(model, X, wrong, eps=0.3, max_samples=15, attack="auto")
    rows = report.to_dict()["models"][0]["rows"]
    assert {"already_wrong"} < {row["status"] for row in rows}
    assert verify_report(report, model, X, wrong).held


def test_feature_names_are_for_arrays(flowers):
    X, y, *_ = flowers
    rows = X.to_numpy()
    model = LogisticRegression(max_iter=500).fit(rows, y)
    report = robustness_report(
        model, rows, y, eps=0.5, max_samples=6, attack="auto", feature_names=list(X.columns)
    )
    assert "petal length" in report.to_markdown() and "petal length" in report._repr_html_()
    assert verify_report(report, model, rows, y).held
    with pytest.raises(ValueError, match="feature_names is for arrays"):
        robustness_report(model, X, y, feature_names=list("abcd"))
    with pytest.raises(ValueError, match="holds 3 different names; X has 4 columns"):
        robustness_report(model, rows, y, feature_names=list("abc"))


def test_warnings_are_in_the_report_and_are_given(flowers):
    X, y, *_ = flowers
    same = pd.DataFrame(X)

    class Constant:
        def predict(self, X):
            return np.full(len(X), "setosa")

    with pytest.warns(UserWarning) as met:
        report = robustness_report(Constant(), same, y, eps=0.5, max_samples=6, attack="auto")
    written = [w["message"] for w in report.to_dict()["models"][0]["warnings"]]
    assert written == [str(w.message) for w in met]
    assert "Warnings met" in report._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, "models={} holds no model"),
        ({"models": {3: None}}, r"models has the name 3"),
        ({"eps": -1}, r"eps=-1 is not a distance"),
        ({"norm": 7}, r"norm=7 is not supported by robustness_report"),
        ({"max_samples": 0}, "max_samples=0 is not accepted"),
        ({"max_nodes": 0}, "max_nodes=0 is not accepted"),
        ({"space": "all"}, "space=str is not a FeatureSpace"),
        ({"attack": "nothing"}, "nothing"),
    ],
)
def test_bad_input_is_named(flowers, change, message):
    X, y, models, _ = flowers
    settings = {"models": models, "X": X, "y": y} | change
    with pytest.raises((ValueError, TypeError), match=message):
        robustness_report(settings.pop("models"), settings.pop("X"), settings.pop("y"), **settings)


def test_a_model_that_predicts_nothing_is_named(flowers):
    X, y, models, _ = flowers
    with pytest.raises(TypeError, match=r"models\['b'\]: estimator=object has no method predict"):
        robustness_report({"a": models["tree"], "b": object()}, X, y)


def test_the_models_space_and_seed_leave_no_trace(flowers):
    X, y, models, _ = flowers
    before = X.copy()
    first = robustness_report(models["tree"], X, y, eps=0.4, max_samples=6, random_state=3)
    again = robustness_report(models["tree"], X, y, eps=0.4, max_samples=6, random_state=3)
    pd.testing.assert_frame_equal(X, before)
    one, other = first.to_dict(), again.to_dict()
    for key in ("created", "sha256"):
        one.pop(key), other.pop(key)
    for document in (one, other):
        document["models"][0].pop("seconds")
    assert one == other


def test_a_space_with_code_in_it_is_brought_by_who_checks(flowers):
    X, y, models, _ = flowers
    space = FeatureSpace.from_data(
        X, mutable=["petal length", "sepal width"], derived={"petal width": half_of_length}
    )
    report = robustness_report(models["linear"], X, y, space=space, eps=0.5, max_samples=6)
    document = report.to_dict()
    assert document["threat_model"]["space"] is None
    with pytest.raises(
        ValueError, match=r"holds functions \(formula of .petal width.\).*Pass space"
    ):
        verify_report(report, models["linear"], X, y)
    assert verify_report(report, models["linear"], X, y, space=space).held


def half_of_length(rows):
    return rows["petal length"] / 2
