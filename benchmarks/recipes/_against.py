"""Recipes on the same data sets and seeds, compared with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.recipes._extent import Extent
from benchmarks.recipes._outcomes import Outcome, Recipe


@dataclass(frozen=True)
class Against:
    """The outcomes of recipes on the same data sets and seeds.

    Every comparison is made pair by pair, a pair being a data set and a seed; ``data=None`` stands
    for all data sets.

    Parameters
    ----------
    outcomes : dict of (data set, seed, recipe) to Outcome
        What was measured.
    """

    outcomes: Mapping[tuple[str, int, str], Outcome]

    def ratios(self, recipe: str, base: str, what: str, data: str | None = None) -> np.ndarray:
        """Return the logarithms of the ratios of a quantity, one for each pair."""
        return np.array(
            [
                np.log(getattr(found, what) / getattr(reference, what))
                for found, reference in self._pairs(recipe, base, data)
            ]
        )

    def ratio(self, recipe: str, base: str, what: str, data: str | None = None) -> float:
        """Return the geometric mean of the ratios."""
        return float(np.exp(self.ratios(recipe, base, what, data).mean()))

    def gains(self, recipe: str, base: str, data: str | None = None) -> np.ndarray:
        """Return by how many points of accuracy a recipe lies above another one, in each pair."""
        return 100 * np.array(
            [
                found.accuracy - reference.accuracy
                for found, reference in self._pairs(recipe, base, data)
            ]
        )

    def points(self, recipe: str, base: str, data: str | None = None) -> float:
        """Return by how many points of accuracy a recipe lies above another one, in the mean."""
        return float(self.gains(recipe, base, data).mean())

    def cell(self, recipe: str, base: str, data: str | None = None) -> str:
        """Return accuracy in points, distance and certificate as ratios, for a table."""
        distance, certificate = (
            self.ratio(recipe, base, what, data) for what in ("distance", "certificate")
        )
        return f"{self.points(recipe, base, data):+.1f}, {distance:.2f}, {certificate:.2f}"

    def _pairs(self, recipe: str, base: str, data: str | None) -> list[tuple[Outcome, Outcome]]:
        return [
            (found, self.outcomes[name, seed, base])
            for (name, seed, other), found in self.outcomes.items()
            if other == recipe and data in (None, name)
        ]


def compare_recipes(recipes: Mapping[str, Recipe], extent: Extent) -> Against:
    """Return the outcomes of every recipe on every data set with every seed."""
    return Against(
        {
            (name, seed, title): extent.outcomes.of(name, seed, recipe)
            for name in extent.sets
            for seed in extent.seeds
            for title, recipe in recipes.items()
        }
    )
