"""HopSkipJump: the classic attack, with the parameters it has in ART."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.boundary import (
    FIRST_STARTS,
    BeforeStep,
    BoundaryPoints,
    Directions,
    ImageShape,
    Restarts,
    boundary_normals,
    check_image_shape,
)
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import SearchTask, bisect
from specreg_sklearn.space import L2
from specreg_sklearn.tables import check_positive_int

# A jump is halved until it lands where the model is fooled. Most need fewer halvings than are set
# aside for them; the cap is far below the step that rounding swallows.
_MOST_HALVINGS = 60
_USUAL_HALVINGS = 6
# After so many iterations a row looks at other starts, which go through as many; and again when it
# has gone through so many times as many.
_RACE, _RARER = 6, 4
# Draws of one stretch of a search and of the next are this far apart.
_KEYS = 2**20
# What the paper does in its own way in each norm: by how much the bracket of a bisection narrows
# with the number of columns, the draw of a direction, and the jump along a normal.
_NARROWER: dict[float, Callable[[int], float]] = {2: np.sqrt, np.inf: float}
# Nothing follows the last bisection, so that on few columns it is as fine as on many.
_FINEST = 2.0**-10
_DRAW: dict[float, Callable[[np.random.Generator, tuple[int, int]], FloatArray]] = {
    2: lambda rng, shape: rng.normal(size=shape),
    np.inf: lambda rng, shape: rng.uniform(-1, 1, size=shape),
}
_JUMP: dict[float, Callable[[FloatArray], FloatArray]] = {2: np.asarray, np.inf: np.sign}


@dataclass(kw_only=True, eq=False, repr=False)
class HopSkipJump(BlackBoxAttack):
    """HopSkipJump in L2 and Linf, with the parameters of the Adversarial Robustness Toolbox (ART).

    From a point on the decision boundary the attack asks in random directions, weighs them to the
    normal of the boundary, jumps along it into the wrong class, and bisects back to the boundary
    (Chen, Jordan and Wainwright, "HopSkipJumpAttack: A Query-Efficient Decision-Based Attack",
    IEEE S&P 2020, arXiv:1904.02144). It is here for comparison with ART and with published numbers;
    :class:`CGBA` needs fewer queries for the same distance.

    Parameters
    ----------
    norm : {2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=None
        Budget of each row, starts and verification included. The search ends after `max_iter`
        iterations or with the budget, whichever comes first; an iteration that the rest of the
        budget does not pay for in full is not begun, so a longer run begins with all that a shorter
        one asks. The defaults of the other
        parameters use about 25 000 queries a row. Where a budget cuts them short, other values of
        `init_eval` gain little.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`, but a row begins with two starts and goes on from the nearer
        one. After 6, 24, 96, ... iterations it looks at others, which go on if they come nearer in
        as many iterations.
    max_iter : int, default=50
        Number of iterations.
    max_eval : int, default=10000
        Most directions that one iteration asks about.
    init_eval : int, default=100
        Directions of the first iteration. Iteration t = 0, 1, ... asks about
        ``init_eval * sqrt(t + 1)``.
    image_shape : tuple (H, W) or (C, H, W), or None, default=None
        As in :class:`CGBA`.

    Notes
    -----
    All rows share the random directions of an iteration and advance together. Where ART's class
    returns the point at which the last jump landed, this one goes back to the last boundary point
    when a jump did not pay, and returns the nearest point. It asks at
    ``distance / sqrt(n_features)``, which is far enough to see the steps of a forest. A jump is
    halved 60 times at most. For ART's own algorithm take ``ARTAttack("HopSkipJump")``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.attacks import HopSkipJump
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> result = HopSkipJump(max_iter=10).run(model, X[:20], y[:20], pool=X)
    >>> bool((model.predict(result.X_adv) != y[:20]).all())
    True
    """

    _from_boundary: ClassVar[bool] = False
    _last_bisection: ClassVar[bool] = False

    max_queries: int | None = None
    max_iter: int = 50
    max_eval: int = 10000
    init_eval: int = 100
    image_shape: ImageShape = None

    def _check_run(self, n_features: int, eps: float | None) -> None:
        check_image_shape(self.image_shape, n_features)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_image_shape(self.image_shape)
        check_positive_int(self.max_iter, "max_iter")
        check_positive_int(self.init_eval, "init_eval")
        check_positive_int(self.max_eval, "max_eval", least=self.init_eval)

    def _n_data_starts(self, n_features: int) -> int:
        return min(super()._n_data_starts(n_features), FIRST_STARTS)

    def _tolerance(self, n_features: int) -> float:
        """Return how wide the bracket of a bisection may be, as a share of the distance."""
        return min(0.01 / _NARROWER[self.norm](n_features), _FINEST)

    def _reserve(self, n_features: int) -> int:
        """Return the queries of an iteration that do not go into the normal."""
        return int(np.ceil(np.log2(1 / self._tolerance(n_features)))) + _USUAL_HALVINGS

    def _search(self, task: SearchTask) -> None:
        tolerance = self._tolerance(task.x.shape[1])
        current = BoundaryPoints.from_starts(task, keep=1, tolerance=tolerance)
        restarts = Restarts(task, self.n_starts, tolerance)
        watch: BeforeStep | None = restarts.watched(None, 1)
        begun = 0
        for turn in range(self.max_iter):
            ahead = range(begun, min(_RACE * _RARER**turn, self.max_iter))
            current = self._iterate(task, current, ahead, turn * _KEYS, turn, watch)
            begun, watch = ahead.stop, None
            if not len(current) or begun == self.max_iter:
                break
            others, key = restarts.others(current), (turn + 1) * _KEYS - _RACE
            others = self._iterate(task, others, range(_RACE), key, turn, restarts.raced(1))
            current = restarts.nearer(current, others)

    def _iterate(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        iterations: range,
        key: int,
        stretch: int,
        before_step: BeforeStep | None,
    ) -> BoundaryPoints:
        """Go through some iterations; return the nearest point of each row that can pay for more.

        `key` tells the draws of several calls apart; on images, a further `stretch` of a search
        draws from more terms.
        """
        n, d = task.x.shape
        terms = Directions(task, self.image_shape).terms(stretch)
        for t in iterations:
            if before_step is not None:
                current = before_step(current, t)
            wanted = min(int(self.init_eval * np.sqrt(t + 1)), self.max_eval)
            current = current.affordable(task, wanted + self._reserve(d))
            if not len(current):
                break
            points, owner = current.points, current.owner
            radius = L2.length(points - task.x[owner]) / np.sqrt(d)
            draws = _DRAW[self.norm](
                task.rng(key + t), (wanted, d if terms is None else len(terms))
            )
            draws = draws if terms is None else draws @ terms
            directions = np.asarray(draws / L2.length(draws)[:, None])
            n_asked = np.full(len(points), wanted)
            normals = boundary_normals(task.oracle, points, radius, directions, owner, n_asked)
            distance = task.distance(points, owner)
            step = _JUMP[self.norm](normals)
            landed = _jump(task, points, step, distance / np.sqrt(t + 1), owner)
            reached = bisect(
                task.oracle.decide,
                task.x[owner],
                landed,
                owner,
                tolerance=self._tolerance(d),
                norm=self.norm,
            )
            nearer = task.distance(reached, owner) < distance
            current.move(np.where(nearer[:, None], reached, points))
            current = current.keep_nearest(task, 1)
            task.report(n / self.max_iter)
        return current


def _jump(
    task: SearchTask, points: FloatArray, step: FloatArray, size: FloatArray, owner: IntArray
) -> FloatArray:
    """Return ``points + size * step``, with sizes halved until the model is fooled there."""
    landed, size = points.copy(), size.copy()
    pending = np.arange(len(points))
    for _ in range(_MOST_HALVINGS):
        reach = points[pending] + size[pending, None] * step[pending]
        reach = task.clip(reach, owner[pending])
        fooled = task.oracle.decide(reach, owner[pending])
        landed[pending[fooled]] = reach[fooled]
        pending = pending[~fooled]
        pending = pending[task.oracle.left(owner[pending]) > 0]
        if not len(pending):
            break
        size[pending] /= 2
    return landed
