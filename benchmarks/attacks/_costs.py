"""What attacks cost beside time per row: inside a grid search, in memory, with many rows.

Run as a module it measures the memory of one attack in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import cpu_seconds
from specreg_sklearn import SpectrallyRegularizedEncoder, make_robust_scorer
from specreg_sklearn.attacks import CGBA

MEMORY_ROWS, MEMORY_FEATURES, MEMORY_QUERIES = 10_000, 784, 250


def searches() -> dict[str, tuple[float, float]]:
    """Return CPU seconds of a plain and of a robust search, by estimator.

    12 values of alpha, 5 folds, breast_cancer; robust accuracy of 100 rows of each fold.
    """
    X, y = load_breast_cancer(return_X_y=True)
    models = {
        "SpectrallyRegularizedEncoder": SpectrallyRegularizedEncoder(random_state=0, device="cpu"),
        "MLPClassifier": MLPClassifier(random_state=0),
    }
    scorer = make_robust_scorer(eps=0.5, max_samples=100)
    seconds = {}
    for name, estimator in models.items():
        model = make_pipeline(StandardScaler(), estimator)
        grid = {f"{name.lower()}__alpha": np.geomspace(1e-4, 1, 12)}
        scorer(model.fit(X, y), X, y)  # imports are not part of a search

        def search(scoring: Any, model: Any = model, grid: Any = grid) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                GridSearchCV(model, grid, cv=5, scoring=scoring, refit=False).fit(X, y)

        seconds[name] = cpu_seconds(lambda: search("accuracy")), cpu_seconds(lambda: search(scorer))
    return seconds


def seconds_per_row(sizes: tuple[int, ...], max_queries: int = 100) -> dict[int, float]:
    """Return CPU seconds per attacked row of a logistic regression, by number of rows."""
    X, y = make_classification(max(sizes), 20, n_informative=10, random_state=0)
    model = LogisticRegression().fit(X[:1000], y[:1000])
    attack = CGBA(max_queries=max_queries)
    attack.run(model, X[:100], y[:100])
    seconds = {}
    for n in sizes:
        repeats = 5 if n < 10_000 else 1
        spent = [cpu_seconds(lambda n=n: attack.run(model, X[:n], y[:n])) for _ in range(repeats)]
        seconds[n] = min(spent) / n
    return seconds


def peak_memory() -> tuple[float, float]:
    """Return MB in use before an attack on many rows, and at most during it, in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.attacks._costs"],
        capture_output=True,
        text=True,
        check=True,
    )
    before, peak = done.stdout.split()
    return float(before), float(peak)


def _attack_many_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((MEMORY_ROWS, MEMORY_FEATURES))
    score = X @ rng.normal(size=MEMORY_FEATURES)
    y = (score > np.median(score)).astype(int)
    # Few rows to fit, so that the most memory is needed by the attack.
    model = LogisticRegression().fit(X[:500], y[:500])
    attack = CGBA(max_queries=MEMORY_QUERIES)
    attack.run(model, X[:10], y[:10])
    before = _resident()
    attack.run(model, X, y)
    print(before, _peak())


def _status(name: str) -> float | None:
    """Return an entry of Linux's report on this process, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) / 1024


def _resident() -> float:
    return _status("VmRSS") or _peak()


def _peak() -> float:
    # What getrusage says may include the process that started this one.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    _attack_many_rows()
