"""Whole numbers beyond 2**53 move both ways, unit by unit, and their distances are exact."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump
from specreg_sklearn.metrics import certified_radius

DRAW = np.random.default_rng(0)
NUMBERS = {
    "nanoseconds": [1_600_000_000_000_000_000 + int(k) for k in DRAW.integers(0, 10**9, 12)],
    "top": [2**63 - 1 - int(k) for k in [*DRAW.integers(0, 50, 11), 0]],
    "bottom": [-(2**63) + int(k) for k in [*DRAW.integers(0, 50, 11), 0]],
    "unsigned top": [2**64 - 1 - int(k) for k in [*DRAW.integers(0, 50, 11), 0]],
    "one is large": [3, 5, 2**53 + 1, *[int(k) for k in DRAW.integers(0, 1000, 9)]],
    "all": [-(2**63), 2**63 - 1, *[int(k) for k in DRAW.integers(-(2**63), 2**63 - 1, 10)]],
    "all unsigned": [0, 2**64 - 1, *[int(k) for k in DRAW.integers(0, 2**63 - 1, 10)]],
}
NARROW = ["nanoseconds", "top", "bottom", "unsigned top", "one is large"]


def frame(dtype):
    return lambda v, kind: pd.DataFrame({"t": pd.array([None, *v[1:]], dtype=dtype(kind))})


CONTAINERS = {
    "array": lambda v, kind: np.array(v, dtype=kind)[:, None],
    "list": lambda v, kind: [[k] for k in v],
    "objects": lambda v, kind: np.array([None, *v[1:]], dtype=object)[:, None],
    "pandas": lambda v, kind: pd.DataFrame({"t": np.array(v, dtype=kind)}),
    "mixed": lambda v, kind: pd.DataFrame({"t": np.array(v, dtype=kind), "s": "a"}),
    "pandas objects": lambda v, kind: pd.DataFrame({"t": pd.Series([None, *v[1:]], dtype=object)}),
    "nullable": frame(lambda kind: {"int64": "Int64", "uint64": "UInt64"}[kind]),
    "pyarrow": frame(lambda kind: f"{kind}[pyarrow]"),
    "polars": lambda v, kind: pl.DataFrame(
        {"t": pl.Series([None, *v[1:]], dtype={"int64": pl.Int64, "uint64": pl.UInt64}[kind])}
    ),
}


def whole(X):
    """Return the first column as Python numbers; None where missing."""
    if isinstance(X, pd.DataFrame):
        cells = list(X["t"])
    elif isinstance(X, pl.DataFrame):
        cells = X["t"].to_list()
    else:
        cells = [row[0] for row in X]
    return [None if c is None or c is pd.NA else int(c) for c in cells]


@pytest.mark.parametrize("bounds", ["data", None])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_steps_are_exact(name, container, bounds):
    v = NUMBERS[name]
    kind = "uint64" if max(v) >= 2**63 else "int64"
    X = CONTAINERS[container](v, kind)
    space = FeatureSpace.from_data(X, bounds=bounds, scale=None)
    space = pickle.loads(pickle.dumps(space))
    rows, old = space.bind(X), whole(X)
    owner, present = np.arange(len(v)), [k for k in old if k is not None]
    low, high = min(present), max(present)
    if bounds is None:
        low, high = (0, 2**64 - 1) if kind == "uint64" else (-(2**63), 2**63 - 1)
    assert whole(space.materialise(rows.x, X)) == old
    for step in [1, -1, 7, -300, 10**6, -(10**12), 10**18, -(10**18), 1.8e19, -1.8e19, 1e30]:
        raw = rows.snap(rows.x + step, owner)
        moved = rows.build(raw, owner)
        distance = rows.distance(raw, owner, 2)
        for a, b, d in zip(old, whole(moved), distance.tolist(), strict=True):
            if a is None:
                assert b is None and d == 0
                continue
            assert low <= b <= high
            assert abs(Fraction(d) - abs(b - a)) <= abs(b - a) * Fraction(1, 2**52)
            if name in NARROW and abs(step) <= 1e12:
                assert b == min(max(a + int(step), low), high)
        np.testing.assert_allclose(space.distances(moved, X), distance, rtol=2e-16)
        # A row does not depend on its neighbours.
        part = rows.take(np.array([3, 1]))
        some = part.snap(part.x + step, np.arange(2))
        assert whole(part.build(some, np.arange(2))) == [whole(moved)[3], whole(moved)[1]]


@pytest.mark.parametrize(
    ("attack", "container", "scale"),
    [
        (CGBA, "array", None),
        (CGBA, "mixed", "std"),
        (CGBA, "nullable", "std"),
        (CGBA, "polars", None),
        (HopSkipJump, "array", "std"),
    ],
)
def test_time_stamps_are_attacked_both_ways(attack, container, scale):
    """The only boundary is at `cut`, so the distance of every row is known to the nanosecond."""
    stamps = np.random.default_rng(1).integers(0, 10**9, 30) + 1_600_000_000_000_000_000
    cut = int(np.sort(stamps)[15])

    class After:
        def predict(self, X):
            return np.array([k is not None and k >= cut for k in whole(X)]).astype(int)

    kind = CONTAINERS[container](stamps.tolist(), "int64")
    # The first row of some containers has no time.
    X, t = kind[1:], stamps[1:]
    y = (t >= cut).astype(int)
    space = FeatureSpace.from_data(X, scale=scale, mutable=[0])
    result = attack(max_queries=200).run(After(), X, y, space=space)
    assert (result.status == "found").all()
    exact = np.where(y == 1, t - cut + 1, cut - t)
    moved = np.array(whole(result.X_adv)) - t
    assert (np.abs(moved) >= exact).all()
    np.testing.assert_allclose(np.abs(moved), exact, rtol=1e-3)
    np.testing.assert_allclose(result.distances, np.abs(moved) / space.scale[0], rtol=1e-15)


def test_units_do_not_depend_on_the_offset():
    small = np.array([[0], [10], [700]])
    for offset in (2**60, -(2**62)):
        large = FeatureSpace.from_data(small + offset, scale="std")
        np.testing.assert_allclose(large.scale, FeatureSpace.from_data(small).scale, rtol=1e-15)
        assert FeatureSpace.from_data(small + offset, scale="range").scale[0] == 700
        # Neighbours that share a float64 have room.
        assert FeatureSpace.from_data(small[:2] + offset).movable.tolist() == [0]


def test_bounds_keep_every_digit():
    X = np.array([[2**62 + 100], [2**62 + 200]])
    for bounds in (
        (2**62 + 1, 2**62 + 301),
        {0: (2**62 + 1, 2**62 + 301)},
        (np.array([2**62 + 1]), np.array([2**62 + 301])),
        ([2**62 + 1], [np.int64(2**62 + 301)]),
    ):
        space = FeatureSpace.from_data(X, bounds=bounds, scale=None)
        Z = space.to_coordinates(X)
        assert (space.materialise(Z - 999, X) == 2**62 + 1).all()
        assert (space.materialise(Z + 999, X) == 2**62 + 301).all()
    space = FeatureSpace.from_data(X, bounds={0: (None, 2**62 + 0.0)}, scale=None)
    assert space.materialise(Z + 999, X).tolist() == X.tolist()
    assert space.materialise(Z - 2.0**61, X)[0, 0] < 2**61 + 2**60


def test_rows_may_be_larger_than_those_of_the_space():
    space = FeatureSpace.from_data(np.array([[0], [9]]), bounds=None, scale=None)
    X = np.array([[2**61 + 1], [5]])
    Z = space.to_coordinates(X)
    assert space.materialise(Z, X).tolist() == X.tolist()
    assert space.materialise(Z + np.array([[2.0**20], [1.0]]), X).tolist() == [
        [2**61 + 1 + 2**20],
        [6],
    ]
    assert space.distances(X + np.array([[3], [4]]), X).tolist() == [3, 4]


def test_columns_that_are_not_named_keep_their_digits():
    X = pd.DataFrame({"t": [2**62 + 1, 2**62 + 3], "x": [0.5, 1.5]})
    space = FeatureSpace.from_data(X, mutable=["x"])
    moved = space.materialise([[0.0], [9.0]], X)
    assert moved["t"].tolist() == X["t"].tolist()


def test_a_repair_of_large_numbers():
    def even(moved, clean):
        moved[:, 0] -= moved[:, 0] % 2
        return moved

    X = np.array([[2**62, 5], [2**62 + 400, 7]])
    space = FeatureSpace.from_data(X, scale=None, repair=even)
    moved = space.materialise(space.to_coordinates(X) + np.array([[5.0, 0.0], [-5.0, 0.0]]), X)
    assert moved.tolist() == [[2**62 + 4, 5], [2**62 + 394, 7]]


def test_floats_do_not_fit_a_space_of_large_numbers():
    X = np.array([[2**62], [2**62 + 400]])
    space = FeatureSpace.from_data(X, scale=None)
    with pytest.raises(ValueError, match=r"X_adv holds no whole numbers in column 0.*to int64"):
        space.distances(X.astype(float), X)
    with pytest.raises(ValueError, match="starts holds no whole numbers in column 0"):
        CGBA(starts=X.astype(float)).run(Parity(), X, [0, 0], space=space)
    small = FeatureSpace.from_data(np.array([[0], [9]]), scale=None)
    with pytest.raises(ValueError, match=r"Column 0 holds whole numbers beyond 2\*\*53 in X"):
        small.distances(X.astype(float), X)


class Parity:
    def predict(self, X):
        return np.asarray(X)[:, 0].astype(int) % 2


def test_proofs_refuse_what_float64_rounds():
    """Steps of 1 from 2**60 are steps of 0 or 256 to a model that computes in float64."""
    X = np.column_stack([2**60 + 1000 * np.arange(40), np.arange(40)])
    y = (np.arange(40) > 20).astype(int)
    model = LogisticRegression().fit(X - [2**60, 0], y)
    with pytest.raises(ValueError, match=r"Column 0 of X holds whole numbers beyond 2\*\*52"):
        certified_radius(model, X, scale=None)
    space = FeatureSpace.from_data(X, mutable=[1])
    # All that can be reached is asked: no row has another label, and the proof says so.
    reached = np.column_stack([np.repeat(X[:, 0], 40), np.tile(np.arange(40), 40)])
    assert len(set(model.predict(reached).tolist())) == 1
    assert np.isinf(certified_radius(model, X, space=space)).all()
    assert np.isfinite(certified_radius(model, X.astype(float), scale=None)).all()
