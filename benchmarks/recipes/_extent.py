"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.recipes._data import QUICK_SETS, SETS

# No seed below has been used to choose a rule or a setting.
FIRST_SEED = 41


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
    """

    sets: tuple[str, ...]
    seeds: tuple[int, ...]
    quick: bool

    @classmethod
    def of(cls, *, quick: bool, sets: list[str] | None, n_seeds: int | None) -> Extent:
        """Return the extent that the command line asks for."""
        chosen = tuple(sets) if sets else QUICK_SETS if quick else tuple(SETS)
        count = n_seeds or (1 if quick else 3)
        return cls(chosen, tuple(range(FIRST_SEED, FIRST_SEED + count)), quick)

    def __str__(self) -> str:
        return f"{len(self.sets)} data sets, seeds {', '.join(map(str, self.seeds))}"
