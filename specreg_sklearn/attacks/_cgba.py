"""CGBA: the default attack."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from specreg_sklearn.attacks._base import BlackBoxAttack
from specreg_sklearn.attacks._probes import boundary_normals
from specreg_sklearn.attacks._race import race
from specreg_sklearn.attacks._ranks import best_of_owner, leaders
from specreg_sklearn.attacks._search import SearchTask
from specreg_sklearn.attacks._semicircle import STEP_QUERIES, semicircle_step

# Length of the steps that feel for the normal, in units of distance / sqrt(number of features).
_PROBE_RADIUS = 0.7
# Starts are compared after so many halvings; one that is then much farther out is dropped.
_RACE_ROUNDS = 5
_RACE_SLACK = 1.4
# One start stays for every so many steps that the budget pays for.
_STEPS_PER_CHAIN = 4
_STEPS_PER_SAME_CLASS_CHAIN = 50
# A search of so many steps asks for better normals as it goes: in n bases from step n**2 on.
_LONG_SEARCH = 60
_FASTEST_GROWTH = 4.0
# All steps that feel for one normal are held in memory together.
_MOST_DIRECTIONS = 4096
# With no budget, this many steps end a search that still gains.
_MOST_STEPS = 10000


class CGBA(BlackBoxAttack):
    """Curvature-aware geometric black-box attack in L2: the default of this library.

    From a point on the decision boundary the attack estimates the boundary's normal, walks along a
    semicircle to a boundary point nearer to the clean row, and begins again (Reza, Rahmati,
    Wu and Dai, "CGBA: Curvature-aware Geometric Black-box Attack", ICCV 2023, arXiv:2308.03163).
    All rows advance together, with one call of ``predict`` for all of them. Beyond the paper, it
    starts from rows of every other class and drops the starts that fall behind, estimates normals
    from orthogonal directions, searches the arc a few points at a time, keeps the best point, and
    ends with a bisection.

    Parameters
    ----------
    norm : {2}, default=2
        CGBA works in L2; use :class:`RayS` for Linf.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. Around 1000 the distance of a row of
        30 to 64 features is within a few percent of the smallest; 250 serve for a first look and
        5000 to confirm. None goes on until no row improves any more.
    n_starts, starts, targeted, batch_rows, random_state
        As in :class:`BlackBoxAttack`. With a small budget fewer starts are used.

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
    >>> bool(ratio.min() >= 1 and np.median(ratio) < 1.02)
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (2,)
    _from_boundary: ClassVar[bool] = False

    def _n_data_starts(self, n_features: int) -> int:
        wanted = super()._n_data_starts(n_features)
        if self.max_queries is None:
            return wanted
        # A start costs six queries or so: spend at most a tenth of the budget on them.
        return min(wanted, max(2, round(self._n_steps(n_features) * 0.5)))

    def _n_steps(self, n_features: int) -> float:
        """Return about how many steps the budget of one row pays for."""
        budget = np.inf if self.max_queries is None else self.max_queries
        return budget / (self._first_directions(n_features) + STEP_QUERIES)

    def _first_directions(self, n_features: int) -> int:
        if self.max_queries is None:
            return min(n_features, _MOST_DIRECTIONS)
        return max(1, min(n_features, self.max_queries // 3, _MOST_DIRECTIONS))

    def _n_directions(self, n_features: int, step: int) -> int:
        steps = self._n_steps(n_features)
        growth = np.sqrt(max(1.0, (step + 1) * min((steps / _LONG_SEARCH) ** 2, _FASTEST_GROWTH)))
        # Whole bases only: the last directions of a complete basis are worth the most.
        first = self._first_directions(n_features)
        return first * int(min(growth, max(_MOST_DIRECTIONS // first, 1)))

    def _search(self, task: SearchTask) -> None:
        n, d = task.x.shape
        steps = self._n_steps(d)
        n_classes = len(np.unique(task.group))
        keep = int(np.clip(steps // _STEPS_PER_CHAIN, 1, n_classes))
        keep = max(keep, int(min(steps // _STEPS_PER_SAME_CLASS_CHAIN, self.n_starts)))
        points, owner, group = race(
            task, keep=keep, rounds=_RACE_ROUNDS, slack=_RACE_SLACK, tolerance=1 / (4 * d)
        )
        spent = 0.0
        for step in range(_MOST_STEPS):
            chosen, n_asked = self._affordable(task, owner, d, step)
            points, owner, group = points[chosen], owner[chosen], group[chosen]
            if not len(chosen):
                break
            distance = task.distance(points, owner)
            normals = boundary_normals(
                task.oracle,
                points,
                _PROBE_RADIUS * distance / np.sqrt(d),
                task.directions(step, self._n_directions(d, step)),
                owner,
                n_asked,
            )
            points = semicircle_step(task, points, normals, owner)
            if len(points) > len(np.unique(owner)):
                keep = max(keep // 2, 1)
                stay = leaders(owner, group, task.distance(points, owner), keep)
                points, owner, group = points[stay], owner[stay], group[stay]
            task.report((task.fraction_spent() - spent) * n)
            spent = task.fraction_spent()

    def _affordable(
        self, task: SearchTask, owner: np.ndarray, d: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the chains that can pay for a step, and in how many directions they ask."""
        active = np.zeros(len(task.x), dtype=bool)
        active[task.active()] = True
        share = task.oracle.left(owner) // np.maximum(np.bincount(owner), 1)[owner]
        n_asked = np.minimum(share - STEP_QUERIES, self._n_directions(d, step))
        chosen = np.flatnonzero(active[owner] & (n_asked >= max(1, self._first_directions(d) // 4)))
        return chosen, n_asked[chosen]
