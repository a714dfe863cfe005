"""What fitted members may answer for rows moved by up to a distance: labels, scores, shares.

Ranges contain every answer that a member gives, as it computes it, for any row within the distance.
They only grow with the distance. What a classifier makes of its members is then a matter of
interval arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.special import expit

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray
from specreg_sklearn.certificates.distances import (
    DistanceProver,
    distance_prover,
    lower_bounds,
)
from specreg_sklearn.certificates.kernels import Margin, machine_pairs
from specreg_sklearn.certificates.moves import model_rows
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    split_pipeline,
)
from specreg_sklearn.space import CleanRows

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Range: TypeAlias = tuple[FloatArray, FloatArray]
"""The least and the greatest of something, an array each."""

Difference: TypeAlias = Callable[[int, int | None, FloatArray], Range]
"""From two classes and distances to the range of the difference of their scores."""

# predict of these takes the class with the largest share, and no other.
_LARGEST_SHARE = frozenset(
    {
        "BaggingClassifier",
        "BernoulliNB",
        "CategoricalNB",
        "ComplementNB",
        "DecisionTreeClassifier",
        "DummyClassifier",
        "ExtraTreeClassifier",
        "ExtraTreesClassifier",
        "GaussianNB",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "KNeighborsClassifier",
        "LabelPropagation",
        "LabelSpreading",
        "MultinomialNB",
        "QuadraticDiscriminantAnalysis",
        "RandomForestClassifier",
    }
)


# libsvm couples the shares of two classes by an iteration, which ends as near as this.
_PLATT_BLUR = 0.005 + 1e-6


class MemberRanges(ABC):
    """What one fitted member may answer.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Its labels.
    """

    classes: np.ndarray

    @abstractmethod
    def labels(self, radius: FloatArray) -> BoolArray:
        """Return which labels (n_rows, n_classes) are possible."""

    @abstractmethod
    def decision(self, radius: FloatArray) -> Range:
        """Return ranges of decision_function, (n_rows, n_classes), or (n_rows, 1) for two."""

    def shares(self, radius: FloatArray) -> Range:
        """Return ranges of predict_proba, (n_rows, n_classes)."""
        shape = len(radius), len(self.classes)
        return np.zeros(shape), np.ones(shape)


def softmax_range(low: FloatArray, high: FloatArray) -> Range:
    """Return the ranges of the softmax of scores, given those of each score."""
    least, most = np.empty_like(low), np.empty_like(high)
    with np.errstate(over="ignore"):
        for j in range(low.shape[1]):
            others = np.delete(np.arange(low.shape[1]), j)
            above = np.exp(high[:, others] - low[:, [j]]).sum(axis=1)
            below = np.exp(low[:, others] - high[:, [j]]).sum(axis=1)
            least[:, j], most[:, j] = 1 / (1 + above), 1 / (1 + below)
    return least, most


class ScoredMember(MemberRanges):
    """A member that decides by scores whose differences have ranges.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Its labels.
    difference : callable
        From two classes and distances to the range of the difference of their scores. The second
        class is None for a single score.
    softmax : bool
        Whether its shares are the softmax of the scores.
    blur : float
        How much a share may be off by rounding.
    """

    def __init__(
        self, classes: np.ndarray, difference: Difference, *, softmax: bool, blur: float
    ) -> None:
        self.classes, self.difference = np.asarray(classes), difference
        self.softmax, self.blur = softmax, blur

    def labels(self, radius: FloatArray) -> BoolArray:
        """Return classes whose score may be at least that of each other class."""
        n = len(self.classes)
        possible = np.ones((len(radius), n), dtype=bool)
        for j in range(n):
            for k in range(n):
                if k != j:
                    possible[:, j] &= self.difference(j, k, radius)[1] >= 0
        return possible

    def decision(self, radius: FloatArray) -> Range:
        """Return ranges of the scores."""
        if len(self.classes) == 2:
            low, high = self.difference(1, 0, radius)
            return low[:, None], high[:, None]
        every = [self.difference(j, None, radius) for j in range(len(self.classes))]
        low, high = (np.column_stack(end) for end in zip(*every, strict=True))
        return low, high

    def shares(self, radius: FloatArray) -> Range:
        """Return ranges of the softmax of the scores."""
        if not self.softmax:
            return super().shares(radius)
        n = len(self.classes)
        low, high = np.zeros((len(radius), n)), np.ones((len(radius), n))
        with np.errstate(over="ignore"):
            for j in range(n):
                # The share is one over one plus the exponentials of what others score above it.
                least, most = np.ones(len(radius)), np.ones(len(radius))
                for k in range(n):
                    if k != j:
                        ends = self.difference(k, j, radius)
                        least, most = least + np.exp(ends[0]), most + np.exp(ends[1])
                low[:, j], high[:, j] = 1 / most, 1 / least
        return np.maximum(low - self.blur, 0.0), np.minimum(high + self.blur, 1.0)


class ProvedMember(MemberRanges):
    """A member of which the distance to another label is known, and no more."""

    def __init__(
        self, estimator: Classifier, rows: CleanRows, norm: float, max_nodes: int, blur: float
    ) -> None:
        self.blur = blur
        X = rows.write(rows.raw, np.arange(len(rows)))
        self.prover = self._proved_by(estimator, X)
        if norm not in self.prover.norms:
            raise NoCertificateError(
                f"{type(estimator).__name__} has no certificate in the norm {norm!r}."
            )
        last = split_pipeline(estimator)[1]
        self.classes = np.asarray(last.classes_)
        self.lower = lower_bounds(self.prover, rows, norm=norm, max_nodes=max_nodes)
        label = np.asarray(estimator.predict(X)).ravel()
        self.now = label[:, None] == self.classes
        self.largest_share = type(last).__name__ in _LARGEST_SHARE

    def _proved_by(self, estimator: Classifier, X: Any) -> DistanceProver:
        return distance_prover(estimator, X, constants=False)

    def labels(self, radius: FloatArray) -> BoolArray:
        """Return the label of the row, and the others from the proved distance on."""
        return np.asarray(self.now | (radius >= self.lower)[:, None])

    def decision(self, radius: FloatArray) -> Range:
        """Return the sign of the score, where there is one for two classes."""
        if len(self.classes) != 2:
            shape = len(radius), len(self.classes)
            return np.full(shape, -np.inf), np.full(shape, np.inf)
        possible = self.labels(radius)
        low = np.where(possible[:, 0], -np.inf, 0.0)
        high = np.where(possible[:, 1], np.inf, 0.0)
        return low[:, None], high[:, None]

    def shares(self, radius: FloatArray) -> Range:
        """Return what follows from a share being the largest one."""
        low, high = super().shares(radius)
        if not self.largest_share:
            return low, high
        sure = self.labels(radius).sum(axis=1) == 1
        own = self.now & sure[:, None]
        others = ~self.now & sure[:, None]
        low[own] = 1 / len(self.classes) - self.blur
        high[others] = 0.5 + self.blur
        return low, high


class MachineMember(ProvedMember):
    """A support vector machine with two classes: one sum of kernels."""

    def __init__(
        self, estimator: Classifier, rows: CleanRows, norm: float, max_nodes: int, blur: float
    ) -> None:
        super().__init__(estimator, rows, norm, max_nodes, blur)
        last = split_pipeline(estimator)[1]
        inputs = model_rows(estimator, rows, norm, last.n_features_in_)
        # Positive where the first class wins; decision_function has the other sign.
        function = machine_pairs(last)[0, 1]
        self.first, self.second = Margin(function, inputs), Margin(function.negative(), inputs)
        # Not by their public names, which warn since 1.9.
        self.sigmoid = np.concatenate([last._probA, last._probB])

    def decision(self, radius: FloatArray) -> Range:
        """Return the range of the sum, and the sign that it keeps for longer."""
        low, high = super().decision(radius)
        below, above = self.second.lowest(radius)[:, None], -self.first.lowest(radius)[:, None]
        return np.maximum(low, below), np.minimum(high, above)

    def shares(self, radius: FloatArray) -> Range:
        """Return the range of Platt's sigmoid of the sum, if the machine was fitted with one."""
        if not len(self.sigmoid):
            return super().shares(radius)
        slope, offset = self.sigmoid
        ends = [expit(slope * np.clip(d, -1e300, 1e300) - offset) for d in self.decision(radius)]
        first = np.clip(
            [np.minimum(*ends) - _PLATT_BLUR, np.maximum(*ends) + _PLATT_BLUR], 0.0, 1.0
        )
        return np.hstack([first[0], 1 - first[1]]), np.hstack([first[1], 1 - first[0]])


class ConstantMember(MemberRanges):
    """What meta-estimators put in place of a member whose rows were all on one side."""

    def __init__(self, estimator: BaseEstimator, n_columns: int) -> None:
        self.classes = np.array([0, 1])
        row = np.zeros((1, n_columns))
        self.score = float(np.ravel(estimator.decision_function(row))[0])
        self.label = int(np.ravel(estimator.predict(row))[0])

    def decision(self, radius: FloatArray) -> Range:
        """Return the one score."""
        score = np.full((len(radius), 1), self.score)
        return score, score

    def labels(self, radius: FloatArray) -> BoolArray:
        """Return the one label."""
        return np.tile(self.classes == self.label, (len(radius), 1))
