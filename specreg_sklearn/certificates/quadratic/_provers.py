"""scikit-learn's classifiers with quadratic scores, in the form of all proofs of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import register_distance_prover
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver
from specreg_sklearn.certificates.quadratic._quadratic_scores import QuadraticScores

if TYPE_CHECKING:
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB


class QuadraticProver(MoveProver):
    """Classes compared by quadratic scores."""

    name = "quadratic"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        self.scores = quadratic_scores(self.last)

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return exact distances in L2, and in Linf where columns are independent."""
        return self.scores.proof(rows, own, box)


def quadratic_scores(step: GaussianNB | QuadraticDiscriminantAnalysis) -> QuadraticScores:
    """Return the scores of a fitted GaussianNB or QuadraticDiscriminantAnalysis."""
    if hasattr(step, "theta_"):
        mean = np.asarray(step.theta_, dtype=np.float64)
        spread = np.asarray(step.var_, dtype=np.float64)
        constant = np.log(step.class_prior_) - 0.5 * np.log(2.0 * np.pi * spread).sum(axis=1)
        return QuadraticScores(list(mean), [np.diag(v**-0.5) for v in spread], constant, True)
    root = [R * S ** (-0.5) for R, S in zip(step.rotations_, step.scalings_, strict=True)]
    spread = np.array([np.log(S).sum() for S in step.scalings_])
    constant = np.log(step.priors_) - 0.5 * spread
    return QuadraticScores(
        [np.asarray(mean, dtype=np.float64) for mean in step.means_], root, constant, False
    )


@register_distance_prover(
    "sklearn.naive_bayes.GaussianNB", "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis"
)
def prove_quadratic(estimator: Classifier, X: Any) -> QuadraticProver:
    """Return the proof of a classifier with quadratic scores."""
    return QuadraticProver(estimator)
