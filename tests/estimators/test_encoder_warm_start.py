"""Fits that go on from the last one, and fits that must start anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import RepSpectral


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 10, "random_state": 0, "warm_start": True}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


def flat(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.module_.parameters()])


def optimizer_steps(model):
    (steps,) = {float(state["step"]) for state in model.net_.optimizer_.state.values()}
    return steps


def test_the_second_fit_goes_on_where_the_first_ended(iris_rows):
    model = encoder().fit(*iris_rows)
    first = list(model.loss_curve_)
    model.fit(*iris_rows)
    assert model.loss_curve_[:10] == first
    assert model.loss_curve_[10] < first[-1] < first[0]
    assert model.n_iter_ == len(model.loss_curve_) == len(model.penalty_curve_) == 20
    assert optimizer_steps(model) == 20


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_two_fits_of_ten_epochs_equal_one_of_twenty(iris_rows, solver):
    """One full batch an epoch: the row order plays no part, the optimizer's state does."""
    settings = {"solver": solver, "penalty": "l2", "learning_rate_init": 1e-2}
    twice = encoder(**settings).fit(*iris_rows).fit(*iris_rows)
    once = encoder(max_iter=20, **settings).fit(*iris_rows)
    torch.testing.assert_close(flat(twice), flat(once), rtol=1e-8, atol=1e-10)


def test_without_warm_start_every_fit_starts_anew(iris_rows):
    model = encoder(warm_start=False).fit(*iris_rows)
    first = flat(model)
    model.fit(*iris_rows)
    assert torch.equal(flat(model), first)
    assert model.n_iter_ == 10


def test_new_strengths_and_rates_apply_from_the_next_fit(iris_rows):
    model = encoder(learning_rate_init=1e-2, max_iter=100).fit(*iris_rows)
    before = model.spectral_norms_["backbone.hidden1"]
    model.set_params(alpha=0.5, weight_decay=0.05, learning_rate_init=2e-2).fit(*iris_rows)
    assert model.spectral_norms_["backbone.hidden1"] < 0.8 * before
    groups = model.net_.optimizer_.param_groups
    assert {group["lr"] for group in groups} == {2e-2}
    assert max(group["weight_decay"] for group in groups) == pytest.approx(0.1)


def test_switching_the_penalty_off_and_on(iris_rows):
    model = encoder(penalty=None).fit(*iris_rows)
    assert model.penalty_curve_ == [0.0] * 10
    model.set_params(penalty=RepSpectral(n_vectors=2)).fit(*iris_rows)
    assert model.penalty_curve_[:10] == [0.0] * 10
    assert min(model.penalty_curve_[10:]) > 0
    model.set_params(penalty=None).fit(*iris_rows)
    assert model.penalty_curve_[20:] == [0.0] * 10


def test_the_first_fit_of_a_warm_start_is_a_cold_one(iris_rows):
    model = encoder(alpha=0.2).fit(*iris_rows)
    cold = encoder(alpha=0.2, warm_start=False).fit(*iris_rows)
    assert torch.equal(flat(model), flat(cold))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_layer_sizes": 9},
        {"hidden_layer_sizes": (8, 8)},
        {"activation": "tanh"},
        {"solver": "sgd"},
    ],
)
def test_the_network_is_rebuilt_when_its_shape_changes(iris_rows, changes):
    model = encoder().fit(*iris_rows).set_params(**changes).fit(*iris_rows)
    fresh = encoder(**changes).fit(*iris_rows)
    assert model.n_iter_ == 10
    assert torch.equal(flat(model), flat(fresh))


@pytest.mark.parametrize("order", [(np.float32, np.float64), (np.float64, np.float32)])
def test_the_network_is_rebuilt_when_the_dtype_changes(iris_rows, order):
    X, y = iris_rows
    model = encoder()
    for dtype in order:
        model.fit(X.astype(dtype), y)
    fresh = encoder().fit(X.astype(order[-1]), y)
    assert torch.equal(flat(model), flat(fresh))
    assert model.transform(X).dtype == order[-1]


def test_the_network_is_rebuilt_for_other_columns(iris_rows):
    X, y = iris_rows
    model = encoder().fit(X, y).fit(X[:, :3], y)
    assert model.n_iter_ == 10
    assert model.predict(X[:, :3]).shape == y.shape


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0, 1, 2, 3], ["a", "b", "c"]])
def test_other_classes_are_refused(iris_rows, labels):
    X, y = iris_rows
    model = encoder().fit(X, y)
    proba = model.predict_proba(X)
    other = np.resize(labels, len(y))
    with pytest.raises(ValueError, match=r"warm_start=True needs the classes.*\[0, 1, 2\].*y has"):
        model.fit(X, other)
    np.testing.assert_array_equal(model.predict_proba(X), proba)


def test_early_stopping_on_a_warm_start_never_ends_below_its_best_epoch(cancer_rows):
    model = encoder(early_stopping=True, learning_rate_init=1e-2, max_iter=5)
    model.fit(*cancer_rows).fit(*cancer_rows)
    assert len(model.validation_scores_) == model.n_iter_


def test_the_burn_in_is_not_repeated_by_the_next_fit(iris_rows):
    """Five epochs without penalty, fifteen with it, in one fit or in two."""
    settings = {"penalty": "l2", "alpha": 0.05, "learning_rate_init": 1e-2}
    twice = encoder(burn_in=0.5, **settings).fit(*iris_rows).fit(*iris_rows)
    once = encoder(burn_in=0.25, max_iter=20, **settings).fit(*iris_rows)
    torch.testing.assert_close(flat(twice), flat(once), rtol=1e-8, atol=1e-10)
