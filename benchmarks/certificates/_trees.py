"""Distances of tree ensembles: how many rows close, at what price, and beside other provers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.loaders import load_german_credit, load_spambase, load_url_phishing
from specreg_sklearn.certificates import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace

NORMS = (np.inf, 2, 1)
MOST_ROWS = 6000


class Line(NamedTuple):
    """One model on one table in one norm.

    Parameters
    ----------
    data, model : str
        What was fitted on what.
    norm : float
        The norm.
    closed : float
        Share of rows with an exact distance.
    seconds : float
        Median CPU seconds of a row.
    ratio : float
        Median of lower / upper over the rows that are left open; NaN without any.
    nodes : float
        Median number of boxes.
    n_rows : int
        How many rows.
    """

    data: str
    model: str
    norm: float
    closed: float
    seconds: float
    ratio: float
    nodes: float
    n_rows: int


def tables() -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    """Return loaders of numeric tables, by name."""
    return {
        "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
        "spambase": lambda: load_spambase(return_X_y=True),
        "url_phishing": lambda: load_url_phishing(return_X_y=True),
        "german_credit": _german_credit,
    }


def _german_credit() -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    X, y = load_german_credit(return_X_y=True, as_frame=True)
    return pd.get_dummies(X).to_numpy(dtype=np.float64), np.asarray(y)


def models() -> dict[str, Any]:
    """Return unfitted ensembles of 100 trees; those of other libraries if they are installed."""
    out: dict[str, Any] = {
        "GB": GradientBoostingClassifier(random_state=0),
        "HistGB": HistGradientBoostingClassifier(random_state=0),
    }
    try:
        from xgboost import XGBClassifier

        out["XGBoost"] = XGBClassifier(n_jobs=1)
    except ImportError:
        pass
    try:
        from lightgbm import LGBMClassifier

        out["LightGBM"] = LGBMClassifier(n_jobs=1, verbose=-1)
    except ImportError:
        pass
    out["RF depth 6"] = RandomForestClassifier(100, max_depth=6, random_state=0)
    out["RF full"] = RandomForestClassifier(100, random_state=0)
    out["ExtraTrees full"] = ExtraTreesClassifier(100, random_state=0)
    return out


class Fitted(NamedTuple):
    """A fitted ensemble, and test rows that it labels correctly."""

    model: Any
    X: np.ndarray
    space: FeatureSpace


def fitted(data: str, model: Any, n_rows: int) -> Fitted:
    """Fit a model on standardised columns; the space is bounded by the range of the data."""
    X, y = tables()[data]()
    X = StandardScaler().fit_transform(np.asarray(X, dtype=np.float64))
    if len(X) > MOST_ROWS:
        some = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
        X, y = X[some], np.asarray(y)[some]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    model.fit(X_train, y_train)
    right = np.flatnonzero(model.predict(X_test) == y_test)[:n_rows]
    return Fitted(model, X_test[right], FeatureSpace.from_data(X_test, scale=None))


def measure(data: str, name: str, n_rows: int) -> Iterator[Line]:
    """Yield one line per norm."""
    case = fitted(data, models()[name], n_rows)
    ensemble = TreeEnsemble.from_estimator(case.model)
    for norm in NORMS:
        # Compiling is not counted.
        nearest_rows(ensemble, case.space.bind(case.X[:1]), norm=norm, max_nodes=20)
        found, seconds = [], []
        for i in range(len(case.X)):
            rows = case.space.bind(case.X[i : i + 1])
            start = time.process_time()
            found.append(nearest_rows(ensemble, rows, norm=norm))
            seconds.append(time.process_time() - start)
        closed = np.array([each.closed[0] for each in found])
        ratio = np.array([each.lower[0] / each.upper[0] for each in found])
        yield Line(
            data,
            name,
            norm,
            float(closed.mean()),
            float(np.median(seconds)),
            float(np.median(ratio[~closed])) if not closed.all() else np.nan,
            float(np.median([each.n_nodes[0] for each in found])),
            len(closed),
        )


def lines_of(
    data: Iterable[str], names: Iterable[str], n_rows: int, folder: Path | None
) -> list[Line]:
    """Return the lines of models on tables.

    Those that a `folder` holds are read; the others are measured, and written to it. So several
    processes can share the work, and one that comes last puts it together.
    """
    names = list(names)
    return [line for each in data for name in names for line in _kept(each, name, n_rows, folder)]


def _kept(data: str, name: str, n_rows: int, folder: Path | None) -> list[Line]:
    if folder is None:
        return list(measure(data, name, n_rows))
    path = folder / f"{data}, {name}, {n_rows} rows.json"
    if path.exists():
        return [Line(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
    lines = list(measure(data, name, n_rows))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(lines), encoding="utf-8")
    return lines
