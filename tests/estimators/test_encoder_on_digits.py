"""What adversarial training does to the digits: harder to fool, less sure, smaller margins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import Adversarial, CrossEntropy, Gradient, Linearity, Trades
from tests.grids import few_fast

EPSILON = 0.1


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.5, stratify=y, random_state=0)


@pytest.fixture(scope="module")
def plain(digits):
    return diagnostics(fitted(CrossEntropy(), digits), digits)


def fitted(objective, rows, epochs=25):
    model = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(128, 64),
        objective=objective,
        penalty=None,
        weight_decay=0.0,
        batch_size=64,
        learning_rate_init=2e-3,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=0,
    )
    return model.fit(rows[0], rows[2])


def accuracy_under_attack(model, X, y, n_steps=20):
    """An attack of its own, in the pixel box: right on the clean row and on every row met."""
    X, y = torch.tensor(X), torch.tensor(y)
    draws = torch.rand(X.shape, generator=torch.Generator().manual_seed(9), dtype=X.dtype)
    low, high = (X - EPSILON).clamp_min(0), (X + EPSILON).clamp_max(1)
    rows = low + draws * (high - low)
    right = model.module_(X).argmax(1) == y
    for _ in range(n_steps):
        rows.requires_grad_()
        loss = torch.nn.functional.cross_entropy(model.module_(rows), y, reduction="sum")
        (slopes,) = torch.autograd.grad(loss, rows)
        step = 2.5 * EPSILON / n_steps * slopes.sign()
        rows = (rows.detach() + step).clamp(low, high)
        right &= model.module_(rows).argmax(1) == y
    return right.double().mean().item()


def diagnostics(model, rows):
    X, y = rows[1], rows[3]
    logits = np.sort(model._logits(X), axis=1)
    return {
        "accuracy": model.score(X, y),
        "under attack": accuracy_under_attack(model, X, y),
        "confidence": model.predict_proba(X).max(axis=1).mean(),
        "margin spread": (logits[:, -1] - logits[:, -2]).std(),
    }


def test_adversarial_training(digits, plain):
    held = diagnostics(fitted(Adversarial(EPSILON), digits), digits)
    assert held["under attack"] > plain["under attack"] + 0.2
    assert held["confidence"] < plain["confidence"]
    assert held["margin spread"] < plain["margin spread"]
    assert held["accuracy"] > 0.93


@pytest.mark.parametrize(
    "objective",
    few_fast(
        [
            Gradient(EPSILON),
            Linearity(EPSILON),
            Trades(EPSILON),
            Adversarial(EPSILON, feature_range=(0, 1), epsilon_schedule="linear"),
        ],
        2,
    ),
    ids=["gradient", "linearity", "trades", "in the box, growing"],
)
def test_other_objectives_make_the_digits_harder_to_fool(digits, plain, objective):
    held = diagnostics(fitted(objective, digits), digits)
    assert held["under attack"] > plain["under attack"] + 0.2
    assert held["accuracy"] > 0.9
