"""How much is measured, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipes._data import QUICK_SETS, SETS
from benchmarks.recipes._outcomes import Outcomes

# None of these has been used to choose a rule or a setting.
SEEDS = (41, 42, 43)


@dataclass(frozen=True)
class Extent:
    """Data sets and seeds of a run.

    Parameters
    ----------
    sets : tuple of str
        Names of data sets.
    seeds : tuple of int
        Each draws a split, training rows, weights and the order of the batches.
    quick : bool
        Whether the slow recipes are left out.
    outcomes : Outcomes
        What was measured so far.
    """

    sets: tuple[str, ...]
    seeds: tuple[int, ...]
    quick: bool
    outcomes: Outcomes

    @classmethod
    def of(
        cls,
        *,
        quick: bool,
        sets: list[str] | None,
        seeds: list[int] | None,
        outcomes: Path | None,
    ) -> Extent:
        """Return the extent that the command line asks for."""
        chosen = tuple(sets or (QUICK_SETS if quick else SETS))
        drawn = tuple(seeds or (SEEDS[:1] if quick else SEEDS))
        return cls(chosen, drawn, quick, Outcomes(outcomes))

    def __str__(self) -> str:
        return f"{len(self.sets)} data sets, seeds {', '.join(map(str, self.seeds))}"
