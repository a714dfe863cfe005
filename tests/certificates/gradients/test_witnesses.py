"""Rows that gradients find: as near as there are any, and those of `predict`."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import FeatureSpace, RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.gradients import DenseMargins, StagesMargins
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.metrics import adversarial_distances
from specreg_sklearn.modules import ConvNet
from tests.certificates.enumerated_networks import exact_distance, random_network
from tests.grids import few_fast


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_a_witness_is_hardly_farther_than_the_exact_distance(norm):
    rng = np.random.default_rng(2)
    model, X = random_network(rng, 4, (5,), 3)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:12])
    found = distance_prover(model, X).bounds(rows, norm=norm, max_nodes=1)
    low, high = X.min(axis=0) - X[:12], X.max(axis=0) - X[:12]
    exact = np.array([exact_distance(model, X[i], norm, (low[i], high[i])) for i in range(12)])
    assert (found.upper >= exact * (1 - 1e-9)).all() and np.isfinite(exact).sum() > 7
    near = found.upper[np.isfinite(exact)] <= 1.001 * exact[np.isfinite(exact)]
    assert near.mean() > 0.8
    held = found.witness[np.isfinite(found.upper)]
    assert (model.predict(held) != model.predict(X[:12])[np.isfinite(found.upper)]).all()


def test_a_known_row_is_made_nearer_and_rows_do_not_depend_on_each_other():
    rng = np.random.default_rng(0)
    model, X = random_network(rng, 6, (12, 8), 3)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:12])
    prover = distance_prover(model, X)
    labels = model.predict(X)
    other = np.array([X[np.flatnonzero(labels != own)[0]] for own in labels[:12]])
    options = {"norm": 2, "max_nodes": 1}
    given = prover.bounds(rows, known=other, **options)
    start = rows.distance(other, np.arange(12), 2)
    assert (given.upper < 0.999 * start).sum() >= 9 and (given.upper <= start).all()
    together = prover.bounds(rows, **options)
    for i in range(12):
        alone = prover.bounds(rows.take(np.array([i])), **options)
        np.testing.assert_array_equal(alone.witness[0], together.witness[i])
        assert alone.upper[0] == together.upper[i]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def _fitted(kind, X, y):
    short = {"random_state": 0, "max_iter": 8}
    if kind == "tanh":
        return MLPClassifier((24,), activation="tanh", **short).fit(X, y)
    if kind == "probe":
        encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(24,), **short)
        return make_pipeline(StandardScaler(), encoder, RobustLinearProbe()).fit(X, y)
    net = ConvNet(channels=4)
    return SpectrallyRegularizedEncoder(module=net, input_shape=(1, 8, 8), **short).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", few_fast(["tanh", "conv", "probe"], 2))
def test_networks_of_every_kind_have_witnesses(kind, digits):
    X, y = digits
    model = _fitted(kind, X[:1000], y[:1000])
    rows = 1000 + np.flatnonzero(model.predict(X[1000:]) == y[1000:])[:4]
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    prover = distance_prover(model, X)
    assert prover.name == ("lipschitz" if kind == "conv" else "relaxation")
    for norm in (2, np.inf) if kind == "conv" else (1, 2, np.inf):
        found = prover.bounds(space.bind(X[rows]), norm=norm)
        assert np.isfinite(found.upper).all() and (found.lower <= found.upper).all()
        attacked = adversarial_distances(
            model, X[rows], y[rows], norm=norm, space=space, pool=X, certify=False
        )
        assert np.median(found.upper / attacked) < 1.001
        both = adversarial_distances(model, X[rows], y[rows], norm=norm, space=space, pool=X)
        assert (both <= attacked * (1 + 1e-9)).all() and (both < attacked).any()


def test_margins_of_layers_are_those_of_stages():
    rng = np.random.default_rng(4)
    model, X = random_network(rng, 5, (7, 6), 4)
    stages = CertifiedModel(model).scores.stages
    by_stages = StagesMargins(stages, X[:6], np.ones(5))
    weights = [part.T for part in model.coefs_]
    centre = X[:6] @ model.coefs_[0] + model.intercepts_[0]
    slopes = [np.zeros(7), np.zeros(6)]
    by_layers = DenseMargins(weights, centre, model.intercepts_[1:], slopes)
    moves, owner = rng.normal(size=(40, 5)), rng.integers(0, 6, size=40)
    for one, other in zip(by_stages(moves, owner), by_layers(moves, owner), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    step = 1e-6 * rng.normal(size=moves.shape)
    change = by_stages(moves + step, owner)[0] - by_stages(moves, owner)[0]
    np.testing.assert_allclose(change, (by_stages(moves, owner)[1] * step).sum(axis=1), atol=1e-10)
