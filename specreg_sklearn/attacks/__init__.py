"""Black-box attacks: how far a row must move before a classifier gets it wrong.

An attack needs nothing of a model but ``predict``. It works on numpy arrays, pandas and polars
frames and lists, changes only what a :class:`FeatureSpace` allows, and reports a row only if the
model gets it wrong on the very array the user receives. Distances are upper bounds of the true
ones. Subclass :class:`BlackBoxAttack` to write your own attack.
"""

from specreg_sklearn.attacks._cgba import CGBA
from specreg_sklearn.attacks._hop_skip_jump import HopSkipJump
from specreg_sklearn.attacks._rays import RayS
from specreg_sklearn.attacks._resolve import resolve_attack
from specreg_sklearn.attacks._score_search import ScoreSearch
from specreg_sklearn.attacks._square import SquareAttack
from specreg_sklearn.attacks._strongest import Strongest
from specreg_sklearn.attacks._tangent import TangentAttack
from specreg_sklearn.attacks._threshold_search import ThresholdSearch
from specreg_sklearn.attacks.art import ARTAttack, as_art_classifier
from specreg_sklearn.attacks.frame import AttackInterrupted, AttackResult, BlackBoxAttack
from specreg_sklearn.attacks.gradients import GradientAttack
from specreg_sklearn.space import FeatureSpace

__all__ = [
    "CGBA",
    "ARTAttack",
    "AttackInterrupted",
    "AttackResult",
    "BlackBoxAttack",
    "FeatureSpace",
    "GradientAttack",
    "HopSkipJump",
    "RayS",
    "ScoreSearch",
    "SquareAttack",
    "Strongest",
    "TangentAttack",
    "ThresholdSearch",
    "as_art_classifier",
    "resolve_attack",
]
