"""Sums of kernels by Taylor's formula, against their values and the sums of their parts."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.certificates.kernels import (
    Exponential,
    HyperbolicTangent,
    Power,
    TaylorSum,
)

CURVES = {
    "exponential": Exponential(),
    "tanh": HyperbolicTangent(),
    "degree 3": Power(3),
    "degree 12": Power(12),
}


@pytest.mark.parametrize("name", CURVES)
def test_terms_and_tails_are_those_of_the_curve(name):
    curve, rng = CURVES[name], np.random.default_rng(0)
    at, reach = rng.uniform(-1.2, 1.2, 200), rng.uniform(0.05, 1.1, 200)
    for order in (2, 5, 10):
        terms = curve.taylor(at, order)
        tail = curve.tail(at, reach, order)
        rest = np.zeros_like(at)
        for share in np.linspace(-1, 1, 41):
            u = share * reach
            value = sum(terms[k] * u**k for k in range(order + 1))
            rest = np.maximum(rest, np.abs(curve.value(at + u) - value))
        noise = 1e-12 * (np.abs(terms).sum(axis=0) + np.abs(curve.value(np.abs(at) + reach)))
        assert (rest <= tail + noise).all()
        seen = rest > 1e3 * noise
        if seen.any() and name != "tanh":
            assert np.median(tail[seen] / rest[seen]) < 3


def _sum(name, seed, n=6, m=40):
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(m, n)) * 0.4
    start, weight = rng.uniform(-0.5, 0.5, m), rng.normal(size=m)
    weight -= weight.mean()
    return CURVES[name], start, weight, direction


@pytest.mark.parametrize("radius", [0.1, 0.6, 1.5])
@pytest.mark.parametrize("name", CURVES)
def test_no_move_is_below_the_quadratic_function(name, radius):
    rng = np.random.default_rng(1)
    for seed in range(8):
        curve, start, weight, direction = _sum(name, seed)
        reach = radius * np.linalg.norm(direction, axis=1)
        if name == "tanh":
            reach = np.minimum(reach, 1.2)
        taylor = TaylorSum(curve, start, weight, direction, reach)
        if seed == 7:
            # Of the lowest order the tail is the most of it.
            taylor.order, taylor.higher = 2, []
        moves = rng.normal(size=(4000, direction.shape[1]))
        moves *= (radius * rng.random(4000) ** 0.2 / np.linalg.norm(moves, axis=1))[:, None]
        numbers = moves @ direction.T
        moves = moves[(np.abs(numbers) <= reach).all(axis=1)]
        # Along the largest of the higher derivatives, where bounds are near.
        if taylor.higher:
            main = np.linalg.eigh(taylor.higher[0])[1][:, -1]
            along = np.outer(np.linspace(-radius, radius, 201), main)
            moves = np.vstack([moves, along[(np.abs(along @ direction.T) <= reach).all(axis=1)]])
        true = (weight * curve.value(start + moves @ direction.T)).sum(axis=1)
        for towards in (moves[0], moves[-1], np.zeros(direction.shape[1])):
            base, linear, form, size = taylor.below(towards, radius, reach)
            value = base + moves @ linear + ((moves @ form) * moves).sum(axis=1)
            assert (value <= true + 1e-12 * size).all()


def test_one_ridge_is_bounded_to_its_last_term():
    """The derivatives of a single term are as large as their bounds, in its direction."""
    d = np.array([[0.6, -0.8]])
    taylor = TaylorSum(Exponential(), np.zeros(1), np.array([-1.0]), d, np.array([0.5]))
    base, linear, form, _ = taylor.below(d[0], 0.5, np.array([0.5]))
    move = 0.5 * d[0]
    assert base + linear @ move + move @ form @ move == pytest.approx(-np.exp(0.5), rel=2e-3)
    assert base + linear @ move + move @ form @ move < -np.exp(0.5)


def test_terms_of_both_signs_cancel():
    rng = np.random.default_rng(3)
    direction = rng.normal(size=(300, 5)) * 0.3
    weight = np.where(np.arange(300) % 2, 1.0, -1.0)
    reach = np.linalg.norm(direction, axis=1)
    taylor = TaylorSum(Exponential(), np.zeros(300), weight, direction, reach)
    together = np.sqrt(np.linalg.eigvalsh(taylor.higher[0])[-1])
    one_by_one = float((reach**3).sum() / 6)
    assert together < 0.2 * one_by_one
    # Nor is it less than what the form reaches.
    t = rng.normal(size=(20000, 5))
    t /= np.linalg.norm(t, axis=1)[:, None]
    reached = np.abs((weight * (t @ direction.T) ** 3).sum(axis=1) / 6).max()
    assert reached <= together <= 3 * reached


def test_the_order_follows_the_reach():
    curve, start, weight, direction = _sum("exponential", 5)
    lengths = np.linalg.norm(direction, axis=1)
    orders = [TaylorSum(curve, start, weight, direction, r * lengths).order for r in (1e-3, 0.3, 2)]
    assert orders == sorted(orders)
    assert orders[0] < orders[-1] <= 10
    assert not TaylorSum(curve, start, weight, direction, 1e-3 * lengths).is_fine(2 * lengths)
    cubic = TaylorSum(Power(3), start, weight, direction, lengths)
    assert cubic.tail(lengths) == 0
    assert cubic.order == 3
