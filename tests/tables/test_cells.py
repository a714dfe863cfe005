"""Cells that do not move are the user's own, in every dtype: for model and user."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace

N = 6
NAN = float("nan")
DAY = datetime.date(2020, 2, 29)


class Thing:
    """Something of the user's own."""


def objects(*cells):
    """Return a column of objects as they are."""
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return pd.Series(column, dtype=object)


PANDAS = {
    "mixed": objects("a", None, NAN, decimal.Decimal("1.5"), DAY, Thing()),
    "text": objects("a", "b", None, "c", "", "a"),
    "dates": objects(*[DAY] * N),
    "stamps": objects(*[pd.Timestamp("2020-01-01", tz="Asia/Tokyo")] * N),
    "lists": objects([1], [], [1, 2], [None], ["x"], [1]),
    "dicts": objects(*[{"a": k} for k in range(N)]),
    "arrays": objects(*[np.arange(k) for k in range(N)]),
    "bytes": objects(*[b"\x00"] * N),
    "flags": objects(True, False, None, True, True, False),
    "numpy_bool": pd.Series([True, False] * 3),
    "boolean": pd.array([True, None, False] * 2, dtype="boolean"),
    "bool[pyarrow]": pd.array([True, None, False] * 2, dtype="bool[pyarrow]"),
    "default_text": pd.Series(list("abcabc")),
    "string[python]": pd.array(["a", None, ""] * 2, dtype="string[python]"),
    "string[pyarrow]": pd.array(["a", None, ""] * 2, dtype="string[pyarrow]"),
    "category": pd.Categorical(["u", None, "v"] * 2, categories=["w", "v", "u"], ordered=True),
    "numbers_as_category": pd.Categorical([1, 2, 3] * 2, categories=[3, 2, 1, 0]),
    "datetime64[s]": pd.Series(pd.date_range("2020", periods=N)).astype("datetime64[s]"),
    "datetime64[ns]": pd.Series(pd.date_range("2020", periods=N)).astype("datetime64[ns]"),
    "time_zone": pd.Series(pd.date_range("2020", periods=N, tz="Europe/Paris")),
    "timedelta": pd.Series(pd.to_timedelta([1, None, 3, 4, 5, 6], unit="s")),
    "period": pd.Series(pd.period_range("2020", periods=N, freq="M")),
    "interval": pd.Series(pd.interval_range(0, N)),
    "sparse": pd.arrays.SparseArray([0.0, 1, 0, NAN, 2, 0]),
    "sparse_bool": pd.arrays.SparseArray([True, False] * 3),
    "complex": np.arange(N) * 1j,
    "Int64": pd.array([2**63 - 1, None, -(2**63)] * 2, dtype="Int64"),
    "UInt64": pd.array([2**64 - 1, None, 0] * 2, dtype="UInt64"),
    "Float32": pd.array([0.1, None, -0.0] * 2, dtype="Float32"),
    "float32": np.array([0.1, np.nan, -0.0, 1, 2, 3], dtype=np.float32),
    "uint8": np.arange(N, dtype=np.uint8),
    "int64[pyarrow]": pd.array([2**63 - 1, None, 1] * 2, dtype="int64[pyarrow]"),
    "date32": pd.array([DAY, None] * 3, dtype=pd.ArrowDtype(pa.date32())),
    "decimal": pd.array([decimal.Decimal("1.50")] * N, dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
    "list[pyarrow]": pd.array([[1], None] * 3, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "timestamp[pyarrow]": pd.array(
        [datetime.datetime(2020, 1, 1)] * N, dtype=pd.ArrowDtype(pa.timestamp("ms"))
    ),
}
POLARS = {
    "Categorical": pl.Series(["a", None, "b"] * 2, dtype=pl.Categorical),
    "Enum": pl.Series(["a", None, "b"] * 2, dtype=pl.Enum(["c", "b", "a"])),
    "Date": pl.Series([DAY, None] * 3),
    "Datetime": pl.Series([datetime.datetime(2020, 1, 1)] * N).cast(pl.Datetime("ms")),
    "time_zone": pl.Series([datetime.datetime(2020, 1, 1)] * N).dt.replace_time_zone("Asia/Tokyo"),
    "Duration": pl.Series([datetime.timedelta(1)] * N),
    "Time": pl.Series([datetime.time(1)] * N),
    "Decimal": pl.Series([decimal.Decimal("1.50")] * N, dtype=pl.Decimal(10, 2)),
    "List": pl.Series([[1], None, [], [2], [3], [4, 5]]),
    "Array": pl.Series([[1, 2]] * N, dtype=pl.Array(pl.Int8, 2)),
    "Struct": pl.Series([{"a": 1, "b": "x"}] * N),
    "Null": pl.Series([None] * N),
    "Binary": pl.Series([b"a"] * N),
    "String": pl.Series(["a", None, ""] * 2),
    "Boolean": pl.Series([True, None, False] * 2),
    "UInt64": pl.Series([2**64 - 1, None, 0] * 2, dtype=pl.UInt64),
    "Float32": pl.Series([0.1, None, -0.0] * 2, dtype=pl.Float32),
}
INDEXES = {
    "range": pd.RangeIndex(N),
    "named": pd.Index(list("abcdef"), name="row"),
    "twice": pd.Index([1, 1, 2, 2, 2, 3]),
    "dates": pd.date_range("2020", periods=N, freq="D"),
    "levels": pd.MultiIndex.from_arrays([list("aabbcc"), range(N)], names=["x", None]),
}


class Spy:
    """A model that looks at column "x" only and remembers the frames it was given."""

    def __init__(self):
        self.seen = []

    def predict(self, X):
        self.seen.append(X)
        return positive(X)


def positive(X):
    first = X.to_series(0) if isinstance(X, pl.DataFrame) else X.iloc[:, 0]
    return (first.to_numpy() > 0).astype(int)


def attacked(X):
    """Return what the model saw, and the adversarial rows, when only the first column may move."""
    model, y = Spy(), positive(X)
    space = FeatureSpace.from_data(X, mutable=[0], scale=None)
    result = CGBA(max_queries=60).run(model, X, y, space=space)
    assert result.success.all() and (result.status == "found").any()
    return model.seen, result.X_adv


def assert_same_objects(new, old):
    for a, b in zip(new, old, strict=True):
        assert a is b


@pytest.mark.parametrize("name", PANDAS)
def test_the_model_and_the_user_get_the_cells_of_a_frame(name):
    X = pd.DataFrame({"x": np.linspace(-1, 1, N), name: PANDAS[name]})
    seen, X_adv = attacked(X)
    for frame in [*seen, X_adv]:
        assert frame[name].dtype == X[name].dtype
    if X[name].dtype == object:
        clean = {id(cell) for cell in X[name]}
        assert all(id(cell) in clean for frame in seen for cell in frame[name])
        assert_same_objects(X_adv[name], X[name])
    else:
        pd.testing.assert_series_equal(X_adv[name], X[name], check_exact=True)
        if X[name].dtype == np.float32:
            np.testing.assert_array_equal(np.signbit(X_adv[name]), np.signbit(X[name]))


def test_a_frame_of_everything_keeps_what_stands_around_the_cells():
    X = pd.DataFrame({"x": np.linspace(-1, 1, N), **PANDAS})
    X.attrs["source"] = {"file": "x.csv"}
    _, X_adv = attacked(X)
    rest = X.columns[1:]
    pd.testing.assert_frame_equal(
        X_adv[rest].drop(columns="arrays"), X[rest].drop(columns="arrays"), check_exact=True
    )
    assert_same_objects(X_adv["arrays"], X["arrays"])
    assert X_adv.attrs == X.attrs


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("uniform", [False, True])
def test_index_columns_and_attributes_come_back(index, uniform):
    X = pd.DataFrame({"x": np.linspace(-1, 1, N), "y": 1.5})
    if not uniform:
        X["y"] = objects("a", None, 1, NAN, DAY, b"")
    X.index = INDEXES[index]
    X.columns = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["top", "low"])
    X.attrs["unit"] = "m"
    _, X_adv = attacked(X)
    pd.testing.assert_index_equal(X_adv.index, X.index, exact=True)
    pd.testing.assert_index_equal(X_adv.columns, X.columns, exact=True)
    pd.testing.assert_series_equal(X_adv[("b", 2)], X[("b", 2)], check_exact=True)
    assert X_adv.attrs == X.attrs
    assert X_adv.attrs is not X.attrs


@pytest.mark.parametrize("name", PANDAS)
def test_a_repair_gets_the_cells_of_a_frame(name):
    """Some rows move and others do not: both kinds are put together again."""
    X = pd.DataFrame({"x": np.linspace(-1, 1, N), name: PANDAS[name]})

    def repair(moved, clean):
        assert moved[name].dtype == clean[name].dtype == X[name].dtype
        return moved

    space = FeatureSpace.from_data(X, mutable=["x"], bounds=None, scale=None, repair=repair)
    Z = space.to_coordinates(X)
    Z[::2] += 1
    moved = space.materialise(Z, X)
    assert moved["x"].tolist() == (X["x"] + [1, 0] * 3).tolist()
    if X[name].dtype == object:
        assert moved[name].dtype == object
        assert_same_objects(moved[name], X[name])
    else:
        pd.testing.assert_series_equal(moved[name], X[name], check_exact=True)


def test_objects_that_are_numbers_move_and_the_others_stay():
    X = pd.DataFrame({"n": objects(1, 2.5, None, 4, -3, 0.5), "t": objects(*"ab", None, *"abc")})
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    moved = space.materialise(space.to_coordinates(X) + 1, X)
    assert moved["n"].tolist() == [2, 3.5, None, 5, -2, 1.5]
    assert [type(c) for c in moved["n"]] == [int, float, type(None), int, int, float]
    assert moved["n"].dtype == moved["t"].dtype == object
    assert_same_objects(moved["t"], X["t"])


@pytest.mark.parametrize("name", POLARS)
def test_the_model_and_the_user_get_the_cells_of_a_polars_frame(name):
    X = pl.DataFrame({"x": np.linspace(-1, 1, N)}).with_columns(POLARS[name].alias(name))
    seen, X_adv = attacked(X)
    assert all(frame.schema == X.schema for frame in seen)
    assert X_adv.schema == X.schema
    assert X_adv[name].equals(X[name], null_equal=True)


def test_objects_of_a_polars_frame_stay():
    cells = [Thing(), None, {"a": 1}, "x", 1, [2]]
    X = pl.DataFrame({"x": np.linspace(-1, 1, N)})
    X = X.with_columns(pl.Series("o", cells, dtype=pl.Object))
    _, X_adv = attacked(X)
    assert X_adv.schema == X.schema
    assert_same_objects(X_adv["o"].to_list(), cells)


def test_lists_keep_true_and_false():
    """numpy makes 1.0 of True beside a float."""
    X = [[0.5, True, 3], [1.5, False, 2**53 + 1]]
    space = FeatureSpace.from_data(X, bounds=None, scale=None, mutable=[0])
    moved = space.materialise(space.to_coordinates(X) + 1, X)
    assert moved == [[1.5, True, 3], [2.5, False, 2**53 + 1]]
    assert [type(c) for c in moved[0]] == [float, bool, int]


def test_lists_keep_whole_numbers_of_both_halves_of_64_bits():
    X = [[0], [2**64 - 1], [2**63 + 1]]
    space = FeatureSpace.from_data(X, scale=None)
    assert space.materialise(space.to_coordinates(X), X) == X
