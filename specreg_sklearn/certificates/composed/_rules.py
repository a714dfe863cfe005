"""What classifiers make of their members: votes, means of shares, calibration, stacks.

A rule says, for rows moved by up to given distances, which labels the whole may still give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.composed._ranges import MemberRanges, Range, member_ranges
from specreg_sklearn.certificates.pipelines import NoCertificateError, decision_cut
from specreg_sklearn.space import CleanRows

Members = Callable[[Any], MemberRanges]
"""From a fitted member to what it may answer."""

Rule = Callable[[FloatArray], BoolArray]
"""From distances (n_rows,) to the labels (n_rows, n_classes) that are possible."""

_BLUR = 1e-12


def from_totals(low: FloatArray, high: FloatArray) -> BoolArray:
    """Return which classes may have the largest total."""
    slack = _BLUR * (1 + np.abs(low) + np.abs(high))
    slack[np.isinf(slack)] = 0.0
    return np.asarray(high + slack >= low.max(axis=1, keepdims=True))


def votes(possible: BoolArray) -> Range:
    """Return the least and the greatest votes of classes, by the labels that are possible."""
    sure = possible & (possible.sum(axis=1, keepdims=True) == 1)
    return sure.astype(np.float64), possible.astype(np.float64)


def hard_votes(members: list[MemberRanges], weights: FloatArray, classes: np.ndarray) -> Rule:
    """Return the rule of a weighted vote of labels."""

    def rule(radius: FloatArray) -> BoolArray:
        low = high = np.zeros((len(radius), len(classes)))
        for member, weight in zip(members, weights, strict=True):
            ends = _in_order(votes(member.labels(radius)), member.classes, classes)
            low, high = low + weight * ends[0], high + weight * ends[1]
        return from_totals(low, high)

    return rule


def mean_shares(members: list[MemberRanges], weights: FloatArray, classes: np.ndarray) -> Rule:
    """Return the rule of a weighted mean of shares."""

    def rule(radius: FloatArray) -> BoolArray:
        low = high = np.zeros((len(radius), len(classes)))
        for member, weight in zip(members, weights, strict=True):
            ends = _in_order(member.shares(radius), member.classes, classes)
            low, high = low + weight * ends[0], high + weight * ends[1]
        return from_totals(low, high)

    return rule


def _in_order(ends: Range, own: np.ndarray, classes: np.ndarray) -> Range:
    """Return ranges in the order of all classes; 0 for those that a member does not know."""
    if len(own) == len(classes) and (own == classes).all():
        return ends
    out = []
    for end in ends:
        full = np.zeros((len(end), len(classes)))
        full[:, np.searchsorted(classes, own)] = end
        out.append(full)
    return out[0], out[1]


def binary_score(member: Any, ranges: MemberRanges, radius: FloatArray) -> Range:
    """Return the score that meta-estimators compare binary members by."""
    if hasattr(member, "decision_function"):
        low, high = ranges.decision(radius)
        return low[:, 0], high[:, 0]
    low, high = ranges.shares(radius)
    return low[:, 1], high[:, 1]


def one_against_the_rest(step: Any, member: Members) -> Rule:
    """Return the rule of the largest score of binary members."""
    if step.multilabel_:
        raise NoCertificateError(
            "OneVsRestClassifier has no certificate: it was fitted on several labels per row."
        )
    parts = [(each, member(each)) for each in step.estimators_]

    def rule(radius: FloatArray) -> BoolArray:
        ends = [binary_score(each, ranges, radius) for each, ranges in parts]
        low, high = (np.column_stack(end) for end in zip(*ends, strict=True))
        if len(step.classes_) == 2:
            at = 0.0 if hasattr(parts[0][0], "decision_function") else 0.5
            low = np.column_stack([np.full(len(low), at), low])
            high = np.column_stack([np.full(len(high), at), high])
        return from_totals(low, high)

    return rule


def one_against_one(step: Any, member: Members) -> Rule:
    """Return the rule of votes of pairs, with confidences for ties."""
    if step.pairwise_indices_ is not None:
        raise NoCertificateError("OneVsOneClassifier over precomputed kernels has no certificate.")
    parts = [(each, member(each)) for each in step.estimators_]
    n = len(step.classes_)

    def rule(radius: FloatArray) -> BoolArray:
        low, high = np.zeros((2, len(radius), n))
        sums = np.zeros((2, len(radius), n))
        pairs = ((i, j) for i in range(n) for j in range(i + 1, n))
        for (i, j), (each, ranges) in zip(pairs, parts, strict=True):
            sure, maybe = votes(ranges.labels(radius))
            least, most = binary_score(each, ranges, radius)
            low[:, i] += sure[:, 0]
            high[:, i] += maybe[:, 0]
            low[:, j] += sure[:, 1]
            high[:, j] += maybe[:, 1]
            sums[0, :, i] -= most
            sums[1, :, i] -= least
            sums[0, :, j] += least
            sums[1, :, j] += most
        with np.errstate(invalid="ignore"):
            third = np.where(np.isinf(sums), np.sign(sums) / 3, sums / (3 * (np.abs(sums) + 1)))
        return from_totals(low + third[0], high + third[1])

    return rule


def nearest_code(step: Any, member: Members) -> Rule:
    """Return the rule of the nearest code word."""
    parts = [(each, member(each)) for each in step.estimators_]
    book = np.asarray(step.code_book_, dtype=np.float64)

    def rule(radius: FloatArray) -> BoolArray:
        ends = [binary_score(each, ranges, radius) for each, ranges in parts]
        low, high = (np.column_stack(end) for end in zip(*ends, strict=True))
        possible = np.ones((len(radius), len(book)), dtype=bool)
        for a in range(len(book)):
            for b in range(len(book)):
                if a == b:
                    continue
                # Word a is as near as word b where this is not negative.
                step_ = book[a] - book[b]
                with np.errstate(invalid="ignore"):
                    best = np.where(step_ > 0, high * step_, np.where(step_ < 0, low * step_, 0.0))
                    size = np.abs(best).sum(axis=1)
                    gain = best.sum(axis=1) - 0.5 * (book[a] @ book[a] - book[b] @ book[b])
                possible[:, a] &= ~(gain + 1e-10 * (1 + size) ** 2 < 0)
        return possible

    return rule


def calibrated(step: Any, member: Members) -> Rule:
    """Return the rule of mean shares, each a calibrated score of a member."""
    if step.method == "temperature":
        raise NoCertificateError(
            "CalibratedClassifierCV(method='temperature') has no certificate; take 'sigmoid' or "
            "'isotonic'."
        )
    classes = np.asarray(step.classes_)
    parts = [(each, member(each.estimator)) for each in step.calibrated_classifiers_]

    def rule(radius: FloatArray) -> BoolArray:
        low, high = np.zeros((2, len(radius), len(classes)))
        for each, ranges in parts:
            ends = _calibrated_shares(each, ranges, radius, classes)
            low, high = low + ends[0], high + ends[1]
        return from_totals(low, high)

    return rule


def _calibrated_shares(
    each: Any, ranges: MemberRanges, radius: FloatArray, classes: np.ndarray
) -> Range:
    if hasattr(each.estimator, "decision_function"):
        ends = ranges.decision(radius)
    else:
        ends = ranges.shares(radius)
        if len(classes) == 2:
            ends = ends[0][:, 1:], ends[1][:, 1:]
    place = np.searchsorted(classes, each.estimator.classes_)
    if len(classes) == 2:
        place = np.array([1])
    shape = len(radius), len(classes)
    low, high = np.zeros(shape), np.zeros(shape)
    for column, j in enumerate(place.tolist()):
        calibrator = each.calibrators[column]
        both = np.stack([calibrator.predict(_finite(end[:, column])) for end in ends])
        # Sigmoids and isotonic steps are monotone, whichever way they go.
        low[:, j] = np.maximum(both.min(axis=0) - _BLUR, 0.0)
        high[:, j] = both.max(axis=0) + _BLUR
    if len(classes) == 2:
        return np.column_stack([1 - high[:, 1], low[:, 1]]), np.column_stack(
            [1 - low[:, 1], high[:, 1]]
        )
    # A share is divided by the sum of all of them.
    with np.errstate(divide="ignore", invalid="ignore"):
        least = low / (low + high.sum(axis=1, keepdims=True) - high)
        most = high / (high + low.sum(axis=1, keepdims=True) - low)
    # Where all of them may be zero they are taken for equal.
    odd = (low.sum(axis=1) <= 0)[:, None]
    return np.where(odd, 0.0, np.nan_to_num(least)), np.where(odd, 1.0, np.nan_to_num(most, nan=1))


def _finite(scores: FloatArray) -> FloatArray:
    return np.clip(scores, -1e300, 1e300)


def stacked(step: Any, member: Members) -> Rule:
    """Return the rule of a linear classifier on the answers of members."""
    if step.passthrough:
        raise NoCertificateError(
            "StackingClassifier(passthrough=True) has no certificate; leave the columns of X out."
        )
    weight, bias = _linear_scores(step.final_estimator_)
    parts = [
        (each, member(each), method)
        for each, method in zip(step.estimators_, step.stack_method_, strict=True)
    ]
    n_classes = len(step.classes_)

    def rule(radius: FloatArray) -> BoolArray:
        ends = [_stack_columns(ranges, method, radius) for _, ranges, method in parts]
        low, high = (np.hstack(end) for end in zip(*ends, strict=True))
        possible = np.ones((len(radius), n_classes), dtype=bool)
        for a in range(n_classes):
            for b in range(n_classes):
                if a == b:
                    continue
                slope, offset = weight[a] - weight[b], bias[a] - bias[b]
                with np.errstate(invalid="ignore"):
                    best = np.where(slope > 0, high * slope, np.where(slope < 0, low * slope, 0.0))
                size = np.abs(best).sum(axis=1) + abs(offset)
                possible[:, a] &= ~(best.sum(axis=1) + offset + 1e-10 * (1 + size) < 0)
        return possible

    return rule


def _linear_scores(final: Any) -> tuple[FloatArray, FloatArray]:
    coef, intercept = getattr(final, "coef_", None), getattr(final, "intercept_", None)
    name = type(final).__module__
    if coef is None or intercept is None or not name.startswith("sklearn.linear_model"):
        raise NoCertificateError(
            f"StackingClassifier(final_estimator={type(final).__name__}()) has no certificate; "
            "accepted are the linear classifiers of scikit-learn."
        )
    weight = np.atleast_2d(np.asarray(coef, dtype=np.float64))
    bias = np.broadcast_to(np.ravel(intercept), len(weight)).astype(np.float64)
    if len(weight) == 1:
        weight, bias = np.vstack([0 * weight, weight]), np.append(0.0, bias)
    return weight, bias


def _stack_columns(ranges: MemberRanges, method: str, radius: FloatArray) -> Range:
    if method == "predict_proba":
        low, high = ranges.shares(radius)
        return (low[:, 1:], high[:, 1:]) if low.shape[1] == 2 else (low, high)
    if method == "decision_function":
        return ranges.decision(radius)
    possible = ranges.labels(radius)
    numbers = np.asarray(ranges.classes, dtype=np.float64)
    low = np.where(possible, numbers, np.inf).min(axis=1)
    high = np.where(possible, numbers, -np.inf).max(axis=1)
    return low[:, None], high[:, None]


def another_cut(step: Any, member: Members) -> Rule:
    """Return the rule of a threshold on the score or the share of one class."""
    cut = decision_cut(step)
    ranges = member(cut.estimator)

    def rule(radius: FloatArray) -> BoolArray:
        if cut.method == "predict_proba":
            low, high = (end[:, cut.positive] for end in ranges.shares(radius))
        else:
            low, high = (end[:, 0] for end in ranges.decision(radius))
            if cut.positive == 0:
                low, high = -high, -low
        blur = _BLUR * (1 + abs(cut.threshold))
        possible = np.empty((len(radius), 2), dtype=bool)
        possible[:, cut.positive] = high >= cut.threshold - blur
        possible[:, 1 - cut.positive] = low <= cut.threshold + blur
        return possible

    return rule


def bagged(step: Any, member: Members) -> Rule:
    """Return the rule of mean shares of members on columns of their own."""
    n_columns = step.n_features_in_
    members: list[tuple[Any, MemberRanges]] = []
    for each, columns in zip(step.estimators_, step.estimators_features_, strict=True):
        inner = Pipeline([("columns", Columns(np.asarray(columns), n_columns)), ("member", each)])
        members.append((each, member(inner)))
    positions = np.arange(step.n_classes_)

    def rule(radius: FloatArray) -> BoolArray:
        low, high = np.zeros((2, len(radius), len(positions)))
        for each, ranges in members:
            shares = hasattr(each, "predict_proba")
            ends = ranges.shares(radius) if shares else votes(ranges.labels(radius))
            ends = _in_order(ends, np.asarray(each.classes_), positions)
            low, high = low + ends[0], high + ends[1]
        return from_totals(low, high)

    return rule


def boosted(step: Any, member: Members) -> Rule:
    """Return the rule of AdaBoost: a vote weighted by how well members do."""
    weights = np.asarray(step.estimator_weights_[: len(step.estimators_)], dtype=np.float64)
    return hard_votes(
        [member(each) for each in step.estimators_], weights, np.asarray(step.classes_)
    )


def voted(step: Any, member: Members) -> Rule:
    """Return the rule of VotingClassifier."""
    members = [member(each) for each in step.estimators_]
    given = step._weights_not_none
    weights = np.ones(len(members)) if given is None else np.asarray(given, dtype=np.float64)
    positions: IntArray = np.arange(len(step.classes_))
    rule = hard_votes if step.voting == "hard" else mean_shares
    return rule(members, weights, positions)


class Columns(TransformerMixin, BaseEstimator):
    """Some columns of an array, as a step of a pipeline.

    Parameters
    ----------
    columns : ndarray of int
        Which ones, in order.
    n_columns : int
        How many there are.
    """

    def __init__(self, columns: IntArray, n_columns: int) -> None:
        self.columns, self.n_columns = columns, n_columns
        self.n_features_in_ = n_columns

    def fit(self, X: Any, y: Any = None) -> Columns:
        """Do nothing."""
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the columns."""
        return np.asarray(X)[:, self.columns]

    def __certified_stages__(self, role: str) -> list[Any]:
        from specreg_sklearn.certificates.stages import Affine

        return [Affine(np.eye(self.n_columns)[self.columns])]


def rows_as_members_see_them(
    steps: list[Any], rows: CleanRows, norm: float, max_nodes: int
) -> Members:
    """Return how members behind the steps of a pipeline are looked at."""

    def member(estimator: Any) -> MemberRanges:
        if steps:
            named = [(f"step{i}", step) for i, step in enumerate(steps)]
            estimator = Pipeline([*named, ("member", estimator)])
        return member_ranges(estimator, rows, norm, max_nodes)

    return member
