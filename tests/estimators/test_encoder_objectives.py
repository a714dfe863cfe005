"""Objectives in a fit: without strength nothing changes, with it they go with everything else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
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
)
from tests.grids import diagonal

KINDS = [Adversarial, Trades, Gradient, LipschitzMargin, VAT, Linearity]
NAMES = ["adversarial", "trades", "gradient", "lipschitz_margin", "vat", "linearity"]


def encoder(objective, **changes):
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 12, "random_state": 0}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2, "penalty": None}
    return SpectrallyRegularizedEncoder(objective=objective, **{**settings, **changes})


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.state_dict().values()]).numpy()


def batch_normed(input_shape):
    return nn.Sequential(nn.Linear(*input_shape, 10), nn.BatchNorm1d(10), nn.ReLU())


CHANGES = [
    {},
    {"early_stopping": True, "n_iter_no_change": 3},
    {"module": batch_normed},
    {"penalty": "jacobian", "constraint": "spectral_norm", "burn_in": 0.3},
    {"class_weight": "balanced", "solver": "sgd"},
]


@pytest.mark.parametrize(
    ("kind", "dtype", "changes"), diagonal(KINDS, [np.float32, np.float64], CHANGES)
)
def test_no_strength_is_cross_entropy_bit_for_bit(iris_rows, kind, dtype, changes):
    X, y = iris_rows[0].astype(dtype), iris_rows[1]
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    changes = {"max_iter": 5, **changes}
    plain = encoder("cross_entropy", **changes).fit(X, y, sample_weight=weight)
    for schedule in ("constant", "linear"):
        objective = kind(epsilon=0.0, epsilon_schedule=schedule)
        model = encoder(objective, **changes).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(flat(model), flat(plain))
        assert model.loss_curve_ == plain.loss_curve_
        assert model.net_.history[:, "train_loss"] == plain.net_.history[:, "train_loss"]
        if "early_stopping" in changes:
            assert model.validation_scores_ == plain.validation_scores_
            losses = model.net_.history[:, "valid_loss"]
            assert losses == plain.net_.history[:, "valid_loss"]


@pytest.mark.parametrize(("objective", "changes"), diagonal(NAMES, [{}, {"early_stopping": True}]))
def test_the_same_seed_gives_the_same_weights_and_another_does_not(iris_rows, objective, changes):
    changes = {"max_iter": 4, **changes}
    first, again = (encoder(objective, **changes).fit(*iris_rows) for _ in range(2))
    np.testing.assert_array_equal(flat(first), flat(again))
    other = encoder(objective, **changes, random_state=1).fit(*iris_rows)
    assert not np.allclose(flat(first), flat(other))


def test_random_starts_do_not_disturb_start_weights_or_row_order(iris_rows):
    """They have a stream of their own: a strength of nearly nothing changes nearly nothing."""
    plain = encoder("cross_entropy").fit(*iris_rows)
    hardly = encoder(Adversarial(1e-12)).fit(*iris_rows)
    np.testing.assert_allclose(flat(hardly), flat(plain), rtol=1e-6, atol=1e-7)


def test_threads_equal_serial_fits(iris_rows):
    models = [encoder(Adversarial(0.1), max_iter=3, random_state=seed) for seed in range(4)]
    serial = [flat(model.fit(*iris_rows)) for model in models]
    jobs = (delayed(clone(model).fit)(*iris_rows) for model in models)
    threaded = Parallel(n_jobs=4, backend="threading")(jobs)
    for alone, together in zip(serial, threaded, strict=True):
        np.testing.assert_array_equal(alone, flat(together))


@pytest.mark.parametrize("kind", KINDS)
def test_warm_starts_clones_and_pickles(iris_rows, kind):
    model = encoder(kind(epsilon_schedule="linear"), max_iter=4, warm_start=True)
    model.fit(*iris_rows).fit(*iris_rows)
    assert model.n_iter_ == len(model.loss_curve_) == 8
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(iris_rows[0]), model.predict(iris_rows[0]))
    assert copy.objective.get_params() == model.objective.get_params()
    assert type(model.net_.criterion_) is kind  # the settings; what was bound is gone
    assert len(pickle.dumps(model)) < 60_000
    copy.set_params(objective="cross_entropy").fit(*iris_rows)
    assert copy.n_iter_ == 12


@pytest.mark.parametrize("kind", KINDS)
def test_the_net_can_be_pickled_inside_a_fit(iris_rows, kind):
    """As a checkpoint of skorch does; the copy goes on with the same draws."""

    class Checkpoint(Callback):
        def on_epoch_end(self, net, **kwargs):
            kept, net.callbacks, net.callbacks_ = (net.callbacks, net.callbacks_), [], []
            copy = pickle.loads(pickle.dumps(net))
            net.callbacks, net.callbacks_ = kept
            X, y = (torch.tensor(part[:20]) for part in iris_rows)
            bound = pickle.loads(pickle.dumps(net.criterion_))  # our own draws must not move on
            here = bound.per_sample_loss(net.module_, X, y)
            self.same = torch.equal(copy.criterion_.per_sample_loss(copy.module_, X, y), here)

    watcher = Checkpoint()
    encoder(kind(), max_iter=2, callbacks=[watcher]).fit(*iris_rows)
    assert watcher.same


def test_a_fit_leaves_the_objective_alone(iris_rows):
    objective = Adversarial(0.2, epsilon_schedule="linear")
    encoder(objective, max_iter=3).fit(*iris_rows)
    assert vars(objective) == vars(Adversarial(0.2, epsilon_schedule="linear"))


class StrengthsSeen(Callback):
    def on_train_begin(self, net, **kwargs):
        self.seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.criterion_.epsilon)


def test_epsilon_grows_over_the_warm_up_and_a_warm_start_does_not_repeat_it(iris_rows):
    watcher = StrengthsSeen()
    objective = Adversarial(0.4, epsilon_schedule="linear", warm_up=0.5)
    model = encoder(objective, max_iter=8, warm_start=True, callbacks=[watcher]).fit(*iris_rows)
    np.testing.assert_allclose(watcher.seen, [0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4])
    model.fit(*iris_rows)
    assert watcher.seen == [0.4] * 8


@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_fit_stops_and_no_epoch_is_best_inside_the_warm_up(iris_rows, early_stopping):
    """The loss rises with epsilon; patience would take that for the end."""
    settings = {"early_stopping": early_stopping, "n_iter_no_change": 2, "max_iter": 40}
    objective = Adversarial(0.6, epsilon_schedule="linear", warm_up=0.75)
    model = encoder(objective, **settings, tol=10.0).fit(*iris_rows)
    assert 30 < model.n_iter_ <= 33
    constant = encoder(Adversarial(0.6), **settings, tol=10.0).fit(*iris_rows)
    assert constant.n_iter_ <= 4


def test_held_out_rows_are_scored_as_they_are(iris_rows):
    class Losses(Callback):
        def on_epoch_end(self, net, **kwargs):
            held_out = net.train_split(None)[1] if callable(net.train_split) else None
            X, (y, _) = held_out[:]
            with torch.no_grad():
                loss = nn.functional.cross_entropy(net.module_(X), y)
            self.expected = float(loss)

    watcher = Losses()
    model = encoder(Adversarial(1.0), early_stopping=True, max_iter=2, callbacks=[watcher])
    model.fit(*iris_rows)
    assert model.net_.history[-1, "valid_loss"] == pytest.approx(watcher.expected, rel=1e-9)


def test_too_much_epsilon_is_named_by_the_warning(iris_rows):
    model = encoder(Adversarial(50.0), penalty=None, max_iter=40)
    with pytest.warns(ConvergenceWarning, match=r"epsilon=50\.0 of the objective"):
        model.fit(*iris_rows)


def test_a_failed_check_leaves_the_fitted_model_in_use(iris_rows):
    model = encoder("adversarial", warm_start=True, max_iter=2).fit(*iris_rows)
    before, n_steps = flat(model), model.n_iter_
    for objective in (Adversarial(-1), Trades(n_steps=0), Linearity(norm=3)):
        with pytest.raises(ValueError, match="must be"):
            model.set_params(objective=objective).fit(*iris_rows)
    np.testing.assert_array_equal(flat(model), before)
    assert model.n_iter_ == n_steps


class Growing(Objective):
    """A user's objective with state: notes what the loop tells it."""

    def per_sample_loss(self, network, X, y):
        raise AssertionError("the bound part is asked")

    def bind(self, network, *, generator, n_epochs=1, labelled_share=1.0):
        Growing.bound = BoundGrowing(network, generator, n_epochs)
        return Growing.bound


class BoundGrowing(BoundObjective):
    n_warm_up_epochs = 1

    def __init__(self, network, generator, n_epochs):
        self.network, self.generator, self.n_epochs, self.epochs = network, generator, n_epochs, []

    def begin_epoch(self, epoch):
        self.epochs.append(epoch)

    def per_sample_loss(self, network, X, y):
        assert network is self.network
        assert network.training
        return nn.functional.cross_entropy(network(X), y, reduction="none")


def test_a_users_objective_with_state_is_bound_and_told_the_epochs(iris_rows):
    model = encoder(Growing(), max_iter=3).fit(*iris_rows)
    assert Growing.bound.epochs == [0, 1, 2]
    assert Growing.bound.n_epochs == 3
    assert isinstance(Growing.bound.generator, torch.Generator)
    plain = encoder(CrossEntropy(), max_iter=3).fit(*iris_rows)
    np.testing.assert_array_equal(flat(model), flat(plain))


def test_objects_of_the_old_contract_still_train(iris_rows):
    class Duck:
        def per_sample_loss(self, network, X, y):
            return nn.functional.cross_entropy(network(X), y, reduction="none")

    plain = encoder("cross_entropy", early_stopping=True).fit(*iris_rows)
    duck = encoder(Duck(), early_stopping=True).fit(*iris_rows)
    np.testing.assert_array_equal(flat(duck), flat(plain))
