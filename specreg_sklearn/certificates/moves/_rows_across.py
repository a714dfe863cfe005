"""Rows behind a boundary that moves lead to, as far as `predict` sees them there."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Predict, ask, same_labels

# A boundary is passed by so much, relative to the move, until `predict` has seen it.
_PAST = (0.0, 1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2)


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
    open_ = np.flatnonzero(np.isfinite(move).all(axis=1))
    for past in _PAST:
        if not len(open_):
            break
        cells = rows.raw[open_] + move[open_] * (1 + past) * rows.scale
        held = rows.settle(rows.fit(cells, *rows.box(open_)), open_)
        answers = ask(predict, rows.build(held, open_), len(open_))
        other = ~same_labels(answers, labels[open_])
        if in_company and other.any():
            cells, twice = np.concatenate([held, rows.raw[open_]]), np.tile(open_, 2)
            answers = ask(predict, rows.build(cells, twice), len(twice))[: len(open_)]
            other &= ~same_labels(answers, labels[open_])
        witness[open_[other]] = held[other]
        distance[open_[other]] = rows.distance(held[other], open_[other], norm)
        open_ = open_[~other]
    return witness, distance
