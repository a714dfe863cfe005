"""What a classifier reads, row by row, and what a move of a row does to that.

Steps in front of a classifier that are affine map a move of the movable cells to a move of its
inputs by a matrix, so that distances in front of them are distances behind them in other units, and
nothing is lost. Of other steps a Lipschitz constant is known: a ball of moves is then mapped into a
ball, which is all that can be said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    StepsInFront,
    check_underived,
    name_of_step,
    split_pipeline,
)
from specreg_sklearn.space import CleanRows, Norm, as_norm
from specreg_sklearn.tables import (
    CATEGORICAL,
    Table,
    cell_rounding,
    check_exact_numbers,
    check_fitted_columns,
    columns_read,
    complete_rows,
    holds_words,
    places_of,
)

_FLOAT64_UNIT, _FLOAT32_UNIT = 2.0**-53, 2.0**-24
# Room for the roundings of a matrix norm and of products with it.
_ABOVE = 1 + 2.0**-40


@dataclass(frozen=True, eq=False)
class ModelRows:
    """Rows as the last step of a model reads them, and moves of these rows.

    A move t, of length r in the norm of the moves, changes the values by ``slope @ t``.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_inputs), float64
        What the classifier reads.
    slope : ndarray of shape (n_inputs, n_moves), float64
        What a move does to the inputs, in units of the space.
    norm : Norm
        In which moves are measured; L2 where only a constant of the steps is known.
    error : ndarray of shape (n_rows,), float64
        How far the inputs that `predict` computes are from `values` at most, in L2.
    growth : float
        How much farther they are after a move, per unit of its length.
    unit : float
        Unit roundoff of the arithmetic that the classifier may use.
    exact : bool
        Whether a move of the classifier's inputs stands for one of the row, so that distances can
        be exact.
    farthest : float
        Moves up to this length stay in the range of the model's arithmetic.
    grain : ndarray of shape (n_rows, n_moves), float64, or None
        The step by which a cell moves; 0 where it moves by any number. None if all do.
    dearer : ndarray of shape (2, n_moves), float64, or None
        How many times its length a move costs, upwards and downwards; never less than once.
    asked : float
        Whether the label is kept up to here is all that is asked; infinite if it is the distance.
    """

    values: FloatArray
    slope: FloatArray
    norm: Norm
    error: FloatArray
    growth: float
    unit: float
    exact: bool
    farthest: float = np.inf
    grain: FloatArray | None = None
    dearer: FloatArray | None = None
    asked: float = np.inf

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def stretch(self) -> float:
        """How far, in L2, a move of length 1 carries the inputs at most."""
        from_l2 = float(self.norm.from_l2(np.ones(1), max(self.slope.shape[1], 1))[0])
        if not self.slope.size:
            return 0.0
        norms = np.linalg.norm(self.slope, axis=0)
        if np.count_nonzero(self.slope, axis=1).max() <= 1:
            # Each input follows one cell: columns of the matrix are orthogonal.
            size = float(norms.max())
            if self.norm.order == np.inf:
                return float(np.linalg.norm(norms)) * _ABOVE
            return size * _ABOVE
        if self.norm.order == 1:
            return float(norms.max()) * _ABOVE
        return float(np.linalg.norm(self.slope, 2)) * from_l2 * _ABOVE

    def slopes(self, directions: FloatArray) -> FloatArray:
        """Return ``directions @ slope``: how linear functions of the inputs change with moves."""
        return np.asarray(directions @ self.slope)

    def rates(self, directions: FloatArray) -> FloatArray:
        """Return how fast linear functions (..., n_inputs) of the inputs can change at most."""
        slopes = self.slopes(directions)
        flat = slopes.reshape(-1, slopes.shape[-1])
        return self.norm.dual.length(flat).reshape(slopes.shape[:-1])

    def take(self, some: IntArray) -> ModelRows:
        """Return some of the rows."""
        grain = None if self.grain is None else self.grain[some]
        return replace(self, values=self.values[some], error=self.error[some], grain=grain)

    def in_norm(self, norm: float) -> ModelRows:
        """Return the rows with moves that are measured in another norm."""
        return replace(self, norm=as_norm(norm))

    @property
    def enough(self) -> float:
        """A distance that is proved where all is proved that is asked: a little farther."""
        return self.asked * (1 + 1e-6)

    def asked_up_to(self, distance: float) -> ModelRows:
        """Return the rows for a proof that need not look beyond a distance."""
        return replace(self, asked=distance)

    def with_unit(self, unit: float) -> ModelRows:
        """Return the rows for a classifier that rounds by another unit."""
        return replace(self, unit=unit)

    def divided(self, units: FloatArray) -> ModelRows:
        """Return the rows with each input divided by a positive number, as a model does first."""
        if (units == 1).all():
            return self
        least = float(units.min())
        values = self.values / units
        rounded = 2 * self.unit * np.linalg.norm(values, axis=1)
        error = (self.error / least + rounded) * _ABOVE
        slope = self.slope / units[:, None]
        growth = (self.growth / least + 2 * self.unit * float(np.linalg.norm(slope))) * _ABOVE
        return replace(self, values=values, slope=slope, error=error, growth=growth)


def model_rows(
    estimator: Classifier,
    rows: CleanRows,
    norm: float,
    n_inputs: int | None,
    *,
    sparse_rows: bool = False,
) -> ModelRows:
    """Return what the last step of a fitted model reads of rows.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier, pipeline or search.
    rows : CleanRows
        Rows, bound to their space.
    norm : {1, 2, inf}
        The norm of moves.
    n_inputs : int or None
        How many columns the model reads where nothing is in front of it.
    sparse_rows : bool, default=False
        Whether the proof holds where steps hand on sparse rows.

    Raises
    ------
    NoCertificateError
        If a step has no certificate, or the space lets cells change that are no numbers.
    ValueError
        If a cell that is read is not a finite number, or columns are not those of the fit.
    """
    steps = split_pipeline(estimator)[0]
    table = rows.table
    check_fitted_columns(estimator, table)
    check_underived(rows.derives, bool(rows.choices))
    free = 0 if rows.repair is None else table.n_columns - len(rows.repair.fixed)
    moves_categories = any(holds_words(table, int(j)) for j in rows.columns)
    if moves_categories or free > len(rows.columns):
        raise NoCertificateError(
            "The feature space lets categorical columns change, which costs no distance; "
            "certificates are for moves of numeric columns."
        )
    if steps:
        found = _behind(estimator, steps, rows, norm, sparse_rows)
    else:
        found = _bare(estimator, rows, norm, n_inputs)
    if not found.exact or rows.repair is not None:
        # A repair may make anything of a move.
        return found
    return replace(found, grain=_grain(rows), dearer=rows.dearer(norm))


def _grain(rows: CleanRows) -> FloatArray | None:
    """Return the steps by which cells move, (n_rows, n_moves), where some are whole numbers."""
    whole = rows.integer & (rows.raw == np.rint(rows.raw))
    return np.where(whole, 1 / rows.scale, 0.0) if whole.any() else None


def _numbers(
    rows: CleanRows, place: IntArray, read: BoolArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return the cells that a model reads, what moves do to them, and their unit roundoff.

    `place` has the column of the table that each of its columns is, and `read` those that it reads.
    """
    table = rows.table
    cells = complete_rows(table, place, read, purpose="certificates", refusal=NoCertificateError)
    check_exact_numbers(table, cells, place, np.isin(place, rows.columns))
    slope = np.where(place[:, None] == rows.columns[None, :], rows.scale, 0.0)
    coarsest = cell_rounding(table, place).coarsest
    if coarsest > _FLOAT32_UNIT:
        raise NoCertificateError(
            "The model has no certificate for this X: cells are held in float16. Give X in float32 "
            "or float64."
        )
    if _chosen_by_the_other_factor(table, place):
        coarsest = _FLOAT32_UNIT
    return cells, slope, coarsest


def _chosen_by_the_other_factor(table: Table, place: np.ndarray) -> bool:
    """Return whether cells are whole numbers so short that fitted numbers choose the type."""
    kinds = [table.dtype(int(j)) for j in place if table.kind(int(j)) != CATEGORICAL]
    return all(kind.kind != "f" and kind.itemsize <= 2 for kind in kinds)


def _bare(estimator: Classifier, rows: CleanRows, norm: float, n_inputs: int | None) -> ModelRows:
    place = places_of(estimator, n_inputs, rows.table)
    cells, slope, unit = _numbers(rows, place, np.ones(len(place), dtype=bool))
    error = np.zeros(len(cells))
    return ModelRows(cells, slope, as_norm(norm), error, 0.0, unit, True)


def _behind(
    estimator: Classifier, steps: list[Any], rows: CleanRows, norm: float, sparse_rows: bool
) -> ModelRows:
    table, n_inputs = rows.table, getattr(steps[0], "n_features_in_", None)
    place = places_of(estimator, n_inputs, table)
    names = [name_of_step(estimator, step) for step in steps]
    front = StepsInFront(steps, names, np.isin(place, rows.columns))
    if not front.stages:
        return _bare(estimator, rows, norm, n_inputs)
    held = cell_rounding(table, place)
    if front.still is None:
        if n_inputs is None:
            place = places_of(estimator, front.n_inputs, table)
            held = cell_rounding(table, place)
        cells, slope, unit = _numbers(rows, place, columns_read(front.stages[0], len(place)))
    else:
        cells, slope, unit = _numbers(rows, place, front.still.read)
        X = rows.write(rows.raw, np.arange(len(rows)))
        cells, held = front.still.beside(cells, held, X, sparse_rows=sparse_rows)
        slope = np.pad(slope, ((0, cells.shape[1] - len(slope)), (0, 0)))
        unit = max(unit, held.coarsest)
    behind = front.apply(cells, slope, held, as_norm(norm))
    unit = unit if behind.in_float64 else _FLOAT32_UNIT
    exact = behind.slope is not None
    # Of other steps nothing is known but that they map balls into balls.
    ball = behind.constant * np.eye(behind.values.shape[1])
    return ModelRows(
        values=behind.values,
        slope=ball if behind.slope is None else behind.slope,
        norm=as_norm(norm if exact else 2),
        error=behind.error,
        growth=behind.growth,
        unit=unit,
        exact=exact,
        farthest=behind.farthest,
    )
