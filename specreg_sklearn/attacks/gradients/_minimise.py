"""Minimising the distance with gradients, in balls that shrink and grow around the clean rows.

The fast minimum-norm attack (Pintor, Roli, Brendel and Biggio, NeurIPS 2021, arXiv:2102.12827): a
step along the gradient of the margin, then back into a ball, which shrinks where the model is
fooled and grows where it is not. Steps and changes of the ball get smaller as time goes by.
"""

from __future__ import annotations

import math

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.gradients._logits import MarginSlopes
from specreg_sklearn.attacks.questions import SearchTask
from specreg_sklearn.space import Norm, as_norm

N_STEPS = 200
# Steps as shares of the distance, and by how much balls change, first and last.
_STEP, _LAST_STEP = 0.5, 1e-3
_CHANGE, _LAST_CHANGE = 0.1, 1e-4
# No margin is worth a step of more units than this at once.
_LONGEST_STEP = 1e3
# Divisors are no smaller than this.
_TINY = 1e-12


def minimise(
    task: SearchTask, slopes: MarginSlopes, start: FloatArray, owner: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the nearest points with a negative margin on the way from each start, and distances.

    The distance is ``inf`` where there was none.
    """
    x, norm = task.x[owner], as_norm(task.oracle.norm)
    best, best_distance = start.copy(), np.full(len(start), np.inf)
    step, radius = start - x, np.full(len(start), np.inf)
    for t in range(N_STEPS):
        fading = (1 + math.cos(math.pi * t / N_STEPS)) / 2
        share = _LAST_STEP + (_STEP - _LAST_STEP) * fading
        change = _LAST_CHANGE + (_CHANGE - _LAST_CHANGE) * fading
        Z = slopes.built(x + step, owner)
        distance = task.distance(Z, owner)
        margin, slope = slopes.ask(Z, owner)
        fooled = (margin < 0) & (distance > 0)
        nearer = fooled & (distance < best_distance)
        best[nearer], best_distance[nearer] = Z[nearer], distance[nearer]
        slope = _movable(task, Z, owner, slope)
        length = norm.dual.length(slope)
        # To the boundary, if it were flat.
        linear = distance + np.abs(margin) / np.maximum(length, _TINY)
        known = np.isfinite(best_distance)
        radius = np.where(
            fooled,
            np.minimum(radius, best_distance) * (1 - change),
            np.where(known, np.minimum(radius * (1 + change), best_distance), linear),
        )
        scale = np.where(known, best_distance, np.minimum(linear, _LONGEST_STEP))
        step = step - (share * scale)[:, None] * _direction(slope, norm)
        step = task.clip(x + _into_ball(step, radius, norm), owner) - x
    return best, best_distance


def _movable(task: SearchTask, Z: FloatArray, owner: IntArray, slope: FloatArray) -> FloatArray:
    """Return gradients without the columns that are at an end of the box and would go beyond."""
    tiny = 1e-9 * np.maximum(np.abs(Z), 1.0)
    beyond = task.clip(Z - np.sign(slope) * tiny, owner)
    return np.where(beyond == Z, 0.0, slope)


def _direction(slope: FloatArray, norm: Norm) -> FloatArray:
    """Return the steepest directions, of length 1; for L1 those of L2, which the ball thins out."""
    if norm.order == np.inf:
        return np.sign(slope)
    return slope / np.maximum(np.linalg.norm(slope, axis=1), _TINY)[:, None]


def _into_ball(step: FloatArray, radius: FloatArray, norm: Norm) -> FloatArray:
    """Return the nearest steps (in L2) that are no longer than `radius`."""
    if norm.order == np.inf:
        return np.clip(step, -radius[:, None], radius[:, None])
    length = norm.length(step)
    over = length > radius
    if norm.order == 2:
        return np.where(over[:, None], step * (radius / np.maximum(length, _TINY))[:, None], step)
    if not over.any():
        return step
    # Soft thresholding: the threshold is where the sum of what is left is the radius.
    size = -np.sort(-np.abs(step[over]), axis=1)
    excess = (np.cumsum(size, axis=1) - radius[over][:, None]) / np.arange(1, step.shape[1] + 1)
    n_left = (size > excess).sum(axis=1)
    threshold = excess[np.arange(len(size)), n_left - 1][:, None]
    thinned = step.copy()
    thinned[over] = np.sign(step[over]) * np.maximum(np.abs(step[over]) - threshold, 0.0)
    return thinned
