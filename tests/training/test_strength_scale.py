"""The rule of ``alpha="scale"`` on figures that are made up, and losses at the best temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import log_loss

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.training import HeldOutRows
from specreg_sklearn.training._held_out_rows import HeldOutLook, in_standard_errors
from specreg_sklearn.training._strength_scale import Trial, search_from

# Ninety-nine rows, of which every one differs a little from the others.
NOISE = np.linspace(-1, 1, 99) / 10
SHARES = np.full(99, 1 / 99)
# A mean difference of so much is one standard error.
ERROR = np.sqrt(np.mean(NOISE**2) / 99)


def encoder(**changes):
    settings = {"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 1e-2}
    return SpectrallyRegularizedEncoder(batch_size=32, random_state=0, **settings, **changes)


def search(certificates, rises=None, first=0.04, noise=NOISE):
    """Return what is chosen, and what was trained, by certificates and losses of each strength."""
    rises = rises or {}
    trained = []

    def trial(strength):
        trained.append(strength)
        mean = rises.get(strength, 0.0) * ERROR
        calibrated = 0.3 + mean + noise * (strength != first)
        certificate = certificates[strength]
        look = HeldOutLook(0.9, 0.3, certificate, calibrated, np.zeros(99, dtype=bool))
        return Trial(strength, look, calibrated)

    trials, chosen = search_from(trial(first), 1.0, trial, SHARES)
    assert [trial.strength for trial in trials] == sorted(trained)
    return chosen, trained


@pytest.mark.parametrize(
    ("certificates", "rises", "chosen", "trained"),
    [
        ({0.04: 1.5, 0.08: 2.3}, {}, 0.08, [0.04, 0.08]),
        ({0.04: 1.5, 0.08: 1.8, 0.16: 2.3}, {}, 0.16, [0.04, 0.08, 0.16]),
        ({0.04: 1.1, 0.08: 1.3, 0.16: 1.5}, {}, 0.16, [0.04, 0.08, 0.16]),
        # The loss may not rise by more than one and a half standard errors.
        ({0.04: 1.5, 0.08: 2.3}, {0.08: 1.4}, 0.08, [0.04, 0.08]),
        ({0.04: 1.5, 0.08: 2.3}, {0.08: 1.6}, 0.04, [0.04, 0.08]),
        ({0.04: 1.9, 0.08: 2.3, 0.02: 1.8}, {0.08: 1.6, 0.02: -1}, 0.02, [0.04, 0.08, 0.02]),
        ({0.04: 1.5, 0.08: 1.7, 0.16: 2.3}, {0.08: 1, 0.16: 2}, 0.08, [0.04, 0.08, 0.16]),
        # Enough already, and a weaker one is as well, with less loss.
        ({0.04: 2.4, 0.02: 1.8}, {0.02: -1}, 0.02, [0.04, 0.02]),
        ({0.04: 2.4, 0.02: 2.3}, {0.02: 1}, 0.04, [0.04, 0.02]),
        ({0.04: 2.4, 0.02: 1.7}, {0.02: -1}, 0.04, [0.04, 0.02]),
        # Twice as much hardly helps: half as much may be as good.
        ({0.04: 1.5, 0.08: 1.6, 0.02: 1.42}, {0.02: -1}, 0.02, [0.04, 0.08, 0.02]),
        ({0.04: 1.5, 0.08: 1.6, 0.02: 1.42}, {0.02: 1}, 0.04, [0.04, 0.08, 0.02]),
        ({0.04: 1.5, 0.08: 1.6, 0.02: 1.39}, {0.02: -1}, 0.04, [0.04, 0.08, 0.02]),
        ({0.04: 1.5, 0.08: 1.7, 0.16: 1.75}, {}, 0.08, [0.04, 0.08, 0.16]),
    ],
)
def test_the_weakest_strength_that_doubles_the_certificate(certificates, rises, chosen, trained):
    assert search(certificates, rises) == (chosen, trained)


@pytest.mark.parametrize(("rise", "chosen"), [(2.5, 0.08), (2.6, 0.04)])
def test_a_twentieth_more_loss_is_too_much_even_where_it_may_be_noise(rise, chosen):
    # Here a standard error is a twelfth of the loss.
    assert search({0.04: 1.5, 0.08: 2.3}, {0.08: rise}, noise=4 * NOISE)[0] == chosen


def test_no_strength_is_below_the_least():
    falls = {0.001: -1.0}
    assert search({0.002: 9.0, 0.001: 9.0}, falls, first=0.002) == (0.001, [0.002, 0.001])
    assert search({0.0015: 9.0}, first=0.0015) == (0.0015, [0.0015])


def test_differences_in_their_standard_errors():
    differences = np.random.default_rng(0).normal(0.1, 1, (2, 400))
    equal = np.full(400, 1 / 400)
    wanted = differences.mean(axis=1) / (differences.std(axis=1) / 20)
    np.testing.assert_allclose(in_standard_errors(differences, equal), wanted)
    exact = np.full(256, 1 / 256)
    assert in_standard_errors(np.full(256, 0.25), exact) == np.inf
    assert in_standard_errors(np.full(256, -0.25), exact) == 0


@pytest.mark.parametrize("factor", [1e-3, 1.0, 50.0])
def test_losses_at_the_best_temperature_are_those_that_another_search_finds(iris_rows, factor):
    X, y = iris_rows
    rng = np.random.default_rng(0)
    y = np.where(rng.random(150) < 0.2, rng.permutation(y), y)
    weights = rng.random(150)
    model = encoder().fit(X, y)
    with torch.no_grad():
        for values in model.module_.head.parameters():
            values.mul_(factor)
    logits = model.decision_function(X).astype(np.float64)

    def loss(log_factor):
        shares = np.exp(logits * np.exp(log_factor[0]))
        shares /= shares.sum(axis=1, keepdims=True)
        return log_loss(y, shares, sample_weight=weights)

    best = minimize(loss, [-np.log(factor)], method="Nelder-Mead", tol=1e-12).fun
    held_out = HeldOutRows(X, y, weights)
    found = held_out.calibrated_losses(model.net_) @ held_out.shares
    assert found == pytest.approx(best, rel=1e-6)
    assert found <= held_out.log_loss(model.net_) * (1 + 1e-12)


def test_networks_one_after_another_have_certificates_of_their_own(iris_rows):
    X, y = iris_rows
    held_out = HeldOutRows(X, y, np.ones(150))
    models = [encoder(alpha=alpha).fit(X, y) for alpha in (0.0, 0.1)]
    together = [held_out.look(model.net_).certificate for model in (*models, models[0])]
    alone = [HeldOutRows(X, y, np.ones(150)).look(m.net_).certificate for m in models]
    assert together == [*alone, alone[0]]
    assert alone[0] != alone[1]
