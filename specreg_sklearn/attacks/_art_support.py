"""Which attacks of the Adversarial Robustness Toolbox work on tables with labels only.

The table names every evasion class of ART 1.20 so that a refusal needs no import of ART (which
takes seconds). Classes that newer versions add are judged by what they demand of an estimator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SUPPORTED: dict[str, tuple[float, ...]] = {
    "HopSkipJump": (2, np.inf),
    "BoundaryAttack": (2,),
    "SignOPTAttack": (2,),
}
"""Attacks that work here, with the norms they can minimise."""

LEAN_DEFAULTS: dict[str, dict[str, Any]] = {
    "HopSkipJump": {"max_iter": 10, "init_eval": 100},
    "BoundaryAttack": {"max_iter": 100},
    "SignOPTAttack": {"max_iter": 10, "num_trial": 20, "k": 50},
}
"""Used where the user gives no value: ART's own defaults cost ten times as much and more."""

_REASONS = {
    "gradients": "it needs gradients of the model, and here a model only has to predict",
    "images": "it needs images, and here rows are tables of features",
    "sound": "it needs audio or video, and here rows are tables of features",
    "files": "it needs malware binaries, and here rows are tables of features",
    "scores": "it needs scores or probabilities, and here a model only has to predict labels",
    "tree": "it reads the inside of a single decision tree, and here a model only has to predict",
    "wrapper": "it only wraps other attacks; use one of those directly",
    "numpy": "it is broken with numpy 2, and it needs square images",
    "unknown": "nobody has checked that it works on tables with predicted labels only",
}

_REFUSED = {
    name: reason
    for reason, names in {
        "gradients": """AutoProjectedGradientDescent AutoConjugateGradient BasicIterativeMethod
            RescalingAutoConjugateGradient BrendelBethgeAttack CarliniL0Method CarliniL2Method
            CarliniLInfMethod CompositeAdversarialAttackPyTorch DeepFool ElasticNet
            FastGradientMethod FeatureAdversariesNumpy FeatureAdversariesPyTorch
            FeatureAdversariesTensorFlowV2 HighConfidenceLowUncertainty LowProFool
            MomentumIterativeMethod NewtonFool ProjectedGradientDescent
            ProjectedGradientDescentNumpy ProjectedGradientDescentPyTorch
            ProjectedGradientDescentTensorFlowV2 SaliencyMapMethod
            TargetedUniversalPerturbation VirtualAdversarialMethod""",
        "images": """AdversarialPatch AdversarialPatchNumpy AdversarialPatchPyTorch
            AdversarialPatchTensorFlowV2 AdversarialTexturePyTorch DPatch RobustDPatch
            GRAPHITEBlackbox GRAPHITEWhiteboxPyTorch LaserAttack OverloadPyTorch PixelAttack
            ShadowAttack SNAL SpatialTransformation SquareAttack ThresholdAttack Wasserstein""",
        "sound": """CarliniWagnerASR FrameSaliencyAttack ImperceptibleASR ImperceptibleASRPyTorch
            OverTheAirFlickeringPyTorch""",
        "files": "MalwareGDTensorFlow",
        "scores": "SimBA ZooAttack",
        "tree": "DecisionTreeAttack",
        "wrapper": "AutoAttack UniversalPerturbation",
        "numpy": "GeoDA",
    }.items()
    for name in names.split()
}


def check_art_name(name: Any) -> None:
    """Raise ValueError, with the reason in words, unless an ART class can be used here.

    Parameters
    ----------
    name : str
        Name of a class in ``art.attacks.evasion``.

    Raises
    ------
    ValueError
        If the class is unknown to ART, or works only on other kinds of data or models.
    """
    if name in SUPPORTED:
        return
    valid = ", ".join(repr(n) for n in SUPPORTED)
    if name in _REFUSED:
        reason = _REASONS[_REFUSED[name]]
    elif isinstance(name, str) and (found := _reason_of_new_class(name)):
        reason = _REASONS[found]
    else:
        raise ValueError(f"name={name!r} is not an evasion attack of ART. Valid names: {valid}.")
    raise ValueError(f"ART's {name} cannot be used here: {reason}. Attacks that work: {valid}.")


def _reason_of_new_class(name: str) -> str | None:
    """Judge a class by its requirements, or return None if ART has no such evasion attack."""
    from specreg_sklearn.attacks._art_session import import_art

    evasion = import_art("art.attacks.evasion")
    base = import_art("art.attacks.attack").EvasionAttack
    found = getattr(evasion, name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        return None
    demands = str(getattr(found, "_estimator_requirements", ""))
    return "gradients" if "GradientsMixin" in demands or "NeuralNetwork" in demands else "unknown"
