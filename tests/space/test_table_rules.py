"""Groups, rules between columns, derived columns and prices: changed rows obey all of them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.metrics import certified_radius
from tests.space._tables import JOBS, SWAPS, check_rows, loans, numbers, share, space_of


def trees(X, y):
    tree = DecisionTreeClassifier(max_leaf_nodes=30, random_state=0)
    return make_pipeline(FunctionTransformer(numbers), tree).fit(X, y)


def spreads(X):
    return {name: X[name].astype(float).std(ddof=0) for name in X if X[name].dtype.kind in "if"}


def check_found(X, found, model, y, norm, scale):
    check_rows(X, found.X_adv, np.where(found.success, found.distances, 0.0), scale, norm)
    assert found.success.mean() > 0.5
    assert (model.predict(found.X_adv)[found.success] != y[found.success]).all()


@pytest.mark.parametrize(
    ("library", "attack", "norm"),
    [
        ("pandas", "auto", 2),
        ("polars", "auto", 1),
        ("pandas", "scores", np.inf),
        ("pandas", "hop_skip_jump", 2),
    ],
)
def test_every_changed_row_obeys(library, attack, norm):
    X, y = loans(400)
    scale, model = spreads(X), trees(X, y)
    X = pl.from_pandas(X) if library == "polars" else X
    space = space_of(X)
    attack = resolve_attack(attack, norm=norm, max_queries=120)
    found = attack.run(model, X[:50], y[:50], space=space, pool=X)
    check_found(X[:50], found, model, y[:50], norm, scale)
    assert np.allclose(
        space.distances(found.X_adv, X[:50], norm=norm)[found.success],
        found.distances[found.success],
    )


@pytest.mark.parametrize(("library", "norm"), [("pandas", 1), ("polars", 2)])
def test_every_changed_row_with_swaps_obeys(library, norm):
    X, y = loans(400, words=True)
    scale, model = spreads(X), trees(X, y)
    X = pl.from_pandas(X) if library == "polars" else X
    space = space_of(X, categories=SWAPS)
    attack = resolve_attack("auto", norm=norm, max_queries=120)
    found = attack.run(model, X[:50], y[:50], space=space, pool=X)
    check_found(X[:50], found, model, y[:50], norm, scale)
    assert np.allclose(
        space.distances(found.X_adv, X[:50], norm=norm)[found.success],
        found.distances[found.success],
    )


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_ten_thousand_changed_rows_obey(library):
    X, y = loans(5000, words=True)
    scale, model = spreads(X), trees(X, y)
    X = pl.from_pandas(X) if library == "polars" else X
    space = space_of(X, categories=SWAPS)
    found = resolve_attack("auto", norm=1, max_queries=100).run(model, X, y, space=space)
    check_found(X, found, model, y, 1, scale)
    assert found.success.sum() > 4500
    old, new = (f.to_pandas() if library == "polars" else f for f in (X, found.X_adv))
    swapped = [(old[name].astype("str") != new[name].astype("str")).sum() for name in SWAPS]
    assert min(swapped) > 0 and sum(swapped) > 200


def test_candidates_are_moved_to_where_the_rules_hold():
    """Random points in coordinates become rows that obey; those that obey stay as they are."""
    X, _ = loans(300)
    space = space_of(X)
    rng = np.random.default_rng(0)
    Z = space.to_coordinates(X)
    for size in (0.1, 1.0, 10.0):
        moved = space.materialise(Z + size * rng.normal(size=Z.shape), X)
        distances = space.distances(moved, X, norm=2)
        check_rows(X, moved, distances, spreads(X), 2)
        changed = distances > 0
        # Whoever can be helped is: nearly all rows have moved.
        assert changed.mean() > 0.95
        again = space.materialise(space.to_coordinates(moved), X)
        assert np.allclose(space.distances(again, moved, norm=2), 0, atol=1e-9)


@pytest.mark.parametrize("sign", ["<=", "=="])
def test_the_nearest_point_of_a_relation(sign):
    """One relation of two free columns: the projection on a line, in units of the columns."""
    X = np.array([[1.0, 9.0], [4.0, 6.0], [2.0, 8.0]])
    space = FeatureSpace.from_data(
        X, scale=[1.0, 2.0], bounds=(-100, 100), rules=[f"x0 + x1 {sign} 10"]
    )
    Z = space.to_coordinates(X) + np.array([[3.0, 1.0], [5.0, 0.0], [1.0, 2.5]])
    slope = np.array([1.0, 2.0])  # of the relation in coordinates
    over = Z @ slope - 10
    nearest = Z - over[:, None] * slope / (slope @ slope)
    assert np.allclose(space.materialise(Z, X), nearest * [1.0, 2.0])


def test_whole_numbers_are_rounded_to_the_inside():
    X = np.array([[1, 9, 5], [2, 6, 0], [2, 7, 3]])
    rules = ["2 * x0 + x1 <= 11 + x2"]
    space = FeatureSpace.from_data(X, scale=None, bounds=(0, 20), rules=rules)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = space.materialise(X + rng.normal(scale=4, size=X.shape), X)
        assert moved.dtype == X.dtype
        assert (2 * moved[:, 0] + moved[:, 1] <= 11 + moved[:, 2]).all()


def test_an_equation_of_whole_numbers():
    X = pd.DataFrame({"a b": [1, 4, 2], "c": [9, 6, 8], "sum": [10, 10, 10]})
    space = FeatureSpace.from_data(X, scale=None, bounds=(0, 30), rules=["`a b` + c == sum"])
    rng = np.random.default_rng(0)
    n_moved = 0
    for _ in range(20):
        moved = space.materialise(space.to_coordinates(X) + rng.normal(scale=3, size=X.shape), X)
        assert (moved["a b"] + moved["c"] == moved["sum"]).all()
        n_moved += (moved != X).any(axis=1).sum()
    assert n_moved > 40


def test_a_candidate_that_cannot_obey_is_the_clean_row():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    space = FeatureSpace.from_data(X, scale=None, mutable=["a"], rules=[lambda f: f["a"] < 2.5])
    assert space.materialise([[1.5], [1.7]], X)["a"].tolist() == [1.5, 1.7]
    wide = FeatureSpace.from_data(
        X, scale=None, bounds=(0, 9), mutable=["a"], rules=[lambda f: f["a"] < 2.5]
    )
    assert wide.materialise([[5.0], [2.2]], X)["a"].tolist() == [1.0, 2.2]


def test_derived_columns_follow_and_cost_nothing():
    X = np.array([[1.0, 4.0, 0.25, 3.0], [2.0, 2.0, 1.0, 5.0]])
    space = FeatureSpace.from_data(
        X, scale=None, bounds=(0, 50), derived={2: lambda f: f[0] / f[1], 3: lambda f: f[2] + 2}
    )
    moved = space.materialise(space.to_coordinates(X) + np.array([[9.0, 0.0], [0.0, 0.0]]), X)
    # The last formula reads the first one's column; the second row keeps what its formula denies.
    assert np.allclose(moved, [[10.0, 4.0, 2.5, 4.5], [2.0, 2.0, 1.0, 5.0]])
    assert np.allclose(space.distances(moved, X), [9.0, 0.0])
    divided = space.materialise([[3.0, 0.0], [2.0, 2.0]], X)
    assert (divided == X).all()  # no number: no candidate


def brute_force(X, y, every, predicted, price):
    steps = every - X[:, None]
    return np.where(predicted != y[:, None], price(steps), np.inf).min(axis=1)


@pytest.mark.parametrize("norm", [0, 1, 2, np.inf])
@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), DecisionTreeClassifier(max_leaf_nodes=20, random_state=0)],
    ids=["linear", "tree"],
)
def test_the_cheapest_swap_by_brute_force(norm, priced, model):
    """Two groups and three small numbers: every row of the space is asked."""
    rng = np.random.default_rng(0)
    grid = np.meshgrid(*(np.arange(k) for k in (4, 3, 3, 3, 3)), indexing="ij")
    job, home, *rest = (axis.ravel() for axis in grid)
    every = np.column_stack([np.eye(4)[job], np.eye(3)[home], *rest]).astype(float)
    X = every[rng.integers(0, len(every), 600)]
    score = X @ rng.normal(size=10)
    y = (score + 0.3 * rng.normal(size=600) > np.median(score)).astype(int)
    model.fit(X, y)
    some = np.flatnonzero(model.predict(X) == y)[:40]
    cost = {"job": 1.7, "home": 0.8, 7: (1.0, 2.0), 8: 0.5} if priced else None
    space = FeatureSpace.from_data(
        X,
        scale=None,
        types=["integer"] * 10,
        groups={"job": [0, 1, 2, 3], "home": [4, 5, 6]},
        cost=cost,
    )

    def price(steps):
        sizes = np.abs(steps)
        if priced and norm:
            sizes[..., 7] *= np.where(steps[..., 7] < 0, 2.0, 1.0)
            sizes[..., 8] *= 0.5
            swaps = [
                1.7 * steps[..., :4].any(axis=-1, keepdims=True),
                0.8 * steps[..., 4:7].any(axis=-1, keepdims=True),
            ]
            sizes = np.concatenate([*swaps, sizes[..., 7:]], axis=-1)
        return np.linalg.norm(sizes, ord=norm, axis=-1)

    truth = brute_force(X[some], y[some], every, model.predict(every), price)
    found = resolve_attack("auto", norm=norm, max_queries=1000).run(
        model, X[some], y[some], space=space, pool=X
    )
    assert (found.X_adv[:, :4].sum(axis=1) == 1).all()
    assert (found.distances >= truth - 1e-9).all()
    assert np.isclose(found.distances, truth).mean() >= 0.95
    if isinstance(model, DecisionTreeClassifier):
        bound = nearest_rows(TreeEnsemble.from_estimator(model), space.bind(X[some]), norm=norm)
        assert (bound.lower <= truth + 1e-9).all() and (bound.lower > 0).all()
        assert np.allclose(bound.upper[bound.closed], truth[bound.closed])
    elif norm:
        radius = certified_radius(model, X[some], norm=norm, space=space)
        assert (radius <= truth).all() and (radius > 0).all()


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_prices_of_real_columns(norm):
    """A tree's proof is exact at any price; an attack and Lipschitz radii are on its two sides."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    y = (X @ [1.0, -1.0, 0.5, 2.0] > 0).astype(int)
    cost = {0: (4.0, 1.0), 1: 3.0, 3: (0.5, 2.5)}
    space = FeatureSpace.from_data(X, scale=None, bounds=None, cost=cost, increase_only=[3])
    up, down = np.array([[4.0, 3.0, 1.0, 0.5], [1.0, 3.0, 1.0, np.inf]])
    tree = DecisionTreeClassifier(max_leaf_nodes=15, random_state=0).fit(X, y)
    rows = np.flatnonzero(tree.predict(X) == y)[:30]
    bound = nearest_rows(TreeEnsemble.from_estimator(tree), space.bind(X[rows]), norm=norm)
    low, high = leaf_boxes(tree)
    label = tree.classes_[tree.tree_.value[:, 0].argmax(axis=1)][tree.tree_.children_left < 0]
    below = np.maximum(low - X[rows, None], 0) * up
    with np.errstate(invalid="ignore"):
        above = np.nan_to_num(np.maximum(X[rows, None] - high, 0) * down, nan=0.0, posinf=np.inf)
    length = np.linalg.norm(below + above, ord=norm, axis=2)
    truth = np.where(label != y[rows, None], length, np.inf).min(axis=1)
    assert bound.closed.all()
    # Trees compare in float32.
    assert np.allclose(bound.lower, truth, atol=1e-6)
    found = resolve_attack("auto", norm=norm, max_queries=600).run(
        tree, X[rows], y[rows], space=space, pool=X
    )
    assert (found.distances >= truth - 1e-6).all()
    assert np.median((found.distances / truth)[np.isfinite(truth)]) < 1.05
    model = LogisticRegression().fit(X, y)
    radius = certified_radius(model, X[rows], norm=norm, space=space)
    margin, w = np.abs(model.decision_function(X[rows])), model.coef_[0]
    toward = np.where(model.predict(X[rows])[:, None] == 1, -w, w)
    gain = np.where(toward > 0, toward / up, -toward / down)
    exact = margin / np.linalg.norm(gain, ord={1: np.inf, 2: 2, np.inf: 1}[norm], axis=1)
    assert (radius <= exact * (1 + 1e-9)).all() and (radius > 0.2 * exact).all()


def leaf_boxes(tree):
    """Return the ends of the leaves' boxes, (n_leaves, d) each."""
    nodes, d = tree.tree_, tree.n_features_in_
    boxes = {0: (np.full(d, -np.inf), np.full(d, np.inf))}
    for node in range(nodes.node_count):
        left, right = nodes.children_left[node], nodes.children_right[node]
        if left < 0:
            continue
        low, high = boxes.pop(node)
        j, cut = nodes.feature[node], nodes.threshold[node]
        boxes[left], boxes[right] = (low, high.copy()), (low.copy(), high)
        boxes[left][1][j], boxes[right][0][j] = min(high[j], cut), max(low[j], cut)
    leaves = [boxes[node] for node in sorted(boxes)]
    return tuple(np.array(ends) for ends in zip(*leaves, strict=True))


def test_rows_are_alike_alone_in_workers_and_after_pickling():
    X, y = loans(200)
    model, space = trees(X, y), space_of(X)
    rows = np.flatnonzero(model.predict(X) == y)[:8]
    some, labels = X.iloc[rows], y[rows]
    attack = resolve_attack("auto", max_queries=80)
    together = attack.run(model, some, labels, space=space, pool=X)
    again = pickle.loads(pickle.dumps(space))
    with parallel_config(backend="threading"):
        spread = attack.run(model, some, labels, space=again, pool=X, n_jobs=2)
    alone = attack.run(model, some[3:4], labels[3:4], space=space, pool=X)
    assert together.X_adv.equals(spread.X_adv)
    assert together.X_adv[3:4].equals(alone.X_adv)
    resumed = resolve_attack("auto", max_queries=160).run(
        model, some, labels, space=space, pool=X, resume=together
    )
    assert (resumed.distances <= together.distances).all()
    check_rows(some, resumed.X_adv, resumed.distances, spreads(X), 2)


def test_dummies_are_found_by_name():
    people = pd.DataFrame(
        {"job": ["a", "b", "c", "a"], "home_of": ["x", "y", "x", "y"], "n": [1.0, 2.0, 3.0, 4.0]}
    )
    X = pd.get_dummies(people)
    space = FeatureSpace.from_data(X, groups="dummies", cost={"job": 2.5})
    assert [(g.name, [X.columns[j] for j in g.columns], g.price) for g in space.groups] == [
        ("job", ["job_a", "job_b", "job_c"], 2.5),
        ("home_of", ["home_of_x", "home_of_y"], None),
    ]
    moved = space.materialise(space.to_coordinates(X) + np.array([0, 0, 1.0, 0, 0, 0]), X)
    assert moved["job_b"].tolist() == [True] * 3 + [True]
    assert np.allclose(space.distances(moved, X, norm=1), [2.5, 0, 2.5, 2.5])
    with pytest.raises(ValueError, match="finds no columns of flags"):
        FeatureSpace.from_data(people[["n"]], groups="dummies")


def test_a_repair_works_beside_rules():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [0.0, 1.0]})

    def repair(moved, clean):
        moved["c"] = moved["a"].clip(upper=5.0)
        return moved

    space = FeatureSpace.from_data(
        X, scale=None, bounds=(0, 9), rules=["a <= b", "c <= 4"], repair=repair
    )
    moved = space.materialise([[2.0, 3.0, 0.0], [6.0, 4.0, 0.0]], X)
    # The second repair breaks a rule: no candidate.
    assert moved.iloc[0].tolist() == [2.0, 3.0, 2.0]
    assert (moved["a"] <= moved["b"]).all() and (moved["c"] <= 4).all()


LOANS, _ = loans(20)
TWO_SET = LOANS.assign(job_clerk=True, job_cook=[True] * 3 + [False] * 17, job_none=False)
CASES = {
    "unknown in cost": ({"cost": {"wage": 2.0}}, "unknown column 'wage'"),
    "price of 0": ({"cost": {"income": 0.0}}, "cost of 'income' is 0.0; accepted: a positive"),
    "negative price": ({"cost": {"income": (1.0, -2.0)}}, "cost of 'income' is .*positive"),
    "price that is no number": ({"cost": {"income": "dear"}}, "cost of 'income' is 'dear'"),
    "price of a group of 0": (
        {"groups": {"job": JOBS}, "cost": {"job": 0}},
        "cost of the group 'job' is 0",
    ),
    "price of a flag": (
        {"groups": {"job": JOBS}, "cost": {"job_cook": 2}},
        "a flag of the group 'job'",
    ),
    "price of what stays": (
        {"mutable": ["age"], "cost": {"income": 2.0}},
        "'income', which is not mutable",
    ),
    "unknown in groups": ({"groups": [["job_x", "job_cook"]]}, "unknown column 'job_x'"),
    "column in two groups": (
        {"groups": [JOBS[:2], JOBS[1:]]},
        "names column 'job_cook' twice",
    ),
    "group of one": ({"groups": [JOBS[:1]]}, "at least two columns"),
    "no list of groups": ({"groups": JOBS}, "not a list of columns"),
    "half a group": (
        {"groups": [JOBS], "mutable": ["age", *JOBS[:2]]},
        "not mutable: 'job_none'",
    ),
    "one-way flag": (
        {"groups": [JOBS], "increase_only": ["job_cook"]},
        "'job_cook', a flag of a group",
    ),
    "text in a group": ({"groups": [["city", "job_cook"]]}, "'city', which does not hold flags"),
    "unknown in rules": ({"rules": ["paid <= wage"]}, "unknown column 'wage'"),
    "rule that is not linear": ({"rules": ["paid * billed <= 3"]}, "is not linear"),
    "rule that calls": ({"rules": ["abs(paid) <= 3"]}, r"'abs\(paid\)' is not linear"),
    "strict rule": ({"rules": ["paid < billed"]}, "use <= and >="),
    "chained rule": ({"rules": ["0 <= paid <= billed"]}, "as two rules"),
    "rule that cannot be read": ({"rules": ["paid <= "]}, "cannot be read"),
    "rule without a column": ({"rules": ["1 <= 2"]}, "names no column"),
    "rule on text": ({"rules": ["city <= 2"]}, "'city', which holds no numbers"),
    "rule that is no rule": ({"rules": [3]}, "rules holds 3"),
    "rules as text": ({"rules": "paid <= billed"}, "must be a list of rules"),
    "clean rows that break a rule": (
        {"rules": ["part <= 30"]},
        r"\d+ of 20 rows of X break the rule",
    ),
    "function that is broken": (
        {"rules": [lambda f: f["part"] <= 30]},
        r"\d+ of 20 rows of X break the rule",
    ),
    "function with another answer": ({"rules": [lambda f: 1.0]}, "True or False for each row"),
    "unknown in derived": ({"derived": {"ratio": share}}, "unknown column 'ratio'"),
    "derived and mutable": (
        {"derived": {"share": share}, "mutable": ["paid", "share"]},
        "'share' is derived from others, and mutable",
    ),
    "derived by no function": ({"derived": {"share": 2.0}}, "accepted: a function"),
    "derived from itself": (
        {"derived": {"share": lambda f: f["share"]}},
        "'share' depends on itself",
    ),
    "formula with another shape": ({"derived": {"share": lambda f: 1.0}}, "one number per row"),
    "derived with a repair": (
        {"derived": {"share": share}, "repair": lambda moved, clean: moved},
        "cannot be combined with a repair",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_errors(case):
    options, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(LOANS, **options)


def test_rows_with_two_flags_are_counted():
    message = "In 3 of 20 rows of X the group .* 3 have several, 0 have none"
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(TWO_SET, groups=[JOBS])
    space = FeatureSpace.from_data(LOANS, groups=[JOBS])
    with pytest.raises(ValueError, match="In 3 of 20 rows"):
        space.bind(TWO_SET)


MODELS = {
    "linear": LogisticRegression(),
    "neighbours": KNeighborsClassifier(3),
    "kernel": SVC(random_state=0),
    "network": MLPClassifier([5], max_iter=300, random_state=0),
    "tree": DecisionTreeClassifier(max_depth=3, random_state=0),
    "vote": VotingClassifier(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2, random_state=0))]
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_proofs_stay_below_attacks(name):
    """Prices, a group and a rule that binds: lower bounds hold, and witnesses obey."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(200, 3)), np.eye(3)[rng.integers(0, 3, 200)]])
    X[:, 1] = np.minimum(X[:, 1], 1 - X[:, 0])
    y = (X @ [1, -1, 0.5, 1, 0, -1.0] > 0).astype(int)
    model = MODELS[name].fit(X, y)
    rows = X[model.predict(X) == y][:8]
    space = FeatureSpace.from_data(
        X, groups={"job": [3, 4, 5]}, cost={"job": 0.9, 0: (3, 1), 1: 0.4}, rules=["x0 + x1 <= 1"]
    )
    labels = model.predict(rows)
    for norm in (1, 2, np.inf):
        bound = distance_prover(model, rows).bounds(space.bind(rows), norm=norm)
        found = resolve_attack("auto", norm=norm, max_queries=200).run(
            model, rows, labels, space=space, pool=X
        )
        assert (bound.lower <= np.minimum(found.distances, bound.upper) * (1 + 1e-9)).all()
        assert (bound.lower > 0).mean() > 0.9
        there = np.isfinite(bound.upper)
        assert (bound.witness[there][:, 3:].sum(axis=1) == 1).all()
        assert (bound.witness[there][:, :2].sum(axis=1) <= 1).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_proofs_refuse_derived_columns(name):
    X, y = loans(60)
    X = X[["paid", "billed", "share"]].to_numpy()
    space = FeatureSpace.from_data(X, derived={2: lambda f: f[0] / f[1]})
    model = MODELS[name].fit(X, y)
    with pytest.raises(NoCertificateError, match="derived columns"):
        distance_prover(model, X).bounds(space.bind(X), norm=2)
