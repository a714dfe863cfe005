"""HopSkipJump: equal to ART where it says so, and better where it does not have to be."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

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
    kept, distances = np.random.get_state(), []  # noqa: NPY002
    try:
        for seed in range(seeds):
            np.random.seed(seed)  # noqa: NPY002
            found = attack.generate(X.astype(np.float32), x_adv_init=starts.astype(np.float32))
            distances.append(np.linalg.norm(found - X, ord=parameters["norm"], axis=1))
    finally:
        np.random.set_state(kept)  # noqa: NPY002
    return np.array(distances), counting.calls / seeds, counting.rows / seeds


def our_distances(model, X, y, starts, bounds, seeds, pool, **parameters):
    """Return distances of shape (seeds, n), and calls and queries per seed."""
    space = FeatureSpace.from_data(pool, bounds=bounds, scale=None)
    counting, found = Counting(model), []
    for seed in range(seeds):
        attack = HopSkipJump(art_compatible=True, starts=starts, random_state=seed, **parameters)
        found.append(attack.run(counting, X, y, space=space, pool=pool))
    assert all(r.success.all() for r in found)
    queries = np.mean([r.n_queries.mean() for r in found])
    return np.array([r.distances for r in found]), counting.calls / seeds, queries


def test_distances_and_queries_are_those_of_art(cancer):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:12]
    starts, bounds = nearest_other_class(model, X, rows), (-4.0, 14.0)
    options = {"norm": 2, "max_iter": 10, "init_eval": 30}
    art, art_calls, art_rows = distances_by_art(model, X[rows], starts, bounds, 2, **options)
    ours, calls, queries = our_distances(
        model, X[rows], y[rows], starts, bounds, 8, pool=X, **options
    )
    assert ours.mean() == pytest.approx(art.mean(), rel=0.02)
    # ART asks once more for each row and its start; our count holds two verifications.
    assert queries == pytest.approx(art_rows / len(rows), rel=0.01)
    assert calls < art_calls / 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cancer"])
@pytest.mark.parametrize(
    ("norm", "max_iter", "init_eval", "seeds"),
    [(2, 20, 10, (4, 16)), (np.inf, 20, 10, (6, 24)), (2, 50, 100, (2, 4))],
)
def test_distances_are_those_of_art_on_networks(name, norm, max_iter, init_eval, seeds):
    X, y = load_digits(return_X_y=True) if name == "digits" else load_breast_cancer(return_X_y=True)
    split = {"test_size": 0.3, "stratify": y, "random_state": 0}
    if name == "digits":
        bounds, (X_train, X_test, y_train, y_test) = (0, 1), train_test_split(X / 16, y, **split)
    else:
        bounds, (X_train, X_test, y_train, y_test) = (-4, 14), train_test_split(X, y, **split)
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    model = MLPClassifier((64,), random_state=0, max_iter=400).fit(X_train, y_train)
    rows = np.flatnonzero(model.predict(X_test) == y_test)[:50]
    starts = nearest_other_class(model, X_test, rows)
    options = {"norm": norm, "max_iter": max_iter, "init_eval": init_eval}
    art, art_calls, art_rows = distances_by_art(
        model, X_test[rows], starts, bounds, seeds[0], **options
    )
    ours, calls, queries = our_distances(
        model, X_test[rows], y_test[rows], starts, bounds, seeds[1], pool=X_test, **options
    )
    assert np.median(ours) == pytest.approx(np.median(art), rel=0.02)
    assert ours.mean() == pytest.approx(art.mean(), rel=0.02)
    # In Linf, ART's tolerance shrinks with distances above 1, at a query or two for each bisection.
    assert queries == pytest.approx(art_rows / len(rows), rel=0.01 if norm == 2 else 0.02)
    assert calls < art_calls / 15


@NORMS
def test_default_is_nearer_than_art_compatible(digits, norm):
    """The nearest point found, bisected, against where the last jump happened to land."""
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:10]
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    options = {"norm": norm, "max_iter": 10, "init_eval": 30}
    ours = HopSkipJump(**options).run(model, X[rows], y[rows], space=space, pool=X)
    art = HopSkipJump(art_compatible=True, **options).run(
        model, X[rows], y[rows], space=space, pool=X
    )
    assert ours.success.all() and art.success.all()
    assert (ours.distances < art.distances).mean() >= 0.9
    assert np.median(ours.distances) < 0.9 * np.median(art.distances)


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


@pytest.mark.parametrize("art_compatible", [False, True])
@NORMS
def test_search_never_goes_back_unless_art_does(cancer, monkeypatch, art_compatible, norm):
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
    attack = HopSkipJump(
        norm=norm, n_starts=1, max_iter=15, init_eval=10, art_compatible=art_compatible
    )
    attack.run(model, X[rows], y[rows], pool=X)
    steps = np.diff(np.array(seen), axis=0)
    assert steps.shape == (14, len(rows))
    assert (steps > 0).any() == art_compatible


def test_number_of_directions_grows_with_the_root_up_to_its_limit(cancer, monkeypatch):
    X, y, model = cancer
    asked = []
    normals = module.boundary_normals

    def spy(oracle, centre, radius, directions, owner, n_asked):
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
        asked.append((len(directions), set(n_asked.tolist())))
        return normals(oracle, centre, radius, directions, owner, n_asked)

    monkeypatch.setattr(module, "boundary_normals", spy)
    HopSkipJump(max_iter=6, init_eval=30, max_eval=65).run(model, X[:4], y[:4], pool=X)
    assert asked == [(n, {n}) for n in (30, 42, 51, 60, 65, 65)]


@NORMS
@pytest.mark.parametrize("max_queries", [60, 133, 400])
@pytest.mark.parametrize("art_compatible", [False, True])
def test_budget(digits, norm, max_queries, art_compatible):
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
    attack = HopSkipJump(
        norm=norm, max_queries=max_queries, init_eval=20, art_compatible=art_compatible
    )
    result = attack.run(counting, clean, y[rows], space=space, pool=pool)
    assert result.success.all()
    np.testing.assert_array_equal(counting.count, result.n_queries)
    assert result.n_queries.max() <= max_queries
    assert result.n_queries.min() > max_queries - 60


def test_more_budget_is_nearer(digits):
    X, y, model = digits
    rows = np.flatnonzero(model.predict(X) == y)[:15]
    medians = [
        np.median(HopSkipJump(max_queries=b).run(model, X[rows], y[rows], pool=X).distances)
        for b in (100, 400, 2000)
    ]
    assert medians[0] > medians[1] > medians[2]


@pytest.mark.parametrize("art_compatible", [False, True])
@NORMS
@pytest.mark.usefixtures("numpy_state_is_kept")
def test_what_happens_to_a_row_depends_on_that_row_alone(iris, norm, art_compatible):
    """On three classes: neighbours start from other classes than the row itself."""
    X, y, _ = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    rows, space = np.arange(0, 150, 13), FeatureSpace.from_data(X)
    attack = HopSkipJump(norm=norm, max_iter=12, init_eval=10, art_compatible=art_compatible)

    def run(chosen, attack=attack, **options):
        return attack.run(tree, X[chosen], y[chosen], space=space, pool=X, **options)

    batch = run(rows)
    assert batch.success.all()
    for i in range(0, len(rows), 2):
        alone = run(rows[[i]])
        np.testing.assert_array_equal(alone.X_adv[0], batch.X_adv[i])
        assert alone.n_queries[0] == batch.n_queries[i]
    np.testing.assert_array_equal(run(rows[::-1]).X_adv, batch.X_adv[::-1])
    small = run(rows, clone(attack).set_params(batch_rows=37))
    np.testing.assert_array_equal(small.X_adv, batch.X_adv)
    with joblib.parallel_config(backend="threading"):
        threads = run(rows, n_jobs=2)
    np.testing.assert_array_equal(threads.X_adv, batch.X_adv)
    other = run(rows, clone(attack).set_params(random_state=1))
    assert (other.X_adv != batch.X_adv).any()


@pytest.mark.parametrize("art_compatible", [False, True])
@NORMS
def test_targeted(iris, norm, art_compatible):
    X, y, model = iris
    rows = np.flatnonzero(model.predict(X) == y)[::15]
    wanted = (y[rows] + 1) % 3
    attack = HopSkipJump(norm=norm, max_iter=8, targeted=True, art_compatible=art_compatible)
    result = attack.run(model, X[rows], wanted, pool=X)
    assert result.success.all()
    np.testing.assert_array_equal(model.predict(result.X_adv), wanted)


@pytest.mark.parametrize("art_compatible", [False, True])
def test_rows_within_eps_stop(cancer, art_compatible):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    attack = HopSkipJump(max_iter=10, art_compatible=art_compatible)
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
        ({"art_compatible": "yes"}, "art_compatible='yes'"),
    ],
)
def test_bad_parameters_are_named(iris, parameters, named):
    X, y, model = iris
    with pytest.raises(ValueError, match=named):
        HopSkipJump(**parameters).run(model, X, y)
