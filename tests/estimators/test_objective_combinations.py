"""Objectives together with penalties, constraints, solvers, searches and scikit-learn's checks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import estimator_checks

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import Adversarial, Gradient, LipschitzMargin, Trades
from tests.grids import diagonal

NAMES = ["adversarial", "trades", "gradient", "lipschitz_margin", "vat", "linearity"]
PENALTIES = [
    None,
    "rep_spectral",
    "ll_spectral",
    "product_spectral",
    "l2",
    "l2_sp",
    "orthogonal",
    "jacobian",
    "cross_lipschitz",
]


def encoder(objective, **changes):
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 12, "random_state": 0}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2, "penalty": None}
    return SpectrallyRegularizedEncoder(objective=objective, **{**settings, **changes})


@pytest.mark.parametrize(("objective", "penalty"), diagonal(NAMES, PENALTIES))
def test_every_objective_goes_with_every_penalty(iris_rows, objective, penalty):
    model = encoder(objective, penalty=penalty, alpha=1e-3).fit(*iris_rows)
    assert model.score(*iris_rows) > 0.8
    assert all(np.isfinite(model.loss_curve_))
    assert (np.array(model.penalty_curve_) > 0).all() == (penalty is not None)


@pytest.mark.parametrize(
    ("objective", "constraint"), diagonal(NAMES, ["spectral_norm", "svb", "parseval"])
)
def test_every_objective_goes_with_every_constraint(iris_rows, objective, constraint):
    model = encoder(objective, constraint=constraint, alpha=1e-3, max_iter=25).fit(*iris_rows)
    assert model.score(*iris_rows) > 0.8
    if constraint == "spectral_norm":
        assert max(model.spectral_norms_.values()) <= 1 + 1e-6


def test_sample_weights_count_rows(iris_rows):
    """Draws aside, a row of weight two is two rows."""
    objective = Adversarial(0.1, random_start=False)
    for kind in (objective, Gradient(), LipschitzMargin()):
        check = estimator_checks.check_sample_weight_equivalence_on_dense_data
        encoder = SpectrallyRegularizedEncoder(objective=kind, max_iter=40)
        check("SpectrallyRegularizedEncoder", encoder)


KEY_CHECKS = [
    estimator_checks.check_estimators_pickle,
    estimator_checks.check_fit_idempotent,
    estimator_checks.check_dont_overwrite_parameters,
]


@pytest.mark.parametrize(
    ("objective", "check"),
    diagonal([Adversarial(n_steps=2), Trades(n_steps=2), *NAMES[2:]], KEY_CHECKS),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_key_checks_of_scikit_learn(check, objective):
    encoder = SpectrallyRegularizedEncoder(objective=objective, max_iter=20)
    check("SpectrallyRegularizedEncoder", encoder)


@pytest.mark.parametrize("objective", [Adversarial(n_steps=2), "gradient", "lipschitz_margin"])
def test_labels_minus_one_and_one_are_classes(objective):
    """Not so for "vat", to which -1 means unlabelled."""
    check = estimator_checks.check_classifiers_classes
    encoder = SpectrallyRegularizedEncoder(objective=objective, max_iter=30)
    check("SpectrallyRegularizedEncoder", encoder)


def test_settings_are_searched(iris_rows):
    grid = {"objective__epsilon": [0.0, 20.0], "objective__norm": [2, np.inf]}
    model = encoder(Adversarial(n_steps=3), penalty=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=2).fit(*iris_rows)
    assert search.best_params_["objective__epsilon"] == 0.0
    by_name = GridSearchCV(encoder("vat", max_iter=2), {"objective": NAMES}, cv=2)
    assert np.isfinite(by_name.fit(*iris_rows).cv_results_["mean_test_score"]).all()


def test_epsilon_has_the_units_of_what_the_encoder_sees(iris_rows):
    X, y = iris_rows
    boxed = encoder(Adversarial(0.05, feature_range=(0, 1)), max_iter=40)
    model = make_pipeline(MinMaxScaler(), boxed)
    assert model.fit(1000 * X, y).score(1000 * X, y) > 0.8
    with pytest.raises(ValueError, match="X leaves feature_range"):
        boxed.fit(1000 * X, y)


def test_solvers_that_call_back(iris_rows):
    settings = {"solver": torch.optim.LBFGS, "batch_size": 150, "max_iter": 5}
    objective = Adversarial(0.1, random_start=False)
    settings |= {"learning_rate_init": 0.1, "weight_decay": 1e-2, "activation": "tanh"}
    model = encoder(objective, **settings).fit(*iris_rows)
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]
