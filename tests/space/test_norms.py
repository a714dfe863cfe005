"""Norms against scipy and numpy, and that an unknown one is refused wherever a norm is taken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance

from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.space._norms import CONVEX_NORMS, L0, L1, L2, LINF, NORMS, as_norm, check_norm

SCIPY = {
    0: lambda u, v: distance.hamming(u, v) * len(u),
    1: distance.cityblock,
    2: lambda u, v: distance.minkowski(u, v, p=2),
    np.inf: distance.chebyshev,
}
EVERY = pytest.mark.parametrize("order", list(NORMS))
CONVEX = pytest.mark.parametrize("order", CONVEX_NORMS)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def some_rows(rng, m=40, d=9):
    """Two sets of rows that agree in about a third of the cells."""
    x = rng.normal(size=(m, d)) * 10.0 ** rng.integers(-3, 4, size=(m, 1))
    return x, np.where(rng.random(size=x.shape) < 1 / 3, x, rng.normal(size=x.shape))


@EVERY
def test_lengths_are_those_of_scipy(rng, order):
    x, far = some_rows(rng)
    expected = [SCIPY[order](u, v) for u, v in zip(far, x, strict=True)]
    np.testing.assert_allclose(NORMS[order].length(far - x), expected, rtol=1e-14)
    numpys = np.linalg.norm(far - x, ord=order, axis=1)
    np.testing.assert_allclose(NORMS[order].length(far - x), numpys, rtol=1e-14)


@EVERY
@pytest.mark.parametrize("d", [0, 1, 300])
def test_the_length_of_a_row_does_not_depend_on_the_others(rng, order, d):
    steps = rng.normal(size=(70, d))
    length = NORMS[order].length
    whole = length(steps)
    np.testing.assert_array_equal(length(steps[::-1])[::-1], whole)
    np.testing.assert_array_equal(np.concatenate([length(row[None]) for row in steps]), whole)
    assert length(steps[:0]).shape == (0,)


def test_the_length_of_extreme_rows():
    """Rows that would under- or overflow are computed in another way, which rounds otherwise."""
    steps = np.random.default_rng(0).normal(size=(50, 64))
    plain = L2.length(steps)
    np.testing.assert_allclose(plain, np.linalg.norm(steps, axis=1), rtol=1e-14)
    odd = np.vstack([steps, np.zeros(64), steps[0] * 1e-150, steps[0] * 1e150])
    np.testing.assert_array_equal(L2.length(odd)[:50], plain)
    np.testing.assert_allclose(L2.length(odd)[50:] / plain[0], [0, 1e-150, 1e150], rtol=1e-14)


def test_names():
    assert [norm.name for norm in NORMS.values()] == ["L0", "L1", "L2", "Linf"]
    assert repr(LINF) == "Linf"


@CONVEX
def test_a_dual_is_the_sharp_bound_of_hoelder(rng, order):
    norm, W = NORMS[order], rng.normal(size=(30, 6))
    dual = norm.dual.length(W)
    steps = rng.normal(size=(500, 6))
    steps /= norm.length(steps)[:, None]
    assert (steps @ W.T <= dual * (1 + 1e-12)).all()
    # Attained: at a corner, along the slope, or along the largest entry.
    best = {
        1: np.where(np.abs(W) == np.abs(W).max(axis=1, keepdims=True), np.sign(W), 0),
        2: W / np.sqrt((W**2).sum(axis=1, keepdims=True)),
        np.inf: np.sign(W),
    }[order]
    np.testing.assert_allclose(norm.length(best), 1, rtol=1e-14)
    np.testing.assert_allclose((best * W).sum(axis=1), dual, rtol=1e-14)
    assert norm.dual.dual is norm


@CONVEX
def test_constants_per_unit_of_l2_hold_and_are_attained(rng, order):
    """``|w @ z| <= |w|_2 |z|_2`` must stay true per unit of the other norm, for any z."""
    norm, d = NORMS[order], 7
    steps = np.vstack([rng.normal(size=(400, d)), np.eye(d), np.ones((1, d))])
    ratio = np.linalg.norm(steps, axis=1) / norm.length(steps)
    bound = norm.from_l2(np.array([1.0, 3.0]), d)
    assert (ratio <= bound[0] * (1 + 1e-14)).all()
    np.testing.assert_allclose(ratio.max(), bound[0], rtol=1e-14)
    np.testing.assert_allclose(bound[1], 3 * bound[0], rtol=1e-14)


def test_l0_is_not_convex():
    with pytest.raises(ValueError, match="L0 is not convex"):
        _ = L0.dual
    with pytest.raises(ValueError, match="L0 lengths do not bound L2 lengths"):
        L0.from_l2(np.ones(1), 3)


@CONVEX
def test_shrinking_takes_a_share_of_the_distance(rng, order):
    norm = NORMS[order]
    x, far = some_rows(rng)
    t = rng.random(len(x))
    near = norm.shrink(x, far, t)
    np.testing.assert_allclose(norm.length(near - x), t * norm.length(far - x), rtol=1e-9)
    slack = 1e-12 * np.abs(far).max()
    assert (near >= np.minimum(x, far) - slack).all()
    assert (near <= np.maximum(x, far) + slack).all()


def test_l0_shrinks_by_undoing_the_smallest_changes(rng):
    x, far = some_rows(rng)
    n_changed = (far != x).sum(axis=1)
    t = rng.random(len(x))
    near = L0.shrink(x, far, t)
    np.testing.assert_array_equal((near != x).sum(axis=1), np.floor(t * n_changed))
    for clean, distant, found in zip(x, far, near, strict=True):
        kept = found != clean
        np.testing.assert_array_equal(found[kept], distant[kept])
        sizes = np.abs(distant - clean)
        assert sizes[kept].min(initial=np.inf) >= sizes[~kept].max(initial=0)


@EVERY
def test_the_ends_of_the_way_are_the_points_themselves(rng, order):
    x, far = some_rows(rng)
    np.testing.assert_array_equal(NORMS[order].shrink(x, far, np.zeros(len(x))), x)
    np.testing.assert_allclose(NORMS[order].shrink(x, far, np.ones(len(x))), far, atol=1e-12)


def test_linf_projects_onto_the_ball():
    x, far = np.array([[1.0, 1.0]]), np.array([[5.0, 2.0]])
    np.testing.assert_allclose(LINF.shrink(x, far, np.array([0.5])), [[3.0, 2.0]])
    np.testing.assert_allclose(LINF.shrink(x, far, np.array([0.125])), [[1.5, 1.5]])


def test_l1_and_l2_go_straight():
    x, far = np.array([[1.0, 1.0]]), np.array([[5.0, 2.0]])
    for norm in (L1, L2):
        np.testing.assert_allclose(norm.shrink(x, far, np.array([0.5])), [[3.0, 1.5]])


@EVERY
def test_a_space_measures_in_its_units_over_what_can_move(rng, order):
    X = rng.normal(size=(30, 5))
    moved = X + np.where(rng.random(size=X.shape) < 0.5, 0, rng.normal(size=X.shape))
    space = FeatureSpace.from_data(X, scale=[1.0, 2.0, 0.5, 3.0, 4.0], mutable=[0, 1, 2, 4])
    found = space.distances(moved, X, norm=order)
    u, v = moved[:, [0, 1, 2, 4]] / [1, 2, 0.5, 4], X[:, [0, 1, 2, 4]] / [1, 2, 0.5, 4]
    expected = [SCIPY[order](a, b) for a, b in zip(u, v, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("given", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_any_number_that_equals_an_order_will_do(given):
    assert as_norm(given) is L2
    assert type(check_norm(given, (2, np.inf), "X")) is int


@pytest.mark.parametrize(
    "given", [7, -1, 0.5, "l1", "2", True, False, np.True_, None, np.nan, -np.inf, [2], np.ones(1)]
)
def test_anything_else_is_refused_by_name(given):
    with pytest.raises(
        ValueError, match=r"^norm=.* is not supported by X; accepted: 2\.$"
    ) as error:
        check_norm(given, (2,), "X", instead={np.inf: "RayS"})
    assert f"norm={given!r}" in str(error.value)
    everything = r"not supported by specreg_sklearn; accepted: 0 or 1 or 2 or np\.inf\."
    with pytest.raises(ValueError, match=everything):
        as_norm(given)
    X = np.array([[0.0, 0.0], [1.0, 1.0]])
    space = FeatureSpace.from_data(X)
    with pytest.raises(ValueError, match=r"FeatureSpace\.distances; accepted: 0 or 1 or 2 or np"):
        space.distances(X, X, norm=given)


def test_the_message_says_what_to_use_instead():
    with pytest.raises(
        ValueError, match=r"norm=inf .* by X; accepted: 2\. For norm=inf use RayS\."
    ):
        check_norm(np.inf, (2,), "X", instead={2: "CGBA", np.inf: "RayS"})


def test_an_infinite_step_is_infinitely_long():
    steps = np.array([[1.0, -np.inf], [3.0, 4.0], [0.0, 0.0]])
    for order, length in ((1, 7.0), (2, 5.0), (np.inf, 4.0)):
        assert NORMS[order].length(steps).tolist() == [np.inf, length, 0.0]


@CONVEX
def test_steepest_steps_attain_the_dual_norm(rng, order):
    norm, slopes = NORMS[order], some_rows(rng)[0]
    slopes[0], slopes[1, 2:] = 0.0, 0.0
    steps = norm.steepest(slopes)
    np.testing.assert_allclose(norm.length(steps[1:]), 1.0, rtol=1e-12)
    assert not steps[0].any()
    rises = (slopes * steps).sum(axis=1)
    conjugate = {1: np.inf, 2: 2, np.inf: 1}[order]
    np.testing.assert_allclose(rises, np.linalg.norm(slopes, ord=conjugate, axis=1), rtol=1e-12)


def test_there_are_no_steepest_steps_in_l0():
    with pytest.raises(ValueError, match="L0 is not convex"):
        L0.steepest(np.ones((1, 2)))
