"""Columns of True and False move as 0 and 1, where the user says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import certified_radius, robust_accuracy_score

FLAGS = [True, False, True, False, True, True]
GAPS = [True, False, None, False, True, True]
CONTAINERS = {
    "numpy": np.array(FLAGS)[:, None].repeat(2, axis=1),
    "objects": np.array([GAPS, FLAGS], dtype=object).T,
    "list": [[a, b] for a, b in zip(GAPS, FLAGS, strict=True)],
    "bool list": [[a, a] for a in FLAGS],
    "pandas": pd.DataFrame({"a": FLAGS, "b": FLAGS}),
    "pandas objects": pd.DataFrame({"a": pd.Series(GAPS, dtype=object), "b": FLAGS}),
    "boolean": pd.DataFrame({"a": pd.array(GAPS, dtype="boolean"), "b": FLAGS}),
    "pyarrow": pd.DataFrame({"a": pd.array(GAPS, dtype="bool[pyarrow]"), "b": FLAGS}),
    "polars": pl.DataFrame({"a": GAPS, "b": FLAGS}),
}


def column(X, j):
    """Return a column as Python objects; None where missing."""
    if isinstance(X, pl.DataFrame):
        cells = X.to_series(j).to_list()
    elif isinstance(X, pd.DataFrame):
        cells = list(X.iloc[:, j])
    else:
        cells = [row[j] for row in X]
    return [None if c is None or c is pd.NA else c for c in cells]


def dtypes(X):
    """Return the dtypes of a container's columns."""
    return [] if isinstance(X, list) else [*getattr(X, "dtypes", [getattr(X, "dtype", None)])]


@pytest.mark.parametrize("options", [{"mutable": [0]}, {"types": {0: "integer"}}])
@pytest.mark.parametrize("bounds", ["data", None, (-7, 7)])
@pytest.mark.parametrize("name", CONTAINERS)
def test_named_flags_move_and_stay_flags(name, options, bounds):
    X = CONTAINERS[name]
    space = FeatureSpace.from_data(X, bounds=bounds, scale=None, **options)
    assert space.kinds.tolist() == ["integer", "categorical"]
    assert (space.minimum[0], space.maximum[0]) == (0, 1)
    assert space.movable.tolist() == [0]
    Z = space.to_coordinates(X)
    old = column(X, 0)
    assert Z[:, 0].tolist() == [0.0 if c is None else float(c) for c in old]
    for step, new in [(0.4, None), (0.6, True), (9.0, True), (-0.4, None), (-0.6, False)]:
        moved = space.materialise(Z + step, X)
        wanted = [c if c is None or new is None else new for c in old]
        assert column(moved, 0) == wanted
        assert all(isinstance(c, (bool, np.bool_)) for c in column(moved, 0) if c is not None)
        assert column(moved, 1) == column(X, 1)
        assert isinstance(moved, type(X))
        assert dtypes(moved) == dtypes(X)
        flips = [float(a is not None and a != b) for a, b in zip(old, wanted, strict=True)]
        assert space.distances(moved, X).tolist() == flips


@pytest.mark.parametrize("name", CONTAINERS)
def test_flags_are_immutable_unless_they_are_named(name):
    X = CONTAINERS[name]
    space = FeatureSpace.from_data(X)
    assert space.kinds.tolist() == ["categorical"] * 2
    assert not space.mutable.any()
    first = "'a'" if space.names else "0"
    with pytest.raises(
        ValueError, match=rf"no column to move.*True and False \({first}, .*mutable"
    ):
        CGBA().run(Constant(), X, [1] * 6)


class Constant:
    def predict(self, X):
        return np.ones(len(X), dtype=int)


def test_indicators_of_get_dummies_flip():
    """The model asks for one job: the nearest row of another answer flips one or two flags."""
    rng = np.random.default_rng(0)
    X = pd.get_dummies(
        pd.DataFrame({"age": rng.uniform(20, 60, size=60), "job": rng.choice(list("abc"), size=60)})
    )
    assert {str(dtype) for dtype in X.dtypes[1:]} == {"bool"}
    y = X["job_a"].to_numpy().astype(int)
    model = DecisionTreeClassifier(random_state=0).fit(X, y)
    flags = [c for c in X if c != "age"]
    space = FeatureSpace.from_data(X, types=dict.fromkeys(flags, "integer"), scale=2.0)
    result = CGBA(max_queries=100).run(model, X, y, space=space)
    assert (result.status == "found").all()
    # One flag is half a unit.
    np.testing.assert_array_equal(result.distances, 0.5)
    pd.testing.assert_series_equal(result.X_adv["job_a"], ~X["job_a"])
    rest = ["age", "job_b", "job_c"]
    pd.testing.assert_frame_equal(result.X_adv[rest], X[rest], check_exact=True)
    assert robust_accuracy_score(model, X, y, eps=0.49, space=space) == 1
    assert robust_accuracy_score(model, X, y, eps=0.51, space=space) == 0


def test_an_array_of_flags_is_attacked():
    X = np.random.default_rng(0).random((40, 5)) < 0.5

    class Most:
        """True where at least three flags are set."""

        def predict(self, X):
            assert X.dtype == bool
            return (X.sum(axis=1) >= 3).astype(int)

    y = Most().predict(X)
    space = FeatureSpace.from_data(X, mutable=np.ones(5, dtype=bool), scale=None)
    result = CGBA(max_queries=300).run(Most(), X, y, space=space)
    assert result.X_adv.dtype == bool
    assert (result.status == "found").all()
    flips = (result.X_adv != X).sum(axis=1)
    np.testing.assert_allclose(result.distances, np.sqrt(flips), rtol=1e-12)
    assert (flips >= np.where(y == 1, X.sum(axis=1) - 2, 3 - X.sum(axis=1))).all()


def test_rows_of_flags_fit_a_space_of_whole_numbers():
    space = FeatureSpace.from_data(np.array([[0, 0], [1, 5]]), scale=None)
    X = np.array([[True, False]])
    assert space.materialise([[0.2, 3.0]], X).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="holds no numbers in column 0"):
        FeatureSpace.from_data(np.eye(2), scale=None).to_coordinates(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"types": {"b": "real"}}, "'real' for column 'b', which is bool; accepted: 'integer', wh"),
        ({"bounds": {"b": (0, 1)}}, "categorical column 'b'. It is bool: .*name it in mutable, or"),
        ({"types": {"b": "categorical"}, "mutable": ["b"]}, "includes 'b', which are categorical"),
        ({"mutable": ["b", "t"]}, "includes 't', which are categorical"),
        ({"types": {"t": "integer"}}, "'integer' for column 't', which does not hold numbers"),
    ],
)
def test_messages_name_the_flag_and_what_is_accepted(options, message):
    X = pd.DataFrame({"x": [0.0, 1.0], "b": [True, False], "t": ["a", "b"]})
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(X, **options)


def test_a_repair_sets_flags_alone_only_where_they_are_categorical():
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0], "b": [True, False, True]})

    def repair(moved, clean):
        return moved.assign(b=moved["x"] > 1)

    counted = FeatureSpace.from_data(X, mutable=["x", "b"], scale=None, repair=repair)
    assert counted.movable.tolist() == [0, 1]
    free = FeatureSpace.from_data(
        X, mutable=["x", "b"], types={"b": "categorical"}, scale=None, repair=repair
    )
    assert free.movable.tolist() == [0]
    moved = free.materialise([[0.5], [1.5], [0.0]], X)
    assert moved["b"].tolist() == [False, True, False]
    np.testing.assert_array_equal(free.distances(moved, X), [0.5, 0.5, 2])
    np.testing.assert_allclose(counted.distances(moved, X), [np.sqrt(1.25)] * 2 + [np.sqrt(5)])


def test_proofs_say_that_flags_are_immutable():
    X = np.random.default_rng(0).random((20, 3)) < 0.5
    model = LogisticRegression().fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"True and False \(0, 1, 2\) move as 0 and 1"):
        certified_radius(model, X, scale=None)
