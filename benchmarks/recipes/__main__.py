"""Presets, sums of penalties and chosen strengths on tables and images.

Run with ``make bench-recipes``, which writes the tables of the guide, or with
``python -m benchmarks.recipes``; the variable SPECREG_DATA names the folder with the data. All of
it takes an hour of CPU time. ``--quick`` takes three data sets and one seed, in minutes, and
``--only``, ``--sets`` and ``--seeds`` take other parts. With ``--outcomes FILE`` a run that was cut
short goes on where it was.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from benchmarks.common import Report, arguments_of, run_sections
from benchmarks.recipes._auto import auto
from benchmarks.recipes._bounds import bounds
from benchmarks.recipes._certified import certified
from benchmarks.recipes._confidence import confidence
from benchmarks.recipes._costs import costs
from benchmarks.recipes._data import SETS
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._grid import grid
from benchmarks.recipes._presets import presets
from benchmarks.recipes._sums import sums

SECTIONS = {
    "presets": presets,
    "bounds": bounds,
    "auto": auto,
    "grid": grid,
    "sums": sums,
    "certified": certified,
    "confidence": confidence,
    "costs": costs,
}


def main() -> None:
    """Print every table and figure, with its bar where there is one."""
    arguments = arguments_of(
        __doc__,
        SECTIONS,
        rst="write the tables of each section to a file in this folder, too",
        quick={"action": "store_true", "help": "three data sets, one seed"},
        sets={"nargs": "+", "choices": list(SETS), "help": "these data sets alone"},
        seeds={"nargs": "+", "type": int, "help": "these seeds, in place of 41, 42 and 43"},
        outcomes={"type": Path, "help": "keep the outcomes of fits in this file, and use them"},
    )
    extent = Extent.of(
        quick=arguments.quick,
        sets=arguments.sets,
        seeds=arguments.seeds,
        outcomes=arguments.outcomes,
    )
    for name in arguments.only:
        report = Report(f"Recipes, {name}: figures and their bars", "58 10 12 10 10", False)
        rst = arguments.rst and arguments.rst / f"recipes_{name}.inc"
        alone = Namespace(only=[name], rst=rst, into=arguments.into)
        run_sections(report, SECTIONS, alone, extent)


if __name__ == "__main__":
    main()
