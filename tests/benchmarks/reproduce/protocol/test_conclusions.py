"""The first page of the results, from sections in Markdown."""

from __future__ import annotations

import pytest

from benchmarks.reproduce.protocol import RECIPE, seeds_table
from benchmarks.reproduce.protocol._conclusions import conclusions, contests_of

COLUMNS = {
    "accuracy": ("test accuracy", 3),
    "nearest": ("**nearest**", 3),
    "certified": ("certified", 3),
}


def section(title, **models):
    """Take (accuracy, distance, certificate) of models, and write two seeds of each around it."""
    rows = {
        name: [
            dict(zip(COLUMNS, (value + d for value in figures), strict=True)) for d in (-0.01, 0.01)
        ]
        for name, figures in models.items()
    }
    return f"## {title}\n\n### part\n\nWords.\n\n{seeds_table(rows, COLUMNS)}\n\nMore words.\n"


def test_figures_are_those_of_the_table():
    text = section("One", none=(0.9, 0.5, 0.2), **{f"{RECIPE}, 0.1": (0.89, 0.6, 0.5)})
    (contest,) = contests_of(text)
    assert contest.title == "One: part"
    assert contest.gain(RECIPE, "distance") == pytest.approx(20)
    assert contest.cell(RECIPE) == "+20 / +150 / -1.0"
    assert contest.cell("l2") == "–"


def test_means_and_counts_are_over_those_that_took_part():
    one = section("One", none=(0.9, 0.5, 0.2), **{"l2, 0.1": (0.9, 0.5, 0.4)})
    two = section("Two", none=(0.9, 1.0, 1.0), **{"l2, 0.1": (0.9, 4.0, 2.0), RECIPE: (0.8, 5, 1)})
    text = conclusions([one, two, "## Three\n\nSkipped.\n"])
    (mean,) = (line for line in text.splitlines() if "geometric mean" in line)
    assert "| +100 / +100 / +0.0 |" in mean
    assert "than none 1 and 0 of 1; l2 1 and 0 of 1." in text
