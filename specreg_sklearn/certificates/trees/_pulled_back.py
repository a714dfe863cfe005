"""Thresholds behind the steps of a pipeline as thresholds in front of them.

Steps that keep the order of numbers keep it in floating point, too. So there is a largest number
that is still mapped to a threshold or below, and bisection over the numbers that a cell can hold
finds it, on the very `transform` that the pipeline calls. Where a step has no number for a cell, as
a logarithm below zero, it is looked for among those for which it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import config_context

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees._cell_grid import CellGrid, keep_to_numbers
from specreg_sklearn.certificates.trees._followed_steps import CONSTANT, follow
from specreg_sklearn.certificates.trees.readers import LEAF, NUMERIC, TreeSum
from specreg_sklearn.tables import Table, as_table, column_label

# Numbers beside a threshold that are tried as well, in units of the last place.
_BESIDE = (1, 2, 3, 5, 8, 13, 21, 34, 55)
# Whole numbers up to here can have a million fractions behind them.
_EXACT_FRACTIONS = 2**32
_REACHES = (np.inf, 1e100, 1e30, 1e12)


class Transformed:
    """Rows as the last step of a pipeline sees them."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps

    def __call__(self, X: Any, *, finite: bool = True) -> FloatArray:
        """Return the rows behind the steps; unless they are `finite`, nobody looks whether."""
        with np.errstate(all="ignore"), config_context(assume_finite=not finite):
            for step in self.steps:
                X = step.transform(X)
        return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)


def before_steps(
    trees: TreeSum, steps: list[Any], like: Any
) -> tuple[TreeSum, np.ndarray, FloatArray]:
    """Return trees behind steps as trees on the columns in front, which are fixed, and a range.

    Parameters
    ----------
    trees : TreeSum
        What the last step computes.
    steps : list of transformer
        The fitted steps in front of it.
    like : array-like or DataFrame
        Rows of X, at least one: the container, and the types of its cells, which thresholds depend
        on.

    Returns
    -------
    trees : TreeSum
        Its columns are those of X, and then the constants that the steps make of fixed columns.
    fixed : ndarray of shape (n_columns,), bool
        Columns of X that constants are made of.
    reach : ndarray of shape (2, n_columns), float64
        The least and the largest number of each column for which this holds; infinite if for all.
    """
    table: Table = as_table(like)
    transformed = Transformed(steps)
    n_in, n_out = table.n_columns, trees.n_columns
    source, fixed = follow(steps, n_in)
    if len(source) != n_out:
        raise NoCertificateError(
            f"{trees.name} reads {n_out} columns, but the steps in front of it seem to make "
            f"{len(source)}. The pipeline has no certificate."
        )
    nodes = trees.nodes
    fixed, source = fixed.copy(), source.copy()
    # Columns that the trees take for categories are constants as well.
    of_category = np.unique(nodes.column[(nodes.category_set != NUMERIC) & (nodes.column != LEAF)])
    known = of_category[source[of_category] >= 0]
    fixed[source[known]] = True
    source[known] = CONSTANT
    column = np.where(nodes.column == LEAF, 0, nodes.column)
    moved = np.flatnonzero((nodes.column != LEAF) & (source[column] >= 0))
    pairs = np.column_stack([nodes.column[moved], nodes.threshold[moved]])
    tests, whose = np.unique(pairs, axis=0, return_inverse=True)
    output, cut = tests[:, 0].astype(np.int64), tests[:, 1]
    pulled, reach = _within_range(table, transformed, source[output], output, cut)
    whole = np.array([table.dtype(j).kind in "iub" for j in source[output].tolist()], dtype=bool)
    pulled = _told_apart(pulled, output, cut, whole)
    threshold = nodes.threshold.copy()
    threshold[moved] = pulled[whose.ravel()]
    new = np.where(source >= 0, source, n_in + np.arange(n_out))
    moved_nodes = replace(
        nodes, column=np.where(nodes.column == LEAF, LEAF, new[column]), threshold=threshold
    )
    categorical = np.zeros(n_in + n_out, dtype=bool)
    categorical[n_in + of_category] = True
    encoder = _Encoder(transformed, source, output, cut, pulled, trees.encode)
    return (
        replace(
            trees,
            nodes=moved_nodes,
            n_columns=n_in + n_out,
            categorical=categorical,
            encode=encoder,
            scores=None,
        ),
        fixed,
        reach,
    )


class _Encoder:
    """Rows in front of the steps as numbers: cells of X, and what the steps make of fixed ones."""

    def __init__(
        self,
        transformed: Transformed,
        source: IntArray,
        output: IntArray,
        cut: FloatArray,
        pulled: FloatArray,
        encode: Callable[[Any], FloatArray] | None,
    ) -> None:
        self.transformed, self.source, self.encode = transformed, source, encode
        self.output, self.cut, self.pulled = output, cut, pulled

    def __call__(self, X: Any) -> FloatArray:
        table: Table = as_table(X)
        behind = self.transformed(X)
        if self.encode is not None:
            behind = self.encode(behind)
        numbers = np.full((table.n_rows, table.n_columns), np.nan)
        tested = np.unique(self.source[self.output])
        numbers[:, tested] = table.numbers(tested)
        for j in tested.tolist():
            gaps = np.flatnonzero(np.isnan(numbers[:, j]))
            if len(gaps):
                numbers[gaps, j] = self._filled(behind[gaps], j)
        return np.column_stack([numbers, behind])

    def _filled(self, behind: FloatArray, j: int) -> FloatArray:
        """Return numbers that pass the same tests as what a step puts into gaps of a column."""
        out = np.full(len(behind), np.inf)
        for o in np.flatnonzero(self.source == j).tolist():
            mine = self.output == o
            cut, pulled = self.cut[mine], self.pulled[mine]
            order = np.argsort(cut)
            place = np.searchsorted(cut[order], behind[:, o], side="left")
            out = np.minimum(out, np.append(pulled[order], np.inf)[place])
            out[np.isnan(behind[:, o])] = np.nan
        return out


def _told_apart(
    pulled: FloatArray, output: IntArray, cut: FloatArray, whole: BoolArray
) -> FloatArray:
    """Return thresholds of which those in columns of whole numbers are all different.

    Several tests may lie between two whole numbers, and mean the same to all cells but gaps, which
    an imputer puts between them: 2.3 passes one at 2.5, and not one at 2.1.
    """
    order = np.lexsort((cut, pulled, output))
    some = order[whole[order] & (np.abs(pulled[order]) < _EXACT_FRACTIONS)]
    if not len(some):
        return pulled
    first = np.ones(len(some), dtype=bool)
    first[1:] = (np.diff(output[some]) != 0) | (np.diff(pulled[some]) != 0)
    group = np.cumsum(first) - 1
    place = np.arange(len(some)) - np.flatnonzero(first)[group]
    apart = pulled.copy()
    apart[some] += place / np.bincount(group)[group]
    return apart


def _within_range(
    table: Table, transformed: Transformed, column: IntArray, output: IntArray, cut: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return thresholds in front of the steps, and the range in which the steps give numbers."""
    for reach in _REACHES:
        try:
            return _largest_below(table, transformed, column, output, cut, reach)
        except ValueError:
            # Powers of huge numbers are not finite, and some steps refuse that.
            continue
    return _largest_below(table, transformed, column, output, cut, _REACHES[-1] / 1e6)


def _largest_below(
    table: Table,
    transformed: Transformed,
    column: IntArray,
    output: IntArray,
    cut: FloatArray,
    reach: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the largest numbers in columns that outputs map to a threshold or below, and a range.

    The range, (2, n_columns of the table), is that in which the steps give numbers.
    """
    within = np.tile([[-reach], [reach]], table.n_columns)
    if not len(cut):
        return np.zeros(0), within
    columns, place = np.unique(column, return_inverse=True)
    place = place.ravel()
    order = np.argsort(place, kind="stable")
    begins = np.searchsorted(place[order], np.arange(len(columns)))
    row = np.empty(len(cut), dtype=np.int64)
    row[order] = np.arange(len(cut)) - begins[place[order]]
    n_rows = int(row.max()) + 1
    grids = [CellGrid(table.dtype(j), reach) for j in columns.tolist()]
    within[:, columns] = _kept_to_numbers(table, transformed, columns, place, output, grids)
    owner = np.zeros(n_rows, dtype=np.int64)
    every = np.ones((n_rows, len(columns)), dtype=bool)

    def passes(rank: IntArray) -> np.ndarray:
        raw = np.zeros((n_rows, len(columns)))
        for k, grid in enumerate(grids):
            mine = place == k
            raw[row[mine], k] = grid.number(rank[mine])
        behind = transformed(table.write(owner, columns, raw, every), finite=False)
        return np.asarray(behind[row, output] <= cut)

    low = np.array([grids[k].ends[0] for k in place])
    high = np.array([grids[k].ends[1] for k in place])
    never, always = ~passes(low), passes(high)
    while True:
        open_ = (low < high - 1) & ~never & ~always
        if not open_.any():
            break
        # Halves first: the difference of the ends does not fit.
        middle = low // 2 + high // 2 + (low % 2 + high % 2) // 2
        passed = passes(middle)
        low, high = np.where(open_ & passed, middle, low), np.where(open_ & ~passed, middle, high)
    _check_beside(passes, low, high, never | always, table, column)
    found = np.array([grids[k].number(low[i : i + 1])[0] for i, k in enumerate(place)])
    return np.where(never, -np.inf, np.where(always, np.inf, found)), within


def _kept_to_numbers(
    table: Table,
    transformed: Transformed,
    columns: IntArray,
    place: IntArray,
    output: IntArray,
    grids: list[CellGrid],
) -> FloatArray:
    """Keep grids of columns to cells for which the steps have numbers; return their ends.

    `place` has the position among `columns` that each tested output comes from.
    """
    owner = np.zeros(len(columns), dtype=np.int64)
    alone = np.eye(len(columns), dtype=bool)
    tested = np.zeros((len(columns), int(output.max()) + 1), dtype=bool)
    tested[place, output] = True

    def gives_numbers(rank: IntArray) -> BoolArray:
        raw = np.zeros((len(columns), len(columns)))
        np.fill_diagonal(raw, [grid.number(rank[k : k + 1])[0] for k, grid in enumerate(grids)])
        behind = transformed(table.write(owner, columns, raw, alone), finite=False)
        return np.asarray(~(np.isnan(behind[:, : tested.shape[1]]) & tested).any(axis=1))

    return keep_to_numbers(grids, table.numbers(columns), gives_numbers)


def _check_beside(
    passes: Callable[[IntArray], np.ndarray],
    low: IntArray,
    high: IntArray,
    settled: np.ndarray,
    table: Table,
    column: IntArray,
) -> None:
    """Raise if numbers beside a threshold are not on the side where they belong."""
    for steps in _BESIDE:
        wrong = (~passes(low - steps) | passes(high + steps)) & ~settled
        if wrong.any():
            j = int(column[np.flatnonzero(wrong)[0]])
            raise NoCertificateError(
                f"The steps in front of the trees do not keep the order of numbers in column "
                f"{column_label(j, table.names)}, not even beside a threshold. The pipeline has no "
                "certificate."
            )
