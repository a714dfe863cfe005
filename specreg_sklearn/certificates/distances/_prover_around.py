"""A prover around another one, which it asks about rows that it has prepared."""

from __future__ import annotations

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.distances._prover import (
    DistanceProver,
    quick_model,
    quick_nodes,
)


class ProverAround:
    """What a prover around another one says of itself is what the inner one says.

    Parameters
    ----------
    prover : DistanceProver
        The inner one.
    estimator : classifier
        The fitted model that it belongs to.
    """

    def __init__(self, prover: DistanceProver, estimator: Classifier) -> None:
        self.prover, self.estimator = prover, estimator

    @property
    def name(self) -> str:
        """What results call the proof."""
        return self.prover.name

    @property
    def norms(self) -> tuple[float, ...]:
        """The norms that it proves distances in."""
        return self.prover.norms

    @property
    def quick_nodes(self) -> int:
        """How many nodes it looks at for a row where an attack is at hand."""
        return quick_nodes(self.prover)

    @property
    def quick_model(self) -> Classifier:
        """A classifier with the labels of the model, which may answer sooner."""
        return quick_model(self.prover, self.estimator)
