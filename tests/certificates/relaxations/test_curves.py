"""Networks whose neurons have curves, against rows that are found and against their own grid."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import Elementwise, distance_prover
from specreg_sklearn.certificates.distances import LipschitzProver
from specreg_sklearn.certificates.relaxations import CurveBetween
from tests.certificates.enumerated_networks import random_network

RISING = ["tanh", "sigmoid", "softplus", "elu", "selu", "erf", "atan", "softsign", "logsigmoid"]


@pytest.mark.parametrize("name", RISING)
def test_a_curve_lies_between_its_lines(name):
    rng = np.random.default_rng(0)
    curve = Elementwise(name).activation
    ends = np.sort(rng.normal(size=(200, 1, 2)) * rng.choice([1e-3, 0.3, 2, 9], size=(200, 1, 1)))
    low, high = ends[..., 0], ends[..., 1]
    between = CurveBetween.of(curve, low, high)
    slope = rng.uniform(curve.low, curve.high, size=(200, 3, 1))
    slope[:, 0] = between.chord
    places = low[..., None] + (high - low)[..., None] * np.linspace(0, 1, 2001)
    exact = curve.function(places)[:, None]
    for side in (True, False):
        offset, touch = between.offsets(slope, np.full(slope.shape, side))
        line = slope[..., None] * places[:, None] + offset[..., None]
        over = line - exact if side else exact - line
        assert (over >= 0).all()
        width = (high - low)[:, None]
        assert (over.min(axis=3) <= 0.02 * width + 1e-12).all()  # and it is near
        assert ((touch >= low[:, None]) & (touch <= high[:, None])).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("norm", [1, 2, np.inf])
@pytest.mark.parametrize(("name", "widths"), [("tanh", (12,)), ("logistic", (8, 6))])
def test_no_row_that_is_found_is_nearer_and_constants_prove_less(norm, name, widths):
    rng = np.random.default_rng(1)
    model, X = random_network(rng, 5, widths, 3)
    model.activation = name
    if name == "logistic":  # whose values differ four times less
        model.coefs_ = [4 * part for part in model.coefs_]
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:15])
    prover = distance_prover(model, X)
    assert prover.name == "relaxation"
    found = prover.bounds(rows, norm=norm)
    assert (found.lower <= found.upper).all()
    known = np.isfinite(found.upper)
    assert known.sum() >= 8
    assert (model.predict(found.witness[known]) != model.predict(X[:15])[known]).all()
    assert np.median(found.lower[known] / found.upper[known]) > (0.7 if name == "tanh" else 0.45)
    before = LipschitzProver(model).bounds(rows, norm=norm).lower
    assert (found.lower >= before).all() and np.median(found.lower / before) > 1.3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_trained_networks_and_encoders_with_curves():
    X, y = load_wine(return_X_y=True)
    short = {"max_iter": 60, "random_state": 0}
    models = [
        MLPClassifier((16,), activation="tanh", learning_rate_init=0.01, **short),
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(16, 8), activation="tanh", **short),
    ]
    for last in models:
        model = make_pipeline(StandardScaler(), last).fit(X, y)
        rows = FeatureSpace.from_data(X).bind(X[::12])
        found = distance_prover(model, X).bounds(rows, norm=2)
        known = np.isfinite(found.upper) & (found.lower > 0)
        assert known.sum() >= 10 and (found.lower <= found.upper).all()
        assert np.median(found.lower[known] / found.upper[known]) > 0.6


def test_settings_of_single_neurons():
    curve = Elementwise("prelu", weight=np.array([0.0, 0.5, 1.0])).activation
    low, high = np.array([[-1.0, -2.0, -3.0]]), np.array([[1.0, 1.0, 1.0]])
    between = CurveBetween.of(curve, low, high)
    np.testing.assert_allclose(between.chord, [[0.5, 2 / 3, 1.0]])
    np.testing.assert_allclose(between.value[0, :, 0], [0.0, -1.0, -3.0])


def test_functions_that_fall_somewhere_are_left_to_constants():
    X, y = load_wine(return_X_y=True)
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(6,), activation="gelu", max_iter=3, random_state=0
    )
    model = make_pipeline(StandardScaler(), encoder).fit(X, y)
    prover = distance_prover(model, X)
    assert prover.name == "lipschitz"
