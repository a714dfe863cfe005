"""Projections against a solver, steepest directions against brute force, draws by their radii."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.stats import kstest

from specreg_sklearn.objectives.perturbations._balls import (
    BALLS,
    row_norms,
    steepest,
)
from specreg_sklearn.space import as_norm

NORMS = [1, 2, math.inf]


def nearest_by_slsqp(point, norm, radius):
    """Split the point in positive and negative parts, so that every ball is smooth."""
    n = len(point)

    def move(parts):
        return parts[:n] - parts[n:]

    limits = {
        1: lambda parts: radius - parts.sum(),
        2: lambda parts: radius**2 - (move(parts) ** 2).sum(),
        math.inf: lambda parts: radius - parts,
    }
    found = minimize(
        lambda parts: ((move(parts) - point) ** 2).sum(),
        np.zeros(2 * n),
        jac=lambda parts: np.tile(2 * (move(parts) - point), 2) * np.repeat([1, -1], n),
        bounds=[(0, None)] * (2 * n),
        constraints={"type": "ineq", "fun": limits[norm]},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return move(found.x)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", [0.3, 2.0, 40.0])
def test_projection_is_the_nearest_point_of_a_solver(norm, radius):
    points = np.random.default_rng(0).normal(size=(6, 5)) * [[0.1], [1], [1], [3], [10], [0]]
    ours = BALLS[norm].nearest(torch.tensor(points), radius).numpy()
    theirs = [nearest_by_slsqp(point, norm, radius) for point in points]
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


moves = arrays(np.float64, (3, 4), elements=st.floats(-1e3, 1e3, width=32))


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=60, deadline=None)
@given(moves=moves, radius=st.floats(1e-3, 1e3))
def test_projections_end_in_the_ball_and_leave_it_alone(norm, moves, radius):
    moves = torch.tensor(moves)
    inside = BALLS[norm].nearest(moves, radius)
    assert (row_norms(inside, norm) <= radius * (1 + 1e-9)).all()
    stays = row_norms(moves, norm) <= radius
    torch.testing.assert_close(inside[stays], moves[stays], rtol=0, atol=0)
    torch.testing.assert_close(BALLS[norm].nearest(inside, radius), inside, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_a_ball_without_radius_is_its_centre(norm):
    moves = torch.tensor([[3.0, -1.0], [0.0, 0.0]])
    assert not BALLS[norm].nearest(moves, 0.0).any()


@pytest.mark.parametrize("norm", NORMS)
def test_steepest_moves_reach_the_dual_norm_and_no_other_move_more(norm):
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(7, 5))
    best = steepest(torch.tensor(gradients), norm).numpy()
    order = {1: 1, 2: 2, math.inf: np.inf}[norm]
    np.testing.assert_allclose(np.linalg.norm(best, order, axis=1), 1)
    gains = (best * gradients).sum(axis=1)
    np.testing.assert_allclose(gains, np.linalg.norm(gradients, as_norm(norm).dual.order, axis=1))
    others = rng.normal(size=(20_000, 5))
    others /= np.linalg.norm(others, order, axis=1, keepdims=True)
    assert ((others @ gradients.T).max(axis=0) <= gains + 1e-12).all()


@pytest.mark.parametrize("norm", NORMS)
def test_directions_of_tiny_gradients_do_not_vanish_and_of_none_there_is_none(norm):
    """Confident rows have slopes whose squares single precision does not hold."""
    gradients = torch.tensor([[3e-30, -4e-30], [0.0, 0.0]])
    moves = steepest(gradients, norm)
    expected = {1: [0.0, -1.0], 2: [0.6, -0.8], math.inf: [1.0, -1.0]}[norm]
    torch.testing.assert_close(moves[0], torch.tensor(expected))
    assert not moves[1].any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n_features", [1, 4])
def test_draws_fill_the_ball_evenly(norm, n_features, generator):
    """Of an even draw, the share inside a fraction t of the radius is t ** n_features."""
    like = torch.zeros(4000, n_features, dtype=torch.float64)
    points = BALLS[norm].drawn(like, 0.7, generator)
    radii = row_norms(points, norm) / 0.7
    assert radii.max() <= 1 + 1e-12
    assert kstest(radii.numpy() ** n_features, "uniform").pvalue > 0.01
    assert (points.mean(0).abs() < 0.05).all()
    assert kstest((points[:, 0] > 0).double().numpy(), [0, 1]).statistic < 0.05


@pytest.mark.parametrize("norm", NORMS)
def test_draws_come_from_the_generator_alone(norm):
    like = torch.zeros(5, 2, 3)
    first, again = (
        BALLS[norm].drawn(like, 1.0, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert first.shape == like.shape and first.dtype == like.dtype
    moving = torch.Generator().manual_seed(3)
    assert not torch.equal(*(BALLS[norm].drawn(like, 1.0, moving) for _ in range(2)))
