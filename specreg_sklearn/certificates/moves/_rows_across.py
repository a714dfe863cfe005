"""Rows behind a boundary that moves lead to, as far as `predict` sees them there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Predict, ask, same_labels

# A boundary is passed by so much, relative to the move, until `predict` has seen it.
_PAST = (0.0, 1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2)


class _Beyond(NamedTuple):
    """How much farther rows are taken once `predict` has seen them, relative to the move.

    Near a boundary rounding decides, and it depends on what else is asked: whoever asks for one row
    alone should not be told otherwise.
    """

    least: float
    factor: float
    most: float


_BEYOND, _BEYOND_SHORT = _Beyond(1e-13, 100, 1e-9), _Beyond(4e-6, 10, 1e-5)


def rows_across(
    predict: Predict,
    rows: CleanRows,
    labels: np.ndarray,
    move: FloatArray,
    norm: float,
    *,
    in_company: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Return the first rows on the way past the boundary that `predict` labels otherwise.

    Parameters
    ----------
    predict : callable
        The model.
    rows : CleanRows
        Clean rows.
    labels : ndarray of shape (n_rows,)
        What the model predicts for them.
    move : ndarray of shape (n_rows, n_movable)
        Moves to the boundary, in units of the space; NaN for rows without one.
    norm : float
        The norm of the distances.
    in_company : bool, default=False
        Whether rows have to keep their label among others: products of matrices round a row by
        what stands beside it, and a row on a boundary may fall to either side.

    Returns
    -------
    witness : ndarray of shape (n_rows, n_movable)
        Cells that the rows can hold, inside their boxes; NaN where none is confirmed.
    distance : ndarray of shape (n_rows,)
        Their distances; infinite where there is none.
    """
    witness, distance = np.full(rows.raw.shape, np.nan), np.full(len(rows), np.inf)

    def confirmed(past: float, some: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return cells of some rows, and which of them have another label."""
        cells = rows.raw[some] + move[some] * (1 + past) * rows.scale
        held = rows.settle(rows.fit(cells, *rows.box(some)), some)
        other = ~same_labels(ask(predict, rows.build(held, some), len(some)), labels[some])
        if in_company and other.any():
            cells, twice = np.concatenate([held, rows.raw[some]]), np.tile(some, 2)
            answers = ask(predict, rows.build(cells, twice), len(twice))[: len(some)]
            other &= ~same_labels(answers, labels[some])
        return held, other

    open_ = np.flatnonzero(np.isfinite(move).all(axis=1))
    beyond = _BEYOND_SHORT if rows.narrow else _BEYOND
    for past in _PAST:
        if not len(open_):
            break
        held, other = confirmed(past, open_)
        found, farther = open_[other], max(beyond.least, beyond.factor * past)
        if len(found) and farther <= beyond.most:
            there, still = confirmed(farther, found)
            held[np.flatnonzero(other)[still]] = there[still]
        witness[found] = held[other]
        distance[found] = rows.distance(held[other], found, norm)
        open_ = open_[~other]
    return witness, distance
