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


def _boxes(radius, n_moves, rng):
    """Return boxes with open, narrow, one-sided and closed columns."""
    size = np.array([0.0, 0.2, 0.7, np.inf])
    low, high = (rng.choice(size, (len(radius), n_moves)) * radius[:, None] for _ in range(2))
    return -np.nan_to_num(low, nan=0.0, posinf=np.inf), np.nan_to_num(high, posinf=np.inf)


def _least_in_box(form, slope, radius, norm, low, high):
    """Return the minimum of a convex function, by columns that move upwards and downwards."""
    n = len(slope)
    low, high = np.maximum(low, -radius), np.minimum(high, radius)

    def move(parts):
        return parts[:n] - parts[n:]

    def rise(parts):
        there = slope + 2 * form @ move(parts)
        return np.concatenate([there, -there])

    inside = {
        1: lambda parts: radius - parts.sum(),
        2: lambda parts: radius**2 - move(parts) @ move(parts),
    }.get(norm)
    found = minimize(
        lambda parts: _value(form, slope, move(parts)),
        np.zeros(2 * n),
        jac=rise,
        bounds=list(zip(np.zeros(2 * n), np.concatenate([high, -low]), strict=True)),
        constraints=[{"type": "ineq", "fun": inside}] if inside else [],
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 400},
    )
    return found.fun


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_bounds_in_boxes_are_those_of_an_optimiser(norm):
    rng = np.random.default_rng(6)
    form, slope, radius = _problems(20, 5, seed=7, sign=1)
    low, high = _boxes(radius, 5, rng)
    bound = lowest_in_balls(form, slope, radius, as_norm(norm), (low, high)).bound
    true = np.array(
        [
            _least_in_box(f, g, r, norm, *ends)
            for f, g, r, *ends in zip(form, slope, radius, low, high, strict=True)
        ]
    )
    assert (bound <= true + 1e-7).all()
    assert np.median((true - bound) / np.abs(true)) < 1e-5
    assert np.max((true - bound) / np.abs(true)) < 0.02


@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_no_sample_of_a_box_is_below_a_bound(norm, sign):
    rng = np.random.default_rng(8)
    form, slope, radius = _problems(40, 6, seed=9, sign=sign)
    box = _boxes(radius, 6, rng)
    bound, move = lowest_in_balls(form, slope, radius, as_norm(norm), box)
    least = np.empty(len(radius))
    for i, r in enumerate(radius):
        steps = rng.normal(size=(4000, 6)) * (rng.random((4000, 6)) < 0.6)
        steps[:2000] = np.sign(steps[:2000])
        steps *= r / np.maximum(as_norm(norm).length(steps), 1e-9)[:, None]
        steps = np.clip(np.vstack([steps, move[i : i + 1]]), box[0][i], box[1][i])
        steps *= np.minimum(1.0, r / np.maximum(as_norm(norm).length(steps), 1e-9))[:, None]
        least[i] = _value(form[i], slope[i], steps).min()
    assert (bound <= least + 1e-9).all()
    # The box counts: without one bounds are lower.
    wide = lowest_in_balls(form, slope, radius, as_norm(norm)).bound
    assert np.median(bound / wide) < 0.95
    assert np.median(bound / least) < 1.5


def test_a_bound_that_is_asked_for_is_no_other():
    """What is enough ends the search, and says nothing else."""
    rng = np.random.default_rng(10)
    form, slope, radius = _problems(60, 6, seed=11)
    box = _boxes(radius, 6, rng)
    for norm in (1, 2, np.inf):
        best = lowest_in_balls(form, slope, radius, as_norm(norm), box).bound
        for share in (0.9, 1.1):
            asked = lowest_in_balls(form, slope, radius, as_norm(norm), box, share * best).bound
            assert ((asked > share * best) == (share > 1)).mean() > 0.8
            assert (asked <= best + 1e-6 * np.abs(best)).all()


def test_rows_do_not_depend_on_each_other():
    form, slope, radius = _problems(9, 12, seed=5)
    box = _boxes(radius, 12, np.random.default_rng(12))
    for norm in (1, 2, np.inf):
        for low, high in ((-1e9 + 0 * slope, 1e9 + 0 * slope), box):
            together = lowest_in_balls(form, slope, radius, as_norm(norm), (low, high))
            some = slice(4, 5)
            alone = lowest_in_balls(
                form[some], slope[some], radius[some], as_norm(norm), (low[some], high[some])
            )
            np.testing.assert_array_equal(alone.bound, together.bound[some])
            np.testing.assert_array_equal(alone.move, together.move[some])
