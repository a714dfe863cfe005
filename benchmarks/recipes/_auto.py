"""``alpha="auto"`` against fixed strengths, for the penalties of two presets."""

from __future__ import annotations

from benchmarks.common import Report
from benchmarks.recipes._against import Against, compare_recipes
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._presets import (
    GOALS,
    NONE,
    preset,
    reached_title,
    sets_that_reach,
)

# Presets whose penalties are compared, and their fixed strengths.
PRESETS = {"fast": 1e-2, "robust": 3e-3}
# Bars against a fixed strength.
BARS = {"distance": 1.08, "certificate": 1.12}


def auto(report: Report, extent: Extent) -> None:
    """Compare the strengths that are chosen with those of the presets."""
    recipes = {"none": NONE} | {name: preset(name, alpha=alpha) for name, alpha in PRESETS.items()}
    recipes |= {f"{name}, auto": preset(name, alpha="auto") for name in PRESETS}
    found = compare_recipes(recipes, extent)
    compared = [(f"{name}, auto", name) for name in PRESETS]
    report.table(
        "alpha='auto' against fixed strengths, all sets together",
        "The penalties of two presets, *fast* with 0.01 and *robust* with 0.003, and with "
        "``alpha='auto'``: accuracy in points, in the mean and of the worst pair of data set and "
        "seed; distance, certificate (``max_nodes=1``: bounds without a search) and CPU time of a "
        f"fit as geometric means of ratios. {extent}.",
        ("recipe", "accuracy", "worst pair", "distance", "certificate", "CPU time"),
        [
            (f"{recipe}, against {base}", *summary(found, recipe, base))
            for recipe, base in [
                *compared,
                ("robust, auto", "fast"),
                *((recipe, "none") for recipe, _ in compared),
            ]
        ],
        "30 14 14 14 14 14",
    )
    report.table(
        "Strengths chosen, and what came of them",
        "For each seed the strength; then accuracy in points, distance and certificate as "
        "ratios to the fixed strength.",
        ("data", *(recipe for recipe, _ in compared)),
        [
            (data, *(chosen(found, *pair, data, extent) for pair in compared))
            for data in extent.sets
        ],
        "20 40 40",
    )
    for recipe, base in compared:
        title = f"{recipe}, against {base}"
        report.figure(f"{title}: accuracy, points", found.points(recipe, base), ">=", -0.15)
        for what, bar in BARS.items():
            report.figure(f"{title}: {what}", found.ratio(recipe, base, what), ">=", bar)
        seconds = found.ratio(recipe, base, "seconds")
        report.figure(f"{title}: CPU time of a fit", seconds, "<=", 2.5)
    for recipe, _ in compared:
        for what in GOALS:
            n = sets_that_reach(found, recipe, what, extent)
            report.figure(f"{recipe}: {reached_title(what)}", n, form="d")


def summary(found: Against, recipe: str, base: str) -> tuple[str, ...]:
    """Return accuracy, that of the worst pair, distance, certificate and CPU time, for a table."""
    gains = found.gains(recipe, base)
    ratios = (found.ratio(recipe, base, w) for w in ("distance", "certificate", "seconds"))
    return f"{gains.mean():+.2f}", f"{gains.min():+.1f}", *(f"{ratio:.2f}" for ratio in ratios)


def chosen(found: Against, recipe: str, base: str, data: str, extent: Extent) -> str:
    """Return the strengths that a recipe chose for a data set, and what came of them."""
    strengths = "/".join(f"{found.outcomes[data, s, recipe].alpha:g}" for s in extent.seeds)
    return f"{strengths}: {found.cell(recipe, base, data)}"
