"""Gaps to the tangent and turning gradients: quadratic and linear losses have closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from specreg_sklearn.inspection import local_linearity, loss_curvature

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 5))
X = RNG.normal(size=(6, 5))


def quadratic(logits, codes):
    """1.5 s_0^2 - s_1^2 + 0.2 s_2^2: a Hessian with eigenvalues of both signs."""
    return (logits.square() * torch.tensor([1.5, -1.0, 0.2], dtype=torch.float64)).sum(dim=1)


HESSIAN = 2 * W.T @ np.diag([1.5, -1.0, 0.2]) @ W


def test_gap_of_a_quadratic_is_its_largest_eigenvalue(linear_model):
    gaps = local_linearity(
        linear_model(W), X, eps=0.3, norm=2, loss=quadratic, n_steps=300, n_starts=8
    )
    largest = np.abs(np.linalg.eigvalsh(HESSIAN)).max()
    np.testing.assert_allclose(gaps, 0.3**2 / 2 * largest, rtol=1e-4)


def test_gap_of_a_square_in_linf_is_at_a_corner(linear_model):
    def loss(logits, codes):
        return logits[:, 0] ** 2

    gaps = local_linearity(linear_model(W), X, eps=0.3, loss=loss)
    np.testing.assert_allclose(gaps, (0.3 * np.abs(W[0]).sum()) ** 2, rtol=1e-9)


def test_a_linear_loss_has_no_gap_and_no_curvature(linear_model):
    def loss(logits, codes):
        return logits[:, 2] - logits[:, 0]

    assert local_linearity(linear_model(W), X, eps=0.5, loss=loss).max() < 1e-12
    assert loss_curvature(linear_model(W), X, h=0.5, loss=loss).max() < 1e-12


def test_gap_of_cross_entropy_against_a_solver(linear_model):
    model, y = linear_model(W), np.array([0, 1, 2, 0, 1, 2])

    def loss(x, code):
        return -log_softmax(W @ x)[code]

    found = local_linearity(model, X, y, eps=0.4, norm=2, n_steps=100)
    for x, code, gap in zip(X, y, found, strict=True):
        slope = W.T @ (softmax(W @ x) - np.eye(3)[code])

        def negative(z, x=x, code=code, slope=slope):
            return -abs(loss(x + z, code) - loss(x, code) - slope @ z)

        ball = {"type": "ineq", "fun": lambda z: 0.16 - z @ z}
        starts = np.random.default_rng(1).normal(size=(20, 5)) * 0.1
        best = max(-minimize(negative, z, method="SLSQP", constraints=ball).fun for z in starts)
        assert gap == pytest.approx(best, rel=1e-3)


def test_units_stretch_the_ball(linear_model):
    def loss(logits, codes):
        return logits[:, 0] ** 2

    units = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    gaps = local_linearity(linear_model(W), X, eps=0.3, loss=loss, scale=units)
    np.testing.assert_allclose(gaps, (0.3 * np.abs(W[0] * units).sum()) ** 2, rtol=1e-9)


@pytest.mark.parametrize("direction", ["gradient", "gradient_sign", "one", "each"])
def test_curvature_of_a_quadratic(direction, linear_model):
    gradients = X @ HESSIAN
    given = {"one": np.arange(1.0, 6.0), "each": RNG.normal(size=X.shape)}
    z = {"gradient": gradients, "gradient_sign": np.sign(gradients), **given}[direction]
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    expected = np.linalg.norm(z @ HESSIAN, axis=-1) * np.ones(len(X))
    for h in (0.01, 2.0):
        found = loss_curvature(
            linear_model(W), X, h=h, direction=given.get(direction, direction), loss=quadratic
        )
        np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_curvature_of_cross_entropy_is_its_hessian(linear_model):
    model = linear_model(W)
    z = np.arange(1.0, 6.0) / np.linalg.norm(np.arange(1.0, 6.0))
    p = softmax(X @ W.T, axis=1)
    expected = [np.linalg.norm(W.T @ (np.diag(q) - np.outer(q, q)) @ W @ z) for q in p]
    found = loss_curvature(model, X, [0] * 6, h=1e-5, direction=z)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"h": 0.1, "direction": "up"}, "direction='up' is not"),
        ({"h": 0.1, "direction": np.ones(4)}, r"direction has shape \(4,\)"),
        ({"h": 0.1, "direction": np.zeros(5)}, "direction holds a zero vector"),
        ({"h": 0.1, "loss": "hinge"}, "loss='hinge' is not accepted"),
        ({"h": 0.1, "loss": lambda s, y: s.sum()}, "loss must return one number a row"),
    ],
)
def test_curvature_refuses(settings, message, linear_model):
    with pytest.raises(ValueError, match=message):
        loss_curvature(linear_model(W), X, **settings)
