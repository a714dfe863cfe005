"""Witnesses of models that have gradients: shorter moves than those that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients._first_moves import first_moves, parts_of_moves
from specreg_sklearn.certificates.gradients._region_moves import shortest_in_regions
from specreg_sklearn.certificates.gradients._room import Room, room_of
from specreg_sklearn.certificates.gradients._row_margins import DenseMargins, RowMargins
from specreg_sklearn.certificates.gradients._short_moves import (
    Moves,
    moves_across,
    shortened_moves,
)
from specreg_sklearn.certificates.moves import rows_across
from specreg_sklearn.space import CleanRows, as_norm
from specreg_sklearn.tables import Predict


def nearer_witnesses(
    predict: Predict,
    rows: CleanRows,
    labels: np.ndarray,
    margins: RowMargins,
    witness: FloatArray,
    upper: FloatArray,
    norm: float,
    unit: float,
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
    unit : float
        Unit roundoff of the arithmetic of `predict`.
    starts : sequence of ndarray of shape (n_starts, n_movable), or None
        Moves of each row to begin with; None tries the gradient, and directions around it.

    Returns
    -------
    witness, upper
        As they came in, or nearer ones, which `predict` has confirmed.
    """
    measure, n = as_norm(norm), len(rows)
    open_end = np.full(witness.shape, np.inf)
    low, high = room_of(rows) or Room(-open_end, open_end)
    known = np.flatnonzero(~np.isnan(witness).any(axis=1))
    found = Moves((witness - rows.raw)[known] / rows.scale, known, low[known], high[known])
    if starts is None:
        tried = first_moves(margins, low, high, measure)
    else:
        owner = np.repeat(np.arange(n), [len(part) for part in starts])
        tried = Moves(np.concatenate([*starts, low[:0]]), owner, low[owner], high[owner])
        tried = tried.joined(parts_of_moves(found))
    across = moves_across(margins, tried, measure)
    across = across._replace(low=low[across.owner], high=high[across.owner]).joined(found)
    shorter, lengths = shortened_moves(margins, across, measure)
    # The shortest one of each row is written last.
    order = np.argsort(-lengths, kind="stable")
    moves = np.full(witness.shape, np.nan)
    moves[across.owner[order]] = shorter[order]
    if starts is not None and isinstance(margins, DenseMargins) and margins.has_regions:
        some = np.flatnonzero(~np.isnan(moves).any(axis=1))
        found = Moves(moves[some], some, low[some], high[some])
        moves[some] = shortest_in_regions(margins, found, measure)
    cells, distance = rows_across(predict, rows, labels, moves, norm, unit)
    nearer = distance < upper
    return np.where(nearer[:, None], cells, witness), np.where(nearer, distance, upper)
