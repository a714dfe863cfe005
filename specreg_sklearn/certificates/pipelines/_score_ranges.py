"""What the scores of a classifier with stages may be, for rows moved by up to a distance."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._model import (
    CertifiedModel,
    check_underived,
    directions_of,
)
from specreg_sklearn.space import CONVEX_NORMS, NORMS, CleanRows, check_norm
from specreg_sklearn.tables import (
    cell_rounding,
    check_exact_numbers,
    check_fitted_columns,
    columns_read,
    complete_rows,
    holds_words,
    places_of,
)

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
        from specreg_sklearn.certificates.pipelines._predicted_scores import PredictedScores
        from specreg_sklearn.certificates.stages import Affine

        measure = NORMS[check_norm(norm, CONVEX_NORMS, "ScoreRanges")]
        model = CertifiedModel(estimator)
        self.classes = model.classes
        n = len(self.classes)
        # A score that is always zero makes single scores differences, too.
        model.scores = CertifiedMap(
            [*model.scores.stages, Affine(np.vstack([np.eye(n), np.zeros(n)]))]
        )
        table = rows.table
        check_underived(rows.derives, bool(rows.choices))
        check_fitted_columns(estimator, table)
        place = places_of(estimator, model.scores.n_inputs, table)
        read = columns_read(model.scores.stages[0], len(place))
        cells = complete_rows(
            table, place, read, purpose="certificates", refusal=NoCertificateError
        )
        check_exact_numbers(table, cells, place, np.isin(place, rows.columns))
        moves_categories = any(holds_words(table, int(j)) for j in rows.columns)
        directions = directions_of(rows.columns, rows.scale, place, moves_categories)
        self.rates = model._constants(directions, measure)
        own = PredictedScores(model.scores.stages, cell_rounding(table, place))
        reach = np.abs(directions) if directions.ndim == 1 else np.abs(directions).max(axis=1)
        length = measure.from_l2(np.asarray(reach.max()), directions.shape[-1])
        self.growth, self.farthest = own.growth(reach, float(length))
        self.values, delta = model.scores.evaluate(cells)
        self.blur = delta + own.errors(cells, delta) + 4 * _UNIT * np.abs(self.values)

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
