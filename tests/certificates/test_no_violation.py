"""No attack gets inside a certificate: thousands of rows here, 100 000 pairs in the slow test."""

from __future__ import annotations

import warnings
from itertools import islice

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torch import nn

from benchmarks.certificates import search_violations, suspects
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, RayS, SquareAttack
from specreg_sklearn.attacks import TangentAttack as Tangent
from specreg_sklearn.metrics import certified_radius
from tests.grids import diagonal

# Of all models: so that several processes share them.
N_PARTS = 24


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def conv_net(input_shape):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )


def fitted(X, y, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"max_iter": 12, "random_state": 0, "device": "cpu"} | settings
        return SpectrallyRegularizedEncoder(**settings).fit(X, y)


@pytest.fixture(scope="module")
def models(digits, truth):
    X, y = digits
    return {
        "random": truth.random_network(0, 64, (30, 20), 5),
        "no penalty": fitted(X, y, penalty=None, hidden_layer_sizes=(32,)),
        "penalty": fitted(X, y, hidden_layer_sizes=(32, 32), alpha=0.02),
        "gelu": fitted(X, y, hidden_layer_sizes=(24,), activation="gelu"),
        "conv net": fitted(X, y, module=conv_net, input_shape=(1, 8, 8), alpha=1e-3, max_iter=4),
    }


NAMES = ["random", "no penalty", "penalty", "gelu", "conv net"]


@pytest.mark.parametrize(("name", "norm"), diagonal(NAMES, [2, np.inf]))
def test_gradients_find_nothing_at_0_999_of_the_radius(name, norm, models, digits, truth):
    X = digits[0][:40]
    radius = certified_radius(models[name], X, norm=norm, scale=None)
    assert (radius > 0).mean() > 0.99
    assert not truth.fallen_inside(models[name], X, 0.999 * radius, norm=norm).any()


def test_the_gradient_attack_finds_what_is_there(models, digits, truth):
    """The same attack, at distances at which CGBA has found adversarial rows."""
    X = digits[0][:60]
    model = models["penalty"]
    space = FeatureSpace.from_data(X, bounds=(-2.0, 3.0), scale=None)
    found = CGBA(max_queries=300).run(model, X, model.predict(X), space=space, pool=digits[0])
    assert truth.fallen_inside(model, X, 1.1 * found.distances).mean() > 0.9


LABELS_ALONE = [
    CGBA(max_queries=120),
    HopSkipJump(max_queries=120),
    Tangent(max_queries=120),
    RayS(max_queries=120, norm=np.inf),
]


def name_of(attack):
    return type(attack).__name__ if hasattr(attack, "run") else attack


@pytest.mark.parametrize(("name", "attack"), diagonal(NAMES, LABELS_ALONE), ids=name_of)
@pytest.mark.filterwarnings("ignore:.*found no adversarial row:UserWarning")
def test_labels_alone_find_nothing_nearer(name, attack, models, digits):
    X, model = digits[0], models[name]
    rows = X[::90]
    space = FeatureSpace.from_data(X, bounds=(-2.0, 3.0), scale=None)
    found = attack.run(model, rows, model.predict(rows), space=space, pool=X)
    assert np.isfinite(found.distances).mean() > 0.5
    assert (certified_radius(model, rows, norm=attack.norm, scale=None) <= found.distances).all()


@pytest.mark.parametrize(("name", "norm"), diagonal(NAMES, [np.inf, 2]))
def test_square_attack_finds_nothing_nearer(name, norm, models, digits):
    rows, model = digits[0][::90], models[name]
    space = FeatureSpace.from_data(digits[0], bounds=(-2.0, 3.0), scale=None)
    radius = certified_radius(model, rows, norm=norm, scale=None)
    attack = SquareAttack(max_queries=120, norm=norm)
    own = model.predict(rows)
    found = attack.run(model, rows, own, eps=0.999 * float(np.median(radius)), space=space)
    assert (radius <= found.distances).all()


@pytest.mark.slow
def test_there_are_100_000_pairs():
    """Each row of each model meets three attacks that see weights, and some of the others."""
    assert 3 * sum(len(suspect.X) for suspect in suspects()) >= 100_000


@pytest.mark.slow
@pytest.mark.parametrize("part", range(N_PARTS))
def test_100_000_pairs(part):
    """Every kind of model and attack of ``make bench-certificates``, a part of the models each."""
    found = search_violations(part=slice(part, None, N_PARTS))
    counts = found.by_kind.values()
    n_rows = sum(len(suspect.X) for suspect in islice(suspects(), part, None, N_PARTS))
    assert sum(count.pairs for count in counts) >= 3 * (n_rows - found.unproved) > 0
    assert found.unproved < 0.1 * n_rows
    assert [where for count in counts for where in count.where] == []
    assert sum(count.violations for count in counts) == 0
    # Where the certificate is the distance, the gradient attack finds the rows right behind it.
    # Not every part has such models.
    assert np.isnan(found.teeth) or found.teeth > 0.99


@pytest.mark.slow
def test_the_attack_has_teeth():
    """Linear models are among them, and are fooled right behind their certificates."""
    place = next(i for i, one in enumerate(suspects()) if "LogisticRegression" in one.name)
    found = search_violations(part=slice(place, place + 1))
    assert found.teeth > 0.99
