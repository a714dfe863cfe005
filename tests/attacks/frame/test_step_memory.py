"""What one step holds in memory grows with the rows, not with their square."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, TangentAttack

D = 300
ATTACKS = [CGBA(max_queries=120), TangentAttack(max_queries=120), HopSkipJump(max_queries=120)]


class Plane:
    """Needs next to no memory of its own."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        return (X.sum(axis=1) > 0.5 * D).astype(int)


def peak(attack, n):
    """Return the bytes at the peak of an attack on n rows."""
    rng = np.random.default_rng(0)
    X, pool = rng.uniform(0, 0.4, size=(n, D)), rng.uniform(0.6, 1, size=(20, D))
    space = FeatureSpace.from_data(pool, bounds=(0, 1), scale=None)
    tracemalloc.start()
    try:
        result = attack.run(Plane(), X, np.zeros(n, int), space=space, pool=pool)
        assert result.success.all()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: type(a).__name__)
def test_memory_grows_with_the_rows(attack):
    peak(attack, 10)  # what is made once
    small, large = peak(attack, 60), peak(attack, 240)
    assert large < 6 * small
    # An array with an entry for each pair of rows would hold these numbers.
    assert large < 240 * 240 * D * 8 / 2
