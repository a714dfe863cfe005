"""Exact distances of the benchmarks against enumeration, on models small enough for it."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from benchmarks.attacks.truths import (
    fewest_steps,
    known_rows,
    model_kinds,
    nearest_cell,
    prove,
    read,
    read_bins,
)
from benchmarks.common import Problem

BINS = make_pipeline(
    KBinsDiscretizer(5, encode="onehot-dense", strategy="quantile"),
    LogisticRegression(),
)
MODELS = {**model_kinds(), "bins": BINS}


def problem_of(model, X, y, n_rows=6):
    model.fit(X[:200], y[:200])
    right = 200 + np.flatnonzero(model.predict(X[200:]) == y[200:])[:n_rows]
    lo, hi = X.min(axis=0), X.max(axis=0)
    return Problem("toy", type(model).__name__, model, X[right], y[right], X, lo, hi)


@pytest.mark.parametrize("kind", MODELS)
def test_distances_are_those_of_the_nearest_cell_of_the_grid(kind):
    """In two columns every cell between thresholds can be looked at."""
    X, y = make_moons(300, noise=0.25, random_state=0)
    problem = problem_of(MODELS[kind], X, y)
    ensemble = (read_bins if kind == "bins" else read)(problem.model, X)
    ends = []
    for column in range(2):
        edges = {(problem.lo[column], problem.hi[column])}
        for tree in ensemble.trees:
            inner = (tree.left >= 0) & (tree.feature == column)
            edges |= set(zip(tree.below[inner], tree.above[inner], strict=True))
        below = [problem.hi[column], *(b for b, _ in edges)]
        above = [problem.lo[column], *(a for _, a in edges)]
        low, high = sorted(set(above)), sorted(set(below))
        cells = [(a, min(b for b in high if b >= a)) for a in low if a <= problem.hi[column]]
        ends.append(
            [(a, b) for a, b in cells if b <= problem.hi[column] and a >= problem.lo[column]]
        )
    known = known_rows(problem)
    for norm in (1, 2, np.inf):
        truth = prove(problem, norm, known)
        # A tie of votes next to a row leaves its distance open: at most one row here.
        assert truth.proved.sum() >= len(problem.X) - 1
        sure = truth.proved
        for x, label, distance in zip(
            problem.X[sure], problem.y[sure], truth.exact[sure], strict=True
        ):
            corners = np.array(
                [
                    [np.clip(x[0], *first), np.clip(x[1], *second)]
                    for first, second in product(*ends)
                ]
            )
            other = problem.model.predict(corners) != label
            best = np.linalg.norm(corners[other] - x, ord=norm, axis=1).min()
            assert distance == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        RandomForestClassifier(5, max_depth=4, random_state=0),
        GradientBoostingClassifier(n_estimators=8, random_state=0),
    ],
)
def test_fewest_steps_are_those_of_all_subsets(model):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(300, 12))
    score = X @ rng.normal(size=12) + rng.normal(size=300)
    y = (score > np.median(score)).astype(int)
    problem = problem_of(model, X, y, n_rows=8)
    fewest, proved = fewest_steps(problem, np.full(len(problem.X), 12.0))
    assert proved.all()
    for x, label, least in zip(problem.X, problem.y, fewest, strict=True):
        for size in range(1, 13):
            flips = np.array(list(combinations(range(12), size)))
            moved = np.repeat(x[None], len(flips), axis=0)
            np.put_along_axis(moved, flips, 1 - np.take_along_axis(moved, flips, 1), 1)
            if (problem.model.predict(moved) != label).any():
                break
        assert least == size


def test_the_nearest_cell_of_another_label_is_on_its_edge():
    """A little before the distance no direction fools, and at it one of many does."""
    X, y = make_moons(260, noise=0.2, random_state=0)
    model = KNeighborsClassifier(1, algorithm="brute").fit(X[:200], y[:200])
    right = 200 + np.flatnonzero(model.predict(X[200:]) == y[200:])[:10]
    problem = Problem("toy", "1-NN", model, X[right], y[right], X, -9 * np.ones(2), np.ones(2))
    angle = np.linspace(0, 2 * np.pi, 3000)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    for x, label, distance in zip(problem.X, problem.y, nearest_cell(problem), strict=True):
        for share in (0.3, 0.7, 0.999):
            assert (model.predict(x + share * distance * circle) == label).all()
        assert (model.predict(x + 1.003 * distance * circle) != label).any()


def test_misread_models_are_refused():
    X, y = make_moons(300, noise=0.25, random_state=0)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    forest.estimators_[0].tree_.threshold[0] += 0.5
    read(forest, X)  # what is read is what the model now is
    with pytest.raises(ValueError, match="LogisticRegression is not read here"):
        read(LogisticRegression().fit(X, y), X)
