"""``alpha="auto"`` against a fixed strength and against a search over a grid with refit."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.common import Report
from benchmarks.recipes._against import Against, compare_recipes
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._outcomes import Outcome, Recipe
from benchmarks.recipes._presets import preset

GRID = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
PRESETS = ("fast", "robust")
BOLD = 2.0
# Bars of the careful choice against a fixed strength.
BARS = {"distance": 1.08, "certificate": 1.12}


def auto(report: Report, extent: Extent) -> None:
    """Compare the strengths that are chosen, with the tolerance as it is and a larger one."""
    names = ["careful", "bold"] if extent.quick else ["careful", "bold", "grid"]
    found = {name: _measured(name, extent) for name in PRESETS}
    # What is compared, and with what: the strength of the preset itself, or the defaults.
    compared = [(name, against, "fixed") for name in PRESETS for against in names]
    compared.append(("robust", "careful", "fast"))
    report.table(
        "alpha='auto' against fixed strengths, all sets together",
        "Accuracy in points, the worst pair of data set and seed, and distance, certificate and "
        "CPU time of a fit as geometric means of ratios. *Careful* is ``alpha='auto'`` as it "
        f"is, *bold* has ``alpha_tolerance={BOLD:g}``, *grid* is a search over {len(GRID)} "
        "strengths by held-out rows, with the largest certificate among those within half a "
        f"point of the best accuracy, and a refit. {extent}.",
        ("strength", "accuracy", "worst pair", "distance", "certificate", "CPU time"),
        [
            (f"{name}, {recipe}, against {base}", *_summary(found[name], recipe, base))
            for name, recipe, base in compared
        ],
        "30 14 14 14 14 14",
    )
    for name in PRESETS:
        report.table(
            f"Strengths chosen for the preset {name}, and what came of them",
            "Strengths for each seed; accuracy in points, distance and certificate as ratios "
            "to the fixed strength.",
            ("data", *names),
            [
                (data, *(_chosen(found[name], recipe, data, extent) for recipe in names))
                for data in extent.sets
            ],
            "19 " + " ".join(["27"] * len(names)),
        )
        _judge(report, found[name], name, names)


def _measured(name: str, extent: Extent) -> Against:
    recipes: dict[str, Recipe] = {
        "fixed": preset(name),
        "careful": preset(name, alpha="auto"),
        "bold": preset(name, alpha="auto", alpha_tolerance=BOLD),
        "fast": preset("fast"),
    }
    found = compare_recipes(recipes, extent)
    if extent.quick:
        return found
    searched = {
        (data, seed, "grid"): _searched(name, data, seed, extent)
        for data in extent.sets
        for seed in extent.seeds
    }
    return Against({**found.outcomes, **searched})


def _searched(name: str, data: str, seed: int, extent: Extent) -> Outcome:
    """Hold a fifth out, take the largest certificate within half a point of accuracy, refit."""
    judged = {
        alpha: extent.outcomes.of(data, seed, preset(name, alpha=alpha), held_out=True)
        for alpha in GRID
    }
    best = max(outcome.accuracy for outcome in judged.values())
    kept = [alpha for alpha, outcome in judged.items() if outcome.accuracy >= best - 0.005]
    chosen = max(kept, key=lambda alpha: judged[alpha].certificate)
    refit = extent.outcomes.of(data, seed, preset(name, alpha=chosen))
    seconds = refit.seconds + sum(outcome.seconds for outcome in judged.values())
    return replace(refit, seconds=seconds)


def _summary(found: Against, recipe: str, base: str) -> tuple[str, ...]:
    gains = found.gains(recipe, base)
    ratios = (found.ratio(recipe, base, w) for w in ("distance", "certificate", "seconds"))
    return f"{gains.mean():+.2f}", f"{gains.min():+.1f}", *(f"{ratio:.2f}" for ratio in ratios)


def _chosen(found: Against, recipe: str, data: str, extent: Extent) -> str:
    strengths = "/".join(f"{found.outcomes[data, s, recipe].alpha:g}" for s in extent.seeds)
    return f"{strengths}: {found.cell(recipe, 'fixed', data)}"


def _judge(report: Report, found: Against, name: str, recipes: list[str]) -> None:
    title = f"{name}, alpha='auto'"
    points = found.points("careful", "fixed")
    report.figure(f"{title} against its fixed strength: accuracy, points", points, ">=", -0.15)
    for what, bar in BARS.items():
        ratio = found.ratio("careful", "fixed", what)
        report.figure(f"{title} against its fixed strength: {what}", ratio, ">=", bar)
        if "grid" in recipes:
            ratio = found.ratio("bold", "grid", what)
            report.figure(f"{title}, bold against a grid of 7: {what}", ratio, ">=", 0.95)
    seconds = found.ratio("careful", "fixed", "seconds")
    report.figure(f"{title}: CPU time in fits with a fixed strength", seconds, "<=", 2.5)
