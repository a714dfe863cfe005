"""A search that stops at eps leaves room for the push of verification."""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks import CGBA, FeatureSpace

# Verification asks in blocks of so many rows.
BLOCK_ROWS = 64


class Moody:
    """A boundary at 1; in the blocks of verification a stretch beyond it is answered otherwise."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def predict(self, X):
        x = np.asarray(X)[:, 0]
        odd = (x > self.low) & (x < self.high) & (len(x) == BLOCK_ROWS)
        return ((x > 1) & ~odd).astype(int)


def test_a_row_that_is_pushed_out_is_not_searched_twice():
    X, pool = np.zeros((1, 3)), np.array([[0.0, 0, 0], [3.0, 2, -1]])
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)

    def run(model, eps):
        attack = CGBA(max_queries=1000)
        return attack.run(model, X, [0], pool=pool, space=space, eps=eps)

    early = run(Moody(np.inf, np.inf), 1.08)
    assert early.status[0] == "stopped_at_eps"
    # A size just above this point, which verification refuses, and takes when it is pushed out.
    point = early.X_adv[0, 0]
    eps = early.distances[0] * (1 + 5e-4)
    found = run(Moody(point * (1 - 1e-4), point * (1 + 4e-4)), eps)
    assert found.status[0] == "stopped_at_eps"
    assert found.distances[0] <= eps
    # A search from the start without a size to stop at spends the budget.
    assert found.n_queries[0] < 500
