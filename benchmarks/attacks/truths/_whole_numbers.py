"""Tables of whole numbers, and the fewest steps of 1 that change the label, known exactly.

For trees by the integer program: a threshold between two whole numbers is crossed at the next one.
For a logistic regression by sorting: steps add up, so the largest gains come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from benchmarks import loaders
from benchmarks.attacks.truths._ensembles import Ensemble, read
from benchmarks.attacks.truths._nearest_row import TIE, nearest_row
from benchmarks.common import Problem

WHOLE_TABLES = ("phishing flags", "phishing signs", "adult flags")
_BINS = 10


def whole_number_problems(table: str, n_rows: int = 40) -> Iterator[Problem]:
    """Yield one problem per kind of model; every cell is a whole number, and so is every move."""
    X, y = _cells_of(table)
    X = X.astype(np.int64)  # what a space takes for whole numbers
    Xa, Xb, ya, yb = train_test_split(
        X, y, train_size=3000, test_size=1500, stratify=y, random_state=0
    )
    models: dict[str, Any] = {
        "LogisticRegression": LogisticRegression(max_iter=2000),
        "RandomForest": RandomForestClassifier(15, max_depth=6, random_state=0),
        "GradientBoosting": GradientBoostingClassifier(n_estimators=30, random_state=0),
    }
    for kind, model in models.items():
        model.fit(Xa, ya)
        lo, hi = X.min(axis=0), X.max(axis=0)
        yield Problem.of_right_rows(table, kind, model, Xb, yb, lo, hi, n_rows)


def fewest_steps(problem: Problem, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least number of steps for each row, and whether it is proved.

    `within` are numbers of steps that are known to suffice.
    """
    if isinstance(problem.model, LogisticRegression):
        return _of_linear(problem), np.ones(len(problem.X), dtype=bool)
    ensemble = _on_whole_numbers(read(problem.model, problem.pool))
    fewest, proved = np.full(len(problem.X), np.inf), np.zeros(len(problem.X), dtype=bool)
    box = {"lo": problem.lo, "hi": problem.hi, "norm": 1.0}
    cells = problem.X.dtype
    for i, x in enumerate(problem.X.astype(np.float64)):
        bound = 0.0
        for tie in (-TIE, TIE):
            found = nearest_row(ensemble, x, within=float(within[i]), tie=tie, **box)
            bound = found.bound if tie < 0 else bound
            if found.row is None:
                continue
            if problem.model.predict(found.row[None].astype(cells))[0] != problem.y[i]:
                fewest[i] = found.distance
                # Between two whole numbers there is no third.
                proved[i] = bound > found.distance - 0.99
                break
    return fewest, proved


def _cells_of(table: str) -> tuple[np.ndarray, np.ndarray]:
    data, kind = table.split()
    if data == "phishing":
        bunch = loaders.load_phishing_websites(drop_duplicates=True)
        X, y = bunch.data, bunch.target
        return (X, y) if kind == "signs" else (_flags(X), y)
    bunch = loaders.load_adult(drop_duplicates=True)
    columns = []
    for name in bunch.data.columns:
        cells = bunch.data[name]
        if cells.dtype.kind in "iuf":
            ends = np.unique(np.quantile(cells, np.linspace(0, 1, _BINS + 1)[1:-1]))
            columns.append(np.searchsorted(ends, cells.to_numpy(), side="right"))
        else:
            columns.append(cells.astype("category").cat.codes.to_numpy())
    return _flags(np.column_stack(columns)), np.asarray(bunch.target)


def _flags(X: np.ndarray) -> np.ndarray:
    """Return one column of 0 and 1 for every value of every column."""
    flags = [(X[:, [j]] == np.unique(X[:, j])).astype(np.float64) for j in range(X.shape[1])]
    F = np.hstack(flags)
    return F[:, F.std(axis=0) > 0]


def _on_whole_numbers(ensemble: Ensemble) -> Ensemble:
    trees = [
        replace(tree, below=np.floor(tree.below), above=np.floor(tree.below) + 1)
        for tree in ensemble.trees
    ]
    return Ensemble(trees, ensemble.start)


def _of_linear(problem: Problem) -> np.ndarray:
    weight, bias = problem.model.coef_[0], problem.model.intercept_[0]
    fewest = np.empty(len(problem.X))
    for i, (x, label) in enumerate(zip(problem.X, problem.y, strict=True)):
        side = 1.0 if label else -1.0
        room = np.where(side * weight > 0, x - problem.lo, problem.hi - x)
        gains = np.repeat(np.abs(weight), np.rint(room).astype(int))
        gains = np.cumsum(np.sort(gains)[::-1])
        margin = side * float(x @ weight + bias)
        # A tie is label 0: rows of label 1 fall at a margin of exactly 0.
        beyond = gains >= margin if label else gains > margin
        fewest[i] = beyond.argmax() + 1 if beyond.any() else np.inf
    return fewest
