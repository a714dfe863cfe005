"""Which attacks of the Adversarial Robustness Toolbox work here, on what, and why others do not.

The tables name every evasion class of ART 1.20 so that a refusal needs no import of ART (which
takes seconds). Classes that newer versions add are judged by what they demand of an estimator. The
documentation prints these tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specreg_sklearn.attacks.art._session import import_art


@dataclass(frozen=True)
class Support:
    """What one of ART's attacks needs, and how it is called."""

    norms: tuple[float, ...]
    # Whether it looks at probabilities or decision values rather than labels, and at which.
    scores: bool = False
    probabilities: bool = False
    # Whether rows have to be images, that is whether it needs an `input_shape`.
    images: bool = False
    # Whether ART demands that the model call itself a neural network.
    neural: bool = False
    # Whether it knows only one pair of bounds for all features.
    one_box: bool = False
    # Parameters used where the user gives none: ART's own cost ten times as much and more.
    defaults: dict[str, Any] = field(default_factory=dict)
    # What to know before using it.
    remark: str = ""


SUPPORTED: dict[str, Support] = {
    "HopSkipJump": Support(
        (2, np.inf),
        defaults={"max_iter": 10, "init_eval": 100},
        remark="The default choice. About 2500 queries per row.",
    ),
    "BoundaryAttack": Support(
        (2,), defaults={"max_iter": 100}, remark="A random walk. About 3000 queries per row."
    ),
    "SignOPTAttack": Support(
        (2,),
        defaults={"max_iter": 10, "num_trial": 100, "k": 50},
        remark="Slow: asks for one row at a time, and draws its own start. 1000 to 2000 queries "
        "per row.",
    ),
    "ZooAttack": Support(
        (2,),
        scores=True,
        one_box=True,
        defaults={
            "max_iter": 40,
            "learning_rate": 0.05,
            "initial_const": 1.0,
            "abort_early": False,
        },
        remark="Without effect on trees and neighbours, whose scores have no slope. 160 queries "
        "per feature.",
    ),
    "SimBA": Support(
        (2,),
        scores=True,
        probabilities=True,
        neural=True,
        defaults={"attack": "px", "epsilon": 0.1, "max_iter": 300},
        remark='Stops at its first success. ``attack="dct"`` needs images. Up to 1200 queries '
        "per row.",
    ),
    "SquareAttack": Support(
        (np.inf,),
        scores=True,
        images=True,
        neural=True,
        defaults={"max_iter": 300},
        remark="Looks for any row within ``eps``, not for the nearest. Up to 1800 queries per row.",
    ),
    "ThresholdAttack": Support(
        (np.inf,),
        scores=True,
        images=True,
        neural=True,
        one_box=True,
        defaults={"es": 1, "max_iter": 10},
        remark="In steps of 1/255 of the widest box. About 40 000 queries per row, 8000 if "
        "``eps`` is given.",
    ),
    "PixelAttack": Support(
        (2,),
        scores=True,
        images=True,
        neural=True,
        one_box=True,
        defaults={"es": 1, "max_iter": 10},
        remark="Changes few pixels by any amount. About 24 000 queries per row.",
    ),
}
"""Attacks that work here."""

REASONS = {
    "gradients": "it needs gradients of the model, and here a model only has to predict",
    "scenes": "it looks for patches, light or movements in pictures of scenes, and those have no "
    "distance that could be compared",
    "detectors": "it attacks detectors of objects, and here a model gives each row a label",
    "sound": "it needs audio or video, and here rows are tables of features",
    "files": "it needs malware binaries, and here rows are tables of features",
    "tree": "it reads the inside of a single decision tree, and here a model only has to predict",
    "wrapper": "it only wraps other attacks; use one of those directly",
    "universal": "it looks for one change that suits many rows, and here each row has its own",
    "numpy": "it is broken with numpy 2, and it needs square images",
    "unknown": "nobody has checked that it works with predictions only",
}
"""Why attacks are refused, in words."""

REFUSED = {
    name: reason
    for reason, names in {
        "gradients": """AutoProjectedGradientDescent AutoConjugateGradient BasicIterativeMethod
            RescalingAutoConjugateGradient BrendelBethgeAttack CarliniL0Method CarliniL2Method
            CarliniLInfMethod CompositeAdversarialAttackPyTorch DeepFool ElasticNet
            FastGradientMethod FeatureAdversariesNumpy FeatureAdversariesPyTorch
            FeatureAdversariesTensorFlowV2 GRAPHITEWhiteboxPyTorch HighConfidenceLowUncertainty
            LowProFool MomentumIterativeMethod NewtonFool ProjectedGradientDescent
            ProjectedGradientDescentNumpy ProjectedGradientDescentPyTorch
            ProjectedGradientDescentTensorFlowV2 SaliencyMapMethod ShadowAttack
            VirtualAdversarialMethod Wasserstein""",
        "scenes": """AdversarialPatch AdversarialPatchNumpy AdversarialPatchPyTorch
            AdversarialPatchTensorFlowV2 GRAPHITEBlackbox LaserAttack SpatialTransformation""",
        "detectors": "AdversarialTexturePyTorch DPatch OverloadPyTorch RobustDPatch SNAL",
        "sound": """CarliniWagnerASR FrameSaliencyAttack ImperceptibleASR ImperceptibleASRPyTorch
            OverTheAirFlickeringPyTorch""",
        "files": "MalwareGDTensorFlow",
        "tree": "DecisionTreeAttack",
        "wrapper": "AutoAttack",
        "universal": "TargetedUniversalPerturbation UniversalPerturbation",
        "numpy": "GeoDA",
    }.items()
    for name in names.split()
}
"""Attacks that do not, each with a key of :data:`REASONS`."""


def check_art_name(name: object) -> None:
    """Raise ValueError, with the reason in words, unless a class of ART can be used here."""
    if isinstance(name, str) and name in SUPPORTED:
        return
    valid = ", ".join(repr(n) for n in SUPPORTED)
    reason = REFUSED.get(name) or _reason_of_new_class(name) if isinstance(name, str) else None
    if reason is None:
        raise ValueError(f"name={name!r} is not an evasion attack of ART. Valid names: {valid}.")
    raise ValueError(
        f"ART's {name} cannot be used here: {REASONS[reason]}. Attacks that work: {valid}."
    )


def check_input_shape(name: str, input_shape: Sequence[int] | None) -> None:
    """Raise ValueError unless the shape of images is given where it is needed, and is one."""
    if input_shape is None:
        if SUPPORTED[name].images:
            valid = [n for n, s in SUPPORTED.items() if not s.images]
            raise ValueError(
                f"ART's {name} needs images: give input_shape=(channels, height, width), where "
                f"each row of X is one image, flattened. Attacks that work on tables: {valid}."
            )
        return
    try:
        sizes = [int(s) for s in input_shape]
        right = len(sizes) == 3 and min(sizes) > 0 and sizes == list(input_shape)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            f"input_shape={input_shape!r} is not accepted; give None or (channels, height, width)."
        )


def _reason_of_new_class(name: str) -> str | None:
    """Judge a class by its requirements, or return None if ART has no such evasion attack."""
    evasion = import_art("art.attacks.evasion")
    base = import_art("art.attacks.attack").EvasionAttack
    found = getattr(evasion, name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        return None
    demands = str(getattr(found, "_estimator_requirements", ""))
    return "gradients" if "GradientsMixin" in demands or "NeuralNetwork" in demands else "unknown"
