"""A page that is made in parts is the page of one run."""

from __future__ import annotations

import pytest

from benchmarks.common import Report
from benchmarks.common._report_parts import put_into


def page(path, figures, tables, remarks=()):
    """Write a page, or put it into the one that is there."""
    report = Report(figures_first=False)
    for title, value in figures:
        report.figure(title, value, "<=", 2, detail="of two")
    for title, cell in tables:
        report.table(title, f"What {title} holds.", ("name", "value"), [("row", cell), ("", "")])
    for text in remarks:
        report.remark(text)
    if path.exists():
        put_into(report, path)
    else:
        report.write_rst(path)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "parts.inc", tmp_path / "whole.inc"


def test_parts_make_the_page_of_one_run(paths):
    parts, whole = paths
    page(parts, [("a", 1), ("b", 3)], [("first", "1")], ["Measured idle."])
    expected = page(
        whole, [("a", 1), ("b", 2), ("c", 4)], [("first", "5"), ("second", "6")], ["Measured idle."]
    )
    found = page(parts, [("b", 2), ("c", 4)], [("first", "5"), ("second", "6")], ["Measured idle."])
    assert found == expected


def test_nothing_new_changes_nothing(paths):
    parts, _ = paths
    before = page(parts, [("a", 1)], [("first", "1"), ("second", "2")], ["Measured idle."])
    assert page(parts, [], []) == before
