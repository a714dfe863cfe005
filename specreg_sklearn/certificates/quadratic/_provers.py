"""scikit-learn's classifiers with quadratic scores, in the form of all proofs of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import register_distance_prover
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver
from specreg_sklearn.certificates.quadratic._quadratic_scores import QuadraticScores
from specreg_sklearn.space import NORMS

if TYPE_CHECKING:
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB


class QuadraticProver(MoveProver):
    """Classes compared by quadratic scores."""

    name = "quadratic"
    norms = tuple(NORMS)
    priced = True

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        self.scores = quadratic_scores(self.last)

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return exact distances where columns are independent, and in L2 without a box."""
        return self.scores.proof(rows, own, box, max_nodes)


def quadratic_scores(step: GaussianNB | QuadraticDiscriminantAnalysis) -> QuadraticScores:
    """Return the scores of a fitted GaussianNB or QuadraticDiscriminantAnalysis."""
    if hasattr(step, "theta_"):
        mean = np.asarray(step.theta_, dtype=np.float64)
        spread = np.asarray(step.var_, dtype=np.float64)
        prior, logs = np.log(step.class_prior_), np.log(2.0 * np.pi * spread)
        return QuadraticScores(
            mean=list(mean),
            root=[np.diag(v**-0.5) for v in spread],
            constant=prior - 0.5 * logs.sum(axis=1),
            constant_size=np.abs(prior) + 0.5 * np.abs(logs).sum(axis=1),
            diagonal=True,
            unit=_unit(step.theta_.dtype),
        )
    prior, each_log = np.log(step.priors_), [np.log(S) for S in step.scalings_]
    return QuadraticScores(
        mean=[np.asarray(mean, dtype=np.float64) for mean in step.means_],
        root=[R * S ** (-0.5) for R, S in zip(step.rotations_, step.scalings_, strict=True)],
        constant=prior - 0.5 * np.array([each.sum() for each in each_log]),
        constant_size=np.abs(prior) + 0.5 * np.array([np.abs(each).sum() for each in each_log]),
        diagonal=False,
        unit=_unit(step.means_[0].dtype),
    )


def _unit(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps) / 2 if dtype.kind == "f" else 1.0


@register_distance_prover(
    "sklearn.naive_bayes.GaussianNB", "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis"
)
def prove_quadratic(estimator: Classifier, X: Any) -> QuadraticProver:
    """Return the proof of a classifier with quadratic scores."""
    return QuadraticProver(estimator)
