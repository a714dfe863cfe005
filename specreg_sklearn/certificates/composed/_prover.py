"""Classifiers made of classifiers, in the form of all proofs of distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray
from specreg_sklearn.certificates.composed._members import Members, Rule
from specreg_sklearn.certificates.composed._scores import (
    another_cut,
    calibrated,
    nearest_code,
    one_against_the_rest,
    stacked,
)
from specreg_sklearn.certificates.composed._votes import (
    bagged,
    boosted,
    one_against_one,
    voted,
)
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    DistanceProver,
    LipschitzProver,
    bounds_by_workers,
    confirmed_witnesses,
    ends_meet,
    register_distance_prover,
)
from specreg_sklearn.certificates.linear import LinearProver
from specreg_sklearn.certificates.moves import largest_radius
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    path_to_step,
    split_pipeline,
)
from specreg_sklearn.space import CONVEX_NORMS, CleanRows
from specreg_sklearn.tables import LabelCoder, ask

_SAFETY, _ROWS = 1 - 1e-9, 256
_RULES: dict[str, Callable[[Any, Members], Rule]] = {
    "AdaBoostClassifier": boosted,
    "BaggingClassifier": bagged,
    "CalibratedClassifierCV": calibrated,
    "FixedThresholdClassifier": another_cut,
    "OneVsOneClassifier": one_against_one,
    "OneVsRestClassifier": one_against_the_rest,
    "OutputCodeClassifier": nearest_code,
    "StackingClassifier": stacked,
    "TunedThresholdClassifierCV": another_cut,
    "VotingClassifier": voted,
}


class ComposedProver:
    """What a classifier makes of its members, by interval arithmetic.

    A lower bound: up to a distance every member answers within limits, and no answers within these
    limits give another label. The largest such distance is found by bisection.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier, alone, in a search, or at the end of a pipeline.
    X : array-like or DataFrame
        Rows such as those that distances are wanted for.
    """

    name = "composed"
    norms: tuple[float, ...] = CONVEX_NORMS

    def __init__(self, estimator: Classifier, X: Any) -> None:
        self.estimator = estimator
        self.steps, self.last = split_pipeline(estimator)
        classes = getattr(self.last, "classes_", None)
        if classes is None or isinstance(classes, list) or np.ndim(classes) != 1:
            raise NoCertificateError(
                f"{type(self.last).__name__} has no certificate: it was fitted on several outputs "
                "per row. Fit one model for each."
            )
        self.classes = np.asarray(classes)

    def bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        known: FloatArray | None = None,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> DistanceBounds:
        """Return lower bounds; upper ones are those of the known rows.

        All distances come from one bisection, so `within` changes nothing.
        """
        prove = partial(self._bounds, norm=norm, max_nodes=max_nodes)
        return bounds_by_workers(prove, rows, known, n_jobs=n_jobs)

    def _bounds(
        self, rows: CleanRows, known: FloatArray | None, *, norm: float, max_nodes: int
    ) -> DistanceBounds:
        """Prove rows block by block: members hold a number for each row and leaf."""
        parts = []
        for begin in range(0, max(len(rows), 1), _ROWS):
            some = np.arange(begin, min(begin + _ROWS, len(rows)))
            hints = None if known is None else known[some]
            parts.append(self._block(rows.take(some), hints, norm, max_nodes))
        return DistanceBounds(*(np.concatenate(ends) for ends in zip(*parts, strict=True)))

    def _block(
        self, rows: CleanRows, known: FloatArray | None, norm: float, max_nodes: int
    ) -> DistanceBounds:
        n = len(rows)
        labels = ask(self.estimator.predict, rows.write(rows.raw, np.arange(n)), n)
        own = LabelCoder(self.classes).encode(labels)
        steps = [(path_to_step(self.estimator, step)[-1], step) for step in self.steps]
        *_, name = ["member", *path_to_step(self.estimator, self.last)]
        member = Members(steps, rows, norm, max_nodes, name)
        rule = _RULES[type(self.last).__name__](self.last, member)
        others = np.arange(len(self.classes)) != own[:, None]

        def holds(radius: FloatArray) -> BoolArray:
            return np.asarray(~(rule(radius) & others).any(axis=1))

        lower = largest_radius(holds, n) * _SAFETY
        witness, upper = confirmed_witnesses(self.estimator.predict, rows, labels, known, norm)
        nodes = np.zeros(n, dtype=np.int64)
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), nodes)


@register_distance_prover(
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.ensemble._bagging.BaggingClassifier",
    "sklearn.ensemble._stacking.StackingClassifier",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
    "sklearn.model_selection._classification_threshold.FixedThresholdClassifier",
    "sklearn.model_selection._classification_threshold.TunedThresholdClassifierCV",
    "sklearn.multiclass.OneVsOneClassifier",
    "sklearn.multiclass.OneVsRestClassifier",
    "sklearn.multiclass.OutputCodeClassifier",
)
def prove_composed(estimator: Classifier, X: Any) -> DistanceProver:
    """Return the proof of a classifier made of classifiers.

    Where its scores as a whole are linear, or have constants for pairs of classes, these lose less
    than ranges of its members do.
    """
    for prover in (LinearProver, LipschitzProver):
        try:
            return prover(estimator)
        except NoCertificateError:
            continue
    return ComposedProver(estimator, X)
