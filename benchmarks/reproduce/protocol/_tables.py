"""Markdown tables of means and standard deviations over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def mean_sd(values: Iterable[float], digits: int = 3) -> str:
    """Return "mean ± sd" over seeds; the sample standard deviation, left out for one value.

    Parameters
    ----------
    values : iterable of float
        One value a seed.
    digits : int
        Digits behind the point.
    """
    values = np.asarray(list(values), dtype=float)
    if not len(values) or np.isnan(values).all():
        return "–"
    text = f"{values.mean():.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {values.std(ddof=1):.{digits}f}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are numbers.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence of str
        Cells.
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def seeds_table(
    rows: Mapping[str, Sequence[Mapping[str, float]]], columns: Mapping[str, tuple[str, int]]
) -> str:
    """Return one row per model with mean ± sd of each figure over its seeds.

    Parameters
    ----------
    rows : mapping of str to sequence of mapping
        For each model, the figures of each seed.
    columns : mapping of str to (str, int)
        For each figure, the heading of its column and the digits to show.
    """
    header = ["model", *(heading for heading, _ in columns.values()), "n"]
    cells = [
        [
            name,
            *(mean_sd([s[key] for s in seeds if key in s], d) for key, (_, d) in columns.items()),
            str(len(seeds)),
        ]
        for name, seeds in rows.items()
    ]
    return markdown_table(header, cells)
