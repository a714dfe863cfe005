"""CGBA: the default attack."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary import (
    MOST_DIMENSIONS,
    PER_ROUND,
    ROUNDS,
    BoundaryPoints,
    BoundaryWalk,
    SphereSearch,
    follow_priced_slopes,
    semicircle_step,
)
from specreg_sklearn.attacks.boxes import BoxSearch, ThresholdRows, is_oblique
from specreg_sklearn.attacks.integers import FlipSearch, turns_of_swaps
from specreg_sklearn.attacks.questions import SearchTask

# Where there are few dimensions, rows are searched for other places to go on. What is found is
# followed, and at a wall polished, with so many queries.
_MOST_TURNS, _FOLLOWED, _POLISH = 1000, 60, 30
# Rows at thresholds are tested for a slope after so many queries, and at every doubling.
# Walks from there are on trial for half as many again, and go on if they then are so much nearer.
_FIRST_TEST, _MOST_TESTS = 400, 50
_TRIAL, _GAINED = 1.5, 0.99
# Draws of the searches on spheres and of the walks that follow other searches begin here; those of
# one walk and of the next are this far apart.
_SPHERE_KEY, _SLOPE_KEY, _KEYS_PER_TURN = 2**40, 2**41, 2**30
# The first steps turn most, and are looked for more closely.
_CAREFUL_STEPS = 12
# Moves that estimate a normal are as long as this share of the distance, in units of the angle that
# is left times sqrt(number of features): an arc ends a share of the angle before the boundary, and
# a move in some direction crosses what is left by its share along the normal, one in
# sqrt(number of features). No number here is sensitive.
_PROBE, _SHORTEST_PROBE, _LONGEST_PROBE = 0.03, 0.01, 0.25


class CGBA(BoundaryWalk):
    """Curvature-aware geometric black-box attack in L2: the default of this library.

    From a point on the decision boundary the attack estimates the boundary's normal, walks along a
    semicircle to a boundary point nearer to the clean row, and begins again (Reza, Rahmati,
    Wu and Dai, "CGBA: Curvature-aware Geometric Black-box Attack", ICCV 2023, arXiv:2308.03163).
    All rows advance together, with one call of ``predict`` for all of them.

    The semicircle is the paper's; the rest differs. It starts from rows of every other class and
    drops the starts that are farther. It estimates the normal at right angles to the radial
    direction: an answer is one bit, and along that direction it is known already. So every step
    halves what is left of the angle to the nearest point, however small it is, where plain
    estimates stall. It asks in orthogonal directions, searches the arc a few points at a time
    and keeps the best point. Where the boundary turns out to be a threshold
    on one column, as with trees, it goes on as :class:`ThresholdSearch` does; and with few features
    it searches spheres around the clean row for other places to go on from.

    Parameters
    ----------
    norm : {2}, default=2
        CGBA works in L2; use :class:`RayS` for Linf.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. With 1000, distances of smooth models
        on 30 to 64 features are within about one percent of the smallest ones known. Forests on
        real tables and hundreds of features take more: on images of 784 pixels 5000 queries come
        within about a seventh of what gradients find. What budgets bring is in the guide on
        measuring. A longer run begins with all that a shorter one asks, so it never ends farther
        out. None goes on until several rounds have been in vain.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`, but a row begins with two starts; it looks at others later.
    image_shape : tuple (H, W) or (C, H, W), or None, default=None
        Shape of the images that the columns hold, in C order. The attack then asks in smooth
        directions first, which comes nearer with few queries. None: columns are no pixels, unless
        `X` has the axes of images, (n, H, W) or (n, C, H, W).

    Examples
    --------
    On a linear model the distance is known: the margin over the norm of the weights.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from specreg_sklearn.attacks import CGBA, FeatureSpace
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> model = LogisticRegression().fit(X, y)
    >>> space = FeatureSpace.from_data(X, bounds=None, scale=None)
    >>> result = CGBA().run(model, X[:20], y[:20], space=space, pool=X)
    >>> exact = np.abs(model.decision_function(X[:20])) / np.linalg.norm(model.coef_)
    >>> ratio = result.distances / exact
    >>> bool(ratio.min() >= 1 and np.median(ratio) < 1.001)
    True
    """

    _sideways: ClassVar[bool] = True
    # Several steps along rough normals come nearer than one along a good one: at right angles to
    # the radial direction, each finds what those before it have left.
    _largest_part: ClassVar[int] = 32
    _parts: ClassVar[tuple[int, ...]] = (1, 2, 6, 10)

    def _step_queries(self, n_features: int, t: int) -> int:
        return _n_rounds(t) * PER_ROUND

    def _probe_radius(self, current: BoundaryPoints) -> FloatArray:
        root = math.sqrt(current.points.shape[1])
        share = _PROBE * root * current.angle
        return np.minimum(np.maximum(share, _SHORTEST_PROBE), _LONGEST_PROBE)

    def _search(self, task: SearchTask) -> None:
        if FlipSearch.applies(task):
            FlipSearch(task).search(task.active())
            return
        if task.oracle.rows.dearer(task.oracle.norm) is not None:
            rows = task.active()
            follow_priced_slopes(task, rows[is_oblique(task, rows, 0)])
        limit = task.oracle.limit
        for until in turns_of_swaps(task):
            task.oracle.limit = min(until, limit)
            self._search_numbers(task.from_best())
            task.oracle.limit = limit
        self._search_numbers(task.from_best() if task.oracle.rows.choices else task)

    def _search_numbers(self, task: SearchTask) -> None:
        """Search along boundaries, and at thresholds, from the starts of a task."""
        thresholds = ThresholdRows(task)
        current, keep = self._first_points(task)
        few = task.x.shape[1] <= MOST_DIMENSIONS

        def at_rest(points: BoundaryPoints) -> BoundaryPoints:
            thresholds.test_best(points.owner)
            return points.take(np.flatnonzero(~np.isin(points.owner, thresholds.rows)))

        self._walk_on(
            task,
            current,
            keep,
            before_step=thresholds.leave,
            at_rest=at_rest,
            most_rounds=0 if few else None,
        )
        boxes = BoxSearch(task)
        self._search_boxes(task, boxes, thresholds.rows, 1 if few else _MOST_TESTS)
        if not few:
            return
        spheres = SphereSearch(task)
        for turn in range(_MOST_TURNS):
            if not len(spheres.rows()):
                break
            found = spheres.search(turn)
            at_walls = np.isin(found.owner, thresholds.rows)
            boxes.search(found.owner[at_walls], task.oracle.n_queries + _POLISH)
            smooth = found.take(np.flatnonzero(~at_walls))
            until = task.oracle.n_queries + _FOLLOWED
            self._walk(task, smooth, 1, key=_SPHERE_KEY + turn * _KEYS_PER_TURN, until=until)
        boxes.search(thresholds.rows, task.oracle.limit)

    def _search_boxes(
        self, task: SearchTask, boxes: BoxSearch, rows: IntArray, most_tests: int
    ) -> None:
        """Search rows whose boundary is a threshold; walk on where it turns out to slope.

        Among many thresholds the test may err, so walks that lead nowhere end early, and those
        that gain are tested again.
        """
        until = _FIRST_TEST
        for turn in range(most_tests):
            rows = boxes.search(rows, until)
            if not len(rows):
                break
            sloping = rows[is_oblique(task, rows, turn)]
            before = task.oracle.best_distance[sloping]
            points = BoundaryPoints(task.oracle.best[sloping], sloping, np.zeros_like(sloping))
            key = _SLOPE_KEY + 2 * turn * _KEYS_PER_TURN
            self._walk(task, points, 1, key=key, until=int(_TRIAL * until))
            gained = task.oracle.best_distance[sloping] < _GAINED * before
            gained &= task.is_open(sloping)
            # A walk from a poor corner may gain on thresholds as well; from there on, boxes bring
            # more. Of the draws of tests, these come after all others.
            gained[gained] = is_oblique(task, sloping[gained], _MOST_TESTS + turn)
            going = sloping[gained]
            points = BoundaryPoints(task.oracle.best[going], going, np.zeros_like(going))
            self._walk_on(task, points, 1, key=key + _KEYS_PER_TURN)
            rows = np.setdiff1d(rows, sloping[gained])
            until *= 2

    def _step(
        self, task: SearchTask, current: BoundaryPoints, normals: FloatArray, t: int
    ) -> tuple[FloatArray, FloatArray]:
        points, distance, current.angle = semicircle_step(
            task,
            current.points,
            current.radial(task),
            normals,
            current.owner,
            current.distances(task),
            current.angle,
            _n_rounds(t),
        )
        return points, distance


def _n_rounds(t: int) -> int:
    """Return in how many rounds the arc of step t is searched."""
    return ROUNDS if t < _CAREFUL_STEPS else ROUNDS - 1
