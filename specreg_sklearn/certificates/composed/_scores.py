"""Classifiers that compare scores of their members: by size, by code, calibrated, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates.composed._members import Members, Rule
from specreg_sklearn.certificates.composed._ranges import MemberRanges, Range
from specreg_sklearn.certificates.composed._votes import binary_score, from_totals
from specreg_sklearn.certificates.pipelines import NoCertificateError, decision_cut

if TYPE_CHECKING:
    from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier
    from sklearn.ensemble import StackingClassifier
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
    from sklearn.multiclass import OneVsRestClassifier, OutputCodeClassifier


def one_against_the_rest(step: OneVsRestClassifier, member: Members) -> Rule:
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
        return from_totals(low, high, member.blur)

    return rule


def nearest_code(step: OutputCodeClassifier, member: Members) -> Rule:
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
                possible[:, a] &= ~(gain + 100 * member.blur * (1 + size) ** 2 < 0)
        return possible

    return rule


def calibrated(step: CalibratedClassifierCV, member: Members) -> Rule:
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
            ends = _calibrated_shares(each, ranges, radius, classes, member.blur)
            low, high = low + ends[0], high + ends[1]
        return from_totals(low, high, member.blur)

    return rule


def _calibrated_shares(
    each: _CalibratedClassifier,
    ranges: MemberRanges,
    radius: FloatArray,
    classes: np.ndarray,
    blur: float,
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
        low[:, j] = np.maximum(both.min(axis=0) - blur, 0.0)
        high[:, j] = both.max(axis=0) + blur
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


def stacked(step: StackingClassifier, member: Members) -> Rule:
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
                possible[:, a] &= ~(best.sum(axis=1) + offset + 100 * member.blur * (1 + size) < 0)
        return possible

    return rule


def _linear_scores(final: object) -> tuple[FloatArray, FloatArray]:
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
    try:
        numbers = np.asarray(ranges.classes, dtype=np.float64)
    except ValueError as error:
        raise NoCertificateError(
            "StackingClassifier over predicted labels that are no numbers has no certificate."
        ) from error
    low = np.where(possible, numbers, np.inf).min(axis=1)
    high = np.where(possible, numbers, -np.inf).max(axis=1)
    return low[:, None], high[:, None]


def another_cut(
    step: FixedThresholdClassifier | TunedThresholdClassifierCV, member: Members
) -> Rule:
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
        blur = member.blur * (1 + abs(cut.threshold))
        possible = np.empty((len(radius), 2), dtype=bool)
        possible[:, cut.positive] = high >= cut.threshold - blur
        possible[:, 1 - cut.positive] = low <= cut.threshold + blur
        return possible

    return rule
