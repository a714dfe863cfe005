"""Tampering is found, at its place; an honest report holds, also elsewhere."""

import copy
import json
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace, robustness_report
from specreg_sklearn.report import verify_report
from specreg_sklearn.report.document import own_hash
from tests.report._forging import followed

TREE, ROW = 0, 20


def witnessed(document):
    rows = document["models"][TREE]["rows"]
    return next(k for k, row in enumerate(rows) if row["status"] == "exact")


def farther(document):
    document["models"][TREE]["rows"][witnessed(document)]["upper"] *= 2


def surer(document):
    row = document["models"][TREE]["rows"][witnessed(document)]
    row["lower"] *= 1.5
    row["upper"] *= 1.5


def surer_with_a_true_witness(document):
    """Take a row farther out, which is as wrong, and call the distance exact."""
    row = next(row for row in document["models"][1]["rows"] if row["status"] == "exact")
    row["lower"] *= 1.01
    row["upper"] *= 1.01
    for change in row["changes"]:
        change["to"] += 0.01 * (change["to"] - change["from"])


def no_witness(document):
    row = document["models"][TREE]["rows"][witnessed(document)]
    row |= {"changes": [], "answer": None, "upper": None, "lower": None, "status": "none_exists"}


def nearer_witness(document):
    change = document["models"][TREE]["rows"][witnessed(document)]["changes"][0]
    change["to"] = change["from"] + 0.25 * (change["to"] - change["from"])


def other_clean_cell(document):
    document["models"][TREE]["rows"][witnessed(document)]["changes"][0]["from"] += 0.1


def immutable_column(document):
    document["models"][TREE]["rows"][witnessed(document)]["changes"].append(
        {"column": "sepal length", "from": 5.1, "to": 5.2}
    )


def other_answer(document):
    row = document["models"][TREE]["rows"][witnessed(document)]
    row["answer"] = next(w for w in ("setosa", "virginica") if w not in row.values())


def other_row(document):
    document["models"][TREE]["rows"][3]["row"] += 1


def row_outside(document):
    document["models"][TREE]["rows"][3]["row"] = 5000


def one_row_less(document):
    for model in document["models"]:
        del model["rows"][ROW]


def other_label(document):
    row = document["models"][TREE]["rows"][0]
    row["label"] = "virginica"


def other_prediction(document):
    document["models"][TREE]["rows"][0]["predicted"] = "virginica"


def wrong_row_made_right(document):
    for model in document["models"]:
        for row in model["rows"]:
            if row["status"] == "already_wrong":
                row |= {"predicted": row["label"], "lower": 1.0, "upper": 1.0, "status": "exact"}
                return
    raise AssertionError("no wrong row to make right")


def other_seed(document):
    document["settings"]["random_state"] = 1


def other_size_of_sample(document):
    document["settings"]["max_samples"] = 23


def other_eps(document):
    document["threat_model"]["eps"] = 0.5


def other_norm(document):
    document["threat_model"]["norm"] = "inf"


def other_unit(document):
    document["threat_model"]["columns"][2]["one_up"] *= 10


def other_space(document):
    document["threat_model"]["space"]["scale"][2] *= 10


def other_words(document):
    document["threat_model"]["sentences"][0] = "A row may move by at most 60."


def other_data(document):
    document["data"]["X_sha256"] = "0" * 64


def other_size(document):
    document["data"]["n_rows"] += 1


def other_model(document):
    document["models"][TREE]["class"] = "sklearn.ensemble._forest.RandomForestClassifier"


def other_parameter(document):
    document["models"][TREE]["parameters"]["max_depth"] = "2"


def other_predictions(document):
    document["models"][TREE]["predictions"]["n_right"] += 1


def other_proof(document):
    document["models"][TREE]["rows"][witnessed(document)]["proved_by"] = "oracle"


def other_tolerance(document):
    document["tolerances"]["proof"] = 1.0


# Each with the place that is named; all that follows from the rows is made to fit.
FORGED = [
    (farther, "models[0].rows[{w}].upper"),
    (surer, "models[0].rows[{w}].lower"),
    (surer_with_a_true_witness, "models[1].rows[*].lower"),
    (no_witness, "models[0].rows[{w}].lower"),
    (nearer_witness, "models[0].rows[{w}].changes"),
    (other_clean_cell, "models[0].rows[{w}].changes"),
    (immutable_column, "models[0].rows[{w}].changes[*].column"),
    (other_answer, "models[0].rows[{w}].answer"),
    (other_row, "models[0].rows[3].row"),
    (row_outside, "models[0].rows[3].row"),
    (one_row_less, "models[0].rows"),
    (other_label, "models[0].rows[0].label"),
    (other_prediction, "models[0].rows[0].predicted"),
    (wrong_row_made_right, "models[*].rows[*].predicted"),
    (other_seed, "models[0].rows[*].row"),
    (other_size_of_sample, "models[0].rows"),
    (other_unit, "threat_model.columns[2].one_up"),
    (other_space, "threat_model.columns[2].one_up"),
    (other_words, "threat_model.sentences[0]"),
    (other_data, "data.X_sha256"),
    (other_size, "data.n_rows"),
    (other_model, "models[0].class"),
    (other_parameter, "models[0].parameters.max_depth"),
    (other_predictions, "models[0].predictions.n_right"),
    (other_proof, "models[0].rows[{w}].proved_by"),
    (other_tolerance, "tolerances.proof"),
    (other_norm, "threat_model.norm_name"),
    (other_eps, "threat_model.sentences[0]"),
]


def matches(place, wanted):
    pattern = r"\d+".join(re.escape(part) for part in wanted.split("*"))
    return re.fullmatch(pattern, place) is not None


@pytest.mark.parametrize(
    ("forge", "wanted"), FORGED, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_forger_who_knows_the_form_is_found(flowers, flower_report, forge, wanted):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    wanted = wanted.replace("{w}", str(witnessed(document)))
    forge(document)
    followed(document)
    places = [place for place, _ in verify_report(document, models, X, y).failures]
    assert any(matches(place, wanted) for place in places), places


def a_count(document):
    document["models"][TREE]["summary"]["robust_proved"]["count"] += 1


def a_share(document):
    document["models"][TREE]["summary"]["accuracy"]["share"] = 0.5


def a_point_of_the_curve(document):
    document["models"][1]["summary"]["curve"][7]["proved"] += 0.01


def a_class(document):
    document["models"][TREE]["summary"]["classes"][2]["attacked"] += 1


def a_column(document):
    document["models"][TREE]["summary"]["columns"][0]["median_change"] *= 2


def the_headline(document):
    document["headline"] = "All is well."


def a_pair(document):
    document["comparison"][0]["p_value"] = 0.04


def a_limit(document):
    del document["limits"][0]


def a_state(document):
    document["models"][TREE]["rows"][witnessed(document)]["status"] = "bracket"


def another_key(document):
    document["models"][TREE]["summary"]["audited"] = True


COUNTED = [
    (a_count, "models[0].summary.robust_proved.count"),
    (a_share, "models[0].summary.accuracy.share"),
    (a_point_of_the_curve, "models[1].summary.curve[7].proved"),
    (a_class, "models[0].summary.classes[2].attacked"),
    (a_column, "models[0].summary.columns[0].median_change"),
    (the_headline, "headline"),
    (a_pair, "comparison[0].p_value"),
    (a_limit, "limits"),
    (a_state, "models[0].rows[{w}].status"),
    (another_key, "models[0].summary.audited"),
]


@pytest.mark.parametrize(
    ("forge", "place"), COUNTED, ids=lambda value: getattr(value, "__name__", "")
)
def test_numbers_that_do_not_follow_from_the_rows_are_found(flowers, flower_report, forge, place):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    place = place.replace("{w}", str(witnessed(document)))
    forge(document)
    document["sha256"] = own_hash(document)
    found = verify_report(document, models, X, y, proofs=False)
    assert place in dict(found.failures)


def test_any_accident_is_found_by_the_hash(flowers, flower_report):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    document["models"][0]["seconds"] = 0.01
    found = verify_report(document, models, X, y, proofs=False)
    assert [place for place, _ in found.failures] == ["sha256"]


def test_another_model_other_rows_and_other_labels_are_found(flowers, flower_report):
    X, y, models, _ = flowers
    other = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    failed = dict(verify_report(flower_report, models | {"tree": other}, X, y).failures)
    assert "models[0].predictions.sha256" in failed
    moved = X.copy()
    moved.iloc[0, 0] += 1e-12
    assert "data.X_sha256" in dict(verify_report(flower_report, models, moved, y).failures)
    renamed = y.copy()
    renamed[0] = "virginica"
    failed = dict(verify_report(flower_report, models, X, renamed, proofs=False).failures)
    assert {"data.y_sha256", "data.classes[0].n_rows"} <= failed.keys()


def test_an_honest_report_holds(flowers, flower_report):
    X, y, models, _ = flowers
    found = verify_report(flower_report, models, X, y)
    assert found.held and not found.failures
    assert sum("proved again" in check.what for check in found.checks) == 2
    assert all(check.n > 0 for check in found.checks)
    assert "Everything held." in str(found) and "yes" in found._repr_html_()
    one = verify_report(flower_report, {"tree": models["tree"]}, X, y, proofs=False)
    assert one.held and {check.model for check in one.checks} == {"", "tree"}
    assert "not proved again" in str(one)


def test_the_table_of_what_failed_names_places(flowers, flower_report):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    document["headline"] = "All is well."
    found = verify_report(document, models, X, y, proofs=False)
    assert not found.held
    assert "headline: is 'All is well.'; found 'Within 0.6" in str(found)
    table = found.to_dict()
    assert json.loads(json.dumps(table)) == table
    failed = [check["what"] for check in table["checks"] if not check["held"]]
    assert failed == ["form and hash of the file", "what follows from the rows"]


def test_a_witness_at_the_boundary_may_be_pushed_by_the_tolerance(flowers, flower_report):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    row = next(row for row in document["models"][1]["rows"] if row["status"] == "exact")
    names, clean = list(X.columns), X.iloc[[row["row"]]]
    places = [names.index(change["column"]) for change in row["changes"]]
    there = np.array([change["to"] for change in row["changes"]])
    back = np.array([change["from"] for change in row["changes"]]) - there
    witness = clean.copy()
    witness.iloc[0, places] = there + 9e-7 * back
    # As on a machine that sums in another order: it is no longer wrong.
    assert models["linear"].predict(witness)[0] == row["label"]
    for share, held in ((9e-7, True), (9e-3, False)):
        for change, to in zip(row["changes"], there + share * back, strict=True):
            change["to"] = to.item()
        found = verify_report(document, {"linear": models["linear"]}, X, y, proofs=False)
        asked = next(check for check in found.checks if check.what == "witnesses asked again")
        assert asked.held == held


def test_a_verifier_loads_no_attack_and_without_proofs_no_prover(flowers, flower_report, tmp_path):
    X, y, models, _ = flowers
    joblib.dump((models, X, y), tmp_path / "all.joblib")
    flower_report.write_json(tmp_path / "report.json")
    code = f"""
import sys, joblib
from specreg_sklearn.report import verify_report
models, X, y = joblib.load({str(tmp_path / "all.joblib")!r})
for proofs in (False, True):
    found = verify_report({str(tmp_path / "report.json")!r}, models, X, y, proofs=proofs)
    parts = {{m.split(".")[1] for m in sys.modules if m.startswith("specreg_sklearn.")}}
    print(found.held, sorted(parts & {{"attacks", "certificates", "metrics", "estimators"}}))
print(sorted({{"torch", "art", "skorch"}} & {{m.split(".")[0] for m in sys.modules}}))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["True []", "True ['certificates']", "[]"]


def cut(document):
    return json.dumps(document)[:-200]


def no_report(document):
    return json.dumps({"hello": 1})


def later_version(document):
    return json.dumps(document | {"schema_version": 2})


def part_removed(document):
    del document["models"][0]["rows"][2]["lower"]
    return json.dumps(document)


def wrong_kind(document):
    document["settings"]["random_state"] = "zero"
    return json.dumps(document)


def no_models(document):
    return json.dumps(document | {"models": []})


def no_space(document):
    document["threat_model"]["space"] = {"format": 1}
    return json.dumps(document)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (cut, r"report.json is not JSON, or was cut off, at line 1, column \d+.*as a whole"),
        (no_report, "report.json is JSON, but not a report"),
        (later_version, "has schema_version 2; this version of specreg-sklearn reads 1"),
        (part_removed, r"models\[0\].rows\[2\] has no 'lower'. Was a part of the file removed"),
        (wrong_kind, "'random_state' of settings is 'zero', which is of no use there"),
        (no_models, "holds no model"),
        (no_space, "threat_model.space of the report is no feature space"),
    ],
)
def test_what_is_no_report_is_refused(flowers, flower_report, tmp_path, write, message):
    X, y, models, _ = flowers
    path = tmp_path / "report.json"
    path.write_text(write(flower_report.to_dict()), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        verify_report(path, models, X, y)


def test_models_are_given_by_the_names_of_the_report(flowers, flower_report):
    X, y, models, _ = flowers
    with pytest.raises(ValueError, match=r"about 2 models, \['tree', 'linear'\].*a dict by name"):
        verify_report(flower_report, models["tree"], X, y)
    with pytest.raises(ValueError, match=r"has the names \['trees'\]; those of the report are"):
        verify_report(flower_report, {"trees": models["tree"]}, X, y)
    with pytest.raises(ValueError, match="columns in another order"):
        verify_report(flower_report, models, X.iloc[:, ::-1], y)
    with pytest.raises(TypeError, match="space=str is not a FeatureSpace"):
        verify_report(flower_report, models, X, y, space="all")


def test_reports_are_copies(flower_report):
    document = flower_report.to_dict()
    before = copy.deepcopy(document)
    document["models"][0]["rows"][0]["lower"] = 7
    assert flower_report.to_dict() == before


def test_a_witness_behind_a_threshold_at_zero_is_at_a_distance():
    rng = np.random.default_rng(0)
    X = np.c_[rng.choice([-3.0, 3.0], 200), rng.normal(size=200)]
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, X[:, 0] > 0)
    rows = np.c_[np.zeros(8), rng.normal(size=8)]
    labels = model.predict(rows)
    report = robustness_report(model, rows, labels, space=FeatureSpace.from_data(X), pool=X, eps=1)
    assert {row["status"] for row in report.to_dict()["models"][0]["rows"]} == {"exact"}
    assert verify_report(report, model, rows, labels).held
