"""A page of figures and tables that several runs make, each of them its part."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from benchmarks.common._report import Figure, Report, Row, Table

_Entry = TypeVar("_Entry", Figure, Table)

_TABLE, _ROW, _CELL = ".. list-table:: ", "   * -", "     -"


def put_into(report: Report, path: Path) -> None:
    """Put a report into a file that another one was written to.

    Figures and tables take the place of those of the same title, and remarks come behind what is
    there; everything else of the file stays.
    """
    whole = read_rst(path, report)
    _put_by_title(report.figures, whole.figures)
    _put_by_title(report.tables, whole.tables)
    whole.remarks += [text for text in report.remarks if text not in whole.remarks]
    whole.write_rst(path)


def _put_by_title(mine: list[_Entry], theirs: list[_Entry]) -> None:
    place = {entry.title: k for k, entry in enumerate(theirs)}
    for entry in mine:
        if entry.title in place:
            theirs[place[entry.title]] = entry
        else:
            theirs.append(entry)


def read_rst(path: Path, like: Report) -> Report:
    """Return the report that a file was written from, laid out as another one is."""
    whole = Report(like.title, like.widths, like.figures_first)
    note = ""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.startswith(_TABLE):
            # A note stands before its table; one that has none is a remark.
            if line and note:
                whole.remarks.append(note)
            note = line or note
            continue
        title, widths, rows = line.removeprefix(_TABLE), lines[at + 1].split(": ", 1)[1], []
        at += 3
        while at < len(lines) and lines[at].startswith((_ROW, _CELL)):
            if lines[at].startswith(_ROW):
                rows.append(())
            rows[-1] = (*rows[-1], lines[at][len(_CELL) :].strip())
            at += 1
        if title == like.title:
            whole.figures += [Figure(*_five(row)) for row in rows[1:]]
        else:
            whole.tables.append(Table(title, note, rows[0], rows[1:], widths))
            note = ""
    if note:
        whole.remarks.append(note)
    return whole


def _five(row: Row) -> tuple[str, str, str, str, str]:
    title, value, bar, verdict, detail = row
    return title, value, bar, verdict, detail
