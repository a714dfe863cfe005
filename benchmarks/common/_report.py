"""What a benchmark prints, and the same as a page of the documentation."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_HOLDS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}

Row = tuple[str, ...]


@dataclass
class Figure:
    """One measured figure, and the bar it has to pass."""

    title: str
    value: str
    bar: str
    verdict: str
    detail: str


@dataclass
class Table:
    """A table of text, and the shares of its columns in the documentation."""

    title: str
    note: str
    header: Row
    rows: list[Row]
    widths: str


@dataclass
class Report:
    """Prints figures and tables as they come and keeps them for the documentation.

    Parameters
    ----------
    title : str
        What the documentation calls the table of figures.
    widths : str
        Shares of its five columns.
    figures_first : bool
        Whether the documentation shows the figures before the tables.
    """

    title: str = "Figures and their bars"
    widths: str = "40 10 10 12 28"
    figures_first: bool = True
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
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
        limit, verdict = "", ""
        if sense is not None and bar is not None:
            limit = f"{sense} {bar:g}"
            # NaN passes no bar.
            verdict = "ok" if _HOLDS[sense](value, bar) else "MISSED"
        figure = Figure(title, format(value, form), limit, verdict, detail)
        self.figures.append(figure)
        print(
            f"{title:<92} {figure.value:>8}  {limit:<9} {verdict:<7} {detail}".rstrip(), flush=True
        )

    def table(
        self, title: str, note: str, header: Row, rows: Iterable[Row], widths: str | None = None
    ) -> None:
        """Print a table and keep it for the documentation."""
        rows = list(rows)
        if widths is None:
            widths = " ".join(["40", *[str(60 // (len(header) - 1))] * (len(header) - 1)])
        longest = [max(map(len, column)) + 2 for column in zip(header, *rows, strict=True)]
        print(f"\n{title}\n{note}")
        for row in (header, *rows):
            first, *others = zip(row, longest, strict=True)
            print(f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{w}}" for cell, w in others))
        print(flush=True)
        self.tables.append(Table(title, note, header, rows, widths))

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
        tables = [
            ["", table.note, "", *_list_table(table.title, table.header, table.rows, table.widths)]
            for table in self.tables
        ]
        if self.figures:
            figures = _list_table(
                self.title,
                ("figure", "value", "bar", "", "details"),
                [(f.title, f.value, f.bar, f.verdict, f.detail) for f in self.figures],
                self.widths,
            )
            tables.insert(0 if self.figures_first else len(tables), ["", *figures])
        lines = [line for table in tables for line in table][1:]
        for text in self.remarks:
            lines += ["", text]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _list_table(title: str, header: Row, rows: Iterable[Row], widths: str) -> list[str]:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            mark = "   * -" if number == 0 else "     -"
            lines.append(f"{mark} {cell}".rstrip())
    return lines
