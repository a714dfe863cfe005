"""The search for the smallest Linf ball that still holds a point which fools the model."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.linf._lattice import Lattice
from specreg_sklearn.attacks.questions import Decide

# Radii are tried in steps that grow by this factor until the model is no longer fooled.
_GROWTH = 4.0
# A bracket may stay as wide as this share of what was gained, and of the radius: a looser one makes
# the next moves look good that only use up the slack.
_SHARE_OF_GAIN, _SHARE_OF_RADIUS = 0.25, 0.003
# The nearest point of a row is brought nearer than any move must gain: what is found later is then
# nearer for certain, however finely both are bisected in the end.
_SHARE_OF_BEST = 2.0**-12
# With no slack left to halve, a search ends; floats run out long before.
_MOST_HALVINGS = 60


def shrink(
    decide: Decide,
    lattice: Lattice,
    x: FloatArray,
    delta: FloatArray,
    radius: FloatArray,
    owner: IntArray,
    which: IntArray,
    found: FloatArray,
    tolerance: float,
    best: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Shrink the balls that hold new perturbations, as far as the model stays fooled.

    They are clipped to the smaller balls, so that coordinates well inside stay where they are. Of
    several that replace the same perturbation, the one with the smallest ball is taken.

    `which` and `found` say for which perturbations something worked, some more than once, and what
    did, within ``(1 - tolerance) * radius``: `tolerance` is the smallest share of the radius that
    is worth a query. Balls that get smaller than `best`, (m,), are found to within a fraction of a
    thousandth. Returns all perturbations and their radii.
    """
    if not len(which):
        return delta, radius
    delta, least = delta.copy(), tolerance * radius
    low, high = np.zeros(len(radius)), radius - least
    width = least.copy()
    moved = np.unique(which)
    delta[which[::-1]] = found[::-1]
    # How far the point reaches that was last asked: a smaller ball may hold the same one.
    asked = np.abs(found).max(axis=1, initial=0.0)
    while len(which):
        width[np.unique(which)] *= _GROWTH
        inner = radius[which] - width[which]
        some = inner > 0
        inner, which, found, asked = inner[some], which[some], found[some], asked[some]
        points = lattice.inside(found, inner)
        size = np.abs(points).max(axis=1, initial=0.0)
        good = size == asked
        new = np.flatnonzero(~good & (size > 0))
        good[new] = decide(x[which[new]] + points[new], owner[which[new]])
        low[which[~good]] = inner[~good]
        which, found, asked = which[good], found[good], size[good]
        low[which], high[which] = 0.0, asked
        # The first of those that are left is written last.
        delta[which[::-1]] = found[::-1]
    for _ in range(_MOST_HALVINGS):
        slack = np.maximum(
            np.minimum(_SHARE_OF_GAIN * (radius - high), _SHARE_OF_RADIUS * high), least
        )
        slack = np.where(high <= best, _SHARE_OF_BEST * high, slack)
        open_ = moved[(high - low > slack)[moved]]
        if not len(open_):
            break
        middle = (low[open_] + high[open_]) / 2
        points = lattice.inside(delta[open_], middle)
        size = np.abs(points).max(axis=1, initial=0.0)
        # Whole numbers: between the ends of the bracket there may be nothing to ask about.
        new = size > low[open_]
        good = np.zeros(len(open_), dtype=bool)
        good[new] = decide(x[open_[new]] + points[new], owner[open_[new]])
        high[open_] = np.where(good, size, high[open_])
        low[open_] = np.where(good, low[open_], middle)
    delta[moved] = lattice.inside(delta[moved], high[moved])
    radius = radius.copy()
    radius[moved] = high[moved]
    return delta, radius
