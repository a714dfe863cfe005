"""RayS: the attack for Linf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import MOST_DIMENSIONS, SphereSearch, follow_priced_slopes
from specreg_sklearn.attacks.boxes import is_oblique
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.integers import IntegerCubeSearch
from specreg_sklearn.attacks.linf import CornerSearch, CubeSearch, Lattice
from specreg_sklearn.attacks.questions import SearchTask

# With no budget, a row that came no nearer in so many rounds is done.
_PATIENCE = 40
_MOST_ROUNDS = 10000
# Rounds that ask nothing, since all moves round to the clean row, end a row at last.
_MOST_IDLE = 16
# The corner where all coordinates are at their upper ends is a class of starts of its own.
_CORNER_GROUP = -1
# The first starts are followed alone until a row has spent so many queries.
_MORE_STARTS_AT = 250
# With few columns, spheres are searched in one round of so many.
_SPHERES = 2
# One round in so many belongs to the search that has gained less.
_OTHER = 3


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
    every wrong class first.

    The nearest wrong region of trees and their ensembles is seldom at a corner, and often much
    nearer than any way from a row of data leads. So rounds of flips take turns with draws in cubes:
    rows of data that the model puts into a wrong class, corners and points anywhere, clipped to
    cubes of all sizes at first, and then to cubes a little smaller than the best distance. Which of
    the two has most turns depends on what they have gained for a row.

    No step depends on the budget: the first queries of a long search are those of a short one.

    Parameters
    ----------
    norm : {inf}, default=inf
        RayS works in Linf; use :class:`CGBA` for L2.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. None goes on until a row has not
        improved for 40 rounds.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`. The first three starts are followed alone until a row has
        spent 250 queries. The upper corner of the box is one more start, unless you give your own.
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
    # The search is as fine, and what it finds next may gain less than a bisection of a shorter run.
    _last_bisection: ClassVar[bool] = False

    norm: float = np.inf
    blocks: Literal["permuted", "contiguous"] = "permuted"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.blocks, str) or self.blocks not in ("permuted", "contiguous"):
            raise ValueError(
                f"blocks={self.blocks!r} is not accepted; give 'permuted' or 'contiguous'."
            )

    def _search(self, task: SearchTask) -> None:
        if IntegerCubeSearch.applies(task):
            IntegerCubeSearch(task).search(task.active())
            return
        n, oracle, lattice = len(task.x), task.oracle, Lattice(task)
        if isinstance(self.starts, str):
            _add_corner(task)
        if oracle.rows.dearer(oracle.norm) is not None:
            rows = task.active()
            follow_priced_slopes(task, rows[is_oblique(task, rows, 0)])
        corners, cubes = CornerSearch(task, lattice, self.blocks), CubeSearch(task, lattice)
        spheres = SphereSearch(task) if task.x.shape[1] <= MOST_DIMENSIONS else None
        turns, idle, vain = _Turns(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        spent = 0.0
        for turn in range(_MOST_ROUNDS):
            going = task.is_open(np.arange(n)) & (idle < _MOST_IDLE)
            going &= oracle.best_distance > lattice.least
            if self.max_queries is None:
                going &= vain < _PATIENCE
            if not going.any():
                break
            asked, before = oracle.n_queries.copy(), oracle.best_distance.copy()
            corners.add_starts(going & (asked >= _MORE_STARTS_AT))
            in_corners, number = turns.take(turn)
            corners.round(number, going & in_corners)
            cubes.round(number, going & ~in_corners)
            if spheres is not None and turn % _SPHERES == 0:
                spheres.search(turn, np.flatnonzero(going & (asked >= _MORE_STARTS_AT)))
            idle = np.where(oracle.n_queries > asked, 0, idle + 1)
            vain = np.where(oracle.best_distance < before, 0, vain + 1)
            if turn:
                cost = oracle.n_queries - asked
                gain = np.log(before[going] / oracle.best_distance[going])
                turns.learn(going, in_corners, gain, cost[going])
            task.report((task.fraction_spent() - spent) * n)
            spent = task.fraction_spent()


class _Turns:
    """Which rows go to corners in a round and which ask in cubes.

    Two rounds of three belong to the search that has brought a row nearer at less cost so far: on
    smooth models the corners, on trees the cubes. The third one belongs to the other. All begin
    with one round of each.
    """

    def __init__(self, n: int) -> None:
        self.gain, self.cost = np.zeros((2, n)), np.ones((2, n))

    def take(self, turn: int) -> tuple[BoolArray, int]:
        """Return which rows go to corners, and how many such rounds they have had."""
        smooth = self.gain[1] * self.cost[0] >= self.gain[0] * self.cost[1]
        if turn == 1:
            smooth = np.zeros_like(smooth)
        if turn % _OTHER == 0:
            return (~smooth if turn else smooth), turn // _OTHER
        return smooth, turn - turn // _OTHER - 1

    def learn(
        self, rows: BoolArray, in_corners: BoolArray, gain: FloatArray, cost: IntArray
    ) -> None:
        """Note what the marked rows have gained in a round, and at what cost."""
        search = in_corners[rows].astype(np.int64)
        self.gain[search, rows] += gain
        self.cost[search, rows] += cost


def _add_corner(task: SearchTask) -> None:
    """Let the corner where all coordinates are at their upper ends be one more start."""
    rows = task.active()
    corner = task.clip(task.hi[rows], rows)
    fooled = task.oracle.decide(corner, rows)
    task.starts = np.concatenate([task.starts, corner[fooled]])
    task.owner = np.concatenate([task.owner, rows[fooled]])
    task.group = np.concatenate([task.group, np.full(fooled.sum(), _CORNER_GROUP)])
