"""What the threat model of a table costs: rules beside none, and pools of a million rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import Report, compare, median_ratio
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import robust_accuracy_score
from specreg_sklearn.space import FeatureSpace

# Relations that hold in every row of breast_cancer: the worst of a size is no less than its mean.
_SIZES = ("radius", "texture", "perimeter", "area")
_RULES = [f"mean_{size} <= worst_{size}" for size in _SIZES]
_QUERIES, _ROWS = 1000, 30
_SMALL, _LARGE, _SAMPLES = 10_000, 1_000_000, 50


def _models() -> dict[str, Any]:
    network = MLPClassifier((32,), max_iter=60, random_state=0)
    return {
        "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression()),
        "MLPClassifier": make_pipeline(StandardScaler(), network),
        "RandomForestClassifier": RandomForestClassifier(50, random_state=0),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(random_state=0),
    }


def _sizes_in_order(moved: Any, clean: Any) -> Any:
    """Do what the rules do, as a function of the user's: each size up to its worst one."""
    sizes = {
        f"mean_{size}": moved[[f"mean_{size}", f"worst_{size}"]].min(axis=1) for size in _SIZES
    }
    return moved.assign(**sizes)


def rules(report: Report, repeats: int) -> None:
    """CPU of attacks in a space with rules over that without, frames of breast_cancer."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X.columns = [str(name).replace(" ", "_") for name in X.columns]
    spaces = {
        "plain": FeatureSpace.from_data(X),
        "rules": FeatureSpace.from_data(X, rules=_RULES),
        "repair": FeatureSpace.from_data(X, repair=_sizes_in_order),
    }
    attack, ratios, shown = CGBA(max_queries=_QUERIES), [], []
    for name, model in _models().items():
        model.fit(X, y)
        rows = X[:: len(X) // _ROWS]
        labels = model.predict(rows)

        def run(space: FeatureSpace, model: Any = model, rows: Any = rows, y: Any = labels) -> None:
            attack.run(model, rows, y, space=space, pool=X)

        seconds = compare(
            {key: lambda space=space: run(space) for key, space in spaces.items()}, repeats=repeats
        )
        ratios.append(median_ratio(seconds, "rules", "plain"))
        shown.append(f"{name} {ratios[-1]:.2f} ({median_ratio(seconds, 'repair', 'plain'):.2f})")
    report.figure(
        f"breast_cancer, four rules: CPU / that without them, {_QUERIES} queries, median of models",
        float(np.median(ratios)),
        "<=",
        1.5,
        detail=", ".join(shown) + "; in brackets with a repair in their place",
    )


def pools(report: Report, repeats: int) -> None:
    """CPU of a score of 50 rows of a million over that of 50 of ten thousand."""
    X, y = make_classification(_LARGE, 20, n_informative=8, random_state=0)
    for name, model in _models().items():
        model.fit(X[:_SMALL], y[:_SMALL])

        def score(n: int, model: Any = model) -> float:
            return robust_accuracy_score(model, X[:n], y[:n], eps=0.3, max_samples=_SAMPLES)

        seconds = compare(
            {"large": lambda f=score: f(_LARGE), "small": lambda f=score: f(_SMALL)},
            repeats=repeats,
        )
        medians = {key: float(np.median(values)) for key, values in seconds.items()}
        report.figure(
            f"{name}: CPU of a score of {_SAMPLES} rows of {_LARGE} / of {_SMALL}",
            median_ratio(seconds, "large", "small"),
            "<=",
            2,
            detail=f"{medians['large']:.2f} / {medians['small']:.2f} s",
        )
