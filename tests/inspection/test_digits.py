"""What adversarial training does to a network on the digits, by the diagnostics of this folder."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import (
    confidence_profile,
    feature_jacobian_spectrum,
    gradient_masking_report,
    layer_stretch,
    logit_margins,
)
from specreg_sklearn.objectives import Adversarial

SEEDS = (0, 1, 2)


def trained(seed, objective):
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.5, stratify=y, random_state=seed
    )
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(128, 64),
        penalty=None,
        weight_decay=0.0,
        objective=objective,
        learning_rate_init=2e-3,
        batch_size=64,
        max_iter=60,
        n_iter_no_change=60,
        random_state=seed,
    )
    return encoder.fit(X_train, y_train), X_test, y_test


@pytest.fixture(scope="module")
def pairs():
    """For every seed: a network trained plainly, one trained adversarially, test rows."""
    return [
        (*trained(seed, "cross_entropy"), trained(seed, Adversarial(epsilon=0.1, norm=np.inf))[0])
        for seed in SEEDS
    ]


@pytest.mark.slow
def test_layers_stretch_less(pairs):
    for plain, X, _, robust in pairs:
        before, after = (layer_stretch(model, X, radius=0.5) for model in (plain, robust))
        drop = 1 - after.column("adversarial_mean") / before.column("adversarial_mean")
        assert drop[-1] > 0.3  # the logits
        assert drop[-2] > 0.3  # the features
        assert (drop > 0).all()
        slope = [
            feature_jacobian_spectrum(model, X[:100])[:, 0].mean() for model in (plain, robust)
        ]
        assert slope[1] < 0.7 * slope[0]


@pytest.mark.slow
def test_confidence_and_the_spread_of_margins_fall(pairs):
    for plain, X, y, robust in pairs:
        sure, less = (confidence_profile(model, X, y) for model in (plain, robust))
        assert less.max_probability.mean() < sure.max_probability.mean()
        assert less.entropy.mean() > sure.entropy.mean()
        assert logit_margins(robust, X).std() < logit_margins(plain, X).std()


@pytest.mark.slow
def test_gradients_are_honest_and_accuracy_under_attack_rises(pairs):
    for plain, X, y, robust in pairs:
        reports = [
            gradient_masking_report(model, X, y, eps=[0.05, 0.1, 0.2], max_samples=150)
            for model in (plain, robust)
        ]
        assert all(report.passed for report in reports), reports
        assert reports[1].pgd[1] > reports[0].pgd[1] + 0.2
