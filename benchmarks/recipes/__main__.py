"""Presets, sums of penalties and chosen strengths on tables and images.

Run with ``make bench-recipes`` or ``python -m benchmarks.recipes``; the variable SPECREG_DATA names
the folder with the data. ``--quick`` takes three data sets and one seed, in minutes.
"""

from __future__ import annotations

from benchmarks.common import Report, arguments_of, run_sections
from benchmarks.recipes._auto import auto
from benchmarks.recipes._confidence import confidence
from benchmarks.recipes._costs import costs
from benchmarks.recipes._data import SETS
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._presets import presets
from benchmarks.recipes._sums import sums

SECTIONS = {
    "costs": costs,
    "presets": presets,
    "sums": sums,
    "auto": auto,
    "confidence": confidence,
}


def main() -> None:
    """Print every table and figure, with its bar where there is one."""
    arguments = arguments_of(
        __doc__,
        SECTIONS,
        quick={"action": "store_true", "help": "three data sets, one seed"},
        sets={"nargs": "+", "choices": list(SETS), "help": "these data sets alone"},
        seeds={"type": int, "help": "how many seeds"},
    )
    extent = Extent.of(quick=arguments.quick, sets=arguments.sets, n_seeds=arguments.seeds)
    run_sections(Report(), SECTIONS, arguments, extent, f"measured on {extent}")


if __name__ == "__main__":
    main()
