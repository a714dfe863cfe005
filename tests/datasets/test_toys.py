"""The toy problems: shapes, laws and errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from specreg_sklearn.datasets import make_noisy_xor, make_sin_boundary

MAKERS = [make_noisy_xor, make_sin_boundary]


@pytest.mark.parametrize(("make", "n"), [(make_noisy_xor, 80), (make_sin_boundary, 1600)])
def test_default_sizes(make, n):
    X, y = make(random_state=0)
    assert X.shape == (n, 2)
    assert X.dtype == np.float64
    assert y.shape == (n,)
    assert y.dtype == np.int64


def test_xor_clouds_are_gaussians_at_the_corners():
    X, y = make_noisy_xor(40_002, std=0.2, random_state=0)
    corners = np.sign(X)  # at five standard deviations from the axes no row strays here
    rows = {tuple(corner): (corners == corner).all(axis=1) for corner in np.unique(corners, axis=0)}
    assert sorted(int(member.sum()) for member in rows.values()) == [10_000, 10_000, 10_001, 10_001]
    for corner, member in rows.items():
        assert (y[member] == (corner[0] != corner[1])).all()
        for axis in (0, 1):
            deviations = (X[member, axis] - corner[axis]) / 0.2
            assert kstest(deviations, norm.cdf).pvalue > 1e-3


def test_xor_labels_belong_to_the_corner():
    X, y = make_noisy_xor(400, std=2.0, random_state=0)
    centres, y_centres = make_noisy_xor(400, std=0.0, random_state=0)
    assert (y == y_centres).all()
    np.testing.assert_array_equal(np.abs(centres), 1.0)
    np.testing.assert_array_equal(y_centres, centres.prod(axis=1) < 0)
    assert (y != (X.prod(axis=1) < 0)).any()


def test_xor_rows_come_in_no_order():
    _, y = make_noisy_xor(80, random_state=0)
    assert 0 < y[:40].sum() < 40
    assert len(set(np.flatnonzero(np.diff(y)).tolist())) not in (1, 79)


def test_sin_rows_fill_the_square_and_the_wave_divides_them():
    X, y = make_sin_boundary(20_000, random_state=0)
    for axis in (0, 1):
        assert kstest((X[:, axis] + 1) / 2, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(y, X[:, 1] > 0.6 * np.sin(7 * X[:, 0] - 1))
    # The share above the wave is 1/2 minus half the mean height of the wave.
    mean_height = 0.6 * (np.cos(-8) - np.cos(6)) / 14
    share = 0.5 - mean_height / 2
    assert abs(y.mean() - share) < 4 * np.sqrt(share * (1 - share) / len(y))


@pytest.mark.parametrize("make", MAKERS)
def test_random_state(make):
    X, y = make(50, random_state=3)
    again, y_again = make(50, random_state=3)
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X, make(50, random_state=4)[0])
    assert not np.array_equal(make(50)[0], make(50)[0])
    np.testing.assert_array_equal(X, make(50, random_state=np.random.RandomState(3))[0])
    one, two = (make(50, random_state=np.random.default_rng(3))[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "80", None, True])
def test_wrong_counts(make, n_samples):
    with pytest.raises(ValueError, match=r"n_samples=.* give a positive whole number"):
        make(n_samples)


@pytest.mark.parametrize("std", [-0.1, np.inf, np.nan, "wide", None])
def test_wrong_std(std):
    with pytest.raises(ValueError, match=r"std=.* is not accepted"):
        make_noisy_xor(8, std=std)


@pytest.mark.parametrize("make", MAKERS)
def test_one_row_is_enough(make):
    X, y = make(1, random_state=0)
    assert X.shape == (1, 2)
    assert y[0] in (0, 1)
