"""ECLipsE-Fast between the largest slope over all activation patterns and the product of norms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from specreg_sklearn.certificates import Affine, CertifiedMap, Elementwise
from specreg_sklearn.certificates.bounds._eclipse import (
    FeasiblePoint,
    HiddenLayer,
    _root_of_inverse,
)


def relu_net(weights, activation="relu", **settings):
    stages = []
    for weight in weights[:-1]:
        stages += [Affine(weight), Elementwise(activation, **settings)]
    return CertifiedMap([*stages, Affine(weights[-1])])


def random_weights(rng, dims):
    return [rng.standard_normal((b, a)) for a, b in itertools.pairwise(dims)]


def pattern_maximum(weights, slopes=(0.0, 1.0)):
    """Largest constants of all differences of outputs over every pattern of slopes."""
    n_hidden = sum(len(weight) for weight in weights[:-1])
    largest = np.zeros((len(weights[-1]),) * 2)
    for pattern in itertools.product(slopes, repeat=n_hidden):
        left, jacobian = np.array(pattern), np.eye(weights[0].shape[1])
        for weight in weights[:-1]:
            jacobian = left[: len(weight), None] * (weight @ jacobian)
            left = left[len(weight) :]
        rows = weights[-1] @ jacobian
        largest = np.maximum(largest, np.linalg.norm(rows[:, None] - rows[None], axis=2))
    return largest


@pytest.mark.parametrize("seed", range(60))
def test_patterns_then_eclipse_then_product(seed):
    rng = np.random.default_rng(seed)
    hidden = rng.integers(2, 5, size=rng.integers(1, 3))
    weights = random_weights(rng, [rng.integers(2, 5), *hidden, rng.integers(2, 4)])
    function = relu_net(weights)
    product, eclipse = function._pair_bounds
    truth = pattern_maximum(weights)
    assert (truth <= eclipse * (1 + 1e-13)).all()
    assert (eclipse <= product * (1 + 1e-9)).all()
    np.testing.assert_array_equal(function.pair_constants(), np.minimum(product, eclipse))
    # Each point on the way is a proof by itself, and the first one is ECLipsE-Fast.
    assert len(function._points) > 1
    for point in function._points:
        assert (truth <= point.pairs(weights[-1]) * (1 + 1e-13)).all()
    assert (eclipse <= function._points[0].pairs(weights[-1]) * (1 + 1e-15)).all()
    assert function.lipschitz() <= function._points[0].norm(weights[-1]) * (1 + 1e-15)


@pytest.mark.parametrize("seed", range(30))
def test_all_feasible_multipliers_are_proofs(seed):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, [3, 4, 4, 3])
    layers = [HiddenLayer(weight, 0.0, 1.0) for weight in weights[:-1]]
    truth, feasible = pattern_maximum(weights), 0
    for size in (0.3, 1.0, 3.0, 30.0):
        # What the first layer lets through, the second one has to bear.
        multipliers = [
            (size**depth * rng.uniform(0.5, 2.0, 4), int(rng.integers(0, 3))) for depth in (1, 2)
        ]
        textbook, inverse = True, np.eye(3)
        for weight, (rows, exponent) in zip(layers, multipliers, strict=True):
            unit = weight.weight * 2.0**-exponent
            lam = 2 / rows**2
            gram = unit @ inverse @ unit.T
            form = np.diag(lam) - lam[:, None] * gram * lam / 4
            textbook = textbook and np.linalg.eigvalsh(form).min() > 0
            inverse = np.linalg.inv(form)
        if not textbook:
            with pytest.raises(ArithmeticError):
                FeasiblePoint(layers, multipliers)
            continue
        feasible += 1
        pairs = FeasiblePoint(layers, multipliers).pairs(weights[-1])
        assert (truth <= pairs * (1 + 1e-13)).all()
        rows = weights[-1][:, None] - weights[-1][None]
        scale = 4.0 ** sum(exponent for _, exponent in multipliers)
        squares = np.einsum("ijk,kl,ijl->ij", rows, inverse, rows) * scale
        np.testing.assert_allclose(pairs, np.sqrt(squares), rtol=1e-9)
    assert feasible


def test_tuned_point_is_nearer_to_the_optimum_than_to_the_start():
    rng = np.random.default_rng(11)
    first, readout = random_weights(rng, [10, 40, 2])
    row = readout[0] - readout[1]
    gram = first @ first.T

    def squared(logarithms):  # LipSDP for one hidden layer, whose multipliers are convex
        lam = np.exp(logarithms)
        form = np.diag(lam) - lam[:, None] * gram * lam / 4
        if np.linalg.eigvalsh(form).min() <= 0:
            return np.inf
        return row @ np.linalg.solve(form, row)

    def gradient(logarithms):
        lam = np.exp(logarithms)
        y = np.linalg.solve(np.diag(lam) - lam[:, None] * gram * lam / 4, row)
        return -lam * (y * y - y * (gram @ (lam * y)) / 2)

    x = np.full(40, np.log(2 / np.linalg.eigvalsh(gram)[-1]))
    plain, best, step = np.sqrt(squared(x)), squared(x), 1.0
    for _ in range(3000):  # gradient descent with halving
        slope = gradient(x) / best
        while squared(x - step * slope) > best:
            step /= 2
        x = x - step * slope
        best, step = squared(x), step * 1.5
    tuned = relu_net([first, readout]).pair_constants()[0, 1]
    optimum = np.sqrt(best)
    assert optimum <= tuned * (1 + 1e-9)
    assert tuned - optimum <= 0.5 * (plain - optimum)


@pytest.mark.parametrize("slope", [0.2, -0.4, 3.0])
def test_leaky_slopes(slope):
    rng = np.random.default_rng(3)
    weights = random_weights(rng, [3, 4, 3, 3])
    function = relu_net(weights, "leaky_relu", negative_slope=slope)
    product, eclipse = function._pair_bounds
    truth = pattern_maximum(weights, (slope, 1.0))
    assert (truth <= function.pair_constants()).all()
    if slope < 0:  # the program wants slopes that are not negative
        np.testing.assert_array_equal(eclipse, product)
    else:
        off = ~np.eye(3, dtype=bool)
        assert (eclipse[off] < product[off]).all()


def test_large_slopes_count_in_every_layer():
    rng = np.random.default_rng(4)
    weights = random_weights(rng, [3, 4, 4, 2])
    plain = relu_net(weights).pair_constants()
    # LeakyReLU with slope 2 is relu(x) + 2 relu(-x): slopes in [1, 2], so at most 2 per layer.
    double = relu_net(weights, "leaky_relu", negative_slope=2.0).pair_constants()
    np.testing.assert_allclose(double, 4 * plain, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e100])
def test_scales(scale):
    rng = np.random.default_rng(5)
    weights = random_weights(rng, [4, 5, 5, 3])
    plain = relu_net(weights).pair_constants()
    weights[1] = weights[1] * scale
    np.testing.assert_allclose(relu_net(weights).pair_constants(), plain * scale, rtol=1e-9)


def test_zero_layers_and_single_columns():
    zero = relu_net([np.zeros((3, 2)), np.ones((2, 3))])
    np.testing.assert_array_equal(zero.pair_constants(), 0.0)
    assert zero.lipschitz() == 0.0
    thin = relu_net([np.array([[2.0]]), np.array([[3.0], [-1.0]])])
    assert thin.pair_constants()[0, 1] == pytest.approx(8.0, rel=1e-9)


def test_equal_rows_and_single_outputs():
    rng = np.random.default_rng(12)
    first, second, readout = random_weights(rng, [4, 6, 5, 3])
    readout[2] = readout[0]
    pairs = relu_net([first, second, readout]).pair_constants()
    assert pairs[0, 2] == 0.0
    assert pairs[0, 1] == pytest.approx(pairs[1, 2], rel=1e-12)
    alone = relu_net([first, second, readout[:1]])
    against_zero = relu_net([first, second, np.stack([readout[0], np.zeros(5)])])
    assert alone.lipschitz() == pytest.approx(against_zero.pair_constants()[0, 1], rel=1e-9)
    np.testing.assert_array_equal(alone.pair_constants(), [[0.0]])


def test_uncertain_weights_are_covered():
    rng = np.random.default_rng(6)
    weights = random_weights(rng, [4, 4, 4, 3])
    errors = [0.05, 0.1, 0.02]
    stages = []
    for weight, error in zip(weights, errors, strict=True):
        stages += [Affine(weight, None, error), Elementwise("relu")]
    function = CertifiedMap(stages[:-1])
    product, eclipse = function._pair_bounds
    for _ in range(20):
        moved = []
        for weight, error in zip(weights, errors, strict=True):
            shift = rng.standard_normal(weight.shape)
            moved.append(weight + shift * error / np.linalg.norm(shift, 2))
        truth = pattern_maximum(moved)
        assert (truth <= eclipse).all()
        assert (truth <= product).all()
        # The certificate of the moved net itself is covered too: the bound is monotone.
        assert (relu_net(moved)._pair_bounds[1] <= eclipse * (1 + 1e-9)).all()


def test_root_of_inverse_lies_above_the_inverse():
    rng = np.random.default_rng(7)
    for side in (1, 2, 10, 60):
        base, _ = np.linalg.qr(rng.standard_normal((side, side)))
        matrix = base @ np.diag(rng.uniform(1, 2, side)) @ base.T
        matrix = (matrix + matrix.T) / 2
        root, excess = _root_of_inverse(matrix, 1e-3)
        root = root * excess
        worst = np.linalg.inv(matrix - 1e-3 * np.eye(side))
        gap = root @ root.T - worst
        assert np.linalg.eigvalsh(gap).min() >= -1e-12
        tight, excess = _root_of_inverse(matrix, 0.0)
        assert excess == pytest.approx(1.0, abs=1e-9)
        np.testing.assert_allclose(tight @ tight.T, np.linalg.inv(matrix), atol=1e-10)


def test_no_proof_without_an_accurate_inverse():
    with pytest.raises(ArithmeticError):
        _root_of_inverse(np.eye(3), 0.9)


def test_constant_of_the_features():
    rng = np.random.default_rng(8)
    first, second = random_weights(rng, [5, 6, 4])
    both = FeasiblePoint([HiddenLayer(first, 0.0, 1.0), HiddenLayer(second, 0.0, 1.0)])
    one = FeasiblePoint([HiddenLayer(first, 0.0, 1.0)])
    assert both.constant == pytest.approx(one.norm(second), rel=1e-12)


def test_pairs_match_one_quadratic_form_at_a_time():
    rng = np.random.default_rng(9)
    first, second, readout = random_weights(rng, [5, 6, 4, 3])
    inverse = np.eye(5)
    for weight in (first, second):  # the recursion in its textbook form
        gram = weight @ inverse @ weight.T
        lam = 2 / np.linalg.eigvalsh(gram)[-1]
        inverse = np.linalg.inv(lam * np.eye(len(gram)) - lam**2 / 4 * gram)
    pairs = FeasiblePoint([HiddenLayer(w, 0.0, 1.0) for w in (first, second)]).pairs(readout)
    for j, k in itertools.combinations(range(3), 2):
        row = readout[j] - readout[k]
        assert pairs[j, k] == pytest.approx(np.sqrt(row @ inverse @ row), rel=1e-9)
