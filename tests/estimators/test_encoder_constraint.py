"""Encoders whose weights keep a constraint, whatever else the fit does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils import estimator_checks
from skorch.callbacks import Callback

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.constraints import SVB, BoundConstraint, Constraint, Parseval, SpectralNorm
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.objectives import LipschitzMargin
from tests.grids import diagonal

NAMES = ["spectral_norm", "svb", "parseval", "orthogonal"]


def encoder(constraint, **changes):
    settings = {"hidden_layer_sizes": (12, 8), "max_iter": 25, "random_state": 0}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2}
    return SpectrallyRegularizedEncoder(constraint=constraint, **{**settings, **changes})


def norms_by_numpy(model):
    return [np.linalg.norm(p.detach().double().numpy(), 2) for p in weights(model)]


def weights(model):
    return [p for p in model.module_.parameters() if p.ndim > 1]


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


def assert_kept(model, constraint, slack=1e-6):
    if isinstance(constraint, SpectralNorm):
        limit = constraint.max_norm * (1 + slack)
        assert max(norms_by_numpy(model)) <= limit
        assert max(model.spectral_norms_.values()) <= limit
    else:
        band = 1 / (1 + constraint.epsilon), 1 + constraint.epsilon
        for weight in weights(model):
            values = np.linalg.svd(weight.detach().double().numpy(), compute_uv=False)
            assert band[0] * (1 - slack) <= values.min() <= values.max() <= band[1] * (1 + slack)


HOLDING = [SpectralNorm(), SpectralNorm(1.7, n_vectors=2), SVB(0.05), SVB(0.5, every=3)]


@pytest.mark.parametrize(
    ("constraint", "dtype", "changes"),
    diagonal(HOLDING, [np.float32, np.float64], [{}, {"early_stopping": True}, {"solver": "sgd"}]),
)
def test_fitted_weights_keep_the_promise(iris_rows, constraint, dtype, changes):
    X, y = iris_rows
    model = encoder(constraint, penalty=None, **changes).fit(X.astype(dtype), y)
    assert_kept(model, constraint)


PENALTIES = [None, "l2", "rep_spectral", "jacobian", "product_spectral"]


@pytest.mark.parametrize(("penalty", "constraint"), diagonal(PENALTIES, NAMES))
def test_constraints_combine_with_penalties(iris_rows, penalty, constraint):
    model = encoder(constraint, penalty=penalty, alpha=1e-3).fit(*iris_rows)
    assert model.score(*iris_rows) > 0.85
    assert all(np.isfinite(model.loss_curve_))


def test_digits_are_learned_under_every_constraint():
    X, y = load_digits(return_X_y=True)
    X, y = X[:500] / 16, y[:500]
    free = encoder(None, hidden_layer_sizes=64, penalty=None).fit(X, y)
    for constraint in (SpectralNorm(2.0), SVB(0.5), Parseval(0.05)):
        model = encoder(constraint, hidden_layer_sizes=64, penalty=None).fit(X, y)
        assert model.score(X, y) > 0.9
        assert model.spectral_norms_["backbone.hidden1"] < free.spectral_norms_["backbone.hidden1"]


def test_parseval_brings_hidden_layers_near_tight_frames(iris_rows):
    def spread(model):
        hidden = weights(model)[:-1]
        values = [np.linalg.svd(w.detach().numpy(), compute_uv=False) for w in hidden]
        return max(abs(np.concatenate(values) - 1))

    held = Parseval(0.1)
    assert spread(encoder(held, penalty=None).fit(*iris_rows)) < 0.2
    assert spread(encoder(None, penalty=None).fit(*iris_rows)) > 0.9


def test_each_recorded_epoch_is_scored_with_projected_weights(iris_rows):
    class NormsSeen(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen = []

        def on_epoch_end(self, net, **kwargs):
            parameters = [p for p in net.module_.parameters() if p.ndim > 1]
            self.seen.append(
                max(float(torch.linalg.matrix_norm(p.detach(), 2)) for p in parameters)
            )

    watcher = NormsSeen()
    encoder(SpectralNorm(0.8), callbacks=[watcher], max_iter=5).fit(*iris_rows)
    assert len(watcher.seen) == 5
    assert max(watcher.seen) <= 0.8 * (1 + 1e-6)


def test_a_fit_that_diverges_at_once_keeps_the_promise(iris_rows):
    X, y = iris_rows
    model = encoder(SpectralNorm(0.5), learning_rate_init=1e39, penalty=None, solver="sgd")
    with pytest.warns(ConvergenceWarning, match="stopped being finite"):
        model.fit(X.astype(np.float32), y)
    assert_kept(model, SpectralNorm(0.5))


def test_an_interrupted_epoch_falls_back_to_weights_that_keep_the_promise(iris_rows):
    class Interrupt(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if training and len(net.history) == 3:
                raise KeyboardInterrupt

    model = encoder(SpectralNorm(0.9), callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        model.fit(*iris_rows)
    assert model.n_iter_ == 2
    assert_kept(model, SpectralNorm(0.9))


@pytest.mark.parametrize("constraint", NAMES)
def test_the_same_seed_gives_the_same_weights(iris_rows, constraint):
    first, again = (encoder(constraint, max_iter=6).fit(*iris_rows) for _ in range(2))
    np.testing.assert_array_equal(flat(first), flat(again))


def test_a_constraint_that_never_binds_changes_nothing(iris_rows):
    """It draws from a stream of its own, and a projection inside the limit is none."""
    free = encoder(None).fit(*iris_rows)
    loose = encoder(SpectralNorm(1e6)).fit(*iris_rows)
    np.testing.assert_array_equal(flat(free), flat(loose))
    assert free.loss_curve_ == loose.loss_curve_


def test_warm_starts_take_up_drop_and_change_the_constraint(iris_rows):
    model = encoder(None, warm_start=True, max_iter=15).fit(*iris_rows)
    assert max(norms_by_numpy(model)) > 1.5
    model.set_params(constraint=SpectralNorm(1.2)).fit(*iris_rows)
    assert_kept(model, SpectralNorm(1.2))
    assert model.n_iter_ == 30
    model.set_params(constraint__max_norm=0.6).fit(*iris_rows)
    assert_kept(model, SpectralNorm(0.6))
    model.set_params(constraint=None).fit(*iris_rows)
    assert max(norms_by_numpy(model)) > 0.7


def test_a_constraint_holds_during_the_burn_in_of_a_penalty(iris_rows):
    settings = {"burn_in": 0.9, "max_iter": 4, "tol": 0.0}
    model = encoder(SpectralNorm(0.7), alpha=10.0, **settings).fit(*iris_rows)
    assert_kept(model, SpectralNorm(0.7))


@pytest.mark.parametrize("constraint", [*NAMES, SVB(every=2), Parseval(include_head=True)])
def test_clone_and_pickle(iris_rows, constraint):
    model = encoder(constraint, max_iter=3)
    assert str(clone(model).get_params()) == str(model.get_params())
    model.fit(*iris_rows)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copy.predict_proba(iris_rows[0]), model.predict_proba(*iris_rows[:1])
    )
    assert model.net_.constraint is None


def test_a_fit_leaves_the_constraint_object_alone(iris_rows):
    constraint = SVB(0.2, every=2)
    encoder(constraint, max_iter=3).fit(*iris_rows)
    assert vars(constraint) == vars(SVB(0.2, every=2))


def test_settings_are_searched(iris_rows):
    grid = {"constraint__max_norm": [0.2, 2.0]}
    search = GridSearchCV(encoder(SpectralNorm(), penalty=None), grid, cv=2).fit(*iris_rows)
    assert search.best_params_ == {"constraint__max_norm": 2.0}
    by_name = GridSearchCV(encoder(None, max_iter=3), {"constraint": [None, *NAMES]}, cv=2)
    assert np.isfinite(by_name.fit(*iris_rows).cv_results_["mean_test_score"]).all()


def test_a_third_party_constraint_is_applied_after_every_step(iris_rows):
    class BoundNonNegative(BoundConstraint):
        n_projections = 0

        def __init__(self, layers):
            self.layers = layers

        def project(self):
            type(self).n_projections += 1
            for layer in self.layers:
                layer.weight.data.clamp_(min=0)

    class NonNegative(Constraint):
        def bind(self, backbone, head, *, generator, input_shape=None):
            return BoundNonNegative([backbone.hidden1])

    model = encoder(NonNegative(), hidden_layer_sizes=8, max_iter=4).fit(*iris_rows)
    assert (weights(model)[0] >= 0).all()
    assert (weights(model)[1] < 0).any()
    # before the first step; after each of 5 batches and at the end of the epoch, 4 times
    assert BoundNonNegative.n_projections == 1 + 4 * (5 + 1)


def test_solvers_that_call_back_are_projected_too(iris_rows):
    model = encoder(SpectralNorm(0.9), penalty=None, solver=torch.optim.LBFGS, batch_size=150)
    model.set_params(max_iter=3, learning_rate_init=0.5).fit(*iris_rows)
    assert_kept(model, SpectralNorm(0.9))


@pytest.mark.parametrize("constraint", NAMES)
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimators_pickle,
        estimator_checks.check_fit_idempotent,
        estimator_checks.check_dont_overwrite_parameters,
    ],
    ids=lambda check: check.__name__,
)
def test_key_checks_of_scikit_learn(check, constraint):
    encoder = SpectrallyRegularizedEncoder(constraint=constraint, max_iter=20)
    check("SpectrallyRegularizedEncoder", encoder)


@pytest.mark.parametrize(
    ("constraint", "kind", "message"),
    [
        (
            "ball",
            ValueError,
            r"constraint='ball'.*'orthogonal', 'parseval', 'spectral_norm', 'svb'",
        ),
        (SpectralNorm, TypeError, r"constraint=.*instance with a `bind` method"),
        (3, ValueError, r"constraint"),
        (SpectralNorm(0), ValueError, r"max_norm=0 must be a number above 0"),
        (SVB(-1), ValueError, r"epsilon=-1 must be a number above 0"),
        (Parseval(2), ValueError, r"beta=2 must be a number above 0 and below 0\.5"),
    ],
)
def test_bad_constraints_name_themselves(iris_rows, constraint, kind, message):
    with pytest.raises(kind, match=message):
        encoder(constraint).fit(*iris_rows)


def test_a_failed_fit_leaves_the_weights_of_a_warm_start_alone(iris_rows):
    model = encoder(None, warm_start=True, max_iter=3).fit(*iris_rows)
    before = flat(model)
    with pytest.raises(TypeError, match="callbacks"):
        model.set_params(constraint=SpectralNorm(0.01), callbacks=["no callback"]).fit(*iris_rows)
    np.testing.assert_array_equal(flat(model), before)


@pytest.mark.slow
def test_orthogonal_layers_make_certificates_on_the_digits():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32) / 16, y, test_size=0.3, random_state=0, stratify=y
    )
    model = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(128, 128),
        activation="maxmin",
        constraint="orthogonal",
        penalty=None,
        weight_decay=0,
        objective=LipschitzMargin(0.5, epsilon_schedule="linear"),
        learning_rate_init=2e-3,
        batch_size=64,
        max_iter=100,
        n_iter_no_change=100,
        random_state=0,
    ).fit(X_train, y_train)
    right = model.predict(X_test) == y_test
    radii = np.where(right, certified_radius(model, X_test, scale=None), 0)
    assert right.mean() >= 0.97
    assert np.median(radii) >= 0.62
