"""Moves that a search begins with: down the gradient, beside it, and with some cells held."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients._row_margins import RowMargins
from specreg_sklearn.certificates.gradients._short_moves import Moves
from specreg_sklearn.space import L2, Norm

# Directions beside the gradient, and smaller boxes: of rows with few columns, and with many.
_FEW_COLUMNS, _BESIDE, _HELD = 256, (6, 2), (20, 2)
# Parts of a move that is known.
_PARTS = 10
# How far directions lie beside the gradient, in turn, relative to it.
_BESIDE_BY = (1.5, 0.5)
# Units that the first moves go at most.
_FARTHEST = 1e3


def first_moves(margins: RowMargins, low: FloatArray, high: FloatArray, norm: Norm) -> Moves:
    """Return moves to where linear margins would be zero, in boxes that may be smaller.

    The nearest row is often one that a step down the gradient passes by, as other cells would have
    to stay where they are. So some moves hold one half of the cells, or let each cell move one way
    only.

    Parameters
    ----------
    margins : callable
        From moves and their owners to margins and gradients.
    low, high : ndarray of shape (n_rows, n_moves)
        Ends of the moves.
    norm : Norm
        In which moves are measured.
    """
    n_rows, n_moves = low.shape
    value, slope = margins(np.zeros(low.shape), np.arange(n_rows))
    many = int(n_moves > _FEW_COLUMNS)
    # The same draws for every row, so that none depends on another.
    rng = np.random.default_rng(0)
    beside = rng.standard_normal((_BESIDE[many], n_moves)) / np.sqrt(max(n_moves, 1))
    held = rng.random((_HELD[many], 2, n_moves)) < 0.5
    held[::2, 1] = held[::2, 0]  # the same cells upwards and downwards
    down = -L2.steepest(slope)
    directions = [down, *(down + _BESIDE_BY[k % 2] * part for k, part in enumerate(beside))]
    if norm.order != 2:
        directions.append(-L2.steepest(norm.steepest(slope)))
    whole = len(directions)
    directions += [down] * len(held)
    tried = np.stack(directions, axis=1)
    rate = np.maximum(np.abs((tried * slope[:, None]).sum(axis=2)), 1e-12)
    tried = tried * np.minimum(value[:, None] / rate, _FARTHEST)[..., None]
    lows, highs = (np.repeat(end[:, None], len(directions), axis=1) for end in (low, high))
    with np.errstate(invalid="ignore"):
        lows[:, whole:] = np.where(held[:, 0], 0.0, lows[:, whole:])
        highs[:, whole:] = np.where(held[:, 1], 0.0, highs[:, whole:])
    owner = np.repeat(np.arange(n_rows), len(directions))
    tried, lows, highs = (part.reshape(-1, n_moves) for part in (tried, lows, highs))
    return Moves(tried, owner, lows, highs)


def parts_of_moves(moves: Moves) -> Moves:
    """Return each move with one half of its cells put back, several times, to go on from."""
    n, n_moves = moves.move.shape
    kept = np.random.default_rng(1).random((_PARTS, n_moves)) < 0.5
    every = np.repeat(np.arange(n), _PARTS)
    parts = (moves.move[:, None] * kept).reshape(-1, n_moves)
    return moves.take(every)._replace(move=parts)
