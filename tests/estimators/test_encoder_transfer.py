"""Going on from a trained backbone: frozen features, fine-tuning, what holds it back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import L2SP


@pytest.fixture(scope="module")
def tasks():
    """Digits 0 to 4 to learn from, and 5 to 9 to go on with."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    low = y < 5
    return (X[low], y[low]), (X[~low][:300], y[~low][:300])


@pytest.fixture(scope="module")
def source(tasks):
    return SpectrallyRegularizedEncoder(hidden_layer_sizes=(32,), max_iter=60, random_state=0).fit(
        *tasks[0]
    )


def tuner(module, **changes):
    settings = {"max_iter": 30, "learning_rate_init": 1e-2, "random_state": 1}
    return SpectrallyRegularizedEncoder(module, **{**settings, **changes})


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def moved(module, start):
    pairs = zip(weights(module), start, strict=True)
    return float(sum((new - old).square().sum() for new, old in pairs) ** 0.5)


def test_linear_probing_leaves_the_features_alone(tasks, source):
    target = tasks[1]
    before = weights(source.module_)
    model = make_pipeline(FrozenEstimator(source), RobustLinearProbe(epsilon=0.1)).fit(*target)
    assert model.score(*target) > 0.9
    assert moved(source.module_, before) == 0
    search = GridSearchCV(model, {"robustlinearprobe__epsilon": [0.0, 0.1]}, cv=2).fit(*target)
    np.testing.assert_array_equal(
        search.best_estimator_[0].transform(target[0]), source.transform(target[0])
    )


@pytest.mark.parametrize("as_module", [False, True])
def test_a_fit_starts_at_the_trained_backbone(tasks, source, as_module):
    module = source.module_.backbone if as_module else FrozenEstimator(source)
    before = weights(source.module_)
    start = tuner(module, max_iter=1, learning_rate_init=1e-11).fit(*tasks[1])
    assert moved(start.module_.backbone, weights(source.module_.backbone)) < 1e-9
    assert start.module_.head.out_features == 5
    tuned = tuner(module).fit(*tasks[1])
    assert moved(tuned.module_.backbone, weights(source.module_.backbone)) > 1e-2
    assert moved(source.module_, before) == 0  # the source is copied, never trained


def test_the_new_head_is_trained(tasks, source):
    """An optimizer built before the head was replaced would train the old one."""
    untouched = tuner(FrozenEstimator(source), max_iter=1, learning_rate_init=1e-11).fit(*tasks[1])
    tuned = tuner(FrozenEstimator(source), backbone_learning_rate_factor=1e-9, max_iter=100).fit(
        *tasks[1]
    )
    assert moved(tuned.module_.backbone, weights(source.module_.backbone)) < 1e-6
    assert moved(tuned.module_.head, weights(untouched.module_.head)) > 0.1
    assert untouched.score(*tasks[1]) < 0.5 < 0.85 < tuned.score(*tasks[1])
    # With the backbone held still this is logistic regression on the source's features.
    features = source.transform(tasks[1][0])
    reference = LogisticRegression(max_iter=1000).fit(features, tasks[1][1])
    assert tuned.score(*tasks[1]) > reference.score(features, tasks[1][1]) - 0.1


def test_the_rate_factor_acts_on_the_backbone_alone(tasks, source):
    start = weights(source.module_.backbone)
    far, near = (
        tuner(FrozenEstimator(source), backbone_learning_rate_factor=factor).fit(*tasks[1])
        for factor in (1.0, 0.1)
    )
    assert moved(near.module_.backbone, start) < 0.4 * moved(far.module_.backbone, start)
    groups = near.net_.optimizer_.param_groups
    rates = {p: group["lr"] for group in groups for p in group["params"]}
    assert all(rates[p] == pytest.approx(1e-3) for p in near.module_.backbone.parameters())
    assert all(rates[p] == pytest.approx(1e-2) for p in near.module_.head.parameters())
    decays = {p: group["weight_decay"] for group in groups for p in group["params"]}
    assert all(decays[p] == (2e-4 if p.ndim > 1 else 0) for p in near.module_.parameters())


@pytest.mark.parametrize("solver", ["sgd", torch.optim.RMSprop])
def test_the_rate_factor_with_other_solvers(tasks, source, solver):
    model = tuner(FrozenEstimator(source), backbone_learning_rate_factor=1e-9, solver=solver)
    model.fit(*tasks[1])
    assert moved(model.module_.backbone, weights(source.module_.backbone)) < 1e-5


def test_a_factor_of_one_changes_nothing(tasks):
    plain, factored = (
        SpectrallyRegularizedEncoder(max_iter=3, random_state=0, **extra).fit(*tasks[1])
        for extra in ({}, {"backbone_learning_rate_factor": 1.0})
    )
    assert moved(plain.module_, weights(factored.module_)) == 0


def test_l2_sp_holds_on_to_the_source(tasks, source):
    start = weights(source.module_.backbone)
    distances = [
        moved(
            tuner(FrozenEstimator(source), penalty=L2SP(), alpha=alpha, weight_decay=0.0)
            .fit(*tasks[1])
            .module_.backbone,
            start,
        )
        for alpha in (0.0, 0.03, 3.0)
    ]
    assert distances[2] < 0.3 * distances[1] < 0.3 * distances[0]


@pytest.mark.parametrize("penalty", ["rep_spectral", "ll_spectral", "batch_shrinkage"])
def test_penalties_at_fine_tune_time(tasks, source, penalty):
    plain = tuner(FrozenEstimator(source), penalty=None).fit(*tasks[1])
    tuned = tuner(FrozenEstimator(source), penalty=penalty, alpha=0.1).fit(*tasks[1])
    assert tuned.score(*tasks[1]) > 0.9
    if penalty == "batch_shrinkage":
        return
    name = "backbone.hidden1"
    assert tuned.spectral_norms_[name] < 0.9 * plain.spectral_norms_[name]


def test_clones_and_searches_keep_the_source(tasks, source):
    model = tuner(FrozenEstimator(source), max_iter=5)
    again = clone(model)
    assert again.module.estimator is source
    first, second = model.fit(*tasks[1]), again.fit(*tasks[1])
    assert moved(first.module_, weights(second.module_)) == 0
    search = GridSearchCV(model, {"backbone_learning_rate_factor": [0.1, 1.0]}, cv=2)
    assert search.fit(*tasks[1]).best_score_ > 0.3


def test_fine_tuning_goes_on_with_warm_start(tasks, source):
    model = tuner(FrozenEstimator(source), max_iter=5, warm_start=True).fit(*tasks[1])
    first = model.loss_curve_[-1]
    model.fit(*tasks[1])
    assert model.n_iter_ == 10
    assert model.loss_curve_[-1] < first


def test_frozen_parameters_of_a_module_stay_frozen(tasks, source):
    from copy import deepcopy

    backbone = deepcopy(source.module_.backbone).requires_grad_(False)
    model = tuner(backbone).fit(*tasks[1])
    assert moved(model.module_.backbone, weights(backbone)) == 0


# Mistakes


def test_a_module_made_for_other_rows(tasks, source):
    with pytest.raises(ValueError, match=r"module=Sequential object does not take rows of shape"):
        tuner(source.module_.backbone).fit(tasks[1][0][:, :60], tasks[1][1])
    with pytest.raises(ValueError, match=r"made for rows of shape \(64,\).*X has 60"):
        tuner(FrozenEstimator(source)).fit(tasks[1][0][:, :60], tasks[1][1])


def test_an_encoder_that_is_not_frozen(tasks, source):
    with pytest.raises(TypeError, match=r"FrozenEstimator\(encoder\).*clone\(\) then keeps"):
        tuner(source).fit(*tasks[1])


def test_a_frozen_estimator_without_a_backbone(tasks):
    frozen = FrozenEstimator(LogisticRegression().fit(*tasks[1]))
    with pytest.raises(TypeError, match="LogisticRegression has none"):
        tuner(frozen).fit(*tasks[1])


def test_a_frozen_encoder_that_was_never_fitted(tasks):
    with pytest.raises(NotFittedError):
        tuner(FrozenEstimator(SpectrallyRegularizedEncoder())).fit(*tasks[1])


def test_features_of_the_wrong_rank(tasks):
    with pytest.raises(ValueError, match=r"module=Unflatten object must map"):
        tuner(nn.Unflatten(1, (8, 8))).fit(*tasks[1])
