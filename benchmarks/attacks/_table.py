"""The table of attacks in one norm on one problem."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.attacks._runs import Run
from benchmarks.common import Report

_COLUMNS = (
    "attack",
    "CPU s",
    "queries",
    "success",
    "median",
    "/ reference",
    "medians",
    "CPU ratio",
)


def report_runs(
    report: Report, title: str, runs: Iterable[Run], reference: np.ndarray, note: str
) -> None:
    """Add a table of attacks.

    The CPU ratio compares with the first run of ART's in the same group.
    """
    runs = list(runs)
    rows = [_row(run, reference, _slower(run, runs)) for run in runs]
    report.table(title, note, _COLUMNS, rows, "35 9 9 9 10 10 9 9")


def _row(run: Run, reference: np.ndarray, slower: float) -> tuple[str, ...]:
    return (
        run.name,
        f"{run.cpu:.3f}",
        f"{run.queries:.0f}",
        f"{run.success:.0%}",
        f"{run.median:.4f}",
        f"{run.over(reference):.4f}",
        f"{run.median_over(reference):.4f}",
        "" if np.isnan(slower) else f"{slower:.1f}",
    )


def _slower(run: Run, runs: list[Run]) -> float:
    """Return how many times more CPU seconds ART took for about as many queries."""
    same = [r for r in runs if r.group == run.group and r.group and r.name.startswith("ART")]
    return same[0].cpu / run.cpu if same else float("nan")
