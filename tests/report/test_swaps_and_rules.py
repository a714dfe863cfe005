"""A report on a frame whose words are swapped, whose flags move as a group, and that has a rule."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.report import robustness_report, verify_report
from specreg_sklearn.report.document import follow_up, own_hash

FLAGS = ["job_farm", "job_office", "job_shop"]
ROWS = "models[0].rows"


@pytest.fixture(scope="module")
def bills():
    """Bills, the fitted pipeline and the report on them."""
    rng = np.random.default_rng(0)
    job = rng.integers(0, 3, 300)
    frame = pd.DataFrame({"billed": rng.uniform(10, 100, 300)})
    frame["paid"] = frame["billed"] * rng.uniform(0.2, 1, 300)
    frame["plan"] = rng.choice(["basic", "plus", "gold"], 300)
    for k, name in enumerate(FLAGS):
        frame[name] = (job == k).astype(int)
    worth = frame["paid"] / 50 + 0.8 * (frame["plan"] == "gold") + 0.7 * (job == 1)
    y = np.where(worth > 1.2, "good", "bad")
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough"),
        DecisionTreeClassifier(max_depth=4, random_state=0),
    ).fit(frame, y)
    space = FeatureSpace.from_data(
        frame,
        categories={"plan": 0.3},
        groups={"job": FLAGS},
        rules=["paid <= billed"],
        cost={"job": 0.4},
    )
    attack = CGBA(max_queries=60)
    settings = {"space": space, "eps": 0.5, "attack": attack, "max_samples": 10, "max_nodes": 50}
    report = robustness_report(model, frame, y, **settings)
    return frame, y, model, json.loads(json.dumps(report.to_dict()))


def rows_that(document, *columns):
    """Return the places of the rows whose witness moves just these columns."""
    rows = enumerate(document["models"][0]["rows"])
    return [k for k, row in rows if {c["column"] for c in row["changes"]} == set(columns)]


def flags_of(row):
    """Return the changes of a row that belong to the group."""
    return [change for change in row["changes"] if change["column"] in FLAGS]


def failures(bills, document):
    """Return what is found after all that follows from the rows was made to fit again."""
    parts = follow_up(document)
    for model, summary in zip(document["models"], parts.pop("summaries"), strict=True):
        model["summary"] = summary
    document |= parts
    document["sha256"] = own_hash(document)
    frame, y, model, _ = bills
    return dict(verify_report(document, model, frame, y, proofs=False).failures)


def test_it_holds_with_its_proofs_and_no_space_at_hand(bills):
    frame, y, model, document = bills
    assert verify_report(document, model, frame, y).held


def test_witnesses_swap_words_move_groups_and_numbers(bills):
    document = bills[-1]
    moved = {c["column"] for row in document["models"][0]["rows"] for c in row["changes"]}
    assert {"paid", "plan", "job_office"} <= moved


@pytest.mark.parametrize(
    ("word", "why"), [("plus", "right|answer"), ("platinum", "none of the values"), (None, "none")]
)
def test_another_word_in_a_swap_is_found(bills, word, why):
    document = copy.deepcopy(bills[-1])
    rows = document["models"][0]["rows"]
    k = next(k for k in rows_that(document, "plan") if rows[k]["changes"][0]["to"] != word)
    rows[k]["changes"][0]["to"] = word
    assert re.search(why, failures(bills, document)[f"{ROWS}[{k}].changes"])


def test_a_cheaper_swap_is_found(bills):
    document = copy.deepcopy(bills[-1])
    k = rows_that(document, "plan")[0]
    row = document["models"][0]["rows"][k]
    row["upper"], row["lower"] = 0.9 * row["upper"], 0.9 * row["lower"]
    assert set(failures(bills, document)) == {f"{ROWS}[{k}].upper"}


def test_half_a_group_is_found(bills):
    document = copy.deepcopy(bills[-1])
    rows = document["models"][0]["rows"]
    k = next(k for k, row in enumerate(rows) if flags_of(row))
    rows[k]["changes"].remove(flags_of(rows[k])[0])
    assert "outside the bounds" in failures(bills, document)[f"{ROWS}[{k}].changes"]


def test_a_broken_rule_is_found(bills):
    document = copy.deepcopy(bills[-1])
    k = rows_that(document, "paid")[0]
    row = document["models"][0]["rows"][k]
    billed = float(bills[0]["billed"][row["row"]])
    row["changes"][0]["to"] = billed + 0.5
    assert "rules of the threat model" in failures(bills, document)[f"{ROWS}[{k}].changes"]
