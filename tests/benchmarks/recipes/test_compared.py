"""How outcomes of recipes are compared, on figures of our own."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recipes._against import Against
from benchmarks.recipes._outcomes import Outcome
from benchmarks.recipes._presets import TUNED_L2, preset, with_tuned_l2
from benchmarks.recipes._sums import _at_equal_accuracy


def outcomes(**found):
    """Take (accuracy, distance) of recipes, on one data set with one seed."""
    return Against(
        {
            ("data", 0, name.replace("_", " ")): Outcome(accuracy, distance, distance, 1.0, 1e-2)
            for name, (accuracy, distance) in found.items()
        }
    )


def test_ratios_are_geometric_means_and_points_arithmetic_ones():
    found = Against(
        {
            ("a", 0, "none"): Outcome(0.90, 1.0, 1.0, 2.0, 1e-2),
            ("a", 0, "r"): Outcome(0.91, 2.0, 1.0, 3.0, 1e-2),
            ("b", 0, "none"): Outcome(0.80, 1.0, 1.0, 2.0, 1e-2),
            ("b", 0, "r"): Outcome(0.78, 8.0, 1.0, 3.0, 1e-2),
        }
    )
    assert found.ratio("r", "none", "distance") == pytest.approx(4.0)
    assert found.ratio("r", "none", "distance", "b") == pytest.approx(8.0)
    assert found.ratio("r", "none", "seconds") == pytest.approx(1.5)
    assert found.points("r", "none") == pytest.approx(-0.5)
    assert found.points("r", "none", "a") == pytest.approx(1.0)
    assert found.gains("r", "none") == pytest.approx([1.0, -2.0])
    assert found.cell("r", "none", "b") == "-2.0, 8.00, 1.00"


def test_tuned_l2_is_the_farthest_that_keeps_the_accuracy():
    found = {"none": (0.9, 1.0), "l2_0.001": (0.9, 1.1), "l2_0.003": (0.898, 1.3)}
    found |= {"l2_0.01": (0.896, 1.5), "l2_0.03": (0.88, 2.0)}
    tuned = with_tuned_l2(outcomes(**found), ("data",))
    assert tuned.outcomes["data", 0, TUNED_L2] == tuned.outcomes["data", 0, "l2 0.003"]


def test_curves_are_read_off_between_two_strengths():
    found = {"none": (0.9, 1.0), "p_0.001": (0.9, np.e), "p_0.003": (0.894, np.e**3)}
    found |= {"p_0.01": (0.8, np.e**9), "p_0.03": (0.7, np.e**12)}
    read = _at_equal_accuracy(outcomes(**found), "p", "data", "distance")
    assert read == pytest.approx(2.0)  # halfway between 1 and 3, where 0.3 points are lost


def test_presets_are_told_by_what_they_change():
    assert preset("fast") == {}
    assert preset("robust") == {"penalty": "ll_spectral+jacobian", "alpha": "scale"}
