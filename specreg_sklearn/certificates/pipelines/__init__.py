"""scikit-learn's estimators as stages: one rule for each kind of step."""

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    TRANSFORMER,
    CertifiedEstimator,
    NoCertificateError,
    Role,
)
from specreg_sklearn.certificates.pipelines._model import CertifiedModel
from specreg_sklearn.certificates.pipelines._registry import (
    best_of_search,
    classifier_stages,
    register_certified_step,
    transformer_stages,
)
from specreg_sklearn.certificates.pipelines._stated_lipschitz import StatedLipschitz
from specreg_sklearn.certificates.pipelines._steps import does_nothing, split_pipeline

__all__ = [
    "CLASSIFIER",
    "TRANSFORMER",
    "CertifiedEstimator",
    "CertifiedModel",
    "NoCertificateError",
    "Role",
    "StatedLipschitz",
    "best_of_search",
    "classifier_stages",
    "does_nothing",
    "register_certified_step",
    "split_pipeline",
    "transformer_stages",
]
