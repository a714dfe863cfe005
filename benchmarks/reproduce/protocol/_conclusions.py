"""The first page of ``RESULTS.md``: every regulariser against the plain network, in one table.

Figures are read from the tables of the sections, so that the page is right also where only some of
the experiments were run again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.reproduce.protocol._tables import markdown_table
from benchmarks.reproduce.protocol._task import PLAIN, RECIPE

COMPARED = ("l2", "ll_spectral", "rep_spectral", RECIPE)
FIGURES = {"test accuracy": "accuracy", "**nearest**": "distance", "certified": "certificate"}


@dataclass(frozen=True)
class Measured:
    """Means over the seeds of one model on test rows."""

    accuracy: float
    distance: float
    certificate: float


@dataclass(frozen=True)
class Contest:
    """The models of one table of test figures.

    Parameters
    ----------
    title : str
        The headings above the table.
    models : dict of str to Measured
        What was measured, by regulariser.
    """

    title: str
    models: Mapping[str, Measured]

    def gain(self, regulariser: str, figure: str, base: str = PLAIN) -> float:
        """Return by how many percent a figure is above that of another regulariser."""
        return 100 * (
            getattr(self.models[regulariser], figure) / getattr(self.models[base], figure) - 1
        )

    def points(self, regulariser: str) -> float:
        """Return by how many points the accuracy is above that of the plain network."""
        return 100 * (self.models[regulariser].accuracy - self.models[PLAIN].accuracy)

    def cell(self, regulariser: str) -> str:
        """Return gains of distance and certificate in percent, and points of accuracy."""
        if regulariser not in self.models:
            return "–"
        distance, certificate = (self.gain(regulariser, f) for f in ("distance", "certificate"))
        return f"{distance:+.0f} / {certificate:+.0f} / {self.points(regulariser):+.1f}"


def contests_of(section: str) -> Iterator[Contest]:
    """Yield the tables of test figures of a section in Markdown.

    Parameters
    ----------
    section : str
        A section as it was saved.
    """
    title = part = ""
    lines = section.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("## "):
            title = line[3:]
        elif line.startswith("### "):
            part = f": {line[4:]}"
        elif line.startswith("| model |") and "**nearest**" in line:
            columns = {name: k for k, name in enumerate(_cells(line)) if name in FIGURES}
            models = {}
            for row in lines[number + 2 :]:
                if not row.startswith("| "):
                    break
                cells = _cells(row)
                means = {FIGURES[c]: float(cells[k].split(" ±")[0]) for c, k in columns.items()}
                models[cells[0].split(",")[0]] = Measured(**means)
            yield Contest(title + part, models)


def conclusions(sections: list[str]) -> str:
    """Return the table of all contests, and how often which regulariser is ahead.

    Parameters
    ----------
    sections : list of str
        Sections in Markdown.
    """
    contests = [contest for section in sections for contest in contests_of(section)]
    rows = [
        [contest.title, f"{contest.models[PLAIN].distance:.3f}", *map(contest.cell, COMPARED)]
        for contest in contests
    ]
    rows.append(["**geometric mean**", "", *(_mean_cell(contests, name) for name in COMPARED)])
    parts = [
        "Against the plain network: median adversarial distance in %, certified radius in %, "
        "accuracy in points. A mean is over the experiments that a regulariser took part in.",
        markdown_table(["experiment", "distance of none", *COMPARED], rows),
        "\n".join(f"- {line}" for line in _counts(contests)),
    ]
    return "\n\n".join(parts)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _mean_cell(contests: list[Contest], regulariser: str) -> str:
    """Return the means over the contests that a regulariser took part in."""
    took_part = [contest for contest in contests if regulariser in contest.models]
    if not took_part:
        return "–"
    gains = [
        100 * math.expm1(_mean([math.log1p(c.gain(regulariser, f) / 100) for c in took_part]))
        for f in ("distance", "certificate")
    ]
    points = _mean([contest.points(regulariser) for contest in took_part])
    return f"{gains[0]:+.0f} / {gains[1]:+.0f} / {points:+.1f}"


def _counts(contests: list[Contest]) -> Iterator[str]:
    """Yield a sentence for each spectral penalty, that says how often it is ahead of the others."""
    for regulariser in COMPARED[1:]:
        ahead = []
        for base in (PLAIN, *COMPARED):
            both = [c for c in contests if {regulariser, base} <= c.models.keys()]
            if base != regulariser and both:
                n, m = (
                    sum(c.gain(regulariser, figure, base) > 0 for c in both)
                    for figure in ("distance", "certificate")
                )
                ahead.append(f"{base} {n} and {m} of {len(both)}")
        if ahead:
            yield (
                f"`{regulariser}` has more distance, and more certificate, than "
                + "; ".join(ahead)
                + "."
            )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
