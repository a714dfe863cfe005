"""What the benchmark of certificates prints, and the same as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common._report import Report, _list_table


@dataclass
class CertificateReport(Report):
    """Figures with their bars, and tables of any columns."""

    grids: list[tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]] = field(
        default_factory=list
    )

    def grid(
        self, title: str, note: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]
    ) -> None:
        """Print a table and keep it for the documentation."""
        rows = list(rows)
        widths = [max(map(len, column)) + 2 for column in zip(header, *rows, strict=True)]
        print(f"\n{title}\n{note}")
        for row in (header, *rows):
            first, *others = zip(row, widths, strict=True)
            print(f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{w}}" for cell, w in others))
        print(flush=True)
        self.grids.append((title, note, header, rows))

    def write_rst(self, path: Path) -> None:
        """Write everything as tables that the documentation includes."""
        lines = _list_table(
            "Certificates: figures and their bars",
            ("figure", "value", "bar", "", "details"),
            [(f.title, f.value, f.bar, f.verdict, f.detail) for f in self.figures],
            "38 14 12 8 28",
        )
        for title, note, header, rows in self.grids:
            share = 60 // (len(header) - 1)
            widths = " ".join(["40", *[str(share)] * (len(header) - 1)])
            lines += ["", note, "", *_list_table(title, header, rows, widths)]
        for text in self.remarks:
            lines += ["", text]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
