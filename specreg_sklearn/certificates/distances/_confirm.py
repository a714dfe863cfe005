"""Witnesses: rows with another label, which count once `predict` confirms them."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Predict, ask, same_labels


def confirmed_witnesses(
    predict: Predict, rows: CleanRows, labels: np.ndarray, known: FloatArray | None, norm: float
) -> tuple[FloatArray, FloatArray]:
    """Return those of the known rows that have another label, and how far they are.

    Parameters
    ----------
    predict : callable
        The model.
    rows : CleanRows
        Clean rows.
    labels : ndarray of shape (n_rows,)
        What the model predicts for them.
    known : ndarray of shape (n_rows, n_movable) or None
        Movable cells, whoever made them; NaN for rows without any.
    norm : float
        The norm of the distances.

    Returns
    -------
    witness : ndarray of shape (n_rows, n_movable)
        Cells that the rows can hold, inside their boxes; NaN where none is confirmed.
    distance : ndarray of shape (n_rows,)
        Their distances; infinite where there is none.
    """
    witness, distance = np.full(rows.raw.shape, np.nan), np.full(len(rows), np.inf)
    if known is None:
        return witness, distance
    given = np.asarray(known, dtype=np.float64)
    if given.shape != rows.raw.shape:
        raise ValueError(
            f"known has shape {given.shape}; accepted is {rows.raw.shape}, a row of movable cells "
            "for each row, NaN without one."
        )
    some = np.flatnonzero(~np.isnan(given).any(axis=1))
    if len(some):
        held = rows.settle(rows.fit(given[some].copy(), *rows.box(some)), some)
        answers = ask(predict, rows.build(held, some), len(some))
        other = ~same_labels(answers, labels[some])
        witness[some[other]] = held[other]
        distance[some[other]] = rows.distance(held[other], some[other], norm)
    return witness, distance
