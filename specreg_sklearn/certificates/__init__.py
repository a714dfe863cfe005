"""Proofs about a fitted model: stages of a function, and how fast it can change.

A fitted classifier is taken apart into stages (:class:`Stage`), each with a Lipschitz constant that
is never too small, rounding included: networks layer by layer (:class:`TorchGraph`), pipelines step
by step. Stages make up a :class:`CertifiedMap`, with a constant for each pair of classes. An
estimator brings its own stages as a :class:`CertifiedEstimator`; :func:`register_certified_step`
adds a rule for others, :func:`register_lipschitz_rule` for layers. Near a row, networks of dense
layers are proved by linear relaxations, too. Ensembles of trees need no constants:
:func:`nearest_rows` searches the boxes of their leaves for the nearest row with another label.
:func:`distance_prover` finds the proof of a model in one form, :class:`DistanceBounds`, and
:func:`register_distance_prover` adds others. What is not known is refused.
"""

from typing import TYPE_CHECKING

from specreg_sklearn._lazy import lazy_names
from specreg_sklearn.certificates.distances import (
    DistanceBounds,
    DistanceProver,
    distance_prover,
    register_distance_prover,
)
from specreg_sklearn.certificates.pipelines import (
    CertifiedEstimator,
    NoCertificateError,
    StatedLipschitz,
    classifier_stages,
    register_certified_step,
    transformer_stages,
)

if TYPE_CHECKING:
    from specreg_sklearn.certificates.bounds import CertifiedMap
    from specreg_sklearn.certificates.networks import (
        TorchGraph,
        module_lipschitz_bound,
        register_lipschitz_rule,
        torch_stages,
    )
    from specreg_sklearn.certificates.stages import (
        Activation,
        Affine,
        BoundedLayer,
        Elementwise,
        NoLipschitzBound,
        Stage,
        StatedFunction,
        activation,
    )
    from specreg_sklearn.certificates.trees import (
        TreeEnsemble,
        nearest_rows,
        register_tree_reader,
    )

# Stages are linear algebra on torch layers, which a score by attack alone never needs.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Activation": "specreg_sklearn.certificates.stages",
        "Affine": "specreg_sklearn.certificates.stages",
        "BoundedLayer": "specreg_sklearn.certificates.stages",
        "CertifiedMap": "specreg_sklearn.certificates.bounds",
        "Elementwise": "specreg_sklearn.certificates.stages",
        "NoLipschitzBound": "specreg_sklearn.certificates.stages",
        "Stage": "specreg_sklearn.certificates.stages",
        "StatedFunction": "specreg_sklearn.certificates.stages",
        "TorchGraph": "specreg_sklearn.certificates.networks",
        "TreeEnsemble": "specreg_sklearn.certificates.trees",
        "activation": "specreg_sklearn.certificates.stages",
        "module_lipschitz_bound": "specreg_sklearn.certificates.networks",
        "nearest_rows": "specreg_sklearn.certificates.trees",
        "register_lipschitz_rule": "specreg_sklearn.certificates.networks",
        "register_tree_reader": "specreg_sklearn.certificates.trees",
        "torch_stages": "specreg_sklearn.certificates.networks",
    },
)

__all__ = [
    "Activation",
    "Affine",
    "BoundedLayer",
    "CertifiedEstimator",
    "CertifiedMap",
    "DistanceBounds",
    "DistanceProver",
    "Elementwise",
    "NoCertificateError",
    "NoLipschitzBound",
    "Stage",
    "StatedFunction",
    "StatedLipschitz",
    "TorchGraph",
    "TreeEnsemble",
    "activation",
    "classifier_stages",
    "distance_prover",
    "module_lipschitz_bound",
    "nearest_rows",
    "register_certified_step",
    "register_distance_prover",
    "register_lipschitz_rule",
    "register_tree_reader",
    "torch_stages",
    "transformer_stages",
]
