"""Models on binned columns: sums of functions of one column each, whose steps are stumps."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from benchmarks.attacks.truths._ensembles import Ensemble, Tree
from benchmarks.attacks.truths._tree_problems import split_of
from benchmarks.common import Problem

N_BINS = 10


def binned_problem(table: str, n_rows: int) -> Problem:
    """Return a logistic regression on the bins of all columns, and rows that it gets right."""
    Xa, ya, Xb, yb, lo, hi = split_of(table)
    # Quantile bins of columns with few values are fewer, which is warned of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(
            KBinsDiscretizer(N_BINS, encode="onehot-dense", strategy="quantile"),
            LogisticRegression(max_iter=2000),
        ).fit(Xa, ya)
    kind = "bins + logistic regression"
    return Problem.of_right_rows(table, kind, model, Xb, yb, lo, hi, n_rows)


def read_bins(model: Pipeline, X: np.ndarray) -> Ensemble:
    """Return a stump for every edge between two bins: what crossing it adds to the margin."""
    bins, linear = model
    weights, trees, start = linear.coef_[0], [], float(linear.intercept_[0])
    first = 0
    for column, edges in enumerate(bins.bin_edges_):
        inner = edges[1:-1]
        own = weights[first : first + len(inner) + 1]
        first += len(inner) + 1
        start += own[0]
        for edge, step in zip(inner, np.diff(own), strict=True):
            trees.append(_stump(column, float(edge), float(step)))
    found = Ensemble(trees, start)
    worst = float(np.abs(found.margin(X) - model.decision_function(X)).max())
    if worst > 1e-8:
        raise ValueError(f"The bins were misread: margins differ by up to {worst:g}.")
    return found


def _stump(column: int, edge: float, step: float) -> Tree:
    """Return a tree that adds `step` where a column is at least at the edge."""
    below = np.nextafter(edge, -np.inf)
    return Tree(
        np.array([column, 0, 0]),
        np.array([below, 0.0, 0.0]),
        np.array([edge, 0.0, 0.0]),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([0.0, 0.0, step]),
    )
