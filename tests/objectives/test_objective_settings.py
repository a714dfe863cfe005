"""Settings of the objectives: what is refused, what a search can set, how epsilon grows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn.functional import cross_entropy

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn._registry import available
from specreg_sklearn.modules import build_network, readout
from specreg_sklearn.objectives import (
    VAT,
    Adversarial,
    BoundObjective,
    CrossEntropy,
    Gradient,
    Linearity,
    LipschitzMargin,
    Objective,
    Trades,
    bind_objective,
    resolve_objective,
)

WITH_EPSILON = [Adversarial, Trades, Gradient, LipschitzMargin, VAT, Linearity]
WITH_NORM = [Adversarial, Trades, Gradient, VAT, Linearity]
WITH_SEARCH = [Adversarial, Trades]
WITHOUT_LABELS = ["barlow_twins", "simclr", "vicreg"]
ROWS = np.zeros((3, 2))


@pytest.fixture
def network(generator):
    return build_network(
        "mlp",
        input_shape=(4,),
        head=readout(3),
        settings={"hidden_layer_sizes": (6,), "activation": "relu"},
        dtype=torch.float64,
        generator=generator,
    )


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(20, 4))), torch.tensor(rng.integers(3, size=20))


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_names_stand_for_the_classes(kind):
    names = {"lipschitz_margin" if kind is LipschitzMargin else kind.__name__.lower()}
    assert names <= set(available("objectives"))
    assert type(resolve_objective(names.pop())) is kind


def test_no_built_in_name_is_forgotten():
    assert len(available("objectives")) == len(WITH_EPSILON) + len(WITHOUT_LABELS) + 1


@pytest.mark.parametrize("kind", WITH_EPSILON)
@pytest.mark.parametrize("epsilon", [-0.1, math.nan, math.inf, None, "0.1", True])
def test_epsilon_must_be_a_number_of_at_least_zero(kind, epsilon, iris_rows):
    with pytest.raises(ValueError, match=rf"epsilon={epsilon!r} must be .* at least 0"):
        kind(epsilon).check_rows(ROWS)
    with pytest.raises(ValueError, match="epsilon="):
        SpectrallyRegularizedEncoder(objective=kind(epsilon)).fit(*iris_rows)


@pytest.mark.parametrize("kind", WITH_NORM)
@pytest.mark.parametrize("norm", [0, 3, 1.5, "inf", None, True, -math.inf])
def test_norm_must_be_one_two_or_inf(kind, norm):
    with pytest.raises(ValueError, match=rf"norm={norm!r} must be 1, 2 or inf"):
        kind(norm=norm).check_rows(ROWS)


@pytest.mark.parametrize("kind", WITH_NORM)
@pytest.mark.parametrize("norm", [1, 2, 2.0, np.inf, np.float32(np.inf), np.int64(1)])
def test_norms_that_are_accepted(kind, norm, network, batch):
    losses = kind(0.1, norm=norm).per_sample_loss(network, *batch)
    assert losses.shape == (20,) and losses.isfinite().all()


BAD = [
    *((kind, {"epsilon_schedule": "cosine"}, r"'cosine'.*'constant'") for kind in WITH_EPSILON),
    *((kind, {"epsilon_schedule": None}, r"epsilon_schedule=None") for kind in WITH_EPSILON),
    *((kind, {"warm_up": 1.1}, r"warm_up=1\.1 must be a number from 0 to 1") for kind in WITH_NORM),
    *((kind, {"warm_up": -0.1}, r"warm_up=-0\.1") for kind in WITH_NORM),
    *((kind, {"n_steps": 0}, r"n_steps=0 must be a positive integer") for kind in WITH_SEARCH),
    *((kind, {"n_steps": 2.5}, r"n_steps=2\.5") for kind in WITH_SEARCH),
    *((kind, {"n_restarts": 0}, r"n_restarts=0 must be a positive") for kind in WITH_SEARCH),
    *((kind, {"step_size": 0}, r"step_size=0 must be 'auto' or") for kind in WITH_SEARCH),
    *((kind, {"step_size": "long"}, r"step_size='long' must be 'auto'") for kind in WITH_SEARCH),
    *((kind, {"use_best": "yes"}, r"use_best='yes' must be True or") for kind in WITH_SEARCH),
    *(
        (kind, {"feature_range": (1, 0)}, r"feature_range=\(1, 0\).*low below")
        for kind in WITH_SEARCH
    ),
    *((kind, {"feature_range": (0, 0)}, r"feature_range=\(0, 0\)") for kind in WITH_SEARCH),
    *((kind, {"feature_range": 1.0}, r"feature_range=1\.0") for kind in WITH_SEARCH),
    *((kind, {"feature_range": (0, 1, 2)}, r"feature_range") for kind in WITH_SEARCH),
    *((kind, {"feature_range": (0, math.nan)}, r"feature_range") for kind in WITH_SEARCH),
    *((kind, {"feature_range": (0, [1, 1, 1])}, r"3 entries; X has 2") for kind in WITH_SEARCH),
    *((kind, {"feature_range": (0, [[1, 1]])}, r"feature_range") for kind in WITH_SEARCH),
    *((kind, {"feature_range": (0.5, 1)}, r"feature 0 runs from 0 to 0") for kind in WITH_SEARCH),
    (Adversarial, {"random_start": 2}, r"random_start=2 must be True or False"),
    *((kind, {"beta": -1}, r"beta=-1 must be .* at least 0") for kind in (Trades, VAT, Linearity)),
    (Gradient, {"method": "autograd"}, r"method='autograd'.*'double_backprop'"),
    (Gradient, {"step": 0}, r"step=0 must be a share of epsilon"),
    (Gradient, {"step": 2.0}, r"step=2\.0"),
    (VAT, {"xi": 0.0}, r"xi=0\.0 must be a share of epsilon"),
    (VAT, {"n_power_iterations": 0}, r"n_power_iterations=0"),
    (LipschitzMargin, {"margin": "local"}, r"margin='local'.*'pairwise', 'global'"),
    (Linearity, {"one_step": None}, r"one_step=None must be True or False"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), BAD)
def test_bad_settings_name_themselves(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings).check_rows(ROWS)


@pytest.mark.parametrize("kind", WITH_SEARCH)
def test_rows_outside_the_feature_range(kind, iris_rows):
    X, y = iris_rows
    inside = (X - X.min(0)) / (X.max(0) - X.min(0))
    model = SpectrallyRegularizedEncoder(
        objective=kind(feature_range=(0, 1), n_steps=2), max_iter=2, random_state=0
    )
    model.fit(inside, y)
    model.fit(inside * (1 + 1e-12), y)  # a scaler's rounding error
    with pytest.raises(ValueError, match=r"X leaves feature_range in 4 of 4.*allows 0 to 1"):
        model.fit(X, y)
    sides = X.min(axis=0), X.max(axis=0)
    model.set_params(objective__feature_range=sides).fit(X, y)


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_settings_are_parameters_of_scikit_learn(kind):
    objective = kind(0.25, epsilon_schedule="linear", warm_up=0.5)
    assert clone(objective).get_params() == objective.get_params()
    assert objective.get_params()["epsilon"] == 0.25
    encoder = SpectrallyRegularizedEncoder(objective=objective)
    encoder.set_params(objective__epsilon=0.5)
    assert encoder.get_params()["objective__epsilon"] == 0.5
    assert repr(kind(0.25)) == f"{kind.__name__}(epsilon=0.25)"


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_no_epsilon_is_the_log_loss(kind, network, batch):
    X, y = batch
    expected = cross_entropy(network(X), y, reduction="none")
    assert torch.equal(kind(0.0).per_sample_loss(network, X, y), expected)
    growing = kind(0.3, epsilon_schedule="linear").bind(
        network, generator=torch.Generator(), n_epochs=10
    )
    assert torch.equal(growing.per_sample_loss(network, X, y), expected)
    assert torch.equal(growing.held_out_loss(network, X, y), expected)


@pytest.mark.parametrize("kind", [Adversarial, Trades, Gradient, LipschitzMargin])
def test_no_loss_is_below_the_log_loss(kind, network, batch):
    X, y = batch
    log_loss = cross_entropy(network(X), y, reduction="none")
    assert (kind(0.3).per_sample_loss(network, X, y) >= log_loss - 1e-12).all()


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_epsilon_grows_in_equal_steps(kind, network, batch):
    objective = kind(0.8, epsilon_schedule="linear", warm_up=0.4)
    bound = objective.bind(network, generator=torch.Generator(), n_epochs=10)
    assert bound.n_warm_up_epochs == 4
    strengths = []
    for epoch in range(7):
        bound.begin_epoch(epoch)
        strengths.append(bound.epsilon)
    np.testing.assert_allclose(strengths[:4], [0, 0.2, 0.4, 0.6])
    assert strengths[4:] == [0.8] * 3  # to the last bit
    assert objective.epsilon == 0.8
    for changes in ({"epsilon_schedule": "constant"}, {"warm_up": 0.0}, {"epsilon": 0.0}):
        other = clone(objective).set_params(**changes)
        bound = other.bind(network, generator=torch.Generator(), n_epochs=10)
        assert bound.n_warm_up_epochs == 0
        assert bound.epsilon == other.epsilon


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_outside_a_fit_a_loss_is_the_same_every_time(kind, network, batch):
    objective = kind(0.3)
    first, again = (objective.per_sample_loss(network, *batch) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("kind", WITH_EPSILON)
def test_losses_take_rows_of_images_and_both_dtypes(kind, generator):
    """The network reshapes flat rows itself; moves must not mind."""

    def flattened(input_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU())

    rng = np.random.default_rng(0)
    for dtype in (torch.float32, torch.float64):
        network = build_network(
            flattened,
            input_shape=(1, 4, 4),
            head=readout(3),
            settings={},
            dtype=dtype,
            generator=generator,
        )
        X = torch.tensor(rng.normal(size=(6, 16)), dtype=dtype)
        y = torch.tensor(rng.integers(3, size=6))
        flat = kind(0.2).per_sample_loss(network, X, y)
        images = kind(0.2).per_sample_loss(network, X.view(6, 1, 4, 4), y)
        assert flat.dtype == dtype
        torch.testing.assert_close(flat, images)


def test_objectives_without_state_bind_to_themselves(network, generator):
    objective = CrossEntropy()
    assert bind_objective(objective, network, generator=generator) is objective

    class Duck:
        def per_sample_loss(self, network, X, y):
            return network(X).square().sum(1)

    duck = Duck()
    assert bind_objective(duck, network, generator=generator) is duck


def test_the_contract_of_a_bound_objective(network, batch):
    class Constant(BoundObjective):
        def per_sample_loss(self, network, X, y):
            return torch.zeros(len(X))

    bound = Constant()
    assert bound.n_warm_up_epochs == 0
    assert bound.begin_epoch(3) is None
    X, y = batch
    held_out = bound.held_out_loss(network, X, y)
    assert torch.equal(held_out, cross_entropy(network(X), y, reduction="none"))
    assert issubclass(Adversarial, Objective) and not CrossEntropy.uses_unlabelled
    assert [kind for kind in WITH_EPSILON if kind.uses_unlabelled] == [VAT]
