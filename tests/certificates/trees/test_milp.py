"""Distances by search against a mixed-integer program: another formulation, another solver.

A tree is a choice of one leaf; a column is a choice of one cell; a leaf can be chosen only if the
cells of its columns are. The program is written from the nodes of the fitted trees.
"""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import coo_array
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace


def leaf_paths(tree):
    """Return (node, {column: (above, at most)}) of the leaves of a fitted tree_."""
    stack, out = [(0, {})], []
    while stack:
        node, box = stack.pop()
        if tree.children_left[node] < 0:
            out.append((node, box))
            continue
        j, t = int(tree.feature[node]), float(tree.threshold[node])
        low, high = box.get(j, (-np.inf, np.inf))
        stack.append((tree.children_left[node], {**box, j: (low, min(high, t))}))
        stack.append((tree.children_right[node], {**box, j: (max(low, t), high)}))
    return out


def distance_by_milp(x, trees, values, needed, norm):
    """Return the smallest distance to a row with ``sum(values of its leaves) >= needed``."""
    paths = [leaf_paths(tree) for tree in trees]
    cuts = [set() for _ in x]
    for path in paths:
        for _, box in path:
            for j, ends in box.items():
                cuts[j].update(end for end in ends if np.isfinite(end))
    # Cells of float64 rows whose float32 is compared: the middle of neighbours decides.
    cost, cell_of, n = [], [], 0
    for j, column in enumerate(cuts):
        ends = np.array([-np.inf, *sorted(column), np.inf])
        up = ends[:-1].astype(np.float32)
        up = np.where(up > ends[:-1], np.nextafter(up, np.float32(-np.inf)), up)
        after = np.nextafter(up, np.float32(np.inf)).astype(float)
        edge = (up.astype(float) + after) / 2
        edge[0] = -np.inf
        low, high = edge, np.append(edge[1:], np.inf)
        gap = np.maximum(np.maximum(low - x[j], x[j] - high), 0.0)
        cell_of.append((ends, n))
        cost.append(gap)
        n += len(gap)
    n_cells = n
    n_leaves = sum(map(len, paths))
    size = n_cells + n_leaves + 1
    entries, low, high = [], [], []

    def add(pairs, least, most):
        entries.extend((len(low), column, value) for column, value in pairs)
        low.append(least)
        high.append(most)

    for (_, first), gap in zip(cell_of, cost, strict=True):
        add([(first + k, 1.0) for k in range(len(gap))], 1, 1)
        if norm == np.inf:
            add([*((first + k, g) for k, g in enumerate(gap)), (size - 1, -1.0)], -np.inf, 0)
    at, score = n_cells, []
    for path, value in zip(paths, values, strict=True):
        add([(at + k, 1.0) for k in range(len(path))], 1, 1)
        for k, (node, box) in enumerate(path):
            score.append((at + k, value[node]))
            for j, (above, most) in box.items():
                ends, first = cell_of[j]
                inside = np.flatnonzero((ends[:-1] >= above) & (ends[1:] <= most))
                add([(at + k, 1.0), *((first + c, -1.0) for c in inside.tolist())], -np.inf, 0)
        at += len(path)
    add(score, needed, np.inf)
    c = np.zeros(size)
    power = 2 if norm == 2 else 1
    if norm == np.inf:
        c[-1] = 1.0
    else:
        c[:n_cells] = np.concatenate(cost) ** power
    i, j, v = zip(*entries, strict=True)
    i, j = np.array(i, dtype=np.int32), np.array(j, dtype=np.int32)  # as scipy before 1.15 needs
    matrix = coo_array((v, (i, j)), shape=(len(low), size)).tocsr()
    whole = np.ones(size)
    whole[-1] = 0
    found = milp(
        c,
        constraints=LinearConstraint(matrix, low, high),
        integrality=whole,
        bounds=(0, np.append(np.ones(size - 1), np.inf)),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return np.inf
    chosen = np.rint(found.x[:n_cells]) > 0.5
    gaps = np.concatenate(cost)[chosen]
    return float(np.linalg.norm(gaps, norm))


def problem(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(150, 6))
    y = (X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.normal(size=150) > 0).astype(int)
    kind = seed % 3
    if kind == 0:
        model = GradientBoostingClassifier(n_estimators=8, max_depth=2, random_state=seed)
    elif kind == 1:
        model = RandomForestClassifier(9, max_depth=3, random_state=seed)
    else:
        model = ExtraTreesClassifier(9, max_depth=3, random_state=seed)
    return X, model.fit(X, y)


def check(seed, n_rows):
    X, model = problem(seed)
    ensemble = TreeEnsemble.from_estimator(model)
    rows = FeatureSpace.from_data(X, bounds=None, scale=None).bind(X[:n_rows])
    labels = model.predict(X[:n_rows])
    boosted = isinstance(model, GradientBoostingClassifier)
    members = [m.tree_ for m in np.ravel(model.estimators_)]
    for norm in (1, 2, np.inf):
        found = nearest_rows(ensemble, rows, norm=norm)
        for i, label in enumerate(labels):
            sign = 1.0 if label == 0 else -1.0
            if boosted:
                values = [sign * model.learning_rate * t.value[:, 0, 0] for t in members]
                needed = -sign * float(ensemble.trees.base[0])
            else:
                values = [sign * (t.value[:, 0, 1] - t.value[:, 0, 0]) for t in members]
                needed = 0.0
            exact = distance_by_milp(X[i], members, values, needed, norm)
            assert found.closed[i]
            # HiGHS takes sums that miss by 1e-6 for enough.
            assert found.upper[i] == pytest.approx(exact, rel=1e-9, abs=1e-9), (seed, norm, i)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_a_mixed_integer_program(seed):
    check(seed, 1)


@pytest.mark.slow
def test_five_hundred_problems_equal_to_mixed_integer_programs():
    for seed in range(10, 67):
        check(seed, 3)
