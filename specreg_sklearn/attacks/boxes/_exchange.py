"""Exchange: one column of the best move is left out, or shortened, and others make up for it.

The nearest rows move few columns, one of them far and the others a little, and a search ends at a
row that moves a dear column where several cheap ones would do, or one of them a little farther. A
proposal leaves out the dear column, or moves it just less far than its threshold, and moves many of
the others, inside a cube that leaves room for a gain; half of them move the columns of the best
move farther as well.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boxes._cube_draws import CubeDraws, into_cube
from specreg_sklearn.attacks.questions import SearchTask, stream

N_AROUND, N_FRESH = 18, 6
# Dense moves fool most often. Where changed columns are counted, they do not become sparse by
# moving back a little, so sparse ones come as well, down to a single column.
_SHARES, _SHARES_COUNTED = (1.0, 1.0, 1.0, 0.5, 0.5), (1.0, 0.5, 0.25, 0.1, 0.0)
# How much of the column stays: none, or nearly all, which is just behind its threshold.
_STAYS = np.array([0.0, 0.0, 0.5, 0.8, 0.9, 0.97])
# Cubes, in units of the best distance: around the best move, and fresh ones.
_AROUND, _FRESH = (0.04, 0.8), (0.8, 1.0)
_ROOM = 0.9
# Odds that all other columns of the best move stay; else that each is left out, or drawn anew.
_KEEP_ALL, _DROP, _REDRAW = 0.6, 0.2, 0.4
# Odds that the columns that stay move farther instead, by the half-width of the cube.
_FARTHER = 0.5
_CHOICE_KEYS = 2**20


@lru_cache(maxsize=64)
def _numbers(seed: int, key: int, d: int) -> tuple[FloatArray, FloatArray]:
    rng = stream(seed, key + _CHOICE_KEYS)
    return rng.random((N_AROUND + N_FRESH, 5)), rng.random((N_AROUND, d))


def exchanged(task: SearchTask, draws: CubeDraws, rows: IntArray, keys: IntArray) -> FloatArray:
    """Return moves worth asking about, of shape (rows, n, d): around the best ones, and fresh."""
    d = task.x.shape[1]
    if not len(rows):
        return np.zeros((0, N_AROUND + N_FRESH, d))
    counted = task.oracle.norm == 0
    shares = _SHARES_COUNTED if counted else _SHARES
    moves = draws.moves(rows, keys, N_AROUND + N_FRESH, shares)
    kinds, place = np.unique(keys, return_inverse=True)
    drawn = [_numbers(task.seed, key, d) for key in kinds.tolist()]
    choice = np.stack([c for c, _ in drawn])[place]
    fate = np.stack([f for _, f in drawn])[place]
    best = task.oracle.best[rows] - task.x[rows]
    length = task.oracle.best_distance[rows][:, None]

    low, high = np.log(_FRESH)
    half = length * np.exp(low + choice[:, N_AROUND:, 0] * (high - low))
    fresh = moves[:, N_AROUND:] if counted else into_cube(moves[:, N_AROUND:], half)
    choice = choice[:, :N_AROUND]
    # Odds of a column are its share of the length.
    parts = (best != 0) if counted else np.abs(best) ** task.oracle.norm
    weight = np.cumsum(parts, axis=1)
    # The first column at which the sum passes a random share of the whole.
    target = choice[:, :, 1] * weight[:, -1:]
    column = np.minimum((weight[:, None] <= target[:, :, None]).sum(axis=2), d - 1)
    stays = _STAYS[(choice[:, :, 2] * len(_STAYS)).astype(np.int64)]
    largest = np.take_along_axis(np.abs(best), column, axis=1)
    room = np.sqrt(np.maximum(length**2 - (stays * largest) ** 2, 0.0))
    low, high = np.log(_AROUND)
    half = np.minimum(length * np.exp(low + choice[:, :, 0] * (high - low)), _ROOM * room)
    moved = best[:, None] != 0
    keep_all = (choice[:, :, 3] < _KEEP_ALL)[:, :, None]
    dropped = ~keep_all & moved & (fate < _DROP)
    redrawn = ~keep_all & moved & (fate >= _DROP) & (fate < _DROP + _REDRAW)
    kept = np.broadcast_to(best[:, None], fate.shape) * ~dropped
    farther = (choice[:, :, 4] < _FARTHER)[:, :, None] & (kept != 0)
    kept = kept + np.where(farther, np.copysign(half[:, :, None], kept), 0.0)
    if counted:
        # All moves cost the same: they may be of any size.
        stays, half = np.zeros_like(stays), np.full_like(half, np.inf)
    chosen = np.arange(d) == column[:, :, None]
    free = np.where(chosen, (stays == 0)[:, :, None], ~moved | redrawn | dropped)
    kept = np.where(chosen, stays[:, :, None] * best[:, None], np.where(redrawn, 0.0, kept))
    around = into_cube(moves[:, :N_AROUND], half)
    around = np.where(free & (around != 0), around, kept)
    return np.concatenate([around, fresh], axis=1)
