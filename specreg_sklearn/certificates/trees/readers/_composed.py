"""Trees inside other classifiers: averaged with those of others, or cut at another threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    decision_cut,
    split_pipeline,
)
from specreg_sklearn.certificates.trees.readers._registry import read_trees, register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import Nodes, TreeSum

# Their scores are their probabilities times the number of their trees.
_AVERAGED = (
    BaggingClassifier,
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
)
# Their probability of the second of two classes is the sigmoid of their score.
_LOGISTIC = (GradientBoostingClassifier, HistGradientBoostingClassifier)
_UNIT = 2.0**-53
# Scores are no larger than this, and an elementary function rounds by less than so many units.
_LARGEST_SCORE, _ROUNDINGS = 1e6, 64
# How far from a threshold the slope of a calibrator is taken, and what counts as one.
_NEAR, _LEAST_SLOPE = 2.0**-20, 1e-9


@register_tree_reader(VotingClassifier)
def _average(estimator: VotingClassifier) -> TreeSum:
    members, weights = estimator.estimators_, estimator._weights_not_none
    if estimator.voting != "soft" or any(type(member) not in _AVERAGED for member in members):
        raise NoCertificateError(
            "VotingClassifier is no ensemble of trees, unless it averages the probabilities of "
            "trees and forests (voting='soft')."
        )
    weights = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
    parts = []
    for member, weight in zip(members, weights, strict=True):
        nodes = read_trees(member).nodes
        parts.append(replace(nodes, value=nodes.value * (weight / len(nodes.roots))))
    total = float(weights.sum())
    return TreeSum(
        name="VotingClassifier",
        nodes=_behind_one_another(parts),
        base=np.zeros(len(estimator.classes_)),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        # Values are divided here and there, so they round twice as often.
        unit=4 * _UNIT,
        scores=lambda X: np.asarray(estimator.predict_proba(X)) * total,
    )


def _behind_one_another(parts: list[Nodes]) -> Nodes:
    """Join ensembles, which have several roots each."""
    joined = Nodes.joined([replace(part, roots=part.roots[:1]) for part in parts])
    starts = np.cumsum([0] + [len(part.column) for part in parts])[:-1]
    roots = [part.roots + start for part, start in zip(parts, starts, strict=True)]
    return replace(joined, roots=np.concatenate(roots))


@register_tree_reader(FixedThresholdClassifier, TunedThresholdClassifierCV)
def _another_cut(estimator: FixedThresholdClassifier | TunedThresholdClassifierCV) -> TreeSum:
    cut = decision_cut(estimator)
    trees = read_trees(cut.estimator)
    if type(cut.estimator) in _LOGISTIC:
        number, blur = cut.in_scores()
        return replace(
            trees, name=type(estimator).__name__, cut=number, blur=trees.blur + blur, scores=None
        )
    if type(cut.estimator) not in _AVERAGED or cut.method != "predict_proba":
        raise NoCertificateError(
            f"{type(estimator).__name__} over {type(cut.estimator).__name__} is no ensemble of "
            "trees whose threshold is known."
        )
    share = cut.threshold if cut.positive == 1 else 1 - cut.threshold
    return _cut_of_shares(trees, cut.estimator, share, name=type(estimator).__name__)


def _cut_of_shares(trees: TreeSum, inside: Any, share: float, *, name: str) -> TreeSum:
    """Return the trees of two classes, the second of which wins where its mean share is larger."""
    n_trees = len(trees.nodes.roots)

    def second(X: Any) -> FloatArray:
        return np.asarray(inside.predict_proba(X))[:, 1] * n_trees

    return replace(
        trees,
        name=name,
        nodes=replace(trees.nodes, value=trees.nodes.value[:, 1:]),
        base=np.zeros(1),
        averaged=False,
        cut=share * n_trees,
        # The mean is rounded, and so is what it is compared with.
        blur=8 * _UNIT * n_trees,
        scores=second,
    )


@register_tree_reader(CalibratedClassifierCV)
def _calibrated(estimator: CalibratedClassifierCV) -> TreeSum:
    """Read one calibrated ensemble of two classes: its calibrator rises, and so is a threshold."""
    parts, name = estimator.calibrated_classifiers_, type(estimator).__name__
    steps, inside = split_pipeline(parts[0].estimator)
    known = type(inside) in (*_AVERAGED, *_LOGISTIC) and estimator.method != "temperature"
    if steps or len(parts) != 1 or len(estimator.classes_) != 2 or not known:
        raise NoCertificateError(
            f"{name} is no ensemble of trees, unless it calibrates a single one, of two classes "
            "(ensemble=False, or a frozen estimator)."
        )
    trees, calibrator = read_trees(inside), parts[0].calibrators[0]
    averaged = type(inside) in _AVERAGED
    low, high = (0.0, 1.0) if averaged else (-_LARGEST_SCORE, _LARGEST_SCORE)
    cut, slack = _crossing(calibrator.predict, low, high, name)
    if averaged:
        out = _cut_of_shares(trees, inside, cut, name=name)
        return replace(out, blur=out.blur + slack * len(trees.nodes.roots))
    return replace(trees, name=name, cut=cut, blur=trees.blur + slack, scores=None)


def _crossing(
    rising: Callable[[FloatArray], FloatArray], low: float, high: float, name: str
) -> tuple[float, float]:
    """Return the last number up to which a rising function is at most a half, and its rounding."""
    ends = rising(np.array([low, high]))
    if not ends[0] <= 0.5 < ends[1]:
        raise NoCertificateError(
            f"{name} is no ensemble of trees with a threshold: its calibrator does not rise from "
            "below a half to above it."
        )
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if rising(np.array([middle]))[0] <= 0.5 else (low, middle)
    # What the function and its argument round by, as a change of the argument.
    near = max(abs(low), 1.0) * _NEAR
    slope = float(np.diff(rising(np.array([low - near, low + near])))[0]) / (2 * near)
    return low, _ROUNDINGS * _UNIT * (abs(low) + 1 / max(slope, _LEAST_SLOPE))
