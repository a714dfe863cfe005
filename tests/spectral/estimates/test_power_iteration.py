"""The block power iteration against SVDs of random, drifting, tied and vanishing matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn.spectral import BlockPowerIteration


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def random_matrix(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def with_spectrum(values, *, n_outputs, n_inputs, seed=0):
    left = torch.linalg.qr(random_matrix(n_outputs, len(values), seed=seed)).Q
    right = torch.linalg.qr(random_matrix(n_inputs, len(values), seed=seed + 1)).Q
    return left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right.T


def exact(weight):
    return float(torch.linalg.svdvals(weight.double())[0])


def gradient(top):
    """The gradient of the squared norm that the penalties take from a TopSubspace."""
    return 2 * top.images.T @ top.mixing @ top.directions


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (4, 30), (30, 4), (40, 40), (200, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_estimate_never_exceeds_the_norm(shape, dtype):
    for seed in range(3):
        weight = random_matrix(*shape, seed=seed, dtype=dtype)
        limit = exact(weight) * (1 + 1e-6)
        iteration = BlockPowerIteration(weight, generator=seeded(seed))
        for _ in range(10):
            assert iteration.estimate(weight) <= limit
            assert iteration.update(weight).squared_norm ** 0.5 <= limit


def test_the_estimate_never_exceeds_the_norm_of_a_matrix_it_was_not_made_for():
    iteration = BlockPowerIteration(random_matrix(15, 12, seed=0), generator=seeded(0))
    for seed in range(1, 20):
        stranger = random_matrix(15, 12, seed=seed)
        assert iteration.estimate(stranger) <= exact(stranger) * (1 + 1e-6)


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (3, 5), (30, 20), (100, 200)])
def test_converges_on_a_fixed_matrix(shape):
    weight = random_matrix(*shape)
    iteration = BlockPowerIteration(weight, generator=seeded(1))
    for _ in range(200):
        top = iteration.update(weight)
    assert top.squared_norm**0.5 == pytest.approx(exact(weight), rel=1e-6)


def test_more_steps_a_call_come_closer():
    weight = random_matrix(150, 150)
    errors = []
    for n_steps in (1, 5):
        iteration = BlockPowerIteration(weight, n_vectors=1, n_steps=n_steps, generator=seeded(0))
        for _ in range(3):
            top = iteration.update(weight)
        errors.append(exact(weight) - top.squared_norm**0.5)
    assert 0 <= errors[1] < errors[0]


def test_the_gradient_is_two_sigma_u_v_at_a_top_value_that_stands_apart():
    weight = with_spectrum([5.0, 3.0, 2.0, 1.0], n_outputs=7, n_inputs=6)
    iteration = BlockPowerIteration(weight, generator=seeded(0))
    for _ in range(60):
        top = iteration.update(weight)
    left, values, right = np.linalg.svd(weight.numpy())
    expected = 2 * values[0] * np.outer(left[:, 0], right[0])
    np.testing.assert_allclose(gradient(top).numpy(), expected, atol=1e-9)


def test_the_directions_are_orthonormal_and_the_images_belong_to_them():
    weight = random_matrix(12, 9)
    top = BlockPowerIteration(weight, n_vectors=4, generator=seeded(0)).update(weight)
    identity = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(top.directions @ top.directions.T, identity)
    torch.testing.assert_close(top.images, top.directions @ weight.T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_follows_a_matrix_that_drifts(dtype):
    weight = random_matrix(60, 80, dtype=dtype)
    iteration = BlockPowerIteration(weight, generator=seeded(2))
    for step in range(200):
        weight = weight + 0.02 * random_matrix(60, 80, seed=100 + step, dtype=dtype)
        top = iteration.update(weight)
        assert top.squared_norm**0.5 >= 0.95 * exact(weight)


def test_follows_a_spectrum_that_its_own_gradient_flattens():
    weight = random_matrix(64, 64) / 8
    start = exact(weight)
    iteration = BlockPowerIteration(weight, generator=seeded(3))
    for _ in range(300):
        weight = weight - 0.002 * gradient(iteration.update(weight))
        assert iteration.estimate(weight) >= 0.95 * exact(weight)
    assert exact(weight) < 0.8 * start  # the top has truly been flattened


@pytest.mark.parametrize("n", [3, 8, 20])
def test_tied_directions_share_the_gradient(n):
    """At an orthogonal matrix every subgradient of sigma^2 has <G, W> = 2 and nuclear norm 2."""
    orthogonal = torch.linalg.qr(random_matrix(n, n)).Q
    top = BlockPowerIteration(orthogonal, generator=seeded(0)).update(orthogonal)
    shared = gradient(top)
    n_vectors = min(n, 8)
    assert float((shared * orthogonal).sum()) == pytest.approx(2)
    assert float(torch.linalg.svdvals(shared).sum()) == pytest.approx(2)
    # Shared evenly: no direction takes more than its part.
    assert float(torch.linalg.svdvals(shared)[0]) == pytest.approx(2 / n_vectors)
    assert float(torch.trace(top.mixing)) == pytest.approx(1)


def test_nearly_tied_directions_share_and_distant_ones_do_not():
    weight = with_spectrum([1.0, 0.999, 0.5], n_outputs=3, n_inputs=3)
    top = BlockPowerIteration(weight, generator=seeded(0)).update(weight)
    left, _, right = torch.linalg.svd(weight)
    parts = torch.einsum("ik,ij,kj->k", left, gradient(top), right)
    assert parts[0] > parts[1] > 0.5
    assert float(parts[2]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_matrix_gives_zero_and_no_nan(dtype):
    zero = torch.zeros(4, 6, dtype=dtype)
    iteration = BlockPowerIteration(zero, generator=seeded(0))
    for _ in range(3):
        top = iteration.update(zero)
        assert top.squared_norm == 0.0
        assert torch.equal(gradient(top), zero)
    assert iteration.estimate(zero) == 0.0
    awake = random_matrix(4, 6, dtype=dtype)
    for _ in range(60):
        top = iteration.update(awake)
    assert top.squared_norm**0.5 == pytest.approx(exact(awake), rel=1e-5)


def test_a_matrix_that_vanishes_in_its_columns_keeps_the_block_orthonormal():
    rank_one = with_spectrum([2.0], n_outputs=5, n_inputs=7)
    iteration = BlockPowerIteration(rank_one, generator=seeded(0))
    for _ in range(20):
        top = iteration.update(rank_one)
    assert top.squared_norm == pytest.approx(4)
    identity = torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(iteration.block @ iteration.block.T, identity)


@pytest.mark.parametrize("scale", [1e-15, 1e25])
def test_single_precision_holds_far_from_one(scale):
    weight = with_spectrum([5.0, 3.0, 2.0, 1.0], n_outputs=7, n_inputs=6).float() * scale
    iteration = BlockPowerIteration(weight, generator=seeded(0))
    for _ in range(20):
        top = iteration.update(weight)
    assert top.squared_norm**0.5 == pytest.approx(5 * scale, rel=1e-4)
    assert iteration.estimate(weight) == pytest.approx(5 * scale, rel=1e-4)


def test_estimate_and_update_leave_the_weight_alone():
    weight = random_matrix(6, 6).requires_grad_()
    before = weight.detach().clone()
    iteration = BlockPowerIteration(weight, generator=seeded(0))
    iteration.update(weight)
    iteration.estimate(weight)
    iteration.refresh(weight)
    assert torch.equal(weight, before)
    assert weight.grad is None


def test_estimate_does_not_move_the_block_and_refresh_does():
    weight = random_matrix(30, 30)
    iteration = BlockPowerIteration(weight, n_vectors=2, generator=seeded(0))
    before = iteration.block.clone()
    iteration.estimate(weight)
    assert torch.equal(iteration.block, before)
    old = iteration.estimate(weight)
    iteration.refresh(weight, 20)
    assert not torch.equal(iteration.block, before)
    assert iteration.estimate(weight) > old


def test_the_start_comes_from_the_generator_alone():
    weight = random_matrix(20, 30)
    first, again, other = (
        BlockPowerIteration(weight, generator=seeded(seed)).update(weight) for seed in (5, 5, 6)
    )
    assert torch.equal(first.directions, again.directions)
    assert first.squared_norm == again.squared_norm
    assert not torch.equal(first.directions, other.directions)


@pytest.mark.parametrize(
    ("shape", "n_vectors", "expected"),
    [
        ((3, 9), 5, 3),
        ((9, 2), 5, 2),
        ((9, 9), 5, 5),
        ((40, 40), "auto", 8),
        ((200, 200), "auto", 4),
    ],
)
def test_block_size_is_capped_by_the_matrix(shape, n_vectors, expected):
    weight = random_matrix(*shape)
    iteration = BlockPowerIteration(weight, n_vectors=n_vectors, generator=seeded(0))
    assert len(iteration.block) == expected
