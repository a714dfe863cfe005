"""Every built-in penalty by name in a fit, and what the training loop tells penalties."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from torch import nn
from torch.func import jacrev

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn._registry import available
from specreg_sklearn.penalties import (
    BoundPenalty,
    CrossLipschitz,
    Jacobian,
    Penalty,
    ProductSpectral,
)
from tests.grids import diagonal, few_fast

NEW = [
    "orthogonal",
    "jacobian",
    "cross_lipschitz",
    "l2_sp",
    "batch_shrinkage",
    "product_spectral",
]


def encoder(penalty, **changes):
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 30, "random_state": 0}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2, "weight_decay": 0.0}
    return SpectrallyRegularizedEncoder(penalty=penalty, **{**settings, **changes})


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.mark.parametrize(("penalty", "dtype"), diagonal(NEW, [np.float32, np.float64]))
def test_every_name_lowers_what_it_penalises(iris_rows, penalty, dtype):
    X, y = iris_rows[0].astype(dtype), iris_rows[1]
    free = encoder(penalty, alpha=0.0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strong pull may cost accuracy here
        held = encoder(penalty, alpha=0.3).fit(X, y)
    assert held.penalty_curve_[-1] < 0.7 * free.penalty_curve_[-1]
    assert held.transform(X).dtype == dtype


@pytest.mark.parametrize("penalty", few_fast(NEW, 3))
def test_digits_are_learned_with_every_name(penalty):
    X, y = load_digits(return_X_y=True)
    X = X[:600] / 16
    alpha = 1e-2
    model = encoder(penalty, hidden_layer_sizes=32, max_iter=15, alpha=alpha).fit(X, y[:600])
    assert model.score(X, y[:600]) > 0.9
    assert len(model.penalty_curve_) == model.n_iter_
    assert all(np.isfinite(model.penalty_curve_))


def test_no_built_in_name_is_forgotten():
    assert set(NEW) | {"rep_spectral", "ll_spectral", "l2"} == set(available("penalties"))


@pytest.mark.parametrize("penalty", [*NEW, Jacobian(n_projections=2, outputs="features")])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_same_seed_gives_the_same_weights(iris_rows, penalty, early_stopping):
    settings = {"max_iter": 5, "early_stopping": early_stopping, "burn_in": 0.4}
    first, again = (encoder(penalty, **settings).fit(*iris_rows) for _ in range(2))
    np.testing.assert_array_equal(flat(first), flat(again))


@pytest.mark.parametrize("penalty", NEW)
def test_warm_starts_clones_and_pickles(iris_rows, penalty):
    model = encoder(penalty, max_iter=3, warm_start=True)
    model.fit(*iris_rows).fit(*iris_rows)
    assert model.n_iter_ == 6
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(iris_rows[0]), model.predict(iris_rows[0]))
    assert model.net_.penalty is None
    assert len(pickle.dumps(model)) < 60_000  # no batch travels along
    assert clone(model).get_params()["penalty"] == penalty


def test_l2_sp_holds_a_warm_start_near_the_last_fit(iris_rows):
    X, y = iris_rows
    first = encoder(None, warm_start=True).fit(X, y)
    start = first.module_.backbone.hidden1.weight.detach().clone()
    moves = []
    for alpha in (0.0, 1.0):
        model = pickle.loads(pickle.dumps(first))
        model.set_params(penalty="l2_sp", alpha=alpha).fit(X, np.roll(y, 50))
        moves.append(float((model.module_.backbone.hidden1.weight.detach() - start).norm()))
    assert moves[1] < 0.2 * moves[0]


@pytest.mark.parametrize("penalty", [Jacobian(n_projections=None), CrossLipschitz()])
def test_the_recorded_penalty_is_the_weighted_mean_over_the_rows(iris_rows, penalty):
    """With a learning rate of nearly nothing the weights stay those of the start."""
    X, y = iris_rows
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    model = encoder(penalty, learning_rate_init=1e-14, max_iter=2, alpha=0.1)
    model.fit(X, y, sample_weight=weight)
    J = torch.stack([jacrev(lambda x: model.module_(x[None])[0])(x) for x in torch.tensor(X)])
    if isinstance(penalty, CrossLipschitz):
        differences = J[:, :, None] - J[:, None]
        per_row = differences.square().sum((1, 2, 3)).detach().numpy() / 9
    else:
        per_row = J.square().sum((1, 2)).detach().numpy()
    expected = np.average(per_row, weights=weight)
    np.testing.assert_allclose(model.penalty_curve_, expected, rtol=1e-9)
    losses = model.net_.history[:, "train_loss"]
    np.testing.assert_allclose(model.loss_curve_, np.add(losses, 0.1 * expected), rtol=1e-9)


@pytest.mark.parametrize("penalty", ["cross_lipschitz", Jacobian(n_projections=None)])
def test_rows_of_weight_two_count_as_two_rows(iris_rows, penalty):
    check = estimator_checks.check_sample_weight_equivalence_on_dense_data
    check(
        "SpectrallyRegularizedEncoder", SpectrallyRegularizedEncoder(penalty=penalty, max_iter=40)
    )


def test_penalties_on_data_with_solvers_that_call_back(iris_rows):
    settings = {"solver": torch.optim.LBFGS, "batch_size": 150, "max_iter": 5}
    free = encoder("jacobian", alpha=0.0, learning_rate_init=0.1, **settings).fit(*iris_rows)
    held = encoder("jacobian", alpha=0.1, learning_rate_init=0.1, **settings).fit(*iris_rows)
    assert held.penalty_curve_[-1] < free.penalty_curve_[-1]


class SpyPenalty(Penalty):
    """Notes what it is told, in the order in which it is told."""

    def bind(self, backbone, head, *, generator):
        SpyPenalty.bound = BoundSpy(head)
        return SpyPenalty.bound


class BoundSpy(BoundPenalty):
    def __init__(self, head):
        self.head, self.events, self.rows = head, [], []

    def see_batch(self, network, X, y, sample_weight):
        self.events.append("batch")
        self.rows.append((X.shape, y.shape, sample_weight if sample_weight is None else X.dtype))

    def value(self):
        return self.head.weight.square().sum()

    def add_gradient(self, strength):
        self.events.append("gradient")
        super().add_gradient(strength)

    def report(self):
        self.events.append("report")
        return super().report()


def test_batches_come_before_gradients_also_while_the_penalty_waits(iris_rows):
    encoder(SpyPenalty(), max_iter=2, burn_in=0.5, batch_size=100).fit(*iris_rows)
    waiting = ["batch", "batch", "report"]
    acting = ["batch", "gradient", "batch", "gradient", "report"]
    assert SpyPenalty.bound.events == waiting + acting
    assert SpyPenalty.bound.rows[0] == ((100, 4), (100,), None)
    assert SpyPenalty.bound.rows[1] == ((50, 4), (50,), None)


def test_held_out_rows_are_not_shown(iris_rows):
    encoder(SpyPenalty(), max_iter=1, early_stopping=True, batch_size=1000).fit(*iris_rows)
    assert SpyPenalty.bound.rows == [((135, 4), (135,), None)]


def test_bound_objects_of_the_old_contract_still_train(iris_rows):
    """No base class, and nothing but what was asked for before penalties could see data."""

    class Bound:
        layer_names = ()

        def __init__(self, head):
            self.head = head

        def add_gradient(self, strength):
            self.head.weight.grad.add_(self.head.weight.detach(), alpha=2 * strength)

        def report(self):
            return self

        value, error = 0.0, 0.0

    class Duck:
        def bind(self, backbone, head, *, generator):
            return Bound(head)

    held = encoder(Duck(), alpha=1.0).fit(*iris_rows)
    free = encoder(None).fit(*iris_rows)
    assert held.spectral_norms_["head"] < 0.5 * free.spectral_norms_["head"]


def test_settings_of_penalties_are_searched(iris_rows):
    grid = {"penalty__n_projections": [1, None], "penalty__outputs": ["logits", "features"]}
    search = GridSearchCV(encoder(Jacobian(), max_iter=3), grid, cv=2, error_score="raise")
    assert len(search.fit(*iris_rows).cv_results_["params"]) == 4


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (Jacobian(n_projections=0), r"n_projections=0 must be a positive integer, or None"),
        (Jacobian(outputs="loss"), r"outputs='loss' must be one of"),
        (CrossLipschitz(n_projections=1.5), r"n_projections=1\.5 must be a positive integer"),
    ],
)
def test_bad_settings_name_themselves(iris_rows, penalty, message):
    with pytest.raises(ValueError, match=message):
        encoder(penalty).fit(*iris_rows)


def convnet(input_shape):
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())


@pytest.mark.parametrize("penalty", NEW)
def test_convolutional_networks_train_with_every_name(penalty):
    X = np.random.default_rng(0).normal(size=(90, 16))
    y = np.arange(90) % 3
    X[:, :4] += 2.0 * y[:, None]
    settings = {"input_shape": (1, 4, 4), "max_iter": 40, "alpha": 1e-3}
    model = encoder(penalty, module=convnet, **settings).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.penalty_curve_[-1] > 0


def test_a_batch_norm_cannot_undo_the_product_penalty():
    """Three times the kernel with statistics to match is the same function, and costs the same."""
    X = np.random.default_rng(0).normal(size=(60, 16))
    model = encoder("l2", module=convnet, input_shape=(1, 4, 4), max_iter=3).fit(
        X, np.arange(60) % 2
    )
    values = []
    for _ in range(2):
        network = model.module_
        bound = ProductSpectral().bind(
            network.backbone,
            network.head,
            generator=torch.Generator().manual_seed(0),
            input_shape=(1, 4, 4),
        )
        values.append(bound.report().value)
        with torch.no_grad():
            network.backbone[0].weight.mul_(3)
            norm = network.backbone[1]
            norm.running_mean.mul_(3)
            norm.running_var.add_(norm.eps).mul_(9).sub_(norm.eps)
    assert values[1] == pytest.approx(values[0], rel=1e-9)
