"""The command of the recipes: a file for each section."""

from __future__ import annotations

import sys

from benchmarks.recipes import __main__ as command


def test_every_section_writes_a_file_of_its_own(monkeypatch, tmp_path, capsys):
    def section(title):
        return lambda report, extent: report.table(title, "", ("seeds",), [(str(extent),)], "10")

    monkeypatch.setattr(command, "SECTIONS", {"first": section("One"), "second": section("Two")})
    given = ["recipes", "--only", "first", "second", "--seeds", "7", "--rst", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.setattr("torch.set_num_threads", lambda n_threads: None)
    command.main()
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(written) == ["recipes_first.inc", "recipes_second.inc"]
    assert "One" in written["recipes_first.inc"] and "Two" not in written["recipes_first.inc"]
    assert "seeds 7" in written["recipes_second.inc"] and "Two" in capsys.readouterr().out
