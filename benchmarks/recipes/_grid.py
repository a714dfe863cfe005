"""``alpha="auto"`` with a larger tolerance against a search over a grid of strengths."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.common import Report
from benchmarks.recipes._against import Against, compare_recipes
from benchmarks.recipes._auto import PRESETS, chosen, summary
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._outcomes import Outcome
from benchmarks.recipes._presets import preset

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
TOLERANCE = 2.0
# How far below the best held-out accuracy a strength may lie.
ALLOWED_LOSS = 0.005


def grid(report: Report, extent: Extent) -> None:
    """Compare one rising path of strengths with a fit for each of them, both with a refit."""
    rows = []
    for name in PRESETS:
        found = _measured(name, extent)
        for recipe in ("bold", "grid"):
            rows.append((f"{name}, {recipe}, against fixed", *summary(found, recipe, "fixed")))
        for what in ("distance", "certificate"):
            ratio = found.ratio("bold", "grid", what)
            report.figure(f"{name}, bold against a grid of 7: {what}", ratio, ">=", 0.95)
        report.table(
            f"Strengths chosen for the preset {name}, by path and by grid",
            "For each seed the strength; then accuracy in points, distance and certificate as "
            "ratios to the fixed strength.",
            ("data", "bold", "grid"),
            [
                (data, *(chosen(found, r, "fixed", data, extent) for r in ("bold", "grid")))
                for data in extent.sets
            ],
            "20 40 40",
        )
    report.table(
        "A path of strengths and a grid of them, all sets together",
        "Accuracy in points, in the mean and of the worst pair of data set and seed; distance, "
        "certificate and CPU time of a fit as geometric means of ratios. *Bold* is "
        f"``alpha='auto', alpha_tolerance={TOLERANCE:g}``; *grid* is a search over "
        f"{len(STRENGTHS)} strengths by held-out rows, with the largest certificate among those "
        f"within half a point of the best accuracy, and a refit. {extent}.",
        ("recipe", "accuracy", "worst pair", "distance", "certificate", "CPU time"),
        rows,
        "30 14 14 14 14 14",
    )


def _measured(name: str, extent: Extent) -> Against:
    recipes = {
        "fixed": preset(name, alpha=PRESETS[name]),
        "bold": preset(name, alpha="auto", alpha_tolerance=TOLERANCE),
    }
    found = compare_recipes(recipes, extent)
    searched = {
        (data, seed, "grid"): _searched(name, data, seed, extent)
        for data in extent.sets
        for seed in extent.seeds
    }
    return Against({**found.outcomes, **searched})


def _searched(name: str, data: str, seed: int, extent: Extent) -> Outcome:
    """Hold a fifth out, take the largest certificate of the accurate ones, and fit again."""
    judged = {
        alpha: extent.outcomes.of(data, seed, preset(name, alpha=alpha), held_out=True)
        for alpha in STRENGTHS
    }
    best = max(outcome.accuracy for outcome in judged.values())
    kept = [alpha for alpha, outcome in judged.items() if outcome.accuracy >= best - ALLOWED_LOSS]
    alpha = max(kept, key=lambda strength: judged[strength].certificate)
    refit = extent.outcomes.of(data, seed, preset(name, alpha=alpha))
    seconds = refit.seconds + sum(outcome.seconds for outcome in judged.values())
    return replace(refit, seconds=seconds)
