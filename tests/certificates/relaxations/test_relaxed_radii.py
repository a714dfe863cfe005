"""Proofs by linear relaxation, against exact distances and against rows that are found."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import (
    Affine,
    Elementwise,
    distance_prover,
    register_certified_step,
)
from specreg_sklearn.certificates.distances import LipschitzProver
from tests.certificates.enumerated_networks import exact_distance, random_network


def space_of(X, **options):
    return FeatureSpace.from_data(X, bounds=None, **{"scale": None, **options})


@pytest.mark.parametrize("norm", [1, 2, np.inf])
@pytest.mark.parametrize(("widths", "n_classes"), [((5,), 3), ((3, 3), 2)])
def test_closes_to_the_exact_distance_and_never_passes_it(norm, widths, n_classes):
    rng = np.random.default_rng(4)
    model, X = random_network(rng, 3, widths, n_classes)
    X = X[:3]
    rows = space_of(X).bind(X)
    prover = distance_prover(model, X)
    exact = np.array([exact_distance(model, row, norm) for row in X])
    assert np.isfinite(exact).sum() >= 2
    before = LipschitzProver(model).bounds(rows, norm=norm).lower
    quick, long = (prover.bounds(rows, norm=norm, max_nodes=n).lower for n in (1, 30_000))
    assert prover.name == "relaxation"
    for lower in (quick, long):
        assert (lower <= exact * (1 + 1e-9)).all()
    assert (before <= quick).all() and (quick <= long).all()
    reached = np.isfinite(exact) & (before > 0)
    np.testing.assert_allclose(long[reached], exact[reached], rtol=2e-3)


def test_no_row_that_is_found_lies_inside():
    rng = np.random.default_rng(0)
    nearest = np.inf
    for trial in range(6):
        norm, dtype = (1, 2, np.inf)[trial % 3], (np.float64, np.float32)[trial // 3]
        widths = tuple(rng.integers(4, 33, size=1 + trial % 2).tolist())
        model, X = random_network(rng, int(rng.integers(2, 8)), widths, 3, dtype)
        X = X[:1]
        lower = distance_prover(model, X).bounds(space_of(X).bind(X), norm=norm).lower
        for row, radius in zip(X, lower, strict=True):
            if radius > 0:
                nearest = min(nearest, found_near(model, row, radius, norm, rng) / radius)
    assert 1 < nearest < 1.05  # the search would see a violation


def found_near(model, row, radius, norm, rng):
    """Return the distance of the nearest row with another label that a random search finds."""
    own, d = model.predict(row[None])[0], len(row)
    spread = 2 * radius / {1: d, 2: d**0.5, np.inf: 1}[norm]
    moves = spread * rng.normal(size=(1500, d)) * rng.uniform(0.3, 2, size=(1500, 1))
    best = np.inf
    for turn in range(12):
        far = (row + moves).astype(row.dtype)
        far = far[model.predict(far) != own]
        if not len(far):
            return best
        low, high = np.zeros((len(far), 1)), np.ones((len(far), 1))
        for _ in range(20):
            middle = (low + high) / 2
            other = model.predict((row + middle * (far - row)).astype(row.dtype)) != own
            low = np.where(other[:, None], low, middle)
            high = np.where(other[:, None], middle, high)
        near = (row + high * (far - row)).astype(row.dtype)
        near = near[model.predict(near) != own]
        length = np.linalg.norm(near.astype(np.float64) - row, ord=norm, axis=1)
        best = min(best, length.min(initial=np.inf))
        kept = near[length.argsort()[:40]] - row
        moves = kept + 0.3 * spread * 0.7**turn * rng.normal(size=(20, *kept.shape))
        moves = np.concatenate([kept, moves.reshape(-1, d)])
    return best


def test_a_witness_ends_the_search_and_more_nodes_are_never_worse():
    rng = np.random.default_rng(1)
    model, X = random_network(rng, 4, (12,), 2)
    X = X[:4]
    rows, prover = space_of(X).bind(X), distance_prover(model, X)
    lower = [prover.bounds(rows, norm=2, max_nodes=n).lower for n in (1, 1000, 5000, 10_000)]
    assert (np.diff(lower, axis=0) >= 0).all() and (lower[-1] > lower[0]).any()
    exact = np.array([exact_distance(model, row, 2) for row in X[:1]])
    assert lower[-1][0] <= exact[0] * (1 + 1e-9)
    alone = [prover.bounds(rows.take(np.array([i])), norm=2).lower[0] for i in range(len(X))]
    np.testing.assert_allclose(alone, lower[2], rtol=1e-12)
    near = prover.bounds(rows, norm=2, within=float(lower[0].min() / 2)).n_nodes
    assert (near <= 1).all()  # no node, and for one row a look at gradients


def test_units_columns_that_stay_and_slopes_below_zero():
    """Steps in front, and a column that cannot move, are those of a smaller network."""
    rng = np.random.default_rng(2)
    network, X = random_network(rng, 3, (5,), 2)
    raw = X * [1.0, 10.0, 0.1] + [5.0, -3.0, 0.0]
    scaler = StandardScaler().fit(raw)
    network.coefs_[0] = network.coefs_[0] * 1.0
    model = make_pipeline(
        scaler, MLPClassifier((5,), max_iter=1, random_state=0).fit(X, np.arange(60) % 2)
    )
    model[-1].coefs_, model[-1].intercepts_ = network.coefs_, network.intercepts_
    space = space_of(raw, scale=scaler.scale_, mutable=[0, 2])
    inside = scaler.transform(raw)
    lower = (
        distance_prover(model, raw).bounds(space.bind(raw[:4]), norm=np.inf, max_nodes=30_000).lower
    )
    for row, radius in zip(inside[:4], lower, strict=True):
        smaller = MLPClassifier((5,), max_iter=1, random_state=0).fit(
            X[:, [0, 2]], np.arange(60) % 2
        )
        weight, bias = network.coefs_[0], network.intercepts_[0]
        smaller.coefs_ = [weight[[0, 2]], network.coefs_[1]]
        smaller.intercepts_ = [bias + row[1] * weight[1], network.intercepts_[1]]
        exact = exact_distance(smaller, row[[0, 2]], np.inf)
        assert radius <= exact * (1 + 1e-9)
        if np.isfinite(exact):
            np.testing.assert_allclose(radius, exact, rtol=2e-3)


class Leaky(MLPClassifier):
    """Leaky ReLU, as scikit-learn does not have it."""

    slope = 0.25

    def predict(self, X):
        hidden = np.asarray(X) @ self.coefs_[0] + self.intercepts_[0]
        hidden = np.where(hidden > 0, hidden, self.slope * hidden)
        return self.classes_[
            (hidden @ self.coefs_[1] + self.intercepts_[1] > 0).ravel().astype(int)
        ]


class Curved(Leaky):
    """A network with the sine, which is left to Lipschitz constants."""

    def predict(self, X):
        hidden = np.sin(np.asarray(X) @ self.coefs_[0] + self.intercepts_[0])
        return self.classes_[
            (hidden @ self.coefs_[1] + self.intercepts_[1] > 0).ravel().astype(int)
        ]


@register_certified_step(Leaky, role="classifier")
def leaky_stages(step):
    between = Elementwise("leaky_relu", negative_slope=step.slope)
    first, last = zip(step.coefs_, step.intercepts_, strict=True)
    return [Affine(first[0].T, first[1]), between, Affine(last[0].T, last[1])]


@register_certified_step(Curved, role="classifier")
def curved_stages(step):
    first, last = zip(step.coefs_, step.intercepts_, strict=True)
    return [Affine(first[0].T, first[1]), Elementwise("sin"), Affine(last[0].T, last[1])]


def test_a_second_slope_and_what_is_left_to_constants():
    rng = np.random.default_rng(5)
    plain, X = random_network(rng, 2, (4,), 2)
    leaky = Leaky((4,), max_iter=1, random_state=0).fit(X, np.arange(60) % 2)
    leaky.coefs_, leaky.intercepts_ = plain.coefs_, plain.intercepts_
    # A leaky neuron is the difference of two that are not.
    first, last = plain.coefs_
    twin = MLPClassifier((8,), max_iter=1, random_state=0).fit(X, np.arange(60) % 2)
    twin.coefs_ = [np.hstack([first, -first]), np.vstack([last, -leaky.slope * last])]
    twin.intercepts_ = [
        np.tile([1, -1], (4, 1)).T.ravel() * np.tile(plain.intercepts_[0], 2),
        plain.intercepts_[1],
    ]
    prover = distance_prover(leaky, X)
    assert prover.name == "relaxation"
    lower = prover.bounds(space_of(X).bind(X[:2]), norm=1, max_nodes=10_000).lower
    exact = np.array([exact_distance(twin, row, 1) for row in X[:2]])
    assert (lower <= exact * (1 + 1e-9)).all() and np.isfinite(exact).any()
    np.testing.assert_allclose(lower[np.isfinite(exact)], exact[np.isfinite(exact)], rtol=2e-3)
    curved = Curved((4,), max_iter=1, random_state=0).fit(X, np.arange(60) % 2)
    assert distance_prover(curved, X).name == "lipschitz"
