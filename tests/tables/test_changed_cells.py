"""Cells that differ, and copies with some written, in every container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from specreg_sklearn.tables import changed_cells, column_cells, with_cells

WHOLE, REAL, WORD = [1, 2, 2**62 + 1], [0.1, 0.25, 3.0], ["a", None, "c"]
CONTAINERS = {
    "array": np.array([WHOLE[:2], WHOLE[:2]], dtype=float).T,
    "float32": np.array([REAL, REAL], dtype=np.float32),
    "integers": np.array([WHOLE, WHOLE]),
    "objects": np.array([WHOLE, WORD], dtype=object).T,
    "list": [[1, 0.5, "a"], [2, 1.5, "b"]],
    "image": np.arange(12.0).reshape(2, 3, 2),
    "pandas": pd.DataFrame({"n": WHOLE, "x": REAL, "w": WORD}, index=[7, 8, 9]),
    "nullable": pd.DataFrame({"n": pd.array([1, None, 3], "Int64"), "b": [True, False, True]}),
    "category": pd.DataFrame({"c": pd.Categorical(["a", "b", "a"]), "x": REAL}),
    "polars": pl.DataFrame({"n": WHOLE, "x": REAL, "w": WORD}),
}


def first_change(X):
    """Return a value for the cell in row 1 and column 0 that its column can hold."""
    before = column_cells(X, 0)[1]
    return "a" if isinstance(before, str) else 5 if before is None or before == 2 else 4.0


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_written_is_what_differs(name):
    X = CONTAINERS[name]
    new, before = first_change(X), column_cells(X, 0)
    out = with_cells(X, {(1, 0): new})
    assert changed_cells(X, out) == {(1, 0): (before[1], new)}
    assert column_cells(X, 0) == before
    assert type(out) is type(X)
    if isinstance(X, np.ndarray):
        assert out.dtype == X.dtype and out.shape == X.shape
    if isinstance(X, pd.DataFrame):
        assert (out.dtypes == X.dtypes).all() and out.index.equals(X.index)
    if isinstance(X, pl.DataFrame):
        assert out.schema == X.schema


@pytest.mark.parametrize("name", CONTAINERS)
def test_nothing_differs_from_a_copy_missing_cells_included(name):
    assert changed_cells(CONTAINERS[name], with_cells(CONTAINERS[name], {})) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("float32", 0.1), ("integers", 0.5), ("nullable", 0.5), ("category", "z"), ("polars", 0.5)],
)
def test_a_value_that_a_column_cannot_hold_as_it_is_is_refused(name, value):
    with pytest.raises((ValueError, TypeError)):
        with_cells(CONTAINERS[name], {(1, 0): value})


def test_large_whole_numbers_are_told_apart():
    X = CONTAINERS["pandas"]
    assert changed_cells(X, with_cells(X, {(2, 0): 2**62})) == {(2, 0): (2**62 + 1, 2**62)}
