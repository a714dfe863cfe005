"""Training for certificates with activations that sort: how much is proved, at which accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.objectives import LipschitzMargin


def digits_trained(seed, activation="maxmin"):
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=seed, stratify=y)
    model = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(128, 64),
        activation=activation,
        penalty=None,
        weight_decay=0.0,
        objective=LipschitzMargin(0.45, epsilon_schedule="linear"),
        learning_rate_init=3e-3,
        max_iter=120,
        n_iter_no_change=1000,
        random_state=seed,
    )
    return model.fit(X, y), X_test, y_test


def pushed(model, X, radius, n_steps=40):
    """Climb the log loss of the predicted labels inside balls of given radii."""
    own = torch.from_numpy(model.predict(X))
    centre, size = torch.from_numpy(X), torch.from_numpy(radius.astype(np.float32))[:, None]
    rows = centre.clone()
    for _ in range(n_steps):
        rows.requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(model.module_(rows), own, reduction="sum")
        (slope,) = torch.autograd.grad(loss, rows)
        with torch.no_grad():
            step = rows + 0.2 * size * slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-30)
            move = step - centre
            rows = centre + move * (size / move.norm(dim=1, keepdim=True)).clamp_max(1)
    return rows.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maxmin_is_accurate_where_much_is_proved_and_no_attack_breaks_it(seed):
    model, X, y = digits_trained(seed)
    right = model.predict(X) == y
    radius = certified_radius(model, X, norm=2, scale=None)
    assert right.mean() >= 0.96
    assert np.median(np.where(right, radius, 0)) >= 0.55
    proved = radius > 0
    X, radius = X[proved], radius[proved]
    inside = pushed(model, X, 0.999 * radius)
    np.testing.assert_array_equal(model.predict(inside), model.predict(X))
    beyond = pushed(model, X, 4 * radius)
    assert (model.predict(beyond) != model.predict(X)).mean() > 0.5  # the attack can attack
