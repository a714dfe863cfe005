"""Budgets are prefixes of one another: a longer run begins with all that a shorter one asks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, TangentAttack

ATTACKS = pytest.mark.parametrize("attack", [CGBA, TangentAttack, HopSkipJump])
BUDGETS = (60, 120, 250, 500, 1000)


class Recorded:
    """Keeps what it was asked about; the last column names the row, which the model ignores."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def predict(self, X):
        self.asked.append(np.array(X))
        return self.model.predict(X[:, :-1])


def asked_of(recorded, n):
    asked = np.concatenate(recorded.asked)
    return [asked[asked[:, -1] == i] for i in range(n)]


@ATTACKS
@pytest.mark.parametrize("kind", ["linear", "network", "neighbours"])
def test_a_longer_run_begins_as_a_shorter_one_and_never_ends_farther_out(digits, attack, kind):
    X, y, model = digits
    if kind == "network":
        model = MLPClassifier((16,), max_iter=60, random_state=0).fit(X[:600], y[:600])
    elif kind == "neighbours":
        model = KNeighborsClassifier(3, algorithm="brute").fit(X[:600], y[:600])
    rows = np.flatnonzero(model.predict(X) == y)[-6:]
    clean = np.column_stack([X[rows], np.arange(6)])
    pool = np.column_stack([X[:300], np.full(300, -1)])
    space = FeatureSpace.from_data(pool, mutable=np.arange(64), bounds=(0, 1), scale=None)
    before, sent, last = None, None, np.full(6, np.inf)
    for budget in BUDGETS:
        recorded = Recorded(model)
        result = attack(max_queries=budget).run(recorded, clean, y[rows], space=space, pool=pool)
        assert (result.n_queries <= budget).all()
        assert (result.distances <= last).all()
        asked = asked_of(recorded, 6)
        if before is not None:
            for short, n_sent, long in zip(before, sent, asked, strict=True):
                # Verification comes last, and twice six questions of other runs are free.
                n = max(n_sent - 6, 0)
                assert len(long) >= n
                np.testing.assert_array_equal(short[:n], long[:n])
        before, sent, last = asked, result.n_queries, result.distances


@ATTACKS
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((7, 8), r"image_shape=\(7, 8\) stands for 56 columns, but X has 64; give sizes"),
        ((64,), r"image_shape=\(64,\) is not \(H, W\), \(C, H, W\) or None"),
        (8, "image_shape=8 is not"),
    ],
)
def test_shapes_that_are_none(digits, attack, shape, message):
    X, y, model = digits
    with pytest.raises(ValueError, match=message):
        attack(image_shape=shape).run(model, X[:5], y[:5], pool=X)


@ATTACKS
def test_smooth_directions_come_nearer_on_images(digits, attack):
    X, y, _ = digits
    large = np.kron(X.reshape(-1, 8, 8), np.ones((3, 3)))
    flat = large.reshape(len(X), -1)
    model = MLPClassifier((32,), max_iter=20, random_state=0).fit(flat, y)
    rows = np.flatnonzero(model.predict(flat) == y)[:20]
    space = FeatureSpace.from_data(flat, bounds=(0, 1), scale=None)
    # Given starts leave out those by class means, from which either way is short.
    apart = np.linalg.norm(flat[rows][:, None] - flat[:400], axis=2)
    apart[y[rows][:, None] == model.predict(flat[:400])] = np.inf
    starts = flat[apart.argmin(axis=1)]
    found = [
        attack(max_queries=300, image_shape=shape, starts=starts)
        .run(model, flat[rows], y[rows], space=space)
        .distances
        for shape in (None, (24, 24))
    ]
    assert np.median(found[1] / found[0]) < 0.9
