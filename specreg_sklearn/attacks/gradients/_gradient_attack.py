"""The attack that follows gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.gradients._logits import DifferentiablePredict, MarginSlopes
from specreg_sklearn.attacks.gradients._minimise import minimise
from specreg_sklearn.attacks.questions import SearchTask
from specreg_sklearn.tables import check_positive_int, rank_within

# Points are asked about where they are, and a little farther out.
_OUTWARDS = np.array([0.0, 1e-6, 1e-4, 1e-3, 1e-2])


@dataclass(kw_only=True, eq=False, repr=False)
class GradientAttack(BlackBoxAttack):
    """Minimal distances with gradients, for the networks of this package, in L1, L2 or Linf.

    From the clean row, and from rows of data in other classes, points go down the gradient of the
    margin and are kept in a ball that shrinks where the model is fooled (Pintor, Roli, Brendel and
    Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm Constraints", NeurIPS 2021,
    arXiv:2102.12827). Points stay inside the space: its box, its immutable columns and whole
    numbers. The nearest point of each row counts only if ``predict`` confirms it.

    It works on :class:`SpectrallyRegularizedEncoder`, :class:`RobustLinearProbe`, pipelines that
    end in these, with :class:`SelfSupervisedEncoder` before them, and whatever defines
    ``__differentiable__``; scalers and other steps may stand before them. Nobody outside has
    gradients: it is a check of the other attacks, and part of :class:`Strongest`.

    Parameters
    ----------
    norm : {1, 2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=1000
        Budget of each row in rows sent to ``predict``: starts and verification, a few dozen. What
        the network computes in torch, some hundred passes forwards and backwards per point, is not
        counted: it is no question to ``predict``, and a larger budget does not change it.
    n_starts : int, default=9
        Rows of data in other classes that are asked about; the nearest `n_chains` - 1 of them are
        followed.
    starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`.
    n_chains : int, default=4
        Points that are followed for each row; the first one starts at the clean row.

    Examples
    --------
    On a linear model the distance is known: the margin over the norm of the weights.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from specreg_sklearn import RobustLinearProbe
    >>> from specreg_sklearn.attacks import FeatureSpace, GradientAttack
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> probe = RobustLinearProbe().fit(X, y)
    >>> space = FeatureSpace.from_data(X, bounds=None, scale=None)
    >>> result = GradientAttack().run(probe, X[:20], y[:20], space=space, pool=X)
    >>> exact = np.abs(probe.decision_function(X[:20])) / np.linalg.norm(probe.coef_)
    >>> bool(np.allclose(result.distances, exact, rtol=1e-3))
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (1, 2, np.inf)
    _from_boundary: ClassVar[bool] = False
    _needs_start: ClassVar[bool] = False

    n_chains: int = 4

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive_int(self.n_chains, "n_chains")

    def _predict_of(self, estimator: Classifier) -> DifferentiablePredict:
        return DifferentiablePredict(estimator, needed_by=type(self).__name__)

    def _search(self, task: SearchTask) -> None:
        slopes = MarginSlopes(task)
        oracle = task.oracle
        far = (oracle.best_distance > task.stop_distance) & (slopes.column >= 0)
        rows = np.flatnonzero(far & (oracle.left(np.arange(len(task.x))) > 0))
        if not len(rows):
            return
        mine = np.flatnonzero(np.isin(task.owner, rows))
        place = rank_within((task.owner[mine],), task.distance(task.starts[mine], task.owner[mine]))
        mine = mine[place < self.n_chains - 1]
        owner = np.concatenate([rows, task.owner[mine]])
        points = np.concatenate([task.x[rows], task.starts[mine]])
        found, distance = minimise(task, slopes, points, owner)
        nearest = (rank_within((owner,), distance) == 0) & np.isfinite(distance)
        found, whose = found[nearest], owner[nearest]
        out = task.x[whose][:, None] + (1 + _OUTWARDS)[:, None] * (found - task.x[whose])[:, None]
        # A network rounds differently from one batch to the next.
        oracle.decide(out.reshape(-1, found.shape[1]), np.repeat(whose, len(_OUTWARDS)))
        task.report(len(rows))
