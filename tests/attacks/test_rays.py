"""RayS against distances that are known: closed forms, leaf boxes, and dense search in 2-D."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn._registry import available
from specreg_sklearn.attacks import FeatureSpace, RayS, resolve_attack
from specreg_sklearn.attacks.linf import (
    Lattice,
    Moves,
    block_flips,
    random_moves,
    shrink,
    try_moves,
)


def right(model, X, y, n):
    """Return n rows that the model gets right."""
    return np.flatnonzero(model.predict(X) == y)[:n]


def linear_distances(model, X, y, scale=1.0):
    """Return min over j of (f_y - f_j) / ||(w_y - w_j) scale||_1: the exact Linf distance."""
    W, b = model.coef_, model.intercept_
    if len(W) == 1:
        W, b = np.vstack([np.zeros_like(W), W]), np.append(0.0, b)
    scores = X @ W.T + b
    out = np.full(scores.shape, np.inf)
    for i, k in enumerate(np.searchsorted(model.classes_, y)):
        for j in np.flatnonzero(np.arange(len(W)) != k):
            out[i, j] = (scores[i, k] - scores[i, j]) / np.abs((W[k] - W[j]) * scale).sum()
    return out.min(axis=1)


def tree_distances(tree, X, y, lo, hi):
    """Return the exact Linf distance to the nearest leaf box of another class."""
    t, boxes = tree.tree_, []

    def walk(node, low, high):
        if t.children_left[node] < 0:
            boxes.append((low, high, tree.classes_[t.value[node].argmax()]))
            return
        f, cut = t.feature[node], t.threshold[node]
        left, right_ = high.copy(), low.copy()
        left[f], right_[f] = min(high[f], cut), max(low[f], cut)
        walk(t.children_left[node], low, left)
        walk(t.children_right[node], right_, high)

    walk(0, np.full(X.shape[1], lo), np.full(X.shape[1], hi))
    out = [
        min(
            np.maximum(np.maximum(low - x, x - high), 0).max()
            for low, high, label in boxes
            if label != k and (low < high).all()
        )
        for x, k in zip(X, y, strict=True)
    ]
    return np.array(out)


@pytest.mark.parametrize("scale", ["std", None])
def test_binary_linear_model_to_a_thousandth(cancer, scale):
    X, y, model = cancer
    X = X[right(model, X, y, 30)]
    y = model.predict(X)
    space = FeatureSpace.from_data(cancer[0], bounds=None, scale=scale)
    result = RayS().run(model, X, y, space=space, pool=cancer[0])
    ratio = result.distances / linear_distances(model, X, y, space.scale)
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-9
    assert ratio.max() <= 1.001
    assert result.n_queries.max() <= 1000


def test_ten_class_linear_model(digits):
    X, y, model = digits
    rows = right(model, X, y, 40)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    result = RayS().run(model, X[rows], y[rows], space=space, pool=X)
    ratio = result.distances / linear_distances(model, X[rows], y[rows])
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-9
    assert np.median(ratio) <= 1.01
    assert ratio.mean() <= 1.06
    # A larger budget follows more starts to the end.
    more = RayS(max_queries=5000).run(model, X[rows], y[rows], space=space, pool=X)
    assert (more.distances / linear_distances(model, X[rows], y[rows])).mean() <= 1.02


@pytest.mark.parametrize("data", ["cancer", "digits", "iris"])
def test_single_trees(request, data):
    X, y, _ = request.getfixturevalue(data)
    X = X.astype(np.float32).astype(np.float64)
    tree = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    rows = right(tree, X, y, 60)
    lo, hi = float(X.min()) - 0.5, float(X.max()) + 0.5
    space = FeatureSpace.from_data(X, bounds=(lo, hi), scale=None)
    result = RayS().run(tree, X[rows], y[rows], space=space, pool=X)
    exact = tree_distances(tree, X[rows], y[rows], lo, hi)
    assert result.success.all()
    # Trees compare in float32: what they take for the threshold is that much off.
    assert (result.distances >= exact - 1e-6).all()
    assert (result.distances <= 1.01 * exact + 1e-6).mean() >= 0.95


@pytest.mark.parametrize(
    "make",
    [
        lambda: SVC(gamma=2.0, random_state=0),
        lambda: KNeighborsClassifier(3),
        lambda: RandomForestClassifier(15, random_state=0),
        lambda: DecisionTreeClassifier(random_state=0),
    ],
    ids=["svc", "knn", "forest", "tree"],
)
def test_dense_search_in_the_plane(make):
    """Squares of growing half-width are asked all around; the first hit bounds the distance."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 2))
    y = (np.sin(4 * X[:, 0]) > 2 * X[:, 1]).astype(int)
    model = make().fit(X, y)
    rows = right(model, X, y, 25)
    space = FeatureSpace.from_data(X, bounds=(-1, 1), scale=None)
    result = RayS().run(model, X[rows], y[rows], space=space, pool=X)
    side = np.linspace(-1, 1, 41)
    ring = np.array([(a, b) for a in side for b in side if max(abs(a), abs(b)) == 1])
    shares = np.linspace(0.04, 1, 25)
    first = np.ones(len(rows))
    for i, row in enumerate(rows):
        Z = X[row] + (result.distances[i] * shares[:, None, None] * ring).reshape(-1, 2)
        fooled = (model.predict(Z) != y[row]) & (np.abs(Z) <= 1).all(axis=1)
        first[i] = min(shares[fooled.reshape(len(shares), -1).any(axis=1)], default=1.0)
    assert result.success.all()
    # One row may miss a sliver of a leaf.
    assert (first < 0.99).sum() <= 1


class Votes:
    """Five nearest neighbours without the checks that make single rows slow."""

    def __init__(self, X, y):
        self.X, self.y, self.square = X, y, (X**2).sum(axis=1)

    def predict(self, Z):
        distance = self.square - 2 * Z @ self.X.T
        return self.y[np.argpartition(distance, 5)[:, :5]].mean(axis=1).round().astype(int)


def test_beats_the_published_search_on_votes_of_neighbours(cancer):
    """The search as published ends after a pass or two: nothing it tries helps any more."""
    X, y, _ = cancer
    model = Votes(X[::2], y[::2])
    rows = np.flatnonzero(model.predict(X) == y)[::20]
    space = FeatureSpace.from_data(X, bounds=(-4, 14), scale=None)
    result = RayS().run(model, X[rows], y[rows], space=space, pool=X)
    plain = [published_search(model, X[row], y[row], 1000) for row in rows]
    assert result.success.all()
    assert np.mean(result.distances / plain) < 0.97


def published_search(model, x, label, budget):
    """RayS as published, with the relative tolerance, for one row and one question at a time."""
    d, asked = len(x), 0

    def fooled(radius, signs):
        nonlocal asked
        asked += 1
        return model.predict(np.clip(x + radius * signs, -4, 14)[None])[0] != label

    def radius_along(signs, high):
        low = 0.0
        while high - low > 1e-3 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if fooled(middle, signs) else (middle, high)
        return high

    signs, best, level = np.ones(d), np.inf, 0
    if fooled(18.0, signs):
        best = radius_along(signs, 18.0)
    while asked < budget:
        n_blocks = min(2**level, d)
        for block in np.array_split(np.arange(d), n_blocks):
            other = signs.copy()
            other[block] *= -1
            if fooled(min(best, 18.0), other):
                radius = radius_along(other, min(best, 18.0))
                if radius < best:
                    signs, best = other, radius
        level = 0 if n_blocks == d else level + 1
    return best


def test_units_do_not_matter(cancer):
    X, y, model = cancer
    unit = np.where(np.arange(X.shape[1]) % 2, 1e-6, 1e6)

    class InOtherUnits:
        def predict(self, Z):
            return model.predict(Z / unit)

    rows = right(model, X, y, 8)
    plain = RayS().run(model, X[rows], y[rows], pool=X)
    other = RayS().run(InOtherUnits(), X[rows] * unit, y[rows], pool=X * unit)
    np.testing.assert_allclose(other.distances, plain.distances, rtol=1e-3)


@pytest.mark.parametrize("max_queries", [60, 137, 400])
def test_a_row_does_not_depend_on_its_neighbours(digits, max_queries, monkeypatch):
    X, y, _ = digits
    tree = DecisionTreeClassifier(max_depth=8, random_state=0).fit(X, y)
    rows = right(tree, X, y, 30)
    attack = RayS(max_queries=max_queries)

    def run(chosen, attack=attack, **options):
        return attack.run(tree, X[chosen], y[chosen], pool=X, **options)

    batch = run(rows)
    assert batch.success.all()
    for i in (0, 7, 29):
        alone = run(rows[[i]])
        np.testing.assert_array_equal(alone.X_adv[0], batch.X_adv[i])
        assert alone.n_queries[0] == batch.n_queries[i]
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(run(rows[order]).X_adv, batch.X_adv[order])
    small = run(rows, attack=clone(attack).set_params(batch_rows=37))
    np.testing.assert_array_equal(small.X_adv, batch.X_adv)
    # Perturbations are asked in blocks that fit the cache; where they are cut must not show.
    monkeypatch.setattr("specreg_sklearn.attacks.linf._moves._BLOCK", 1)
    np.testing.assert_array_equal(run(rows).X_adv, batch.X_adv)


def test_workers(digits):
    X, y, _ = digits
    tree = DecisionTreeClassifier(max_depth=8, random_state=0).fit(X, y)
    rows = right(tree, X, y, 9)
    attack = RayS(max_queries=150)
    one = attack.run(tree, X[rows], y[rows], pool=X)
    with joblib.parallel_config(backend="threading"):
        two = attack.run(tree, X[rows], y[rows], pool=X, n_jobs=2)
    np.testing.assert_array_equal(two.X_adv, one.X_adv)
    np.testing.assert_array_equal(two.n_queries, one.n_queries)


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize("max_queries", [30, 41, 100, 333])
def test_the_budget_is_never_exceeded(iris, max_queries):
    """An immutable column that names the row lets the model count for whom it is asked."""
    X, y, model = iris
    rows = right(model, X, y, 150)[::7]
    counts = np.zeros(len(rows), dtype=int)

    class Counts:
        def predict(self, Z):
            np.add.at(counts, Z[:, 4].astype(int), 1)
            return model.predict(Z[:, :4])

    named = np.column_stack([X[rows], np.arange(len(rows))])
    space = FeatureSpace.from_data(named, mutable=[0, 1, 2, 3], bounds=None)
    pool = np.column_stack([X, np.full(len(X), -1)])
    attack = RayS(max_queries=max_queries)
    result = attack.run(Counts(), named, y[rows], space=space, pool=pool)
    assert result.success.all()
    # Free: the pool (its rows end at -1, the last counter), and one prediction of each clean row.
    asked = counts - 1
    asked[-1] -= len(X)
    assert result.n_queries.max() <= max_queries
    # The first row also fills up the blocks of verification, which is not counted either.
    np.testing.assert_array_equal(asked[1:], result.n_queries[1:])


def test_no_budget_ends_by_itself(iris):
    X, y, model = iris
    rows = right(model, X, y, 10)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    result = RayS(max_queries=None).run(model, X[rows], y[rows], space=space, pool=X)
    exact = linear_distances(model, X[rows], y[rows])
    np.testing.assert_allclose(result.distances, exact, rtol=1e-3)


def test_box_and_immutable_columns(digits):
    X, y, _ = digits
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    rows = right(forest, X, y, 10)
    fixed = np.arange(0, 64, 3)
    movable = np.setdiff1d(np.arange(64), fixed)
    space = FeatureSpace.from_data(X, mutable=movable, bounds=(0, 1), scale=None)
    result = RayS(max_queries=300).run(forest, X[rows], y[rows], space=space, pool=X)
    assert result.success.all()
    assert (forest.predict(result.X_adv) != y[rows]).all()
    np.testing.assert_array_equal(result.X_adv[:, fixed], X[rows][:, fixed])
    assert result.X_adv.min() >= 0
    assert result.X_adv.max() <= 1
    steps = np.abs(result.X_adv - X[rows]).max(axis=1)
    np.testing.assert_allclose(result.distances, steps, rtol=1e-12)


def test_whole_numbers_stay_whole(digits):
    X, y, _ = digits
    X = np.rint(X * 16).astype(int)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    rows = right(forest, X, y, 6)
    space = FeatureSpace.from_data(X, scale=None)
    result = RayS(max_queries=300).run(forest, X[rows], y[rows], space=space, pool=X)
    assert result.X_adv.dtype == X.dtype
    assert result.success.all()
    np.testing.assert_array_equal(result.distances, np.rint(result.distances))
    assert result.distances.max() <= 8


def test_stops_at_eps(cancer):
    X, y, model = cancer
    rows = right(model, X, y, 30)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    exact = linear_distances(model, X[rows], y[rows])
    eps = float(np.median(exact)) * 1.01
    free = RayS().run(model, X[rows], y[rows], space=space, pool=X)
    result = RayS().run(model, X[rows], y[rows], eps=eps, space=space, pool=X)
    stopped = result.status == "stopped_at_eps"
    np.testing.assert_array_equal(result.distances <= eps, exact <= eps)
    np.testing.assert_array_equal(stopped, exact <= eps)
    assert result.n_queries[stopped].mean() < 0.5 * free.n_queries[stopped].mean()


def test_targeted(digits):
    X, y, model = digits
    rows = right(model, X, y, 12)
    wanted = (y[rows] + 1 + np.arange(12) % 9) % 10
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None)
    result = RayS(targeted=True).run(model, X[rows], wanted, space=space, pool=X)
    assert result.success.all()
    np.testing.assert_array_equal(model.predict(result.X_adv), wanted)
    assert (result.distances >= linear_distances(model, X[rows], y[rows])).all()


def test_seeds(cancer):
    X, y, _ = cancer
    model = KNeighborsClassifier().fit(X, y)
    rows = right(model, X, y, 5)

    def run(seed, **options):
        return RayS(max_queries=300, random_state=seed, **options).run(
            model, X[rows], y[rows], pool=X
        )

    np.testing.assert_array_equal(run(0).X_adv, run(0).X_adv)
    assert (run(0).X_adv != run(1).X_adv).any()
    assert (run(0).X_adv != run(0, blocks="contiguous").X_adv).any()


@pytest.mark.parametrize("starts", ["uniform", "given"])
def test_other_starts(cancer, starts):
    X, y, model = cancer
    rows = right(model, X, y, 10)
    space = FeatureSpace.from_data(X, bounds=(-50, 50), scale=None)
    if starts == "given":
        labels = model.predict(X)
        starts = np.array([X[labels != y[row]][0] for row in rows])
    result = RayS(starts=starts).run(model, X[rows], y[rows], space=space, pool=X)
    ratio = result.distances / linear_distances(model, X[rows], y[rows])
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-9
    assert ratio.max() <= 1.002


def test_a_constant_model_fails_to_start(iris):
    X, y, _ = iris

    class Constant:
        def predict(self, Z):
            return np.zeros(len(Z), dtype=int)

    with pytest.warns(UserWarning, match="found no adversarial row to start from for 3 of 3"):
        result = RayS(max_queries=200).run(Constant(), X[:3], y[:3], pool=X)
    assert (result.status == "start_failed").all()


def test_name_and_parameters():
    assert "rays" in available("attacks")
    attack = resolve_attack("rays")
    assert isinstance(attack, RayS)
    assert attack.norm == np.inf
    assert clone(RayS(blocks="contiguous")).get_params()["blocks"] == "contiguous"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"norm": 2}, "norm=2"),
        ({"blocks": "random"}, "blocks='random' is not accepted"),
        ({"blocks": 3}, "blocks=3 is not accepted"),
        ({"max_queries": 3}, "max_queries=3"),
    ],
)
def test_bad_parameters(iris, parameters, message):
    X, y, model = iris
    with pytest.raises(ValueError, match=message):
        RayS(**parameters).run(model, X[:3], y[:3])


# The parts, by themselves.


class FreeColumns(Lattice):
    """Columns none of which is rounded."""

    def __init__(self):
        self._whole, self.least = np.zeros(0, dtype=int), 0.0


class WholeColumns(Lattice):
    """Columns of whole numbers in these units."""

    def __init__(self, units):
        self._whole, self._units = np.arange(len(units)), np.asarray(units, dtype=float)
        self.least = self._units.min()


def test_block_flips_cover_every_column_once():
    order = np.random.default_rng(0).permutation(11)
    for n in (1, 2, 5, 11):
        mask = block_flips(order, n).mask
        assert mask.shape == (n, 11)
        np.testing.assert_array_equal(mask.sum(axis=0), 1)
        assert mask.sum(axis=1).min() >= 11 // n


def test_outward_flips_spare_nobody_well_inside():
    offsets, radius = np.array([[1.0, -1.0, 0.5, -0.5, 0.0]]), np.array([0.9])
    mask = np.ones((1, 5), dtype=bool)
    chosen = np.array([[True]])
    flips = Moves(mask, np.empty((0, 5))).together(offsets, radius, chosen)[0]
    outward = Moves(mask, np.empty((0, 5)), outward=True).together(offsets, radius, chosen)[0]
    np.testing.assert_allclose(flips, 0.9 * np.array([-1, 1, -1, 1, 1]))
    np.testing.assert_allclose(outward, 0.9 * np.array([-1, 1, 1, -1, -1]))


def test_points_and_unions_of_moves():
    rng = np.random.default_rng(0)
    offsets, radius = rng.uniform(-2, 2, size=(4, 6)), np.array([1.0, 0.5, 2.0, 3.0])
    moves = random_moves(rng, 5, 6)
    assert moves.mask.any(axis=1).all()
    points = moves.points(np.zeros((4, 6)), offsets, radius)
    np.testing.assert_allclose(moves.points(np.ones((4, 6)), offsets, radius), points + 1)
    for i in range(4):
        inside = np.clip(offsets[i], -radius[i], radius[i])
        for k in range(5):
            target = -np.sign(offsets[i]) if k < 2 else moves.levels[k - 2]
            expected = np.where(moves.mask[k], target * radius[i], inside)
            np.testing.assert_allclose(points[i, k], expected)
    chosen = rng.random((4, 5)) < 0.5
    union = moves.together(offsets, radius, chosen)
    for i in range(4):
        expected = np.clip(offsets[i], -radius[i], radius[i])
        for k in np.flatnonzero(chosen[i])[::-1]:
            expected = np.where(moves.mask[k], points[i, k], expected)
        np.testing.assert_array_equal(union[i], expected)


def test_moves_that_work_together_and_moves_that_do_not():
    x = np.zeros((2, 3))
    offsets, radius, owner = np.ones((2, 3)), np.ones(2), np.arange(2)
    moves, lattice = Moves(np.eye(3, dtype=bool), np.empty((0, 3))), FreeColumns()

    def first_two_at_will(Z, owner):
        return Z[:, 2] > 0

    which, found = try_moves(first_two_at_will, lattice, x, offsets, radius, owner, moves)
    assert which.tolist() == [0, 1]
    np.testing.assert_array_equal(found, [[-1, -1, 1]] * 2)

    def one_at_a_time(Z, owner):
        return (Z < 0).sum(axis=1) == 1

    which, found = try_moves(one_at_a_time, lattice, x, offsets, radius, owner, moves)
    assert np.bincount(which).tolist() == [3, 3]
    assert ((found < 0).sum(axis=1) == 1).all()


def test_shrink_finds_the_smallest_ball_of_the_best_point():
    limits = np.array([0.3, 0.05])

    def beyond(Z, owner):
        return Z[:, owner].diagonal() >= limits[owner]

    # The second perturbation has a point that cannot shrink at all, and one that can.
    x, offsets, radius = np.zeros((2, 2)), np.ones((2, 2)), np.ones(2)
    which, found = np.array([0, 1]), np.array([[1.0, -0.1], [0.2, 1.0]])
    owner, lattice = np.arange(2), FreeColumns()
    new, half = shrink(beyond, lattice, x, offsets, radius, owner, which, found, 1e-3, np.zeros(2))
    np.testing.assert_allclose(half, limits, rtol=0.02, atol=1e-3)
    assert (half >= limits).all()
    np.testing.assert_array_equal(new, [[half[0], -0.1], [half[1], half[1]]])


def test_whole_numbers_stay_inside_the_ball():
    lattice = WholeColumns([1.0, 0.5, 0.1])
    delta = np.array([[1.0, -np.inf, 0.3], [0.99, 0.2, -0.26]])
    inside = lattice.inside(delta, np.array([0.6, 1.2]))
    np.testing.assert_allclose(inside, [[0, -0.5, 0.3], [0, 0, -0.2]])


def test_shrink_asks_nothing_twice_between_whole_numbers():
    asked = []

    def beyond_two(Z, owner):
        asked.extend(Z[:, 0].tolist())
        return Z[:, 0] >= 2

    x, delta, radius = np.zeros((1, 1)), np.array([[100.0]]), np.array([100.0])
    which, found = np.array([0]), np.array([[99.0]])
    owner, lattice = np.array([0]), WholeColumns([1.0])
    new, half = shrink(
        beyond_two, lattice, x, delta, radius, owner, which, found, 1e-3, np.full(1, np.inf)
    )
    assert new.tolist() == [[2.0]]
    assert half.tolist() == [2.0]
    assert len(asked) == len(set(asked))


# Budgets.


class Records:
    """A model that notes what it is asked, row by row."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def predict(self, Z):
        self.asked.append(np.array(Z))
        return self.model.predict(Z)


@pytest.mark.parametrize("kind", ["tree", "linear"])
def test_a_short_search_is_how_a_long_one_begins(digits, kind):
    X, y, model = digits
    if kind == "tree":
        model = RandomForestClassifier(10, random_state=0).fit(X, y)
    row = right(model, X, y, 3)[2:]
    asked = []
    for max_queries in (120, 400, 900):
        records = Records(model)
        result = RayS(max_queries=max_queries).run(records, X[row], y[row], pool=X)
        assert result.n_queries[0] > 0.9 * max_queries
        # The pool and the check of repeated answers come first, and are the same.
        asked.append(np.concatenate(records.asked))
    # At its end a search has queries for the last bisection, and for verification.
    for short, budget in ((asked[0], 100), (asked[1], 380)):
        first = len(X) + budget
        np.testing.assert_array_equal(asked[2][:first], short[:first])


def test_more_queries_never_give_a_farther_row(cancer, digits):
    for X, y, _ in (cancer, digits):
        forest = RandomForestClassifier(10, random_state=0).fit(X[::2], y[::2])
        for model in (forest, Votes(X[::2], y[::2])):
            rows = right(model, X, y, 300)[::75]
            space = FeatureSpace.from_data(X)
            before = np.inf
            for max_queries in (100, 300, 1000):
                attack = RayS(max_queries=max_queries)
                found = attack.run(model, X[rows], y[rows], space=space, pool=X).distances
                assert (found <= before).all()
                before = found


@pytest.mark.parametrize("scale", [None, "std"])
def test_flags_do_not_idle(scale):
    """On zeros and ones most moves round to the clean row: nothing is asked, and all is known."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (300, 12))
    score = X @ rng.normal(size=12)
    y = (score > np.median(score)).astype(int)
    model = SVC(gamma=0.3, random_state=0).fit(X, y)
    rows = right(model, X, y, 20)
    space = FeatureSpace.from_data(X, scale=scale)
    records = Records(model)
    result = RayS(max_queries=2000).run(records, X[rows], y[rows], space=space, pool=X)
    assert len(records.asked) < 400
    # All rows of flags, and the dearest flip of each.
    flags = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    wrong = model.predict(flags)
    for i, row in enumerate(rows):
        cost = (np.abs(flags - X[row]) / space.bind(X).scale).max(axis=1)
        exact = cost[wrong != y[row]].min()
        # Progress of less than a thousandth is not asked for.
        assert exact * (1 - 1e-9) <= result.distances[i] <= exact * 1.002
