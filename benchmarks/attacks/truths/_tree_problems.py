"""Tree ensembles of five kinds on tables with heavy tails, small enough for exact distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.model_selection import train_test_split

from benchmarks import loaders
from specreg_sklearn import FeatureSpace

TABLES = ("spambase", "german_credit", "url_phishing", "nsl_kdd")
HELD_OUT = ("adult", "breast_cancer")
"""Tables that no attack was tuned on."""

N_TRAIN, N_POOL, N_ROWS = 4000, 1500, 25


@dataclass(eq=False)
class TableProblem:
    """A fitted model, rows that it gets right, and the box that attacks may use.

    Parameters
    ----------
    table, kind : str
        Names of the data and of the model.
    model : classifier
        Fitted; its labels are 0 and 1.
    X : ndarray of shape (n, d), float64
        Rows to attack, in standard deviations.
    y : ndarray of shape (n,), int
    pool : ndarray of shape (n_pool, d)
        The test part.
    lo, hi : ndarray of shape (d,)
        The range of the whole table.
    """

    table: str
    kind: str
    model: Any
    X: np.ndarray
    y: np.ndarray
    pool: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    @cached_property
    def space(self) -> FeatureSpace:
        """The box in the units of X."""
        return FeatureSpace.from_data(self.pool, bounds=(self.lo, self.hi), scale=None)

    @cached_property
    def pool_labels(self) -> np.ndarray:
        """What the model predicts for the pool."""
        return self.model.predict(self.pool)

    @cached_property
    def nearest(self) -> np.ndarray:
        """The nearest row of the pool with another prediction: where other libraries start."""
        apart = np.linalg.norm(self.X[:, None, :] - self.pool, axis=2)
        apart[self.y[:, None] == self.pool_labels] = np.inf
        return self.pool[apart.argmin(axis=1)]

    def fooled(self, Z: np.ndarray) -> np.ndarray:
        """Return where the model gets float64 rows wrong."""
        return self.model.predict(np.asarray(Z, dtype=np.float64)) != self.y

    def first(self, n_rows: int) -> TableProblem:
        """Return the problem of the first rows."""
        return replace(self, X=self.X[:n_rows], y=self.y[:n_rows])

    @property
    def name(self) -> str:
        """How tables of results call it."""
        return f"{self.table}, {self.kind}"


def numbers_of(table: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a table that are numbers and vary, and its labels."""
    if table == "breast_cancer":
        return load_breast_cancer(return_X_y=True)
    data = getattr(loaders, f"load_{table}")(drop_duplicates=True)
    X = data.data
    if hasattr(X, "select_dtypes"):
        X = X.select_dtypes("number").to_numpy(np.float64)
    y = np.asarray(data.target)
    return X[:, X.std(axis=0) > 0], y


def model_kinds() -> dict[str, Any]:
    """Return new models by name; those of libraries that are not installed are left out."""
    models: dict[str, Any] = {
        "RandomForest": RandomForestClassifier(15, max_depth=5, random_state=0),
        "GradientBoosting": GradientBoostingClassifier(
            n_estimators=20, max_depth=3, random_state=0
        ),
        "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    }
    try:
        from xgboost import XGBClassifier

        models["XGBoost"] = XGBClassifier(
            n_estimators=20, tree_method="hist", random_state=0, n_jobs=1
        )
    except ImportError:
        pass
    try:
        from lightgbm import LGBMClassifier

        models["LightGBM"] = LGBMClassifier(n_estimators=20, random_state=0, n_jobs=1, verbosity=-1)
    except ImportError:
        pass
    return models


def tree_problems(table: str, n_rows: int = N_ROWS) -> Iterator[TableProblem]:
    """Yield one problem per kind of model."""
    Xa, ya, Xb, yb, lo, hi = split_of(table)
    for kind, model in model_kinds().items():
        model.fit(Xa, ya)
        right = np.flatnonzero(model.predict(Xb) == yb)[:n_rows]
        yield TableProblem(table, kind, model, Xb[right], yb[right], Xb, lo, hi)


def split_of(table: str) -> tuple[np.ndarray, ...]:
    """Return training rows and labels, test rows and labels, and the range of each column.

    Columns are centred and in units of their standard deviations on the training rows.
    """
    X, y = numbers_of(table)
    Xa, Xb, ya, yb = train_test_split(
        X,
        y,
        train_size=min(N_TRAIN, int(0.7 * len(X))),
        test_size=min(N_POOL, int(0.3 * len(X))),
        stratify=y,
        random_state=0,
    )
    mean, std = Xa.mean(axis=0), Xa.std(axis=0)
    used = std > 0
    Xa, Xb, X = (((part - mean) / np.where(used, std, 1))[:, used] for part in (Xa, Xb, X))
    return Xa, ya, Xb, yb, X.min(axis=0), X.max(axis=0)
