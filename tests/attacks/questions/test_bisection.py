from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks.questions._bisection import bisect


@pytest.mark.parametrize("tolerance", [2.0**-3, 2.0**-10])
def test_bracket_is_on_the_adversarial_side_and_tight(tolerance):
    rng = np.random.default_rng(0)
    x, far = np.zeros((20, 5)), rng.normal(size=(20, 5))
    share = rng.uniform(0.01, 0.99, size=20)
    threshold = share * np.linalg.norm(far, axis=1)

    def decide(Z, owner):
        return np.linalg.norm(Z, axis=1) >= threshold[owner]

    found = bisect(decide, x, far, np.arange(20), tolerance=tolerance)
    t = np.linalg.norm(found, axis=1) / np.linalg.norm(far, axis=1)
    assert (t >= share - 1e-12).all()
    assert (t <= share + tolerance + 1e-12).all()


def test_asks_once_per_step_for_all_points():
    calls = []

    def decide(Z, owner):
        calls.append(len(Z))
        return np.ones(len(Z), dtype=bool)

    bisect(decide, np.zeros((7, 2)), np.ones((7, 2)), np.arange(7), tolerance=2.0**-6)
    assert calls == [7] * 6


def test_a_point_that_never_improves_keeps_its_end_bit_by_bit():
    far = np.random.default_rng(0).normal(size=(3, 4))
    found = bisect(
        lambda Z, owner: np.zeros(len(Z), dtype=bool),
        np.full((3, 4), 0.3),
        far,
        np.arange(3),
        tolerance=2.0**-8,
    )
    np.testing.assert_array_equal(found, far)
