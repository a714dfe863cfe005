"""HopSkipJump: nearer than ART's with as many queries, within budgets, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import FeatureSpace, HopSkipJump
from specreg_sklearn.attacks import _hop_skip_jump as module

NORMS = pytest.mark.parametrize("norm", [2, np.inf])


class Counting:
    """Counts calls and rows."""

    def __init__(self, model):
        self.model, self.calls, self.rows = model, 0, 0

    def predict(self, X):
        self.calls += 1
        self.rows += len(X)
        return self.model.predict(X)


def nearest_other_class(model, X, rows):
    """Return the nearest row of data that the model puts into another class, for each row."""
    codes = model.predict(X)
    out = []
    for i in rows:
        others = X[codes != codes[i]]
        out.append(others[np.square(others - X[i]).sum(axis=1).argmin()])
    return np.array(out)


def distances_by_art(model, X, starts, bounds, seeds, **parameters):
    """Return ART's distances of shape (seeds, n), and its calls and rows per seed."""
    from art.attacks.evasion import HopSkipJump as ArtHopSkipJump
    from art.estimators.classification import BlackBoxClassifier

    classes = np.unique(model.classes_)
    counting = Counting(model)

    def one_hot(Z):
        return (counting.predict(Z)[:, None] == classes).astype(np.float32)

    classifier = BlackBoxClassifier(
        one_hot, input_shape=X.shape[1:], nb_classes=len(classes), clip_values=bounds
    )
    attack = ArtHopSkipJump(classifier, verbose=False, batch_size=2**20, **parameters)
    kept, distances = np.random.get_state(), []
    try:
        for seed in range(seeds):
            np.random.seed(seed)
            found = attack.generate(X.astype(np.float32), x_adv_init=starts.astype(np.float32))
            distances.append(np.linalg.norm(found - X, ord=parameters["norm"], axis=1))
    finally:
        np.random.set_state(kept)
    return np.array(distances), counting.calls / seeds, counting.rows / seeds


@NORMS
def test_nearer_than_art_with_as_many_queries(digits, norm):
    """The nearest point found, bisected, against where the last jump happened to land."""
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:10]
    starts, options = nearest_other_class(model, X, rows), {"max_iter": 10, "init_eval": 30}
    art, art_calls, art_rows = distances_by_art(
        model, X[rows], starts, (0, 1), 2, norm=norm, **options
    )
    space, counting = FeatureSpace.from_data(X, bounds=(0, 1), scale=None), Counting(model)
    ours = HopSkipJump(norm=norm, starts=starts, **options).run(
        counting, X[rows], y[rows], space=space, pool=X
    )
    assert ours.success.all()
    assert (ours.distances < art.mean(axis=0)).mean() >= 0.9
    assert np.median(ours.distances) < 0.9 * np.median(art)
    # One bisection more, at the end.
    assert ours.n_queries.mean() == pytest.approx(art_rows / len(rows), rel=0.03)
    assert counting.calls < art_calls / 5


@pytest.mark.parametrize(("norm", "dual", "median"), [(2, 2, 1.02), (np.inf, 1, 1.05)])
@pytest.mark.parametrize("scale", ["std", None])
def test_never_below_the_exact_distance_of_a_linear_model(cancer, norm, dual, median, scale):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    space = FeatureSpace.from_data(X, bounds=None, scale=scale)
    result = HopSkipJump(norm=norm, max_queries=2500).run(
        model, X[rows], y[rows], space=space, pool=X
    )
    slope = np.linalg.norm(model.coef_[0] * space.scale, ord=dual)
    ratio = result.distances * slope / np.abs(model.decision_function(X[rows]))
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-12
    assert np.median(ratio) <= median


@NORMS
def test_search_never_goes_back(cancer, monkeypatch, norm):
    """Distances of the boundary points that the normal is asked at, in the order of iterations."""
    X, y, model = cancer
    seen = []

    def spy(oracle, centre, radius, directions, owner, n_asked):
        steps = centre - oracle.rows.x[owner]
        distance = np.full(len(oracle.rows), np.nan)
        distance[owner] = np.linalg.norm(steps, ord=norm, axis=1)
        seen.append(distance)
        return normals(oracle, centre, radius, directions, owner, n_asked)

    normals = module.boundary_normals
    monkeypatch.setattr(module, "boundary_normals", spy)
    rows = np.flatnonzero(model.predict(X) == y)[:10]
    attack = HopSkipJump(norm=norm, n_starts=1, max_iter=15, init_eval=10)
    attack.run(model, X[rows], y[rows], pool=X)
    steps = np.diff(np.array(seen), axis=0)
    assert steps.shape == (14, len(rows))
    assert not (steps > 0).any()


def test_number_of_directions_grows_with_the_root_up_to_its_limit(cancer, monkeypatch):
    X, y, model = cancer
    asked = []
    normals = module.boundary_normals

    def spy(oracle, centre, radius, directions, owner, n_asked):
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
        asked.append((len(directions), set(n_asked.tolist())))
        return normals(oracle, centre, radius, directions, owner, n_asked)

    monkeypatch.setattr(module, "boundary_normals", spy)
    HopSkipJump(n_starts=1, max_iter=6, init_eval=30, max_eval=65).run(model, X[:4], y[:4], pool=X)
    assert asked == [(n, {n}) for n in (30, 42, 51, 60, 65, 65)]


@pytest.mark.usefixtures("no_check_of_repeats")
@NORMS
@pytest.mark.parametrize("max_queries", [60, 133, 400])
def test_budget(digits, norm, max_queries):
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
    attack = HopSkipJump(norm=norm, max_queries=max_queries, init_eval=20)
    result = attack.run(counting, clean, y[rows], space=space, pool=pool)
    assert result.success.all()
    np.testing.assert_array_equal(counting.count, result.n_queries)
    assert result.n_queries.max() <= max_queries
    # Steps are taken whole: a rest that pays for none of a race is left.
    assert result.n_queries.min() > max_queries - 150


def test_more_budget_is_nearer(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:15]
    medians = [
        np.median(HopSkipJump(max_queries=b).run(model, X[rows], y[rows], pool=X).distances)
        for b in (100, 400, 2000)
    ]
    assert medians[0] > medians[1] > medians[2]


@NORMS
def test_targeted(iris, norm):
    X, y, model = iris
    rows = np.flatnonzero(model.predict(X) == y)[::15]
    wanted = (y[rows] + 1) % 3
    attack = HopSkipJump(norm=norm, max_iter=8, targeted=True)
    result = attack.run(model, X[rows], wanted, pool=X)
    assert result.success.all()
    np.testing.assert_array_equal(model.predict(result.X_adv), wanted)


def test_rows_within_eps_stop(cancer):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    attack = HopSkipJump(max_iter=10)
    whole = attack.run(model, X[rows], y[rows], pool=X)
    eps = float(np.median(whole.distances))
    some = attack.run(model, X[rows], y[rows], pool=X, eps=eps)
    stopped = some.status == "stopped_at_eps"
    assert stopped.sum() >= len(rows) // 2
    assert (some.distances[stopped] <= eps).all()
    assert (some.n_queries[stopped] < whole.n_queries[stopped]).all()
    np.testing.assert_array_equal(some.distances[~stopped], whole.distances[~stopped])


@NORMS
def test_a_lone_adversarial_point_ends_the_search(norm):
    """No jump lands anywhere: the loop has an end, and the point itself is the result."""
    X, start = np.zeros((2, 3)), np.array([[1.0, 2.0, 3.0], [-1.0, 1.0, 0.5]])

    class Lone:
        def predict(self, Z):
            return (Z[:, None] == start).all(axis=2).any(axis=1).astype(int)

    model = Counting(Lone())
    space = FeatureSpace.from_data(start, bounds=None, scale=None)
    attack = HopSkipJump(norm=norm, max_iter=3, init_eval=5, starts=start)
    result = attack.run(model, X, np.zeros(2, int), space=space, pool=start)
    np.testing.assert_array_equal(result.X_adv, start)
    assert model.calls < 3 * (60 + 30)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"norm": 1}, "norm=1"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"init_eval": 0}, "init_eval=0"),
        ({"init_eval": 50, "max_eval": 49}, "max_eval=49"),
        ({"max_queries": 10}, "max_queries=10"),
    ],
)
def test_bad_parameters_are_named(iris, parameters, named):
    X, y, model = iris
    with pytest.raises(ValueError, match=named):
        HopSkipJump(**parameters).run(model, X, y)
