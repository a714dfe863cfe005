"""The frame of every attack: the hooks it calls, the base class, one run, workers, the result."""

from specreg_sklearn.attacks.frame._black_box_attack import BlackBoxAttack
from specreg_sklearn.attacks.frame._hooks import ATTACK_OF_NORM, Starts
from specreg_sklearn.attacks.frame._interrupted import AttackInterrupted, interrupted
from specreg_sklearn.attacks.frame._nearest_of_all import NearestOfAll
from specreg_sklearn.attacks.frame._result import AttackResult

__all__ = [
    "ATTACK_OF_NORM",
    "AttackInterrupted",
    "AttackResult",
    "BlackBoxAttack",
    "NearestOfAll",
    "Starts",
    "interrupted",
]
