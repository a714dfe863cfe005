"""Compiled searches against those in NumPy, and bounds of boxes against points in them."""

from itertools import product

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.certificates.trees.search import (
    PRUNED,
    Stub,
    boxes_of,
    terms_of,
)
from specreg_sklearn.space import FeatureSpace

NORMS = (0, 1, 2, np.inf)
SEARCH = "specreg_sklearn.certificates.trees.search"
WHERE_ASKED = ("_boxes", "_compiled", "_multipliers")


@pytest.mark.parametrize("model", [
    GradientBoostingClassifier(n_estimators=20, random_state=0),
    RandomForestClassifier(15, max_depth=5, random_state=0),
    ExtraTreesClassifier(6, random_state=0),
], ids=["boosting", "forest", "extra trees"])  # fmt: skip
def test_both_searches_give_the_same_bits(model, cancer_rows, monkeypatch):
    pytest.importorskip("numba")
    X, y = cancer_rows
    ensemble = TreeEnsemble.from_estimator(model.fit(X[:300], y[:300]))
    rows = FeatureSpace.from_data(X, scale=None).bind(X[400:402])
    for limit in (10**6, 0):  # with and without multipliers
        monkeypatch.setattr(f"{SEARCH}._boxes.LARGEST", limit)
        for norm, within in product(NORMS, (None, 0.5)):
            found = []
            for by_numba in (True, False):
                for module in WHERE_ASKED:
                    name = f"{SEARCH}.{module}.compiled"
                    monkeypatch.setattr(name, lambda answer=by_numba: answer)
                options = {"norm": norm, "within": within, "max_nodes": 120}
                found.append(nearest_rows(ensemble, rows, **options))
            for mine, theirs in zip(*found, strict=True):
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("additive", [True, False])
def test_no_multipliers_give_a_bound_above_a_point_of_the_box(additive):
    """Bounds hold whatever the multipliers are: those of steps at random boxes, at long rates."""
    rng = np.random.default_rng(0)
    terms = terms_of(*_random_problem(rng), additive=additive)
    stub, looks = terms.stub, boxes_of(terms)
    size = np.diff(stub.start)
    points = rng.integers(0, size, size=(4000, len(size)))
    costs = stub.cost[stub.start[:-1] + points]
    costs = costs.sum(axis=1) if additive else costs.max(axis=1)
    scores = _scores(stub, terms.value, points)
    tight = n_closed = 0
    for _ in range(120):
        ends = np.sort(rng.integers(0, size, size=(2, len(size))), axis=0)
        ends = np.where(rng.random(len(size)) < 0.6, [0 * size, size - 1], ends)
        radius = np.quantile(costs, rng.random())
        held = ((points >= ends[0]) & (points <= ends[1])).all(axis=1)
        held &= (scores >= terms.target) & (costs < radius)
        is_open = np.ones(len(stub.leaf), dtype=np.uint8)
        look = looks.look(ends[0], ends[1], is_open, radius, 1.0, past_near=True)
        if look.verdict == PRUNED:
            assert not held.any()
            continue
        # What was taken off the box and closed holds no point that counts.
        assert ((points[held] >= ends[0]) & (points[held] <= ends[1])).all()
        assert not _inside(stub, points[held])[:, is_open == 0].any()
        n_closed += int(is_open.size - is_open.sum())
        nearest = costs[held].min(initial=np.inf)
        assert look.key <= nearest * (1 + 1e-12)
        tight += look.key > 0.5 * nearest
        looks.improve(ends[0], ends[1], 0.9)
    assert terms.multipliers.pool.max() > 2 * terms.multipliers.least_pool
    assert tight > 5
    assert n_closed > 100


def _random_problem(rng):
    """Return a stub of trees of depth 2 over 4 columns of 6 cells, values, and a target."""
    n_columns, n_cells, n_trees = 4, 6, 12
    home = rng.integers(0, n_cells, size=n_columns)
    number = np.arange(n_cells)
    cost = np.concatenate([
        np.cumsum(rng.random(n_cells))[np.abs(number - h)] * (number != h) for h in home
    ])  # fmt: skip
    leaf_of, column, first, last = [], [], [], []
    for tree in range(n_trees):
        a, b = rng.choice(n_columns, 2, replace=False)
        p, q = rng.integers(1, n_cells, size=2)
        for k in range(4):
            for j, cut, above in ((a, p, k // 2), (b, q, k % 2)):
                leaf_of.append(4 * tree + k)
                column.append(j)
                first.append(cut if above else 0)
                last.append(n_cells - 1 if above else cut - 1)
    n_leaves = 4 * n_trees
    value = rng.normal(size=n_leaves)
    stub = Stub(
        column=np.arange(n_columns),
        start=n_cells * np.arange(n_columns + 1),
        home=home,
        cost=cost,
        point=cost,
        leaf=np.arange(n_leaves),
        tree=np.repeat(np.arange(n_trees), 4),
        tree_start=4 * np.arange(n_trees),
        entry_leaf=np.array(leaf_of),
        entry_start=2 * np.arange(n_leaves),
        entry_column=np.array(column),
        first=np.array(first),
        last=np.array(last),
        settled=np.zeros(0, dtype=np.int64),
    )
    return stub, value, 3.0


def _inside(stub, points):
    here = points[:, stub.entry_column]
    inside = (here >= stub.first) & (here <= stub.last)
    return np.logical_and.reduceat(inside, stub.entry_start, axis=1)


def _scores(stub, value, points):
    return (_inside(stub, points) * value).sum(axis=1)
