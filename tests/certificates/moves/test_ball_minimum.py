"""Lower bounds of quadratic functions in balls, against corners, optimisers and samples."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

from specreg_sklearn.certificates.moves import lowest_in_balls
from specreg_sklearn.space import as_norm


def _problems(n_rows, n_moves, seed, *, sign=0):
    """Return forms, slopes and radii; forms are of both signs, or of one."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n_rows, n_moves, n_moves))
    values = (
        rng.normal(size=(n_rows, n_moves)) if sign == 0 else sign * rng.random((n_rows, n_moves))
    )
    vectors = np.linalg.qr(root)[0]
    form = np.matmul(vectors * values[:, None, :], np.swapaxes(vectors, 1, 2))
    return form, rng.normal(size=(n_rows, n_moves)), rng.uniform(0.2, 3.0, n_rows)


def _value(form, slope, t):
    return t @ slope + np.einsum("...i,ij,...j->...", t, form, t)


def _optimised(form, slope, radius, rng):
    """Return the least value in the ball of L2 that a local optimiser finds from many starts."""
    ball = {"type": "ineq", "fun": lambda t: radius**2 - t @ t}
    best = np.inf
    for start in rng.normal(size=(12, len(slope))):
        start *= radius / np.linalg.norm(start)
        found = minimize(
            lambda t: _value(form, slope, t),
            start,
            jac=lambda t: slope + 2 * form @ t,
            constraints=[ball],
            options={"ftol": 1e-14},
        )
        inside = found.x * min(1.0, radius / np.linalg.norm(found.x))
        best = min(best, _value(form, slope, inside))
    return best


def test_bounds_are_exact_in_l2():
    rng = np.random.default_rng(1)
    form, slope, radius = _problems(15, 4, seed=0)
    bound, move = lowest_in_balls(form, slope, radius, as_norm(2))
    true = np.array([_optimised(f, g, r, rng) for f, g, r in zip(form, slope, radius, strict=True)])
    assert (bound <= true + 1e-9).all()
    np.testing.assert_allclose(bound, true, rtol=1e-6)
    reached = [_value(f, g, t) for f, g, t in zip(form, slope, move, strict=True)]
    np.testing.assert_allclose(reached, true, rtol=1e-5)


@pytest.mark.parametrize("norm", [1, np.inf])
def test_concave_functions_are_lowest_at_corners(norm):
    n = 4
    form, slope, radius = _problems(30, n, seed=2, sign=-1)
    corners = (
        np.vstack([np.eye(n), -np.eye(n)])
        if norm == 1
        else np.array(list(product([-1.0, 1.0], repeat=n)))
    )
    true = np.array(
        [_value(f, g, r * corners).min() for f, g, r in zip(form, slope, radius, strict=True)]
    )
    bound = lowest_in_balls(form, slope, radius, as_norm(norm)).bound
    assert (bound <= true + 1e-9).all()
    if norm == 1:
        np.testing.assert_allclose(bound, true, rtol=1e-9)
    else:
        assert np.median(bound / true) < 1.2


@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_no_sample_is_below_a_bound(norm, sign):
    rng = np.random.default_rng(3)
    form, slope, radius = _problems(40, 6, seed=4, sign=sign)
    slope[:5] = 0.0
    form[5:8] = 0.0
    bound = lowest_in_balls(form, slope, radius, as_norm(norm)).bound
    assert np.isfinite(bound).all()
    steps = rng.normal(size=(3000, 6)) * (rng.random((3000, 6)) < 0.6)
    steps = np.vstack([steps, np.sign(steps)])
    steps = steps[np.abs(steps).any(axis=1)]
    steps /= as_norm(norm).length(steps)[:, None]
    for f, g, r, low in zip(form, slope, radius, bound, strict=True):
        assert low <= _value(f, g, r * steps).min() + 1e-9
        assert low <= 1e-12


def test_rows_do_not_depend_on_each_other():
    form, slope, radius = _problems(9, 12, seed=5)
    for norm in (1, 2, np.inf):
        together = lowest_in_balls(form, slope, radius, as_norm(norm))
        alone = lowest_in_balls(form[4:5], slope[4:5], radius[4:5], as_norm(norm))
        np.testing.assert_array_equal(alone.bound, together.bound[4:5])
        np.testing.assert_array_equal(alone.move, together.move[4:5])
