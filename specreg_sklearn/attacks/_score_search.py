"""ScoreSearch: minimal distances from class scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.integers import turns_of_swaps
from specreg_sklearn.attacks.margins import MarginSearch
from specreg_sklearn.attacks.questions import (
    Margins,
    ScoredPredict,
    ScoreMethod,
    SearchTask,
    check_scores,
)


@dataclass(kw_only=True, eq=False, repr=False)
class ScoreSearch(BlackBoxAttack):
    """Minimal distances from class scores, in L1, L2 or Linf, for trees and smooth models alike.

    The margin, the score of the true class minus the largest other one, says how far a point is
    from fooling the model, where a label only says that it does not. The search learns what moves
    of single columns gain at which size, and chooses moves by gain per distance; it leaves parts of
    the best move out and looks for cheaper ones; where the margin has a slope, it follows that.
    Columns that a point does not need go home in the order of what that costs.

    An attacker who sees scores knows more than one who sees labels: say which one you mean. It
    needs ``decision_function`` or ``predict_proba``. A row counts only if ``predict`` confirms it.

    Parameters
    ----------
    norm : {1, 2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=1000
        Budget of each row. Rows sent to ``decision_function`` or ``predict_proba`` and rows sent to
        ``predict`` count alike. A larger budget begins like a smaller one and goes on.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`. Rows without a start are searched from the clean row.
    scores : {"auto", "decision_function", "predict_proba"}, default="auto"
        Where scores come from. "auto" takes the first of these two that the estimator has.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from specreg_sklearn.attacks import CGBA, ScoreSearch
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, y)
    >>> result = ScoreSearch(max_queries=500).run(model, X[:10], y[:10], pool=X)
    >>> bool((model.predict(result.X_adv) != y[:10]).all())
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (1, 2, np.inf)
    _from_boundary: ClassVar[bool] = False
    _last_bisection: ClassVar[bool] = False
    _needs_start: ClassVar[bool] = False

    scores: ScoreMethod = "auto"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_scores(self.scores)

    def _predict_of(self, estimator: Classifier) -> ScoredPredict:
        return ScoredPredict(estimator, self.scores, needed_by=type(self).__name__)

    def _search(self, task: SearchTask) -> None:
        margins, limit = Margins(task.oracle), task.oracle.limit
        for until in turns_of_swaps(task):
            task.oracle.limit = min(until, limit)
            MarginSearch(task, margins).search()
            task.oracle.limit = limit
        MarginSearch(task, margins).search()
