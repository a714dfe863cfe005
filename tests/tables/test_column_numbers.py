"""Ranges and spreads of columns that are read in blocks, against numpy on whole columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from specreg_sklearn import FeatureSpace
from specreg_sklearn.tables import ColumnNumbers, _column_numbers, as_table, row_blocks

CONTAINERS = {
    "array": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "frame": pd.DataFrame,
    "frame of pieces": lambda X: pd.DataFrame(X).assign(more="text"),
    "polars": lambda X: pl.DataFrame(X, schema=list("abcd")),
}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    # Far from 0, so that a sum of squares without the mean would lose its digits.
    return rng.normal(size=(3000, 4)) * [1.0, 1e-3, 1e6, 1.0] + [0.0, 1e3, 0.0, 1e7]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(_column_numbers, "_BLOCK", 4 * 128)


def numbers_of(X, columns=4, whole=(), spreads=False):
    table = as_table(X)
    flags = np.isin(np.arange(table.n_columns), whole)
    return ColumnNumbers(table, np.arange(columns), flags, spreads=spreads)


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("gaps", [False, True])
def test_blocks_give_what_whole_columns_give(rows, container, gaps):
    if gaps:
        rows[::3, 1], rows[:200, 2] = np.nan, np.nan
    X = container(rows)
    seen = as_table(X).numbers(np.arange(4))
    found = numbers_of(X)
    np.testing.assert_array_equal(found.low[:4], np.nanmin(seen, axis=0))
    np.testing.assert_array_equal(found.high[:4], np.nanmax(seen, axis=0))
    np.testing.assert_allclose(found.stds(np.arange(4)), np.nanstd(seen, axis=0), rtol=1e-10)
    np.testing.assert_array_equal(found.column(1), seen[~np.isnan(seen[:, 1]), 1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_rows", [1, 3000])
def test_blocks_may_be_written_to(rows, order, n_rows):
    rows = np.array(rows[:n_rows], order=order)
    before = rows.copy()
    for _, block in row_blocks(as_table(rows), np.arange(4)):
        block[:] = 0.0
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("container", [*CONTAINERS.values(), sparse.csr_array])
def test_blocks_are_the_rows_in_their_order(rows, container):
    table = as_table(container(rows))
    columns = np.array([2, 0])
    parts = list(row_blocks(table, columns))
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in parts], axis=1), table.numbers(columns).T
    )
    assert [i for rows_, _ in parts for i in range(rows_.start, rows_.stop)] == list(range(3000))


@pytest.mark.parametrize("n_rows", [129, 3000, 64 * 40])
@pytest.mark.parametrize("gap", [False, True])
def test_a_long_array_is_read_as_it_lies(rows, n_rows, gap):
    rows = rows[:n_rows]
    if gap:
        rows[n_rows // 2, 3] = np.nan
    found, other = (numbers_of(X, spreads=True) for X in (rows, np.asfortranarray(rows)))
    np.testing.assert_array_equal(found.low, np.nanmin(rows, axis=0))
    np.testing.assert_array_equal(found.high, np.nanmax(rows, axis=0))
    np.testing.assert_allclose(found.stds(np.arange(4)), np.nanstd(rows, axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.stds(np.arange(4)), other.stds(np.arange(4)), rtol=1e-10)


def test_one_block_gives_the_bits_of_numpy(rows, monkeypatch):
    monkeypatch.setattr(_column_numbers, "_BLOCK", rows.size)
    peak = np.abs(rows).max(axis=0)
    wanted = [np.std(column) * p for column, p in zip((rows / peak).T.copy(), peak, strict=True)]
    np.testing.assert_array_equal(numbers_of(rows).stds(np.arange(4)), wanted)


def test_huge_and_tiny_numbers_have_a_spread(rows):
    rows = (rows - rows.mean(axis=0)) / np.abs(rows - rows.mean(axis=0)).max(axis=0)
    for factor in (1e307, 1e-300):
        for spreads in (False, True):
            found = numbers_of(rows * factor, spreads=spreads).stds(np.arange(4))
            np.testing.assert_allclose(found / factor, rows.std(axis=0), rtol=1e-10)


def test_what_is_empty_constant_or_broken_is_told(rows):
    rows[:, 0], rows[:, 1] = np.nan, 0.1
    rows[:, 2:] = np.round(rows[:, 2:])
    rows[2999, 3] += 0.5
    found = numbers_of(rows, whole=(2, 3))
    np.testing.assert_array_equal(found.empty, [True, False, False, False])
    np.testing.assert_array_equal(found.broken, [False, False, False, True])
    assert (found.low[0], found.high[0], len(found.column(0))) == (0.0, 0.0, 0)
    np.testing.assert_array_equal(found.stds(np.array([0, 1])), 0.0)


@pytest.mark.parametrize("scale", ["std", "range", "iqr", "mad"])
def test_text_beside_numbers_has_no_spread(rows, scale):
    frame = pd.DataFrame(rows, columns=list("abcd")).assign(text="x")
    space = FeatureSpace.from_data(frame, scale=scale)
    alone = FeatureSpace.from_data(rows, scale=scale)
    # A long array is added up in another order than the columns of a frame.
    np.testing.assert_allclose(space.scale[:4], alone.scale, rtol=1e-10)
    assert space.scale[4] == 1.0


def test_infinite_cells_and_fractions_in_a_late_block_are_refused(rows):
    rows[2999, 2] = np.inf
    with pytest.raises(ValueError, match="infinite values in column 2"):
        FeatureSpace.from_data(rows)
    rows[2999, 2] = 0.5
    with pytest.raises(ValueError, match="type 'integer' but holds fractions"):
        FeatureSpace.from_data(np.round(rows) + (rows == 0.5) / 2, types={2: "integer"})
