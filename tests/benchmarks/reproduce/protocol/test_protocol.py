"""How the benchmark chooses strengths, and what it prints."""

from __future__ import annotations

import numpy as np

from benchmarks.reproduce.protocol import (
    RECIPE,
    Candidate,
    Section,
    grids,
    mean_sd,
    seeds_table,
)
from benchmarks.reproduce.protocol._comparison import choose


def test_the_most_robust_of_the_accurate_enough_is_chosen():
    figures = {
        ("none", 0.0): (0.900, 0.30),
        ("l2", 0.1): (0.896, 0.40),
        ("l2", 1.0): (0.894, 0.90),  # more than half a point below the plain network
        ("rep_spectral", 0.1): (0.80, 0.5),
        ("rep_spectral", 1.0): (0.70, 0.9),
    }
    path = {
        Candidate(*name): [
            {"accuracy": a + d, "robust": r - d, "distance": 0.0} for d in (-0.1, 0.1)
        ]
        for name, (a, r) in figures.items()
    }
    chosen = choose(path)
    assert {c.regulariser: c.strength for c in chosen.values()} == {
        "none": 0.0,
        "l2": 0.1,
        "rep_spectral": 0.1,  # none is accurate enough: the most accurate one
    }


def test_every_regulariser_has_as_many_strengths_and_its_own_parameters():
    strengths = grids(squares=(1e-4, 1e-2), spectral=(1e-3, 1e-1), n=3)
    assert strengths.pop("none") == (0.0,)
    assert {len(values) for values in strengths.values()} == {3}
    np.testing.assert_allclose(strengths["l2"], [1e-4, 1e-3, 1e-2])
    plain, recipe = Candidate("none", 0.0), Candidate(RECIPE, 0.1)
    assert plain.params == {"penalty": None, "alpha": 0.0, "weight_decay": 0.0}
    assert recipe.params == {"penalty": "rep_spectral", "alpha": 0.1, "weight_decay": 1e-4}
    alone = Candidate("ll_spectral", 0.1).params
    assert alone == {"penalty": "ll_spectral", "alpha": 0.1, "weight_decay": 0.0}


def test_bars_say_what_was_measured_and_whether_it_holds():
    section = Section("Title", name="mnist")
    assert section.bar("gain", 45.0, ">=", 45, " %")
    assert not section.bar("loss", 0.51, "<=", 0.5)
    assert not section.bar("gain", float("nan"), ">=", 0)
    assert section.bars == [
        "bar mnist: gain >= 45 %, measured 45 %: ok",
        "bar mnist: loss <= 0.5, measured 0.51: MISSED",
        "bar mnist: gain >= 0, measured nan: MISSED",
    ]


def test_tables_show_mean_and_sample_deviation():
    assert mean_sd([1.0, 3.0], 2) == "2.00 ± 1.41"
    assert mean_sd([1.0], 1) == "1.0"
    assert mean_sd([]) == "–"
    table = seeds_table({"a": [{"x": 1.0}, {"x": 2.0}]}, {"x": ("X", 1), "y": ("Y", 1)})
    assert table.splitlines()[-1] == "| a | 1.5 ± 0.7 | – | 2 |"
