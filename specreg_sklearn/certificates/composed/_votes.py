"""Classifiers that add up votes or shares of their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.composed._members import Members, Rule
from specreg_sklearn.certificates.composed._ranges import MemberRanges, Range
from specreg_sklearn.certificates.pipelines import NoCertificateError

if TYPE_CHECKING:
    from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
    from sklearn.multiclass import OneVsOneClassifier


def from_totals(low: FloatArray, high: FloatArray, blur: float) -> BoolArray:
    """Return which classes may have the largest total, up to roundings."""
    slack = blur * (1 + np.abs(low) + np.abs(high))
    slack[np.isinf(slack)] = 0.0
    return np.asarray(high + slack >= low.max(axis=1, keepdims=True))


def votes(possible: BoolArray) -> Range:
    """Return the least and the greatest votes of classes, by the labels that are possible."""
    sure = possible & (possible.sum(axis=1, keepdims=True) == 1)
    return sure.astype(np.float64), possible.astype(np.float64)


def hard_votes(
    members: list[MemberRanges], weights: FloatArray, classes: np.ndarray, blur: float
) -> Rule:
    """Return the rule of a weighted vote of labels."""

    def rule(radius: FloatArray) -> BoolArray:
        low = high = np.zeros((len(radius), len(classes)))
        for member, weight in zip(members, weights, strict=True):
            ends = _in_order(votes(member.labels(radius)), member.classes, classes)
            low, high = low + weight * ends[0], high + weight * ends[1]
        return from_totals(low, high, blur)

    return rule


def mean_shares(
    members: list[MemberRanges], weights: FloatArray, classes: np.ndarray, blur: float
) -> Rule:
    """Return the rule of a weighted mean of shares."""

    def rule(radius: FloatArray) -> BoolArray:
        low = high = np.zeros((len(radius), len(classes)))
        for member, weight in zip(members, weights, strict=True):
            ends = _in_order(member.shares(radius), member.classes, classes)
            low, high = low + weight * ends[0], high + weight * ends[1]
        return from_totals(low, high, blur)

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


def voted(step: VotingClassifier, member: Members) -> Rule:
    """Return the rule of VotingClassifier."""
    members = [member(each) for each in step.estimators_]
    given = step._weights_not_none
    weights = np.ones(len(members)) if given is None else np.asarray(given, dtype=np.float64)
    positions: IntArray = np.arange(len(step.classes_))
    rule = hard_votes if step.voting == "hard" else mean_shares
    return rule(members, weights, positions, member.blur)


def boosted(step: AdaBoostClassifier, member: Members) -> Rule:
    """Return the rule of AdaBoost: a vote weighted by how well members do."""
    weights = np.asarray(step.estimator_weights_[: len(step.estimators_)], dtype=np.float64)
    return hard_votes(
        [member(each) for each in step.estimators_], weights, np.asarray(step.classes_), member.blur
    )


def bagged(step: BaggingClassifier, member: Members) -> Rule:
    """Return the rule of mean shares of members on columns of their own."""
    members = [
        (each, member(each, columns=np.asarray(columns), n_columns=step.n_features_in_))
        for each, columns in zip(step.estimators_, step.estimators_features_, strict=True)
    ]
    positions = np.arange(step.n_classes_)

    def rule(radius: FloatArray) -> BoolArray:
        low, high = np.zeros((2, len(radius), len(positions)))
        for each, ranges in members:
            shares = hasattr(each, "predict_proba")
            ends = ranges.shares(radius) if shares else votes(ranges.labels(radius))
            ends = _in_order(ends, np.asarray(each.classes_), positions)
            low, high = low + ends[0], high + ends[1]
        return from_totals(low, high, member.blur)

    return rule


def binary_score(member: object, ranges: MemberRanges, radius: FloatArray) -> Range:
    """Return the score that meta-estimators compare binary members by."""
    if hasattr(member, "decision_function"):
        low, high = ranges.decision(radius)
        return low[:, 0], high[:, 0]
    low, high = ranges.shares(radius)
    return low[:, 1], high[:, 1]


def one_against_one(step: OneVsOneClassifier, member: Members) -> Rule:
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
        return from_totals(low + third[0], high + third[1], member.blur)

    return rule
