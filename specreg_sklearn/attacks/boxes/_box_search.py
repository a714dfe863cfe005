"""The search on models whose decision boundaries are thresholds on single columns."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import MOST_DIMENSIONS, STEP_QUERIES, BoundaryPoints
from specreg_sklearn.attacks.boxes._axis_test import at_threshold, is_oblique
from specreg_sklearn.attacks.boxes._column_moves import restore_columns
from specreg_sklearn.attacks.questions import SearchTask, bisect, rank_within, stream

# Iterations before which the shape of the boundary is tested, at the nearest point of a row.
_TESTED_AT = (0, 2)
# A second test, nearer to the boundary, is for rows with so many queries left; and what a search at
# the end of a walk takes at least.
_LEFT_FOR_SECOND_TEST, _LEAST_LEFT = 400, 60
_FINE = 2.0**-9
_STEPS = np.arange(1, 8)
# Rows of data whose regions are looked at one after the other.
_N_CANDIDATES = 100
# Halvings of the Linf balls in which such a region is known to lie, and how many of those that end
# in the same bracket (they lie in the same box, most likely) are followed.
_BALL_ROUNDS, _SAME_BRACKET = 6, 3
_EARLY_ROUNDS, _SAME_BRACKET_EARLY = 3, 8
# Candidates that each row follows at once.
_AT_ONCE = 6
# Then single columns of these candidates, and of the box, are mixed.
_N_MIXED, _N_SOURCES, _COLUMN_SHARE, _BOX_SHARE = 48, 60, 0.3, 0.5
_SMALL_SHARE, _SMALL_POWER = 0.3, 1
# A row gives up after so many mixtures without gain. It keeps some steps for a walk, which helps if
# its boundary is oblique after all, but no more than a share of its budget.
_MOST_IN_VAIN, _STEPS_KEPT, _SHARE_KEPT = 640, 12, 1 / 8
_MOST_NUMBERS = 2**21
# Columns may be too far, where thresholds meet, if groups of them that make up this share of the
# squared distance can move back by so much.
_N_GROUPS, _SLACK, _LOOSE_SHARE = 32, 1 / 16, 0.05
# Apart from the iterations of the search that goes on.
_MIX_DRAW, _GROUP_DRAW = 2**42, 2**44


class BoxSearch:
    """Finds rows whose boundary is a threshold on one column, and searches column by column.

    Points are as near to the boundary as `tolerance`, a share of their distance from the clean
    rows. Rows that were found at a threshold are marked in `searched`, and in `at_corner` those of
    them that ended in a corner, where thresholds meet.
    """

    def __init__(self, task: SearchTask, tolerance: float) -> None:
        self.task, self.tolerance = task, tolerance
        self.searched = np.zeros(len(task.x), dtype=bool)
        self.at_corner = np.zeros(len(task.x), dtype=bool)

    def search(self, current: BoundaryPoints, t: int) -> BoundaryPoints:
        """Search rows that are at a threshold; return the points with which iteration t goes on.

        The nearest point of a row that has been searched is replaced by its best one; the others
        stay only if the row did not end in a corner.
        """
        if t not in _TESTED_AT:
            return current
        task, owner = self.task, current.owner
        place = rank_within((owner,), current.distances(task))
        chosen = np.flatnonzero((place == 0) & ~self.searched[owner])
        aligned = at_threshold(task, current.points[chosen], owner[chosen], self.tolerance)
        again = chosen[~aligned & (task.oracle.left(owner[chosen]) >= _LEFT_FOR_SECOND_TEST)]
        now = np.zeros(len(task.x), dtype=bool)
        now[owner[chosen[aligned]]] = True
        now[self._at_fine_threshold(current.points[again], owner[again])] = True
        chosen = np.flatnonzero(now[owner])
        if not len(chosen):
            return current.take(np.flatnonzero(~self.at_corner[owner] | (place == 0)))
        self._search_columns(current.points[chosen], owner[chosen])
        first = np.flatnonzero(now[owner] & (place == 0))
        current.points[first] = task.oracle.best[owner[first]]
        current.move(current.points)
        return current.take(np.flatnonzero(~self.at_corner[owner] | (place == 0)))

    def finish(self) -> None:
        """Search rows whose walk ended before their budget, if they are at a threshold."""
        task = self.task
        rows = task.active()
        rows = rows[~self.searched[rows] & (task.oracle.left(rows) >= _LEAST_LEFT)]
        aligned = self._at_fine_threshold(task.oracle.best[rows], rows)
        self._search_columns(task.oracle.best[aligned], aligned)
        # Where several thresholds meet, no single column decides; yet some may be too far.
        rows = np.setdiff1d(rows, aligned)
        rows = rows[task.oracle.left(rows) >= _LEAST_LEFT]
        rows = rows[_is_loose(task, rows)]
        restore_columns(task, task.oracle.best[rows], rows)

    def _at_fine_threshold(self, points: FloatArray, owner: IntArray) -> IntArray:
        """Bring points nearer to the boundary, and return the rows that are at a threshold."""
        if not len(owner):
            return owner
        points = _brought_near(self.task, points, owner)
        return owner[at_threshold(self.task, points, owner, _FINE)]

    def _search_columns(self, points: FloatArray, owner: IntArray) -> None:
        """Search column by column from given points."""
        rows = np.unique(owner)
        if not len(rows):
            return
        self.searched[rows] = True
        restore_columns(self.task, points, owner)
        rows = _at_corners(self.task, rows)
        size = max(1, _MOST_NUMBERS // (_N_CANDIDATES * self.task.x.shape[1]))
        for begin in range(0, len(rows), size):
            self.at_corner[_search_corners(self.task, rows[begin : begin + size])] = True

    def restore_columns(self, current: BoundaryPoints) -> None:
        """Restore columns, in place, of points of rows that are known to end in corners."""
        some = np.flatnonzero(self.at_corner[current.owner])
        if len(some):
            owner = current.owner[some]
            restore_columns(self.task, current.points[some], owner)
            current.points[some] = self.task.oracle.best[owner]


def _brought_near(task: SearchTask, points: FloatArray, owner: IntArray) -> FloatArray:
    """Return points within `_FINE` of the boundary, from points near it already.

    Most points need a few steps of this width only, which are all asked about in one call.
    """
    x, d = task.x[owner], points.shape[1]
    tried = points[:, None] - _FINE * _STEPS[:, None] * (points - x)[:, None]
    whose = np.repeat(owner, len(_STEPS))
    fooled = task.oracle.decide(tried.reshape(-1, d), whose, remember=False)
    n_steps = np.logical_and.accumulate(fooled.reshape(len(owner), -1), axis=1).sum(axis=1)
    near = np.where((n_steps > 0)[:, None], tried[np.arange(len(owner)), n_steps - 1], points)
    far = np.flatnonzero(n_steps == len(_STEPS))
    if len(far):
        first = _FINE * len(_STEPS)
        near[far] = bisect(
            task.oracle.decide, x[far], near[far], owner[far], tolerance=_FINE, first=first, norm=2
        )
    task.oracle.remember(near, owner)
    return near


def _is_loose(task: SearchTask, rows: IntArray) -> BoolArray:
    """Mark rows of which many columns of the best point can move back a little, each few alone.

    At the nearest point of a smooth boundary every group of columns is needed where it is.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    d = task.x.shape[1]
    n_groups = min(d, _N_GROUPS)
    group = stream(task.seed, _GROUP_DRAW).permutation(d) % n_groups
    gap = task.oracle.best[rows] - task.x[rows]
    chosen = group == np.arange(n_groups)[:, None]
    tried = task.oracle.best[rows][:, None] - _SLACK * chosen * gap[:, None]
    fooled = task.oracle.decide(tried.reshape(-1, d), np.repeat(rows, n_groups), remember=False)
    weight = np.matmul(gap[:, None] ** 2, chosen.T.astype(np.float64))[:, 0]
    loose = (weight * fooled.reshape(len(rows), n_groups)).sum(axis=1)
    return np.asarray(loose > _LOOSE_SHARE * weight.sum(axis=1))


def _at_corners(task: SearchTask, rows: IntArray) -> IntArray:
    """Return the rows whose best points lie in a corner of a box, not at an oblique boundary."""
    oblique = rows[is_oblique(task, rows, 0)]
    # The test may also have found another box; from there, a second one can tell.
    restore_columns(task, task.oracle.best[oblique], oblique)
    oblique = oblique[is_oblique(task, oblique, 1)]
    return np.setdiff1d(rows, oblique)


def _search_corners(task: SearchTask, rows: IntArray) -> IntArray:
    """Look for nearer corners for some rows; return the rows that have none but corners."""
    candidates, owner = task.candidates(rows, _N_CANDIDATES)
    _search_balls(task, candidates, owner)
    rows = _at_corners(task, rows)
    if task.x.shape[1] > MOST_DIMENSIONS:
        _mix(task, rows, candidates, owner)
    return rows


def _into_ball(
    task: SearchTask, points: FloatArray, owner: IntArray, radius: FloatArray
) -> FloatArray:
    """Return points moved into Linf balls of these radii around their clean rows."""
    x = task.x[owner]
    return np.asarray(x + np.minimum(np.maximum(points - x, -radius[:, None]), radius[:, None]))


def _search_balls(task: SearchTask, points: FloatArray, owner: IntArray) -> None:
    """Follow the candidates whose boxes come nearest.

    A candidate that is moved into a Linf ball around the clean row stays in its box exactly if the
    box meets the ball. One question therefore tells whether its box may hold a nearer point at all,
    and halving the ball tells how near.
    """
    radius = task.oracle.best_distance[owner]
    low, high = np.zeros(len(points)), np.ones(len(points))
    alive = np.ones(len(points), dtype=bool)
    order = np.arange(len(points))
    same = order
    for turn in range(_BALL_ROUNDS):
        now = np.flatnonzero(alive)
        middle = (low[now] + high[now]) / 2 if turn else high[now]
        fooled = task.oracle.decide(
            _into_ball(task, points[now], owner[now], middle * radius[now]), owner[now]
        )
        high[now] = np.where(fooled, middle, high[now])
        low[now] = np.where(fooled, low[now], middle)
        if not turn:
            alive[now[~fooled]] = False
        alive &= low * radius < task.oracle.best_distance[owner]
        bracket = np.where(alive, np.round(high * 2**_BALL_ROUNDS).astype(np.int64), -1)
        most = _SAME_BRACKET_EARLY if turn < _EARLY_ROUNDS else _SAME_BRACKET
        same = rank_within((bracket, owner), order)
        alive &= same < most
    # The first of every bracket, then the second, the nearest bracket first.
    rank = rank_within((owner,), np.where(alive, high, np.inf), np.where(alive, same, len(same)))
    for begin in range(0, int(np.bincount(owner).max(initial=0)), _AT_ONCE):
        alive &= low * radius < task.oracle.best_distance[owner]
        now = np.flatnonzero(alive & (rank >= begin) & (rank < begin + _AT_ONCE))
        now = now[task.is_open(owner[now])]
        near = _into_ball(task, points[now], owner[now], high[now] * radius[now])
        restore_columns(task, near, owner[now])


def _mix(task: SearchTask, rows: IntArray, points: FloatArray, owner: IntArray) -> None:
    """Move random columns of the clean rows to where candidates, or the box, have them."""
    d = task.x.shape[1]
    count = np.bincount(owner, minlength=len(task.x))
    first = np.cumsum(count) - count
    lo, width = task.lo, task.hi - task.lo
    in_vain = np.zeros(len(task.x), dtype=np.int64)
    kept = min(_STEPS_KEPT * (d + STEP_QUERIES), _SHARE_KEPT * task.oracle.limit)
    for turn in range(10**6):
        rows = rows[task.is_open(rows) & (task.oracle.left(rows) > kept)]
        rows = rows[in_vain[rows] < _MOST_IN_VAIN]
        if not len(rows):
            break
        rng = stream(task.seed, _MIX_DRAW + turn)
        chosen = rng.random((_N_MIXED, d)) < _COLUMN_SHARE
        which, from_box = rng.random(_N_MIXED), rng.random(_N_MIXED) < _BOX_SHARE
        level = rng.random((_N_MIXED, d))
        shrunk = np.where(
            rng.random(_N_MIXED) < _SMALL_SHARE, rng.random(_N_MIXED) ** _SMALL_POWER, 1.0
        )
        whose = np.repeat(rows, _N_MIXED)
        n_sources = np.minimum(count[rows], _N_SOURCES)[:, None]
        mixed = lo[rows][:, None] + level * width[rows][:, None]
        copied = (n_sources > 0) & ~from_box
        source = first[rows][:, None] + (which * n_sources).astype(np.int64)
        mixed[copied] = points[source[copied]]
        mixed = np.where(chosen, mixed, task.x[rows][:, None]).reshape(-1, d)
        before = task.oracle.best_distance[rows]
        radius = (before[:, None] * shrunk).ravel()
        tried = _into_ball(task, mixed, whose, radius)
        fooled = task.oracle.decide(tried, whose)
        restore_columns(task, tried[fooled], whose[fooled])
        in_vain[rows] += _N_MIXED
        in_vain[rows[task.oracle.best_distance[rows] < before]] = 0
