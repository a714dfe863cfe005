"""What a benchmark prints and what it writes for the documentation."""

from __future__ import annotations

import pytest

from benchmarks.common import Report, arguments_of


@pytest.fixture
def report(capsys):
    report = Report("Figures", "1 2 3 4 5")
    report.figure("ratio", 1.5, "<=", 2, detail="of two")
    report.figure("share", float("nan"), ">=", 0)
    report.figure("no bar", 3.0, "<=", None, form=".0f")
    report.table("Runs", "A note.", ("run", "s"), [("one", "1"), ("three", "")])
    report.remark("A remark.")
    return report


def test_bars_are_held_and_missed(report, capsys):
    assert [f.verdict for f in report.figures] == ["ok", "MISSED", ""]
    report.summary()
    told = capsys.readouterr().out
    assert "1 of 2 figures hold" in told
    assert "MISSED: share: nan >= 0" in told


def test_the_same_in_the_documentation(report, tmp_path):
    path = tmp_path / "table.inc"
    report.write_rst(path)
    assert (
        path.read_text()
        == """\
.. list-table:: Figures
   :header-rows: 1
   :widths: 1 2 3 4 5

   * - figure
     - value
     - bar
     -
     - details
   * - ratio
     - 1.50
     - <= 2
     - ok
     - of two
   * - share
     - nan
     - >= 0
     - MISSED
     -
   * - no bar
     - 3
     -
     -
     -

A note.

.. list-table:: Runs
   :header-rows: 1
   :widths: 40 60

   * - run
     - s
   * - one
     - 1
   * - three
     -

A remark.
"""
    )


@pytest.mark.parametrize(
    ("given", "only", "repeats"),
    [([], ["a", "b"], 5), (["--only", "c"], ["c"], 5), (["--repeats", "2"], ["a", "b"], 2)],
)
def test_arguments(monkeypatch, given, only, repeats):
    monkeypatch.setattr("sys.argv", ["benchmark", *given])
    options = {"repeats": {"type": int, "default": 5}}
    arguments = arguments_of("What.", {"a": 1, "b": 2, "c": 3}, default=["a", "b"], **options)
    assert (arguments.only, arguments.repeats, arguments.rst) == (only, repeats, None)


def test_tables_may_come_first_and_figures_be_missing(report, tmp_path):
    path = tmp_path / "table.inc"
    report.figures_first = False
    report.write_rst(path)
    text = path.read_text()
    assert text.startswith("A note.\n\n.. list-table:: Runs\n")
    assert text.index("list-table:: Runs") < text.index("list-table:: Figures")
    report.figures.clear()
    report.write_rst(path)
    assert "Figures" not in path.read_text()
