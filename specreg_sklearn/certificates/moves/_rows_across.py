"""Rows behind a boundary that moves lead to, as far as `predict` sees them there."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Predict, ask, same_labels

# A boundary is passed by so much, relative to the move, until `predict` has seen it.
_PAST = (0.0, 1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2)

# How far rounding reaches behind a boundary: so many unit roundoffs of `predict`, relative to the
# row or the move, whichever is longer, and at least and at most so much of the move. Within it an
# answer depends on what else is asked, so rows are taken beyond it: whoever asks for one of them
# alone should not be told otherwise.
_ROUNDINGS, _LEAST_REACH, _LARGEST_REACH = 64, 1e-13, 1e-2
# Where a boundary was found so many times farther than that, rounding is not why.
_MOST = 100


def rows_across(
    predict: Predict,
    rows: CleanRows,
    labels: np.ndarray,
    move: FloatArray,
    norm: float,
    unit: float,
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
    unit : float
        Unit roundoff of the arithmetic of `predict`.

    Returns
    -------
    witness : ndarray of shape (n_rows, n_movable)
        Cells that the rows can hold, inside their boxes; NaN where none is confirmed.
    distance : ndarray of shape (n_rows,)
        Their distances; infinite where there is none.
    """
    witness, distance = np.full(rows.raw.shape, np.nan), np.full(len(rows), np.inf)

    def confirmed(past: FloatArray, some: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return cells of some rows, and which of them have another label."""
        cells = rows.raw[some] + move[some] * (1 + past[:, None]) * rows.scale
        held = rows.settle(rows.fit(cells, *rows.box(some)), some)
        other = ~same_labels(ask(predict, rows.build(held, some), len(some)), labels[some])
        return held, other

    open_ = np.flatnonzero(np.isfinite(move).all(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.linalg.norm(rows.raw / rows.scale, axis=1) / np.linalg.norm(move, axis=1)
    reach = np.clip(_ROUNDINGS * unit * np.fmax(size, 1), _LEAST_REACH, _LARGEST_REACH)
    for past in _PAST:
        if not len(open_):
            break
        held, other = confirmed(np.full(len(open_), past), open_)
        found = open_[other]
        farther = np.maximum(reach[found], 10 * past)
        by_rounding = np.flatnonzero(farther <= _MOST * reach[found])
        if len(by_rounding):
            there, still = confirmed(farther[by_rounding], found[by_rounding])
            held[np.flatnonzero(other)[by_rounding[still]]] = there[still]
        witness[found] = held[other]
        distance[found] = rows.distance(held[other], found, norm)
        open_ = open_[~other]
    return witness, distance
