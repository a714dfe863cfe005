"""The command line of a benchmark: sections that report figures, on one thread."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmarks.common._report import Report
from benchmarks.common._report_parts import put_into


def arguments_of(
    doc: str | None,
    sections: Iterable[str],
    *,
    default: Iterable[str] | None = None,
    rst: str = "write the tables to this file, too",
    **options: dict[str, Any],
) -> argparse.Namespace:
    """Read the command line.

    Parameters
    ----------
    doc : str or None
        What the benchmark is about.
    sections : iterable of str
        Names that ``--only`` accepts.
    default : iterable of str or None, default=None
        The sections that run without ``--only``; None means all.
    rst : str
        What ``--rst`` does, for ``--help``.
    **options : dict
        For each further option of the benchmark, what ``add_argument`` takes.
    """
    parser = argparse.ArgumentParser(description=doc)
    names = list(sections)
    parser.add_argument("--only", nargs="+", choices=names, default=list(default or names))
    for name, settings in options.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--rst", type=Path, help=rst)
    parser.add_argument(
        "--into",
        type=Path,
        help="put figures and tables into this file, in the place of those of the same title",
    )
    return parser.parse_args()


def run_sections(
    report: Report,
    sections: Mapping[str, Callable[[Report, Any], None]],
    arguments: argparse.Namespace,
    option: Any,
    *remarks: str,
) -> None:
    """Call ``section(report, option)`` for those that were asked for, and sum up.

    `remarks` come first, behind the line that says where figures were measured.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    report.remark(
        f"CPU seconds on one thread, one process; numpy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}, torch {torch.__version__}"
    )
    for remark in remarks:
        report.remark(remark)
    with threadpool_limits(1):
        for name in arguments.only:
            sections[name](report, option)
    report.summary()
    print(f"{time.process_time():.0f} s of CPU in this process")
    if arguments.rst is not None:
        report.write_rst(arguments.rst)
    if arguments.into is not None:
        put_into(report, arguments.into)
