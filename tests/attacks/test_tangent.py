"""TangentAttack: the geometry of its step, and what it finds."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from specreg_sklearn.attacks import CGBA, FeatureSpace, TangentAttack
from specreg_sklearn.attacks._tangent import tangent_points
from specreg_sklearn.attacks.boundary import BoundaryWalk

RATIOS = pytest.mark.parametrize("ratio", [0.5, 1.0, 1.1, 1.5, 4.0])


def cases(m=40, d=7):
    """Return random clean rows, boundary points, normals and radii."""
    rng = np.random.default_rng(0)
    x, centre = rng.normal(size=(m, d)), rng.normal(size=(m, d))
    normals = rng.normal(size=(m, d))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # The normal points away from the clean row, as it does at the boundary.
    normals *= -np.sign(np.einsum("ij,ij->i", x - centre, normals))[:, None]
    radius = rng.uniform(0.01, 0.999, m) * np.linalg.norm(x - centre, axis=1)
    return x, centre, normals, radius


def half_axes(radius, ratio):
    """Return (along the normal, along the boundary); the longer one is the radius."""
    return (radius, radius / ratio) if ratio >= 1 else (radius * ratio, radius)


def test_ball_is_touched_at_a_right_angle():
    x, centre, normals, radius = cases()
    z = tangent_points(x, centre, normals, radius)
    np.testing.assert_allclose(np.linalg.norm(z - centre, axis=1), radius, rtol=1e-12)
    angle = np.einsum("ij,ij->i", z - x, z - centre)
    assert np.abs(angle / np.linalg.norm(z - x, axis=1) / radius).max() < 1e-12


@RATIOS
def test_ellipsoid_is_touched_by_a_tangent(ratio):
    """On the surface, and the line to the clean row lies in the tangent plane there."""
    x, centre, normals, radius = cases()
    up, out = half_axes(radius, ratio)
    z = tangent_points(x, centre, normals, radius, ratio) - centre
    height = np.einsum("ij,ij->i", z, normals)
    along = z - height[:, None] * normals
    on_surface = (height / up) ** 2 + np.square(along).sum(axis=1) / out**2
    np.testing.assert_allclose(on_surface, 1, rtol=1e-12)
    gradient = (height / up**2)[:, None] * normals + along / out[:, None] ** 2
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    line = centre + z - x
    line /= np.linalg.norm(line, axis=1, keepdims=True)
    assert np.abs(np.einsum("ij,ij->i", gradient, line)).max() < 1e-12


@RATIOS
def test_it_is_the_point_of_the_ellipse_seen_highest(ratio):
    """In the plane of the clean row and the normal, by scipy."""
    x, centre, normals, radius = cases(m=12)
    found = tangent_points(x, centre, normals, radius, ratio)
    for i in range(len(x)):
        away = x[i] - centre[i]
        depth = -away @ normals[i]
        side = away + depth * normals[i]
        width = np.linalg.norm(side)
        side /= width
        up, out = half_axes(radius[i], ratio)

        def point(turn, i=i, side=side, up=up, out=out):
            return centre[i] + out * np.cos(turn) * side + up * np.sin(turn) * normals[i]

        # The clean row lies at (width, -depth). Angles are measured from its sight of the centre.
        sight = np.arctan2(depth, -width)

        def seen(turn, i=i, side=side, sight=sight, point=point):
            step = point(turn) - x[i]
            angle = np.arctan2(step @ normals[i], step @ side) - sight
            return (angle + np.pi) % (2 * np.pi) - np.pi

        turns = np.linspace(-np.pi, np.pi, 721)
        guess = turns[np.argmin([seen(t) for t in turns])]
        best = minimize_scalar(seen, bounds=(guess - 0.01, guess + 0.01), options={"xatol": 1e-12})
        np.testing.assert_allclose(point(best.x), found[i], atol=1e-5 * radius[i])
        assert seen(best.x) <= seen(guess)


@RATIOS
def test_no_point_of_the_surface_leads_to_a_nearer_point_of_a_flat_boundary(ratio):
    """The theorem of the paper, in all directions of space, by scipy."""
    x, centre, normals, _ = cases(m=6, d=4)
    away = x - centre
    depth = -np.einsum("ij,ij->i", away, normals)
    width = np.linalg.norm(away + depth[:, None] * normals, axis=1)
    radius = 0.6 * width * min(ratio, 1.0)
    found = tangent_points(x, centre, normals, radius, ratio)

    def crossing(i, z):
        """Return how far the clean row is from where its way to z crosses the boundary."""
        height = (z - centre[i]) @ normals[i]
        if height <= 0:
            return np.inf
        return np.linalg.norm(z - x[i]) * depth[i] / (depth[i] + height)

    rng = np.random.default_rng(1)
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000, "maxfev": 4000}
    for i in range(len(x)):
        up, out = half_axes(radius[i], ratio)
        # A linear map takes the unit sphere to the ellipsoid.
        stretch = out * np.eye(4) + (up - out) * np.outer(normals[i], normals[i])

        def cost(w, i=i, stretch=stretch):
            return crossing(i, centre[i] + stretch @ (w / np.linalg.norm(w)))

        # A simplex may collapse on the way, so it is set up afresh a few times.
        point = normals[i] + 0.3 * rng.normal(size=4)
        for _ in range(6):
            best = minimize(cost, point, method="Nelder-Mead", options=options)
            point = best.x / np.linalg.norm(best.x)
        ours = crossing(i, found[i])
        assert ours <= best.fun * (1 + 1e-12)
        assert ours == pytest.approx(best.fun, rel=1e-6)


def test_points_where_no_tangent_is_defined_stay_finite():
    """The clean row straight below the point; no normal; the ball as large as the distance."""
    x, centre = np.zeros((3, 2)), np.array([[0.0, 1.0]] * 3)
    normals = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    for ratio in (0.5, 1.0, 2.0):
        assert np.isfinite(tangent_points(x, centre, normals, np.full(3, 0.999), ratio)).all()


@pytest.mark.parametrize(("ratio", "median"), [(1.0, 1.02), (1.5, 1.03)])
@pytest.mark.parametrize("scale", ["std", None])
def test_never_below_the_exact_distance_of_a_linear_model(cancer, ratio, median, scale):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    space = FeatureSpace.from_data(X, bounds=None, scale=scale)
    result = TangentAttack(axis_ratio=ratio).run(model, X[rows], y[rows], space=space, pool=X)
    slope = np.linalg.norm(model.coef_[0] * space.scale)
    exact = result.distances * slope / np.abs(model.decision_function(X[rows]))
    assert result.success.all()
    assert exact.min() >= 1 - 1e-12
    assert np.median(exact) <= median


def test_as_near_as_cgba(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    tangent = TangentAttack().run(model, X[rows], y[rows], space=space, pool=X)
    cgba = CGBA().run(model, X[rows], y[rows], space=space, pool=X)
    assert np.median(tangent.distances / cgba.distances) < 1.05


def test_search_never_goes_back(cancer, monkeypatch):
    X, y, model = cancer
    seen = []
    module = inspect.getmodule(BoundaryWalk)
    normals = module.boundary_normals

    def spy(oracle, centre, radius, directions, owner, *rest):
        distance = np.full(len(oracle.rows), np.nan)
        distance[owner] = np.linalg.norm(centre - oracle.rows.x[owner], axis=1)
        seen.append(distance)
        return normals(oracle, centre, radius, directions, owner, *rest)

    monkeypatch.setattr(module, "boundary_normals", spy)
    rows = np.flatnonzero(model.predict(X) == y)[:10]
    TangentAttack(n_starts=1).run(model, X[rows], y[rows], pool=X)
    steps = np.diff(np.array(seen), axis=0)
    assert len(steps) >= 10
    assert not (steps > 0).any()
    assert (steps < 0).sum() >= 50


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize("max_queries", [40, 111, 500])
def test_budget(digits, max_queries):
    X, y, model = digits

    class ByRow:
        """The last column, which may not move, says which row is asked about."""

        def __init__(self):
            self.count = np.zeros(len(clean), dtype=int)

        def predict(self, Z):
            owner = Z[:, -1].astype(int)
            changed = (owner >= 0) & (Z != clean[owner]).any(axis=1)
            np.add.at(self.count, owner[changed], 1)
            return model.predict(Z[:, :-1])

    rows = np.flatnonzero(model.predict(X) == y)[:8]
    clean = np.column_stack([X[rows], np.arange(8)])
    pool = np.column_stack([X, np.full(len(X), -1)])
    space = FeatureSpace.from_data(pool, mutable=np.arange(X.shape[1]))
    counting = ByRow()
    attack = TangentAttack(max_queries=max_queries)
    result = attack.run(counting, clean, y[rows], space=space, pool=pool)
    assert result.success.all()
    np.testing.assert_array_equal(counting.count, result.n_queries)
    assert result.n_queries.max() <= max_queries
    # Steps are taken whole: a rest that pays for none of a race is left.
    assert result.n_queries.min() > max_queries - 150


def test_no_budget_ends_when_nothing_is_gained(iris):
    X, y, model = iris
    rows = np.flatnonzero(model.predict(X) == y)[::15]
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    result = TangentAttack(max_queries=None).run(model, X[rows], y[rows], space=space, pool=X)
    scores, distances = model.decision_function(X[rows]), []
    for score, code in zip(scores, y[rows], strict=True):
        slopes = np.linalg.norm(model.coef_[code] - model.coef_, axis=1)
        gaps = [(score[code] - score[j]) / slopes[j] for j in range(3) if j != code]
        distances.append(min(gaps))
    np.testing.assert_allclose(result.distances, distances, rtol=1e-3)
    assert (result.distances >= np.array(distances) * (1 - 1e-12)).all()
    assert result.n_queries.max() < 20000


@RATIOS
def test_targeted(iris, ratio):
    X, y, model = iris
    rows = np.flatnonzero(model.predict(X) == y)[::15]
    wanted = (y[rows] + 1) % 3
    attack = TangentAttack(max_queries=200, targeted=True, axis_ratio=ratio)
    result = attack.run(model, X[rows], wanted, pool=X)
    assert result.success.all()
    np.testing.assert_array_equal(model.predict(result.X_adv), wanted)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"norm": np.inf}, "norm=inf"),
        ({"axis_ratio": 0}, "axis_ratio=0"),
        ({"axis_ratio": np.inf}, "axis_ratio=inf"),
        ({"axis_ratio": float("nan")}, "axis_ratio=nan"),
        ({"axis_ratio": "ball"}, "axis_ratio='ball'"),
        ({"max_queries": 10}, "max_queries=10"),
    ],
)
def test_bad_parameters_are_named(iris, parameters, named):
    X, y, model = iris
    with pytest.raises(ValueError, match=named):
        TangentAttack(**parameters).run(model, X, y)
