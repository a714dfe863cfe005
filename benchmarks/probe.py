"""What the robust probe costs beside scikit-learn's logistic regression, at equal accuracy.

``LogisticRegression(solver="lbfgs", tol=1e-6)`` without moves is the base of each ratio; the probe
is fitted until it has proved that its objective is within 1e-6 of the minimum, which lbfgs with
this tolerance reaches too, and does not prove. CPU time of one thread, all runs of a shape in turn.

Run with ``python -m benchmarks.probe``; ``--only`` names shapes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.common import Report, arguments_of, compare, median_ratio, run_sections
from benchmarks.loaders import load_mnist
from specreg_sklearn import RobustLinearProbe

ALPHA, TOL = 1e-4, 1e-6
MOVES = {2: 0.2, math.inf: 0.05}
BARS = {2: 3.0, math.inf: 4.0}
# Blocks of 100 x 100 classes for every column.
BAR_OF_MANY_CLASSES = 7.0

Rows = tuple[np.ndarray, np.ndarray]


def iris() -> Rows:
    return load_iris(return_X_y=True)


def cancer() -> Rows:
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits(n_rows: int | None = None) -> Rows:
    X, y = load_digits(return_X_y=True)
    return X[:n_rows] / 16, y[:n_rows]


def mnist() -> Rows:
    X, y = load_mnist(return_X_y=True)
    return X[:5000].astype(np.float64), y[:5000]


def synthetic(n_rows: int, n_features: int, n_classes: int) -> Rows:
    X, y = make_classification(
        n_rows,
        n_features,
        n_informative=min(n_features, max(10, n_classes // 3)),
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        flip_y=0.05,
        random_state=0,
    )
    return StandardScaler().fit_transform(X), y


class Shape(NamedTuple):
    """A set of rows, and how many classes it has."""

    load: Callable[[], Rows]
    n_classes: int = 10


SHAPES = {
    "iris": Shape(iris, 3),
    "cancer": Shape(cancer, 2),
    "digits-200": Shape(partial(digits, 200)),
    "digits": Shape(digits),
    "5000x20": Shape(partial(synthetic, 5000, 20, 2), 2),
    "50000x10": Shape(partial(synthetic, 50000, 10, 2), 2),
    "2000x500": Shape(partial(synthetic, 2000, 500, 10)),
    "50000x100": Shape(partial(synthetic, 50000, 100, 10)),
    "mnist": Shape(mnist),
    "5000x1000": Shape(partial(synthetic, 5000, 1000, 10)),
    "2000x100": Shape(partial(synthetic, 2000, 100, 100), 100),
}


def measure(shape: Shape, name: str, report: Report, repeats: int) -> None:
    """Print the ratios of one shape."""
    X, y = shape.load()
    logistic = LogisticRegression(C=1 / (2 * ALPHA * len(y)), tol=TOL, max_iter=1_000_000)
    probes = {
        "plain": RobustLinearProbe(alpha=ALPHA, tol=TOL),
        **{
            f"norm {norm:g}": RobustLinearProbe(epsilon=epsilon, norm=norm, alpha=ALPHA, tol=TOL)
            for norm, epsilon in MOVES.items()
        },
    }
    runs = {"logistic": partial(logistic.fit, X, y)}
    runs |= {kind: partial(probe.fit, X, y) for kind, probe in probes.items()}
    seconds = compare(runs, repeats=repeats)
    bars = {"plain": None} | {
        f"norm {norm:g}": BAR_OF_MANY_CLASSES if shape.n_classes == 100 and norm == math.inf else b
        for norm, b in BARS.items()
    }
    base = statistics.median(seconds["logistic"])
    for kind, probe in probes.items():
        report.figure(
            f"{name}, {len(X)} x {X.shape[1]}, {shape.n_classes} classes: probe, {kind} / lbfgs",
            median_ratio(seconds, kind, "logistic"),
            "<=",
            bars[kind],
            detail=f"{statistics.median(seconds[kind]):.3f} s against {base:.3f} s, "
            f"{probe.n_iter_} steps, gap {probe.dual_gap_ / probe.loss_:.1e}",
        )


def main() -> None:
    """Print every ratio, with its bar where there is one."""
    sections = {name: partial(measure, shape, name) for name, shape in SHAPES.items()}
    arguments = arguments_of(__doc__, sections, repeats={"type": int, "default": 3})
    run_sections(Report(), sections, arguments, arguments.repeats)


if __name__ == "__main__":
    main()
