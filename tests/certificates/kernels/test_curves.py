"""Quadratic functions around the curves that kernels are made of."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.certificates.kernels import Exponential, HyperbolicTangent, Power

CURVES = [Exponential(), HyperbolicTangent(), *(Power(degree) for degree in (1, 2, 3, 4, 5, 8))]
NAMES = [f"{type(curve).__name__} {getattr(curve, 'degree', '')}".strip() for curve in CURVES]


@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_curves_lie_between_their_quadratic_functions(curve):
    rng = np.random.default_rng(0)
    at = rng.uniform(-2, 2, size=300)
    low, high = -rng.exponential(1.0, 300), rng.exponential(1.0, 300)
    low[:20] = 0.0
    high[10:30] = 0.0
    below, above = curve.bends(at, low, high)
    share = np.linspace(0, 1, 101)[:, None]
    u = low + share * (high - low)
    rest = curve.value(at + u) - curve.value(at) - curve.slope(at) * u
    noise = 1e-12 * (1 + np.abs(curve.value(at + u)) + np.abs(curve.slope(at) * u))
    assert (rest >= below * u * u - noise).all()
    assert (rest <= above * u * u + noise).all()
    # Not by a wide margin: one end or another is attained to within a factor.
    wide = (high - low) > 0.5
    gap = np.min(rest - below * u * u, axis=0)[wide]
    assert np.median(gap) < 0.05


@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_slopes_are_derivatives(curve):
    at, h = np.linspace(-1.5, 1.5, 31), 1e-6
    numeric = (curve.value(at + h) - curve.value(at - h)) / (2 * h)
    np.testing.assert_allclose(curve.slope(at), numeric, rtol=1e-6, atol=1e-8)
