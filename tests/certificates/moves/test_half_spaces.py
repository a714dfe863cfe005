"""Shortest moves into half-spaces inside boxes, against solvers that know nothing of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from specreg_sklearn.certificates.moves import nearest_in_half_spaces
from specreg_sklearn.space import as_norm


def _problems(n_rows, n_moves, seed):
    """Return slopes, gaps and boxes; some columns are flat, closed or open."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(size=(n_rows, n_moves)) * (rng.random((n_rows, n_moves)) < 0.8)
    low, high = (
        rng.choice([0.0, 0.3, 1.0, np.inf], (n_rows, n_moves), p=[0.2, 0.4, 0.3, 0.1])
        for _ in range(2)
    )
    return slope, rng.exponential(0.8, n_rows), (-low, high)


def _by_solver(slope, gap, order, low, high):
    """Return the length of the shortest move, by a linear program or by an optimiser."""
    n = len(slope)
    if order == 2:
        room = np.where(slope > 0, high, -low)
        found = minimize(
            lambda t: t @ t,
            np.clip(slope, low, high) * 0.5,
            jac=lambda t: 2 * t,
            bounds=list(zip(low, high, strict=True)),
            constraints=[{"type": "ineq", "fun": lambda t: slope @ t - gap}],
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        possible = (np.abs(slope) * np.where(slope != 0, room, 0.0)).sum() >= gap
        return np.sqrt(found.fun) if possible else np.inf
    # Columns are moves upwards and downwards, and in Linf the length.
    ends = [*zip(np.zeros(n), high, strict=True), *zip(np.zeros(n), -low, strict=True)]
    if order == 1:
        cost, rows, right = np.ones(2 * n), [np.append(-slope, slope)], [-gap]
    else:
        ends.append((0, None))
        cost = np.append(np.zeros(2 * n), 1.0)
        rows = [np.concatenate([-slope, slope, [0.0]])]
        each = np.hstack([np.eye(n), np.eye(n), -np.ones((n, 1))])
        rows, right = np.vstack([rows, each]), np.append(-gap, np.zeros(n))
    found = linprog(
        cost, A_ub=rows, b_ub=right, bounds=[(a, None if b == np.inf else b) for a, b in ends]
    )
    return found.fun if found.status == 0 else np.inf


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_distances_and_moves_are_those_of_a_solver(order):
    slope, gap, box = _problems(80, 6, seed=0)
    distance, move = nearest_in_half_spaces(slope, gap, order, box)
    true = np.array(
        [_by_solver(s, g, order, *ends) for s, g, *ends in zip(slope, gap, *box, strict=True)]
    )
    np.testing.assert_array_equal(np.isfinite(distance), np.isfinite(true))
    some = np.isfinite(true)
    assert 10 < some.sum() < 80
    np.testing.assert_allclose(distance[some], true[some], rtol=1e-6)
    assert (distance[some] <= true[some] * (1 + 1e-7)).all()
    assert np.isnan(move[~some]).all()
    t = move[some]
    assert ((t >= box[0][some]) & (t <= box[1][some])).all()
    np.testing.assert_allclose((slope[some] * t).sum(axis=1), gap[some], rtol=1e-12)
    np.testing.assert_allclose(as_norm(order).length(t), distance[some], rtol=1e-11)


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_open_space_needs_no_box(order):
    slope, gap, _ = _problems(30, 5, seed=1)
    slope[0], gap[:3] = 0.0, [1.0, 0.0, -2.0]
    everywhere = np.full(slope.shape, -np.inf), np.full(slope.shape, np.inf)
    distance, move = nearest_in_half_spaces(slope, gap, order, None)
    inside, same = nearest_in_half_spaces(slope, gap, order, everywhere)
    np.testing.assert_array_equal(distance, inside)
    np.testing.assert_array_equal(move, same)
    assert np.isinf(distance[0])
    assert (distance[1:3] == 0).all()
    assert (move[1:3] == 0).all()


def test_ends_that_nearly_suffice_are_no_lower_bound_too_many():
    """A last column with hardly a slope has to go far, and sums over the others round."""
    slope = np.array([[1.0, 3.0, 1e-9]])
    box = np.full((1, 3), 0.0), np.array([[0.1, 0.3, np.inf]])
    for order in (1, 2, np.inf):
        distance, move = nearest_in_half_spaces(slope, np.array([1.0 + 1e-9]), order, box)
        true = as_norm(order).length(np.array([[0.1, 0.3, 1.0]]))
        assert distance <= true
        np.testing.assert_allclose(distance, true, rtol=1e-5)
        np.testing.assert_allclose(move, [[0.1, 0.3, 1.0]], rtol=1e-5)
