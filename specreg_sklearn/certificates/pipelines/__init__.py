"""scikit-learn's estimators as stages: one rule for each kind of step."""

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    TRANSFORMER,
    CertifiedEstimator,
    NoCertificateError,
    Role,
)
from specreg_sklearn.certificates.pipelines._decision_cut import Cut, decision_cut
from specreg_sklearn.certificates.pipelines._last_step import (
    name_of_step,
    passes_on,
    path_to_step,
    split_pipeline,
)
from specreg_sklearn.certificates.pipelines._linear_scores import LinearScores, linear_scores
from specreg_sklearn.certificates.pipelines._model import (
    CertifiedModel,
    SeenRows,
    check_underived,
)
from specreg_sklearn.certificates.pipelines._registry import (
    best_of_search,
    classifier_stages,
    has_stages,
    register_certified_step,
    transformer_stages,
)
from specreg_sklearn.certificates.pipelines._score_ranges import ScoreRanges
from specreg_sklearn.certificates.pipelines._stated_lipschitz import StatedLipschitz
from specreg_sklearn.certificates.pipelines._steps_in_front import (
    BehindSteps,
    StepsInFront,
)

__all__ = [
    "CLASSIFIER",
    "TRANSFORMER",
    "BehindSteps",
    "CertifiedEstimator",
    "CertifiedModel",
    "Cut",
    "LinearScores",
    "NoCertificateError",
    "Role",
    "ScoreRanges",
    "SeenRows",
    "StatedLipschitz",
    "StepsInFront",
    "best_of_search",
    "check_underived",
    "classifier_stages",
    "decision_cut",
    "has_stages",
    "linear_scores",
    "name_of_step",
    "passes_on",
    "path_to_step",
    "register_certified_step",
    "split_pipeline",
    "transformer_stages",
]
