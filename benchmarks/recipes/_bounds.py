"""Two certificates of the same networks: how much of a gain is the bound's."""

from __future__ import annotations

import numpy as np

from benchmarks.common import Report
from benchmarks.recipes._against import Against, compare_recipes
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._presets import NONE, preset

PRESETS = ("robust", "fast")
BOUNDS = ("certificate", "product")


def bounds(report: Report, extent: Extent) -> None:
    """Compare what a preset gains in distance, in the certificate, and in the product of norms."""
    found = compare_recipes({"none": NONE} | {name: preset(name) for name in PRESETS}, extent)
    report.table(
        "What a preset gains, by the attack and by two proofs",
        "Of a plain network, how much of the distance each proof reaches; then distance, "
        "certificate, and margin over the product of the norms of all layers, as ratios to the "
        "plain network. The certificate is that of ``certified_radius(..., max_nodes=1)``, bounds "
        f"without a search. Geometric means over {extent}.",
        ("data", "plain: certificate", "plain: product", *PRESETS),
        [
            (
                data or "all",
                *(f"{100 * reached(found, what, data):.0f} %" for what in BOUNDS),
                *(gains(found, name, data) for name in PRESETS),
            )
            for data in (*extent.sets, None)
        ],
        "20 16 16 22 22",
    )


def reached(found: Against, what: str, data: str | None) -> float:
    """Return how much of the distance of a plain network a proof reaches."""
    shares = [
        getattr(outcome, what) / outcome.distance
        for (name, _, recipe), outcome in found.outcomes.items()
        if recipe == "none" and data in (None, name)
    ]
    return float(np.exp(np.log(shares).mean()))


def gains(found: Against, recipe: str, data: str | None) -> str:
    """Return distance and both certificates as ratios to the plain network, for a table."""
    return ", ".join(
        f"{found.ratio(recipe, 'none', what, data):.2f}" for what in ("distance", *BOUNDS)
    )
