"""``alpha="auto"`` against a fixed strength and against a search over a grid with refit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.common import Report
from benchmarks.recipes._data import Split, split_of
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._measure import ROWS, Against, Outcome, measure, outcome_of

GRID = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
PENALTIES = {"rep_spectral": 1e-2, "ll_spectral+jacobian": 3e-3}
BOLD = 2.0


def auto(report: Report, extent: Extent) -> None:
    """Compare the strengths that are chosen, with the tolerance as it is and a larger one."""
    for penalty, fixed in PENALTIES.items():
        recipes: dict[str, dict[str, Any]] = {
            "fixed": {"penalty": penalty, "alpha": fixed},
            "careful": {"penalty": penalty, "alpha": "auto"},
            "bold": {"penalty": penalty, "alpha": "auto", "alpha_tolerance": BOLD},
        }
        found = measure(recipes, extent.sets, extent.seeds)
        if not extent.quick:
            found = Against({**found.outcomes, **_searched(penalty, extent)})
        _report(report, found, penalty, extent)


def _report(report: Report, found: Against, penalty: str, extent: Extent) -> None:
    names = [name for name in ("careful", "bold", "grid") if _has(found, name)]
    report.table(
        f"alpha='auto' with {penalty}, against its fixed strength",
        f"Strengths chosen; accuracy in points, distance and certificate as ratios; {extent}.",
        ("data", *names),
        [(data, *(_cell(found, name, data, extent) for name in names)) for data in extent.sets],
    )
    for name in names:
        bars: dict[str, float | None] = {"accuracy": None, "distance": None, "certificate": None}
        if name == "careful":
            bars = {"accuracy": -0.15, "distance": 1.08, "certificate": 1.12}
        title = f"{penalty}, {name} against fixed"
        points = found.points(name, "fixed")
        report.figure(f"{title}: accuracy, points", points, ">=", bars["accuracy"])
        for what in ("distance", "certificate"):
            report.figure(f"{title}: {what}", found.ratio(name, "fixed", what), ">=", bars[what])
    if "grid" in names:
        for what in ("distance", "certificate"):
            ratio = found.ratio("bold", "grid", what)
            report.figure(f"{penalty}, bold against a grid of 7: {what}", ratio, ">=", 0.95)
    seconds = found.ratio("careful", "fixed", "seconds")
    report.figure(f"{penalty}: CPU time in fits with a fixed strength", seconds, "<=", 2.5)


def _has(found: Against, recipe: str) -> bool:
    return any(other == recipe for _, _, other in found.outcomes)


def _cell(found: Against, recipe: str, data: str, extent: Extent) -> str:
    chosen = [found.outcomes[data, seed, recipe].encoder.alpha_ for seed in extent.seeds]
    ratios = [found.ratio(recipe, "fixed", what, data) for what in ("distance", "certificate")]
    strengths = "/".join(f"{a:g}" for a in chosen)
    return (
        f"{strengths}  {found.points(recipe, 'fixed', data):+.2f} {ratios[0]:.2f} {ratios[1]:.2f}"
    )


def _searched(penalty: str, extent: Extent) -> dict[tuple[str, int, str], Outcome]:
    """Hold a fifth out, take the largest certificate within half a point of accuracy, refit."""
    found = {}
    for name in extent.sets:
        for seed in extent.seeds:
            split = split_of(name, seed)
            judged = [
                outcome_of(
                    _inner(split), len(split.X) // 5, attacks=False, penalty=penalty, alpha=a
                )
                for a in GRID
            ]
            best = max(outcome.accuracy for outcome in judged)
            kept = [n for n, outcome in enumerate(judged) if outcome.accuracy >= best - 0.005]
            alpha = GRID[max(kept, key=lambda n: judged[n].certificate)]
            n_rows = ROWS["table" if split.lo < 0 else "image"]
            refit = outcome_of(split, n_rows, penalty=penalty, alpha=alpha)
            seconds = refit.seconds + float(np.sum([outcome.seconds for outcome in judged]))
            found[name, seed, "grid"] = replace(refit, seconds=seconds)
    return found


def _inner(split: Split) -> Split:
    X, X_test, y, y_test = train_test_split(
        split.X,
        split.y,
        test_size=0.2,
        random_state=split.settings["random_state"],
        stratify=split.y,
    )
    return replace(split, X=X, y=y, X_test=X_test, y_test=y_test)
