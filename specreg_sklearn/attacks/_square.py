"""SquareAttack: random search on class scores, within a fixed distance."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, IntArray
from specreg_sklearn.attacks.boundary import (
    Blocks,
    CornerMoves,
    ImageShape,
    SphereMoves,
    check_image_shape,
)
from specreg_sklearn.attacks.frame import BlackBoxAttack, Starts
from specreg_sklearn.attacks.questions import (
    Margins,
    ScoredPredict,
    ScoreMethod,
    SearchTask,
    check_scores,
)

# Shares of a round after which the size of the blocks is halved.
_HALVED_AFTER = np.array([0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
# What is moved in each norm.
_MOVES: dict[float, type[CornerMoves] | type[SphereMoves]] = {np.inf: CornerMoves, 2: SphereMoves}
# Iterations of a round, per column. A table of few columns has been searched by then, and another
# round from elsewhere finds more than the rest of a long one. No size depends on the budget: a
# search with a small one is how a search with a large one begins.
_ROUND: dict[float, int] = {np.inf: 3, 2: 8}
# With no budget, this many iterations end the search.
_MOST_STEPS = 10000


@dataclass(kw_only=True, eq=False, repr=False)
class SquareAttack(BlackBoxAttack):
    """Random search within a fixed distance, guided by class scores, in L2 or Linf.

    The attack looks for *any* adversarial row within `eps`, so :meth:`run` needs an `eps`. It moves
    one block of columns at a time and keeps the move if the margin, the score of the true class
    minus the largest other score, does not grow (Andriushchenko, Croce, Flammarion and Hein,
    "Square Attack", ECCV 2020, arXiv:1912.00049). In Linf a block goes to the ends of the allowed
    range; in L2 it takes norm from the other columns, or gives norm to them. One call of the
    estimator per iteration serves all rows. Beyond the paper, blocks have their turns in shuffled
    order, no query is spent on a move that changes nothing, an L2 move that failed is tried the
    other way round, L2 moves grow where the scores are flat (trees), and a large budget is cut into
    rounds that begin afresh and, with three classes or more, aim at one other class each.

    Unlike the other attacks it needs ``decision_function`` or ``predict_proba``. A row counts as
    adversarial only if ``predict`` says so.

    Parameters
    ----------
    norm : {2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=1000
        Budget of each row. Rows sent to ``decision_function`` or ``predict_proba`` and rows sent to
        ``predict`` count alike. None ends after 10 000 iterations.
    targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`. There are no starts to choose.
    image_shape : tuple (H, W) or (C, H, W), or None, default=None
        Shape of the images that the columns hold, in C order. Blocks are then squares, which suits
        models that look at neighbouring pixels. None: blocks are any columns.
    scores : {"auto", "decision_function", "predict_proba"}, default="auto"
        Where scores come from. "auto" takes the first of these two that the estimator has.
    p_init : float, default=0.8
        Share of the columns in the first blocks. It is halved nine times in a round.

    Notes
    -----
    Rows for which nothing was found have the status "not_found". Their distance is ``inf``, and a
    robust accuracy counts them as robust at `eps`: an upper bound, as with every attack. Rows that
    were found are moved back towards the clean row up to the boundary with what queries are set
    aside for it; the distance is an upper bound of the smallest one, usually a loose one.

    Examples
    --------
    On a linear model the Linf distance is known: the margin over the sum of absolute weights.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from specreg_sklearn.attacks import FeatureSpace, SquareAttack
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> model = LogisticRegression().fit(X, y)
    >>> space = FeatureSpace.from_data(X, bounds=None, scale=None)
    >>> right = model.predict(X) == y
    >>> attack = SquareAttack(norm=np.inf, max_queries=300)
    >>> result = attack.run(model, X[right], y[right], eps=0.3, space=space)
    >>> exact = np.abs(model.decision_function(X[right])) / np.abs(model.coef_).sum()
    >>> bool((result.success == (exact < 0.3)).all())
    True
    """

    _within_eps: ClassVar[bool] = True

    n_starts: int = field(default=1, init=False)
    starts: Starts = field(default="data", init=False)
    image_shape: ImageShape = None
    scores: ScoreMethod = "auto"
    p_init: float = 0.8

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_scores(self.scores)
        check_image_shape(self.image_shape)
        if isinstance(self.p_init, bool) or not isinstance(self.p_init, Real):
            raise ValueError(f"p_init={self.p_init!r} is not a number.")
        if not 0 < self.p_init <= 1:
            raise ValueError(f"p_init={self.p_init!r} is not a share; accepted: 0 < p_init <= 1.")

    def _check_run(self, n_features: int, eps: float | None) -> None:
        if eps is None or not 0 < eps < np.inf:
            raise ValueError(
                f"eps={eps!r}: SquareAttack looks for rows within a fixed distance, so run needs a "
                "finite eps > 0. For distances take CGBA (L2) or RayS (Linf)."
            )
        check_image_shape(self.image_shape, n_features)

    def _predict_of(self, estimator: Classifier) -> ScoredPredict:
        return ScoredPredict(estimator, self.scores, needed_by=type(self).__name__)

    def _search(self, task: SearchTask) -> None:
        d = task.x.shape[1]
        blocks = Blocks(task.oracle.rows.columns, self.image_shape)
        moves = _MOVES[self.norm](task, blocks)
        search = _Search(task, moves, Margins(task.oracle))
        # Moves that change nothing cost nothing, so there may be more iterations than queries.
        n_steps = _MOST_STEPS if self.max_queries is None else 2 * task.oracle.limit
        a_round = _ROUND[self.norm] * d
        spent = 0.0
        for t in range(n_steps):
            rows = search.open_rows()
            if not len(rows):
                break
            n_halved = np.searchsorted(_HALVED_AFTER, t % a_round / a_round, side="right")
            if t % a_round == 0:
                search.begin_round(t, t // a_round, rows)
            else:
                search.step(t, self.p_init / 2**n_halved, rows)
            before, spent = spent, task.fraction_spent()
            task.report((spent - before) * len(task.x))
        search.confirm(search.open_rows(least=1))


class _Search:
    """The state of the search: each row has its best point, kept in `moves`, and its loss."""

    def __init__(self, task: SearchTask, moves: CornerMoves | SphereMoves, margins: Margins):
        n = len(task.x)
        self.task, self.moves, self.margins = task, moves, margins
        self.loss = np.full(n, np.inf)
        # The smallest margin at which predict said that the row is not fooled: ask below it only.
        self.refused = np.full(n, np.inf)
        # Whether predict was asked about the best point, or there is none yet.
        self.confirmed = np.ones(n, dtype=bool)
        self.rivals = np.full((n, max(margins.n_classes - 1, 1)), -1)
        self.aim: np.ndarray | None = None

    def open_rows(self, least: int = 2) -> IntArray:
        """Return the rows that are not fooled within the distance and have queries left.

        A question about scores is of use only if one about the label can follow.
        """
        oracle = self.task.oracle
        open_ = (oracle.best_distance > self.task.stop_distance) & self.margins.possible
        return np.flatnonzero(open_ & (oracle.n_queries <= oracle.limit - least))

    def begin_round(self, t: int, number: int, rows: IntArray) -> None:
        """Put rows on a new random point."""
        self.confirm(rows)
        if number and self.margins.n_classes > 2 and not self.task.oracle.targeted:
            unknown = self.open_rows()
            unknown = unknown[self.rivals[unknown, 0] < 0]
            self.rivals[unknown] = self.margins.rivals(unknown)
            self.aim = self.rivals[:, (number - 1) % self.rivals.shape[1]]
        self.loss[:] = np.inf
        rows = self.open_rows()
        self._ask(rows, self.moves.anywhere(self.task.rng(t), rows))

    def step(self, t: int, share: float, rows: IntArray) -> None:
        """Move one block of columns."""
        states, changed = self.moves.propose(self.task.rng(t), share, rows)
        before = self.loss[rows]
        better = np.zeros(len(rows), dtype=bool)
        better[changed] = self._ask(rows[changed], states[changed])
        self.moves.learn(rows, better, self.loss[rows] < before)

    def confirm(self, rows: IntArray) -> None:
        """Ask predict about the best points: it need not follow the scores at every point."""
        rows = rows[~self.confirmed[rows]]
        self.task.oracle.decide(self.moves.points(self.moves.best[rows], rows), rows)
        self.confirmed[rows] = True

    def _ask(self, rows: IntArray, states: np.ndarray) -> BoolArray:
        """Ask for the scores of states, keep those that are no worse, and confirm successes."""
        if not len(rows):
            return np.zeros(0, dtype=bool)
        points = self.moves.points(states, rows)
        loss, margin = self.margins.ask(points, rows, None if self.aim is None else self.aim[rows])
        better = loss <= self.loss[rows]
        kept = rows[better]
        self.moves.best[kept], self.loss[kept] = states[better], loss[better]
        self.confirmed[kept] = False
        hopeful = np.flatnonzero((margin <= 0) & (margin < self.refused[rows]))
        self.task.oracle.decide(points[hopeful], rows[hopeful])
        self.refused[rows[hopeful]] = margin[hopeful]
        self.confirmed[rows[hopeful]] |= better[hopeful]
        return better
