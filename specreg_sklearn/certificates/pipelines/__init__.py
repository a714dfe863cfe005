"""scikit-learn's estimators as stages: one rule for each kind of step."""

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    TRANSFORMER,
    CertifiedEstimator,
    NoCertificateError,
    Role,
)
from specreg_sklearn.certificates.pipelines._last_step import passes_on, split_pipeline
from specreg_sklearn.certificates.pipelines._model import CertifiedModel
from specreg_sklearn.certificates.pipelines._registry import (
    best_of_search,
    classifier_stages,
    register_certified_step,
    transformer_stages,
)
from specreg_sklearn.certificates.pipelines._stated_lipschitz import StatedLipschitz

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
    "passes_on",
    "register_certified_step",
    "split_pipeline",
    "transformer_stages",
]
