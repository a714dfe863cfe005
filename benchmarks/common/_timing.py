"""CPU time of alternatives, measured in turn inside one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def cpu_seconds(run: Callable[[], Any]) -> float:
    """Return the CPU seconds of this process that one call takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(runs: dict[str, Callable[[], Any]], *, repeats: int) -> dict[str, list[float]]:
    """Run the alternatives in turn (A B A B ...), after one round that is not counted.

    Neighbouring runs share whatever the machine is doing, so ratios of the same round are steadier
    than ratios of medians.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(cpu_seconds(run))
    return seconds


def median_ratio(seconds: dict[str, list[float]], name: str, base: str) -> float:
    """Return the median over rounds of the ratio of two alternatives."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[base], strict=True))
