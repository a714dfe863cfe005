"""The attack on models whose decision boundaries are thresholds on single columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from specreg_sklearn.attacks.boxes import BoxSearch
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.questions import SearchTask


@dataclass(kw_only=True, eq=False, repr=False)
class ThresholdSearch(BlackBoxAttack):
    """Threshold search."""

    _norms: ClassVar[tuple[float, ...]] = (2, 1, 0)
    _from_boundary: ClassVar[bool] = False

    def _search(self, task: SearchTask) -> None:
        BoxSearch(task).search(task.active(), task.oracle.limit)
