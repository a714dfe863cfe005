"""RayS: the attack for Linf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import (
    MOST_DIMENSIONS,
    Moves,
    SphereSearch,
    block_flips,
    choose_starts,
    random_moves,
    shrink,
    try_moves,
)
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.integers import CubeSearch
from specreg_sklearn.attacks.questions import SearchTask, nearest_by_group

# Smallest progress that counts, as a share of the radius.
_TOLERANCE = 1e-3
# Starts are compared after so many halvings; one that is then much farther out is dropped.
_START_ROUNDS, _START_SLACK, _START_TOLERANCE = 6, 3.0, 0.01
# The corner where all coordinates are at their upper ends is a class of starts of its own.
_CORNER_GROUP = -1
# What shrinking a ball costs, roughly; a start costs about a hundredth of the usual budget.
_SHRINK_QUERIES = 14
_QUERIES_PER_START = 100
# Shares of the budget for the first moves of all perturbations, and for choosing among them.
_SHARE_OF_FIRST_MOVES, _SHARE_OF_CHOICE = 0.28, 0.7
# Flips of every block take half of the budget at most; a second round must be left.
_ROUNDS = 2
# With few features, this share of the budget is kept for the search on spheres.
_SHARE_OF_SPHERES = 0.5
# With no budget, a perturbation that gained nothing in so many rounds is done.
_PATIENCE = 40
_MOST_KEPT, _MOST_ROUNDS = 10, 10000


@dataclass
class _Perturbations:
    """Perturbations that are made smaller, several for each row at first."""

    x: FloatArray
    delta: FloatArray
    radius: FloatArray
    owner: IntArray
    group: IntArray
    idle: IntArray

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, chosen: BoolArray) -> _Perturbations:
        """Return the chosen ones only."""
        return self if chosen.all() else _Perturbations(*(a[chosen] for a in vars(self).values()))


@dataclass(kw_only=True, eq=False, repr=False)
class RayS(BlackBoxAttack):
    """Search among the corners of Linf balls: the attack of this library for Linf.

    RayS (Chen and Gu, "RayS: A Ray Searching Method for Hard-label Adversarial Attack", KDD 2020,
    arXiv:2006.12792) looks for the vector of signs along which the decision boundary is nearest. It
    flips the signs of blocks of features and keeps what lets the distance shrink. It needs neither
    gradients nor a step size.

    The original asks about one block at a time, in the fixed order of the columns, and stops short
    once no block helps. Here all blocks of all rows are asked in one call of ``predict``, and those
    that help are flipped together. Columns are cut into new random blocks in every round, as
    neighbouring columns of a table have nothing in common. Several starts are compared, one of
    every wrong class first. And rounds of block flips take turns with moves that put random columns
    at random places in the ball, so that the distance of trees and their ensembles, of which the
    nearest wrong region is seldom at a corner, keeps falling.

    Parameters
    ----------
    norm : {inf}, default=inf
        RayS works in Linf; use :class:`CGBA` for L2.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. None goes on until a row has not
        improved for 40 rounds.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`. With a small budget fewer starts are used. The upper corner
        of the box is one more start, unless you give your own.
    blocks : {"permuted", "contiguous"}, default="permuted"
        How columns are cut into blocks: at random, anew in every round, or in their own order as in
        the paper, which suits signals and images.

    Notes
    -----
    The search goes along the axes of the features, so their units decide what it finds: work in
    scaled features, as ``FeatureSpace(scale="std")`` does.

    Examples
    --------
    On a linear model the distance is known: the margin over the sum of absolute weights.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from specreg_sklearn.attacks import FeatureSpace, RayS
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> model = LogisticRegression().fit(X, y)
    >>> space = FeatureSpace.from_data(X, bounds=None, scale=None)
    >>> result = RayS().run(model, X[:20], y[:20], space=space, pool=X)
    >>> exact = np.abs(model.decision_function(X[:20])) / np.abs(model.coef_).sum()
    >>> ratio = result.distances / exact
    >>> bool(ratio.min() >= 1 and np.median(ratio) < 1.001)
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (np.inf,)
    _from_boundary: ClassVar[bool] = False

    norm: float = np.inf
    blocks: Literal["permuted", "contiguous"] = "permuted"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.blocks, str) or self.blocks not in ("permuted", "contiguous"):
            raise ValueError(
                f"blocks={self.blocks!r} is not accepted; give 'permuted' or 'contiguous'."
            )

    def _n_data_starts(self, n_features: int) -> int:
        wanted = super()._n_data_starts(n_features)
        if self.max_queries is None:
            return wanted
        return min(wanted, max(2, self.max_queries // _QUERIES_PER_START))

    def _n_blocks(self, n_features: int) -> int:
        if self.max_queries is None:
            return n_features
        return min(n_features, max(4, self.max_queries // _ROUNDS))

    def _n_kept(self, n_features: int) -> int:
        """Return how many perturbations of a row make the first moves."""
        if self.max_queries is None:
            return _MOST_KEPT
        cost = self._n_blocks(n_features) / 2 + _SHRINK_QUERIES
        return int(np.clip(_SHARE_OF_FIRST_MOVES * self.max_queries / cost, 1, _MOST_KEPT))

    def _rounds_to_choose(self, n_features: int, n_kept: int) -> int:
        """Return after how many rounds the worse half of the perturbations is given up."""
        if self.max_queries is None:
            return 4
        cost = n_kept * (self._n_blocks(n_features) + _SHRINK_QUERIES)
        return max(1, int(_SHARE_OF_CHOICE * self.max_queries / cost))

    def _search(self, task: SearchTask) -> None:
        if CubeSearch.applies(task):
            CubeSearch(task).search(task.active())
            return
        limit = task.oracle.limit
        few = task.x.shape[1] <= MOST_DIMENSIONS and self.max_queries is not None
        if few:
            task.oracle.limit = int((1 - _SHARE_OF_SPHERES) * limit)
        self._shrink_balls(task)
        task.oracle.limit = limit
        if few:
            spheres = SphereSearch(task)
            for turn in range(_MOST_ROUNDS):
                if not len(spheres.rows()):
                    break
                spheres.search(turn)

    def _shrink_balls(self, task: SearchTask) -> None:
        (n, d), decide = task.x.shape, task.oracle.decide
        keep = self._n_kept(d)
        pause = self._rounds_to_choose(d, keep)
        current = self._first_perturbations(task, keep)
        spent = 0.0
        for step in range(_MOST_ROUNDS):
            if step and step % pause == 0 and keep > 1:
                keep //= 2
                current = current.take(
                    nearest_by_group(current.owner, current.group, current.radius, keep)
                )
            current = current.take(self._going_on(task, current))
            if not len(current):
                break
            c = current
            place = c.x, c.delta, (1 - _TOLERANCE) * c.radius, c.owner
            which, found = try_moves(decide, *place, self._moves(task, step, d))
            c.idle += 1
            c.idle[which] = 0
            c.delta, c.radius = shrink(
                decide, c.x, c.delta, c.radius, c.owner, which, found, _TOLERANCE
            )
            task.report((task.fraction_spent() - spent) * n)
            spent = task.fraction_spent()

    def _going_on(self, task: SearchTask, current: _Perturbations) -> BoolArray:
        active = np.zeros(len(task.x), dtype=bool)
        active[task.active()] = True
        patience = _PATIENCE if self.max_queries is None else _MOST_ROUNDS
        return active[current.owner] & (current.idle < patience)

    def _first_perturbations(self, task: SearchTask, keep: int) -> _Perturbations:
        """Bring the best starts to the boundary, and into a corner of their ball if that fools."""
        if isinstance(self.starts, str):
            self._add_corner(task)
        points, owner, group = choose_starts(
            task, keep, _START_ROUNDS, slack=_START_SLACK, tolerance=_START_TOLERANCE
        )
        x = task.x[owner]
        delta = points - x
        radius = task.distance(points, owner)
        corners = np.where(delta >= 0, 1.0, -1.0) * (1 - _TOLERANCE) * radius[:, None]
        which = np.flatnonzero(task.oracle.decide(x + corners, owner))
        delta, radius = shrink(
            task.oracle.decide, x, delta, radius, owner, which, corners[which], _TOLERANCE
        )
        return _Perturbations(x, delta, radius, owner, group, np.zeros(len(owner), dtype=np.int64))

    def _add_corner(self, task: SearchTask) -> None:
        rows = task.active()
        corner = task.clip(task.hi[rows], rows)
        fooled = task.oracle.decide(corner, rows)
        task.starts = np.concatenate([task.starts, corner[fooled]])
        task.owner = np.concatenate([task.owner, rows[fooled]])
        task.group = np.concatenate([task.group, np.full(fooled.sum(), _CORNER_GROUP)])

    def _moves(self, task: SearchTask, step: int, d: int) -> Moves:
        """Return the moves of a round: coarse flips, fine ones, and then others in between."""
        rng, n_blocks = task.rng(step), self._n_blocks(d)
        n_coarse = max(1, n_blocks // 2)
        if step > 1 and step % 2 == 0:
            return random_moves(rng, max(n_coarse, 8), d)
        order = rng.permutation(d) if self.blocks == "permuted" else np.arange(d)
        # Not all starts lie in corners: every other time, what is inside the ball moves outwards.
        return block_flips(order, n_blocks if step else n_coarse, outward=step % 4 == 1)
