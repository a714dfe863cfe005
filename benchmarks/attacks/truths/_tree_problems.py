"""Tree ensembles of five kinds on tables with heavy tails, small enough for exact distances."""

from __future__ import annotations

from collections.abc import Iterator
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
from benchmarks.common import Problem

TABLES = ("spambase", "german_credit", "url_phishing", "nsl_kdd")
HELD_OUT = ("adult", "breast_cancer")
"""Tables that attacks were not tuned on, but for one setting of exchanges."""

N_TRAIN, N_POOL, N_ROWS = 4000, 1500, 25


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


def tree_problems(table: str, n_rows: int = N_ROWS) -> Iterator[Problem]:
    """Yield one problem per kind of model."""
    Xa, ya, Xb, yb, lo, hi = split_of(table)
    for kind, model in model_kinds().items():
        model.fit(Xa, ya)
        yield Problem.of_right_rows(table, kind, model, Xb, yb, lo, hi, n_rows)


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
