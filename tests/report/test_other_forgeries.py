"""Forgeries by the form of the file, and every single value of a report changed."""

import copy
import json
import math

import pytest

from specreg_sklearn.report import verify_report
from specreg_sklearn.report.document import own_hash
from tests.report._forging import followed

# What cannot be computed from models and data; a check says so itself.
ON_TRUST = {
    "created", "versions", "warnings", "seconds", "n_queries", "n_nodes", "found_by",
    "pickle_sha256", "eps_from", "feature_names", "pool_sha256", "attack", "max_nodes",
}  # fmt: skip
# These follow from the rows, are made again below, and have tests of their own.
FOLLOWS = {"headline", "limits", "comparison", "summary", "sha256"}
# Smaller lower bounds are true as well.
WEAKER = 0.99


def some_row(document):
    """Return the place of a row with a witness, and the row."""
    rows = document["models"][0]["rows"]
    k = next(k for k, row in enumerate(rows) if row["status"] == "exact")
    return f"models[0].rows[{k}]", rows[k]


def a_cell_goes_missing(document):
    at, row = some_row(document)
    row["changes"][0]["to"] = None
    return f"{at}.changes"


def a_word_for_a_number(document):
    at, row = some_row(document)
    row["changes"][0]["to"] = "far"
    return f"{at}.changes"


def beyond_the_bounds(document):
    at, row = some_row(document)
    row["changes"][0]["to"] = 1e4 * math.copysign(1, row["changes"][0]["to"])
    return f"{at}.changes"


def against_the_direction(document):
    """The second column may only grow."""
    at, row = some_row(document)
    clean = document["threat_model"]["columns"][1]
    assert clean["one_down"] is None
    row["changes"] = [{"column": clean["column"], "from": row["changes"][0]["from"], "to": -1.0}]
    return f"{at}.changes"


def a_negative_distance(document):
    at, row = some_row(document)
    row["lower"] = -row["lower"]
    return f"{at}.lower"


def a_dearer_price(document):
    document["threat_model"]["columns"][3]["one_up"] /= 4
    return "threat_model.columns[3].one_up"


def an_open_bound(document):
    document["threat_model"]["columns"][2]["high"] = None
    return "threat_model.columns[2].high"


def other_unit_in_words(document):
    document["threat_model"]["units"] = "standard deviations"
    return "threat_model.units"


def a_column_that_moves(document):
    document["threat_model"]["columns"][0]["moves"] = "yes"
    return "threat_model.columns[0].moves"


def a_rule_that_is_not_asked(document):
    document["threat_model"]["rules"].append("petal width <= petal length")
    return "threat_model.rules"


def an_interval(document):
    document["models"][0]["summary"]["robust_proved"]["interval"][0] += 0.01
    return "models[0].summary.robust_proved.interval[0]"


def a_difference(document):
    document["comparison"][0]["interval"][1] -= 0.01
    return "comparison[0].interval[1]"


def an_example(document):
    document["models"][0]["summary"]["examples"].reverse()
    return "models[0].summary.examples[0]"


def a_share_of_a_column(document):
    document["models"][0]["summary"]["columns"][0]["share"] += 0.01
    return "models[0].summary.columns[0].share"


def the_number_of_columns(document):
    document["data"]["n_columns"] = 5
    return "data.n_columns"


def a_class_that_was_measured(document):
    document["data"]["classes"][1]["n_measured"] += 1
    return "data.classes[1].n_measured"


def a_parameter_of_no_model(document):
    document["models"][0]["parameters"]["hardened"] = "True"
    return "models[0].parameters.hardened"


def a_proof_by_another_name(document):
    document["models"][0]["proof"] = "audited"
    return "models[0].proof"


def a_reason_for_no_proof(document):
    document["models"][0]["unproved"] = "It is too large."
    return "models[0].unproved"


def a_seal(document):
    document["certified_by"] = "the authorities"
    return "certified_by"


def a_seal_on_a_row(document):
    at, row = some_row(document)
    row["audited"] = True
    return f"{at}.audited"


def a_seal_on_the_settings(document):
    document["settings"]["independent"] = True
    return "settings.independent"


FORGED = [
    a_cell_goes_missing, a_word_for_a_number, beyond_the_bounds, against_the_direction,
    a_negative_distance, a_dearer_price, an_open_bound, other_unit_in_words, a_column_that_moves,
    a_rule_that_is_not_asked, the_number_of_columns, a_class_that_was_measured,
    a_parameter_of_no_model, a_proof_by_another_name, a_reason_for_no_proof, a_seal,
    a_seal_on_a_row, a_seal_on_the_settings, an_interval, a_difference, an_example,
    a_share_of_a_column,
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_it_is_found_at_its_place(flowers, flower_report, forge):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    place = forge(document)
    if not any(part in place for part in FOLLOWS):
        followed(document)
    document["sha256"] = own_hash(document)
    failed = dict(verify_report(document, models, X, y, proofs=False).failures)
    assert place in failed, failed


def infinite(document):
    document["threat_model"]["columns"][2]["high"] = math.inf


def not_a_number(document):
    document["models"][0]["rows"][2]["lower"] = math.nan


def a_column_twice(document):
    _, row = some_row(document)
    row["changes"] *= 2


def a_model_twice(document):
    document["models"].append(copy.deepcopy(document["models"][0]))


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (infinite, r"threat_model.columns\[2\].high is inf, and no number that JSON knows"),
        (not_a_number, r"models\[0\].rows\[2\].lower is nan"),
        (a_column_twice, r"models\[0\].rows\[\d+\].changes has 'petal \w+' twice"),
        (a_model_twice, "two models are called 'tree'"),
    ],
)
def test_it_is_refused_with_its_place(flowers, flower_report, tmp_path, forge, message):
    X, y, models, _ = flowers
    document = flower_report.to_dict()
    forge(document)
    (tmp_path / "report.json").write_text(json.dumps(document))
    for report in (document, tmp_path / "report.json"):
        with pytest.raises(ValueError, match=message):
            verify_report(report, models, X, y)


def test_two_headlines_are_refused(flowers, flower_report, tmp_path):
    X, y, models, _ = flowers
    text = json.dumps(flower_report.to_dict())
    (tmp_path / "report.json").write_text('{"headline": "All is well.", ' + text[1:])
    with pytest.raises(ValueError, match="the key 'headline' twice"):
        verify_report(tmp_path / "report.json", models, X, y)


def places_in(value, path=()):
    """Yield the path of each value of plain data, and of one more key or entry for each part."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places_in(part, (*path, key))
        yield (*path, "one more")
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from places_in(part, (*path, i))
        if value:
            yield (*path, len(value))
    else:
        yield path


def others(value):
    """Return values of other content than this one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)) and value:
        return [WEAKER * value, 1.01 * value, value + 1, -value, None]
    return [f"{value}x"] if isinstance(value, str) else ["x", 0.5]


def changed_reports(report):
    """Yield the path of a value and a report in which it is another one."""
    fixed = [k for k, c in enumerate(report["threat_model"]["columns"]) if c["moves"] == "no"]
    for path in places_in(report):
        if {*path} & (ON_TRUST | FOLLOWS):
            continue
        if path[:2] == ("threat_model", "space") and path[-1] in fixed:
            continue  # nothing is said of where a column that stays would move
        if path[2:3] == ("rows",) and len(path) > 4 and path[3] % 4:
            continue
        part = report
        for key in path[:-1]:
            part = part[key]
        new = [True] if path[-1] == "one more" else None
        if isinstance(part, list) and path[-1] == len(part):
            new = [copy.deepcopy(part[0])]
        for value in others(part[path[-1]]) if new is None else new:
            if path[-1] == "lower" and value == WEAKER * part["lower"] and not part["changes"]:
                continue
            document = copy.deepcopy(report)
            inner = document
            for key in path[:-1]:
                inner = inner[key]
            if isinstance(inner, list) and path[-1] == len(inner):
                inner.append(value)
            else:
                inner[path[-1]] = value
            yield path, document


@pytest.mark.slow
def test_every_value_that_is_changed_is_found(flowers, flower_report):
    X, y, models, _ = flowers
    missed, n = [], 0
    for path, document in changed_reports(flower_report.to_dict()):
        n += 1
        try:
            followed(document)
        except (TypeError, KeyError, ValueError, ZeroDivisionError, AttributeError):
            document["sha256"] = own_hash(document)
        try:
            found = verify_report(document, models, X, y, proofs=False)
            if found.held:
                found = verify_report(document, models, X, y)
            assert found.held or all(place for place, _ in found.failures)
        except ValueError as error:
            assert str(error)
            continue
        if found.held:
            missed.append(path)
    assert n > 500
    assert missed == []
