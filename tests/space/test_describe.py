"""A space as a table, and as JSON that says the same again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specreg_sklearn import FeatureSpace
from tests.space._tables import COST, JOBS, loans, space_of

X, _ = loans(40)
OPTIONS = {
    "types": {"age": "integer"},
    "bounds": {"paid": (0, None)},
    "increase_only": ["age"],
    "cost": COST,
    "groups": {"job": JOBS},
    "rules": ["paid <= billed", "part + rest <= 100"],
}


def test_the_table_of_a_space():
    table = space_of(X).to_frame()
    assert table.index.tolist() == list(X)
    assert table["moves"].to_dict() == {
        name: "derived" if name == "share" else "no" if name == "city" else "yes" for name in X
    }
    std = X["income"].astype(float).std(ddof=0)
    assert np.isclose(table.loc["income", "one_up"], std / 3)
    assert np.isclose(table.loc["income", "one_down"], std / 0.5)
    assert np.isnan(table.loc["age", "one_down"]) and table.loc["age", "one_up"] > 0
    assert table.loc[JOBS, "group"].tolist() == ["job"] * 3
    assert (table.loc[JOBS, "swap"] == 1.5).all()
    assert table.loc["paid", ["low", "high"]].tolist() == [X["paid"].min(), X["paid"].max()]


def test_the_table_of_a_notebook_escapes_names():
    frame = pd.DataFrame({"<b>": [1.0, 2.0], "b": [2.0, 3.0]})
    shown = FeatureSpace.from_data(frame, rules=["`<b>` <= b"])._repr_html_()
    assert "<b>" not in shown and "&lt;b&gt;" in shown and "<li>`&lt;b&gt;` &lt;= b</li>" in shown


def test_json_says_the_same_again():
    large = X.assign(stamp=2**60 + np.arange(len(X)), rest=X["rest"])
    space = FeatureSpace.from_data(large, **OPTIONS)
    again = FeatureSpace.from_json(space.to_json())
    assert repr(again) == repr(space) and again.to_json() == space.to_json()
    pd.testing.assert_frame_equal(again.to_frame(), space.to_frame())
    Z = space.to_coordinates(large) + np.random.default_rng(0).normal(size=(40, 12))
    assert again.materialise(Z, large).equals(space.materialise(Z, large))


def test_json_holds_no_functions():
    for options, name in (
        ({"repair": lambda moved, clean: moved}, "repair"),
        ({"derived": {"share": lambda f: f["paid"] / f["billed"]}}, "derived"),
        ({"rules": [lambda f: f["paid"] >= 0]}, "rules that are functions"),
    ):
        with pytest.raises(ValueError, match=f"functions \\({name}\\) cannot be kept as JSON"):
            FeatureSpace.from_data(X, **options).to_json()
    with pytest.raises(ValueError, match="is not a feature space"):
        FeatureSpace.from_json("[1, 2]")
    with pytest.raises(ValueError, match="has the format 9; accepted: 1"):
        FeatureSpace.from_json('{"format": 9}')
