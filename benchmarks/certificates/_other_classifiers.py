"""Both ends where boundaries are curved or bent: neighbours, kernels, networks and others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.common import Report
from benchmarks.loaders import (
    DATA_VARIABLE,
    load_german_credit,
    load_spambase,
    load_url_phishing,
)
from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace

NORMS = (1, 2, np.inf)
_LOADERS: dict[str, Callable[..., Any]] = {
    "spambase": load_spambase,
    "german_credit": load_german_credit,
    "url_phishing": load_url_phishing,
}
_MOST_TRAINED, _QUERIES = 3000, 1000
# The least median of lower bounds over the nearest known rows.
_BARS = {"GaussianNB": 0.9999, "QDA": 0.99, "5-NN": 0.9999, "SVC, RBF": 0.9, "SVC, degree 2": 0.99}


class CurvedLine(NamedTuple):
    """What a proof says of rows of a table in a norm.

    Parameters
    ----------
    model, data : str
        The model and the table.
    norm : float
        The norm.
    n_rows : int
        How many rows.
    tightness : float
        Median of the lower bound over the nearest row that the proof or an attack knows.
    closed : float
        The share of rows with an exact distance.
    wrong : int
        Rows that the attack found nearer than the lower bound.
    seconds : float
        CPU seconds of a row, on average.
    """

    model: str
    data: str
    norm: float
    n_rows: int
    tightness: float
    closed: float
    wrong: int
    seconds: float


def other_classifiers(report: Report, n_rows: int) -> None:
    """Report both ends of all models on all tables."""
    if not os.environ.get(DATA_VARIABLE):
        report.remark(f"{DATA_VARIABLE} is not set: scikit-learn's own tables are measured only.")
    lines = list(curved_lines(n_rows))
    wrong = sum(line.wrong for line in lines)
    report.figure("curved boundaries: rows found below a bound", wrong, "<=", 0, form="d")
    for model in _models():
        some = [line for line in lines if line.model == model]
        closed = float(np.mean([line.closed for line in some]))
        report.figure(f"{model}: share of exact distances", closed)
        bar, tightness = _BARS.get(model), float(np.median([line.tightness for line in some]))
        title = f"{model}: lower bound over nearest known row"
        report.figure(title, tightness, ">=" if bar else None, bar, form=".4f")
    report.table(
        "Both ends where boundaries are curved or bent",
        f"{n_rows} test rows a line, units by standard deviation, bounds by the data, a scaler in "
        f"front. The nearest known row is that of the proof, or of an attack with {_QUERIES} "
        "queries.",
        ("model, table, norm", "lower / nearest known", "closed", "CPU ms"),
        [
            (
                f"{line.model}, {line.data}, L{line.norm:g}",
                f"{line.tightness:.4f}",
                f"{line.closed:.0%}",
                f"{1000 * line.seconds:.0f}",
            )
            for line in lines
        ],
    )


def curved_lines(n_rows: int) -> Iterator[CurvedLine]:
    """Yield a line for each model, table and norm."""
    for data, (X, y) in _tables():
        X_train, X_test, y_train, _ = train_test_split(
            X, y, test_size=0.3, random_state=0, stratify=y
        )
        X_train, y_train = X_train[:_MOST_TRAINED], y_train[:_MOST_TRAINED]
        rows = X_test[:n_rows]
        space = FeatureSpace.from_data(X_train)
        for name, last in _models().items():
            model = make_pipeline(StandardScaler(), last).fit(X_train, y_train)
            prover, labels = distance_prover(model, X_train), model.predict(rows)
            for norm in NORMS:
                attack = resolve_attack("auto", norm=norm, max_queries=_QUERIES)
                found = attack.run(model, rows, labels, space=space, pool=X_train).distances
                start = time.process_time()
                proved = prover.bounds(space.bind(rows), norm=norm)
                seconds = (time.process_time() - start) / len(rows)
                nearest = np.minimum(found, proved.upper)
                known = np.isfinite(nearest) & (nearest > 0)
                yield CurvedLine(
                    name,
                    data,
                    norm,
                    len(rows),
                    float(np.median(proved.lower[known] / nearest[known])),
                    float(proved.closed.mean()),
                    int((proved.lower > found).sum()),
                    seconds,
                )


def _models() -> dict[str, Any]:
    network: dict[str, Any] = {"max_iter": 100, "early_stopping": True, "random_state": 0}
    return {
        "GaussianNB": GaussianNB(),
        "QDA": QuadraticDiscriminantAnalysis(reg_param=0.1),
        "5-NN": KNeighborsClassifier(),
        "SVC, RBF": SVC(random_state=0),
        "SVC, degree 2": SVC(kernel="poly", degree=2, coef0=1.0, random_state=0),
        "MLP 16-16": MLPClassifier((16, 16), **network),
        "MLP 100": MLPClassifier((100,), **network),
        "MLP 16, tanh": MLPClassifier((16,), activation="tanh", **network),
    }


def _tables() -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    yield "breast_cancer", load_breast_cancer(return_X_y=True)
    yield "wine", load_wine(return_X_y=True)
    yield "digits", load_digits(return_X_y=True)
    if os.environ.get(DATA_VARIABLE):
        for name, load in _LOADERS.items():
            X, y = load(return_X_y=True, as_frame=True)
            yield name, (X.select_dtypes("number").to_numpy(dtype=np.float64), y.to_numpy())
