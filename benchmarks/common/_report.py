"""What the benchmark of attacks prints, and the same as a page of the documentation."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.attacks._runs import Run

_HOLDS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
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
_WIDTHS = (62, 9, 8, 8, 9, 12, 8, 10)


@dataclass
class Figure:
    """One measured figure, and the bar it has to pass."""

    title: str
    value: str
    bar: str
    verdict: str
    detail: str


@dataclass
class Report:
    """Prints figures and tables as they come and keeps them for the documentation."""

    figures: list[Figure] = field(default_factory=list)
    tables: list[tuple[str, str, list[tuple[str, ...]]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def figure(
        self,
        title: str,
        value: float,
        sense: str | None = None,
        bar: float | None = None,
        *,
        detail: str = "",
        form: str = ".2f",
    ) -> None:
        """Print one line: what was measured, the bar, and whether it holds."""
        shown = format(value, form)
        limit, verdict = "", ""
        if sense is not None and bar is not None:
            limit = f"{sense} {bar:g}"
            # NaN passes no bar.
            verdict = "ok" if _HOLDS[sense](value, bar) else "MISSED"
        self._add(Figure(title, shown, limit, verdict, detail))

    def missing(self, title: str, why: str) -> None:
        """Print one line for a figure that could not be measured."""
        self._add(Figure(title, "-", "", "not available", why))

    def table(
        self, title: str, runs: Iterable[Run], reference: np.ndarray, note: str, base: str = "ART"
    ) -> None:
        """Print runs of attacks in one norm on one problem.

        The CPU ratio compares with the first run of the same group whose name starts with `base`.
        """
        runs = list(runs)
        rows = [_row(run, reference, _slower(run, runs, base)) for run in runs]
        print(f"\n{title}\n{note}")
        for row in (_COLUMNS, *rows):
            cells = zip(row, _WIDTHS, strict=True)
            print("".join(f"{c:<{w}}" if w == 62 else f"{c:>{w}}" for c, w in cells))
        print(flush=True)
        self.tables.append((title, note, rows))

    def remark(self, text: str) -> None:
        """Print a line that is neither a figure nor part of a table."""
        print(text, flush=True)
        self.remarks.append(text)

    def summary(self) -> None:
        """Print how many bars were passed, and those that were not."""
        judged = [f for f in self.figures if f.verdict]
        lost = [f for f in judged if f.verdict != "ok"]
        print(f"\n{len(judged) - len(lost)} of {len(judged)} figures hold")
        for figure in lost:
            print(f"  {figure.verdict}: {figure.title}: {figure.value} {figure.bar}")

    def write_rst(self, path: Path) -> None:
        """Write everything as tables that the documentation includes."""
        lines = _list_table(
            "Figures and their bars",
            ("figure", "value", "bar", "", "details"),
            [(f.title, f.value, f.bar, f.verdict, f.detail) for f in self.figures],
            "40 10 10 12 28",
        )
        for title, note, rows in self.tables:
            lines += ["", note, ""]
            lines += _list_table(title, _COLUMNS, rows, "35 9 9 9 10 10 9 9")
        for text in self.remarks:
            lines += ["", text]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(
            f"{figure.title:<92} {figure.value:>8}  {figure.bar:<9} {figure.verdict:<7} "
            f"{figure.detail}".rstrip(),
            flush=True,
        )


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


def _slower(run: Run, runs: list[Run], base: str) -> float:
    """Return how many times more CPU seconds the base of this run's group took."""
    same = [r for r in runs if r.group == run.group and r.group and r.name.startswith(base)]
    return same[0].cpu / run.cpu if same else float("nan")


def _list_table(
    title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: str
) -> list[str]:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            mark = "   * -" if number == 0 else "     -"
            lines.append(f"{mark} {cell}".rstrip())
    return lines
