"""Ensembles of trees as members: what their scores and shares may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.composed._ranges import ProvedMember, Range, softmax_range
from specreg_sklearn.certificates.pipelines import split_pipeline
from specreg_sklearn.certificates.trees import TreeEnsemble, TreeProver, TreeScoreRanges
from specreg_sklearn.space import CleanRows

# Their shares are the sigmoid or the softmax of the sum over their trees, and this is their
# decision_function if they have one.
_LINKED = frozenset(
    {
        "CatBoostClassifier",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "LGBMClassifier",
        "XGBClassifier",
    }
)
# Shares of some of them are numbers in float32.
_LINK_BLUR = 1e-6


class TreeMember(ProvedMember):
    """An ensemble of trees: its label by the exact distance, its sums tree by tree."""

    prover: TreeProver

    def __init__(
        self, estimator: Any, rows: CleanRows, norm: float, max_nodes: int, blur: float
    ) -> None:
        super().__init__(estimator, rows, norm, max_nodes, blur)
        ensemble, name = self.prover.ensemble, type(split_pipeline(estimator)[1]).__name__
        self.sums = TreeScoreRanges(ensemble, rows, norm)
        self.n_trees = len(ensemble.trees.nodes.roots) if ensemble.trees.averaged else 0
        X, here = rows.write(rows.raw, np.arange(len(rows))), np.zeros(len(rows))
        # Objectives and settings may put something else in their places.
        self.linked = name in _LINKED and _inside(estimator.predict_proba(X), self._linked(here))
        self.summed = name in _LINKED and hasattr(estimator, "decision_function")
        if self.summed:
            self.summed = _inside(estimator.decision_function(X), self.sums(here))

    def _proved_by(self, estimator: Classifier, X: Any) -> TreeProver:
        return TreeProver(TreeEnsemble.from_estimator(estimator, X))

    def decision(self, radius: FloatArray) -> Range:
        """Return the ranges of the sums, where these are the scores."""
        low, high = super().decision(radius)
        if not self.summed:
            return low, high
        least, most = self.sums(radius)
        return np.maximum(low, least), np.minimum(high, most)

    def shares(self, radius: FloatArray) -> Range:
        """Return the ranges of means over trees, or of what a link makes of sums."""
        low, high = super().shares(radius)
        if self.n_trees:
            least, most = (end / self.n_trees for end in self.sums(radius))
            low, high = np.maximum(low, least - self.blur), np.minimum(high, most + self.blur)
        elif self.linked:
            least, most = self._linked(radius)
            low, high = np.maximum(low, least), np.minimum(high, most)
        return low, high

    def _linked(self, radius: FloatArray) -> Range:
        low, high = self.sums(radius)
        if low.shape[1] == 1:
            # The second class against a score of nothing.
            low, high = (np.hstack([np.zeros_like(end), end]) for end in (low, high))
        least, most = softmax_range(low, high)
        return least - _LINK_BLUR, most + _LINK_BLUR


def _inside(seen: Any, ends: Range) -> bool:
    """Return whether what a member answers is in its ranges."""
    numbers = np.asarray(seen, dtype=np.float64).reshape(ends[0].shape[0], -1)
    fits = numbers.shape == ends[0].shape
    return fits and bool(((ends[0] <= numbers) & (numbers <= ends[1])).all())
