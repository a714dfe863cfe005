"""A second proof, where steps of a pipeline stand in the way of the first one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.distances._bounds import DEFAULT_MAX_NODES, DistanceBounds
from specreg_sklearn.certificates.distances._prover import (
    DistanceProver,
    lower_bounds,
    takes_gaps,
)
from specreg_sklearn.certificates.distances._prover_around import ProverAround
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.space import CleanRows

BehindSteps = Callable[[Classifier, Any, bool], DistanceProver]
B = TypeVar("B", bound=BehindSteps)
R = TypeVar("R")

_known: list[BehindSteps] = []


def register_prover_behind_steps(factory: B) -> B:
    """Add a proof of a model behind steps that the proofs of its last step do not take.

    It is a function from the model, rows, and whether Lipschitz constants are taken, to a prover,
    and raises :class:`NoCertificateError` where it has none.
    """
    _known.append(factory)
    return factory


def prover_behind_steps(
    estimator: Classifier, X: Any, constants: bool, reason: NoCertificateError
) -> DistanceProver:
    """Return the first proof behind steps, or raise the reason why there was no other one."""
    for factory in _known:
        with suppress(NoCertificateError):
            return factory(estimator, X, constants)
    raise reason


class WithSecondProof(ProverAround):
    """A proof of a pipeline, and what is proved behind its steps where it refuses the space.

    Which columns move decides what a step has to be.

    Parameters
    ----------
    prover : DistanceProver
        The first proof.
    estimator : classifier
        The fitted model.
    X : array-like or DataFrame
        Rows such as those that distances are wanted for.
    constants : bool
        Whether Lipschitz constants are taken.
    """

    def __init__(
        self, prover: DistanceProver, estimator: Classifier, X: Any, constants: bool
    ) -> None:
        super().__init__(prover, estimator)
        self._rows, self._constants = X, constants

    @property
    def takes_gaps(self) -> bool:
        """Whether the first proof knows what becomes of missing cells."""
        return takes_gaps(self.prover)

    @cached_property
    def _second(self) -> DistanceProver:
        refusal = NoCertificateError()
        return prover_behind_steps(self.estimator, self._rows, self._constants, refusal)

    def lower_bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> FloatArray:
        """Return the lower ends alone."""
        options: dict[str, Any] = {"norm": norm, "within": within}
        options |= {"max_nodes": max_nodes, "n_jobs": n_jobs}
        try:
            return lower_bounds(self.prover, rows, **options)
        except NoCertificateError as reason:
            return self._instead(reason, norm, lambda second: lower_bounds(second, rows, **options))

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
        """Return the bounds of rows, by the first proof that takes their space."""
        options: dict[str, Any] = {"norm": norm, "known": known, "within": within}
        options |= {"max_nodes": max_nodes, "n_jobs": n_jobs}
        try:
            return self.prover.bounds(rows, **options)
        except NoCertificateError as reason:
            return self._instead(reason, norm, lambda second: second.bounds(rows, **options))

    def _instead(
        self, reason: NoCertificateError, norm: float, ask: Callable[[DistanceProver], R]
    ) -> R:
        """Ask the second proof; where it refuses as well, the reason is that of the first one."""
        with suppress(NoCertificateError):
            if norm in self._second.norms:
                return ask(self._second)
        raise reason
