"""What the scores of a classifier with stages may be, for rows moved by up to a distance."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.pipelines._model import CertifiedModel
from specreg_sklearn.space import CONVEX_NORMS, NORMS, CleanRows, check_norm

_UNIT = 2.0**-53
_ABOVE = 1 + 2.0**-45


class ScoreRanges:
    """Scores around rows: where they are, and how fast their differences change.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier, pipeline or search with stages.
    rows : CleanRows
        Rows, bound to their space.
    norm : {1, 2, inf}
        The norm of moves.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the scores. Of two classes the first one may score 0.

    Raises
    ------
    NoCertificateError
        If a step has none, or categories can change.
    """

    def __init__(self, estimator: Classifier, rows: CleanRows, norm: float) -> None:
        # Stages need torch, which whoever only measures never loads.
        from specreg_sklearn.certificates.bounds import CertifiedMap
        from specreg_sklearn.certificates.stages import Affine

        measure = NORMS[check_norm(norm, CONVEX_NORMS, "ScoreRanges")]
        model = CertifiedModel(estimator)
        self.classes = model.classes
        n = len(self.classes)
        # A score that is always zero makes single scores differences, too.
        model.scores = CertifiedMap(
            [*model.scores.stages, Affine(np.vstack([np.eye(n), np.zeros(n)]))]
        )
        moved = model.moved(rows, norm=norm)
        self.rates = model._constants(moved.directions, measure)
        self.growth, self.farthest = moved.growth, moved.farthest
        self.values, delta = model.scores.evaluate(moved.values)
        self.blur = delta + moved.own.errors(moved.values, delta) + 4 * _UNIT * np.abs(self.values)

    def difference(
        self, j: int, k: int | None, radius: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest score of class j less that of class k, or less 0."""
        k = len(self.classes) if k is None else k
        middle = self.values[:, j] - self.values[:, k]
        rate = self.rates[j, k] + self.growth[j] + self.growth[k]
        with np.errstate(invalid="ignore", over="ignore"):
            spread = rate * radius + self.blur[:, j] + self.blur[:, k] + 4 * _UNIT * np.abs(middle)
        spread = np.where((radius > self.farthest) | np.isnan(spread), np.inf, spread * _ABOVE)
        return middle - spread, middle + spread
