"""Attacks of the Adversarial Robustness Toolbox, and models as its classifiers."""

from specreg_sklearn.attacks.art._attack import ARTAttack
from specreg_sklearn.attacks.art._classifier import as_art_classifier
from specreg_sklearn.attacks.art._session import art_session, import_art
from specreg_sklearn.attacks.art._support import SUPPORTED

__all__ = [
    "SUPPORTED",
    "ARTAttack",
    "art_session",
    "as_art_classifier",
    "import_art",
]
