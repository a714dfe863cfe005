"""Proofs of distances in one form, whatever a model is made of, and the way to find them.

The folders of single kinds of models stand above this one: each registers its proofs here.
"""

from specreg_sklearn.certificates.distances._behind_steps import register_prover_behind_steps
from specreg_sklearn.certificates.distances._bounds import (
    CLOSED,
    DEFAULT_MAX_NODES,
    DistanceBounds,
    ends_meet,
)
from specreg_sklearn.certificates.distances._confirm import confirmed_witnesses
from specreg_sklearn.certificates.distances._lipschitz import LipschitzProver
from specreg_sklearn.certificates.distances._prover import (
    DistanceProver,
    lower_bounds,
    quick_model,
    quick_nodes,
)
from specreg_sklearn.certificates.distances._prover_around import ProverAround
from specreg_sklearn.certificates.distances._registry import (
    constants_prover,
    distance_prover,
    register_constants_prover,
    register_distance_prover,
)
from specreg_sklearn.certificates.distances._workers import bounds_by_workers

__all__ = [
    "CLOSED",
    "DEFAULT_MAX_NODES",
    "DistanceBounds",
    "DistanceProver",
    "LipschitzProver",
    "ProverAround",
    "bounds_by_workers",
    "confirmed_witnesses",
    "constants_prover",
    "distance_prover",
    "ends_meet",
    "lower_bounds",
    "quick_model",
    "quick_nodes",
    "register_constants_prover",
    "register_distance_prover",
    "register_prover_behind_steps",
]
