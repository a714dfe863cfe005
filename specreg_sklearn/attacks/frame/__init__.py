"""The frame of every attack: the base class, one run of it, workers, the result."""

from specreg_sklearn.attacks.frame._base import BlackBoxAttack
from specreg_sklearn.attacks.frame._result import AttackResult

__all__ = [
    "AttackResult",
    "BlackBoxAttack",
]
