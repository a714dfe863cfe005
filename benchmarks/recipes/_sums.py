"""Sums of penalties beside their parts, at equal accuracy."""

from __future__ import annotations

import numpy as np

from benchmarks.common import Report
from benchmarks.recipes._against import Against, compare_recipes
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._outcomes import Recipe
from benchmarks.recipes._presets import ALLOWED_LOSS, NONE

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2)
PENALTIES = (
    "rep_spectral",
    "ll_spectral",
    "jacobian",
    "rep_spectral+jacobian",
    "ll_spectral+jacobian",
)


def sums(report: Report, extent: Extent) -> None:
    """Follow every penalty over its strengths, and read it off where a little accuracy is lost."""
    recipes: dict[str, Recipe] = {"none": NONE}
    for penalty in PENALTIES:
        recipes |= {f"{penalty} {a:g}": {"penalty": penalty, "alpha": a} for a in STRENGTHS}
    found = compare_recipes(recipes, extent)
    read = {
        (penalty, data): [
            _at_equal_accuracy(found, penalty, data, what) for what in ("distance", "certificate")
        ]
        for penalty in PENALTIES
        for data in extent.sets
    }
    rows = [
        (data, *("{:.2f}, {:.2f}".format(*np.exp(read[penalty, data])) for penalty in PENALTIES))
        for data in extent.sets
    ]
    means = [np.exp(np.mean([read[p, data] for data in extent.sets], axis=0)) for p in PENALTIES]
    report.table(
        f"Sums and their parts, at most {ALLOWED_LOSS} points of accuracy below a plain network",
        "The largest distance and certificate, as ratios to a plain network, on the curve over the "
        f"strengths {', '.join(f'{a:g}' for a in STRENGTHS)} while the loss of accuracy is "
        "allowed; the curve is linear between them. Read off the test rows themselves, the same "
        f"way for all. {extent}.",
        ("data", *PENALTIES),
        [*rows, ("all", *("{:.2f}, {:.2f}".format(*mean) for mean in means))],
        "20 " + " ".join(["16"] * len(PENALTIES)),
    )


def _at_equal_accuracy(found: Against, penalty: str, data: str, what: str) -> float:
    """Return the logarithm of the largest ratio on the curve while the loss is allowed.

    The curve starts at the plain network and is linear between strengths.
    """
    names = [f"{penalty} {a:g}" for a in STRENGTHS]
    loss = [0.0, *(-found.points(name, "none", data) for name in names)]
    gain = [0.0, *(np.log(found.ratio(name, "none", what, data)) for name in names)]
    best = 0.0
    for k in range(1, len(loss)):
        if loss[k] <= ALLOWED_LOSS:
            best = max(best, gain[k])
        elif loss[k - 1] <= ALLOWED_LOSS:
            part = (ALLOWED_LOSS - loss[k - 1]) / (loss[k] - loss[k - 1])
            best = max(best, gain[k - 1] + part * (gain[k] - gain[k - 1]))
    return best
