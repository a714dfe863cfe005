"""Witnesses of models that have gradients: shorter moves than those that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients._row_margins import RowMargins
from specreg_sklearn.certificates.gradients._short_moves import (
    Moves,
    directions_to_try,
    moves_across,
    shortened_moves,
)
from specreg_sklearn.certificates.moves import rows_across
from specreg_sklearn.space import CleanRows, Norm, as_norm
from specreg_sklearn.tables import Predict

# Directions that are tried beside the gradient: of rows with few columns, and with many.
_FEW_COLUMNS, _RANDOM, _RANDOM_IF_MANY = 256, 8, 2
# Units that the first moves go at most.
_FARTHEST = 1e3


def nearer_witnesses(
    predict: Predict,
    rows: CleanRows,
    labels: np.ndarray,
    margins: RowMargins,
    witness: FloatArray,
    upper: FloatArray,
    norm: float,
    starts: Sequence[FloatArray] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return witnesses of rows and their distances, none of them farther than before.

    Parameters
    ----------
    predict : callable
        The model.
    rows : CleanRows
        The rows.
    labels : ndarray of shape (n_rows,)
        What the model predicts for them.
    margins : callable
        From moves in units of the space, and whose they are, to margins and gradients.
    witness : ndarray of shape (n_rows, n_movable)
        What is known of them: movable cells, NaN where nothing is.
    upper : ndarray of shape (n_rows,)
        Their distances.
    norm : {1, 2, inf}
        The norm of distances.
    starts : sequence of ndarray of shape (n_starts, n_movable), or None
        Moves of each row to begin with; None tries the gradient, and directions around it.

    Returns
    -------
    witness, upper
        As they came in, or nearer ones, which `predict` has confirmed.
    """
    measure, n = as_norm(norm), len(rows)
    low, high = (np.broadcast_to(end, witness.shape) for end in rows.box(np.arange(n)))
    low, high = ((end - rows.raw) / rows.scale for end in (low, high))
    if rows.repair is not None:
        # What a repair makes of a row need not lie inside the bounds.
        low, high = np.full(low.shape, -np.inf), np.full(high.shape, np.inf)
    first = _first_moves(margins, low.shape, measure) if starts is None else starts
    owner = np.repeat(np.arange(n), [len(part) for part in first])
    tried = Moves(np.concatenate([*first, low[:0]]), owner, low[owner], high[owner])
    across = moves_across(margins, tried, measure)
    known = np.flatnonzero(~np.isnan(witness).any(axis=1))
    found = Moves((witness - rows.raw)[known] / rows.scale, known, low[known], high[known])
    across = Moves(*(np.concatenate(parts) for parts in zip(across, found, strict=True)))
    shorter, lengths = shortened_moves(margins, across, measure)
    # The shortest one of each row is written last.
    order = np.argsort(-lengths, kind="stable")
    moves = np.full(witness.shape, np.nan)
    moves[across.owner[order]] = shorter[order]
    cells, distance = rows_across(predict, rows, labels, moves, norm)
    nearer = distance < upper
    return np.where(nearer[:, None], cells, witness), np.where(nearer, distance, upper)


def _first_moves(margins: RowMargins, shape: tuple[int, int], norm: Norm) -> FloatArray:
    """Return moves to where a linear margin would be zero, down the gradient and beside it."""
    n_rows, n_moves = shape
    value, slope = margins(np.zeros(shape), np.arange(n_rows))
    n_random = _RANDOM if n_moves <= _FEW_COLUMNS else _RANDOM_IF_MANY
    directions = directions_to_try(slope, norm, n_random)
    rate = np.maximum(np.abs((directions * slope[:, None]).sum(axis=2)), 1e-12)
    return directions * np.minimum(value[:, None] / rate, _FARTHEST)[..., None]
