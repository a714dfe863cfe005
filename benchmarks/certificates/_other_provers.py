"""The search for tree distances beside mixed-integer programs, and beside dtai-veritas in Linf."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from benchmarks.attacks.truths import nearest_row, read
from benchmarks.certificates._trees import fitted, models
from specreg_sklearn.certificates import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace

SECONDS = 5.0
"""How long a program may run for a row."""

GAP = 1e-6
"""What HiGHS takes for equal: it accepts sums that miss the target by its tolerance."""


class Beside(NamedTuple):
    """Two provers on the same rows.

    Parameters
    ----------
    model : str
        The model, on breast_cancer.
    norm : float
        The norm.
    closed, proved : int
        Rows that the search closed, and rows that the other one proved.
    both, equal : int
        Rows with both, and those of them with the same distance.
    ratio : float
        Median over these of the other one's CPU seconds over those of the search.
    n_rows : int
        How many rows.
    """

    model: str
    norm: float
    closed: int
    proved: int
    both: int
    equal: int
    ratio: float
    n_rows: int


def beside_programs(name: str, norm: float, n_rows: int) -> Beside:
    """Solve the same rows as mixed-integer programs, by HiGHS through scipy."""
    case = fitted("breast_cancer", models()[name], n_rows)
    ensemble = TreeEnsemble.from_estimator(case.model)
    theirs = read(case.model, case.X)
    nearest_rows(ensemble, case.space.bind(case.X[:1]), norm=norm, max_nodes=20)
    closed, proved, equal, ratios = 0, 0, 0, []
    for i, x in enumerate(case.X):
        rows = case.space.bind(case.X[i : i + 1])
        start = time.process_time()
        own = nearest_rows(ensemble, rows, norm=norm)
        middle = time.process_time()
        low, high = (np.broadcast_to(end, (1, len(x)))[0] for end in rows.box(np.array([0])))
        other = nearest_row(
            theirs, x, low, high, norm=norm, within=float(own.upper[0]) * 1.01, seconds=SECONDS
        )
        end = time.process_time()
        done = other.row is not None and other.bound >= (1 - GAP) * other.distance
        closed, proved = closed + bool(own.closed[0]), proved + done
        if done and own.closed[0]:
            equal += abs(other.distance - own.upper[0]) <= GAP * own.upper[0]
            ratios.append((end - middle) / (middle - start))
    both, ratio = len(ratios), float(np.median(ratios)) if ratios else np.nan
    return Beside(name, norm, closed, proved, both, int(equal), ratio, len(case.X))


class BesideVeritas(NamedTuple):
    """Lower bounds of dtai-veritas over exact distances in Linf.

    Parameters
    ----------
    model : str
        The model, on breast_cancer.
    smallest, median, largest : float
        Its lower bound over the exact distance; above 1 it would be wrong.
    seconds, own_seconds : float
        Median CPU seconds of a row, its own and those of the search.
    n_rows : int
        Rows that the search closed.
    """

    model: str
    smallest: float
    median: float
    largest: float
    seconds: float
    own_seconds: float
    n_rows: int


def veritas_is_there() -> bool:
    """Return whether dtai-veritas is installed."""
    return find_spec("veritas") is not None


def beside_veritas(name: str, n_rows: int) -> BesideVeritas:
    """Search the same rows with both, without bounds, which the other one does not know."""
    import veritas

    case = fitted("breast_cancer", models()[name], n_rows)
    ensemble = TreeEnsemble.from_estimator(case.model)
    free = FeatureSpace.from_data(case.X, scale=None, bounds=None)
    trees = veritas.get_addtree(case.model)
    nearest_rows(ensemble, free.bind(case.X[:1]), norm=np.inf, max_nodes=20)
    ratios, seconds, own_seconds = [], [], []
    for i, x in enumerate(case.X):
        start = time.process_time()
        own = nearest_rows(ensemble, free.bind(case.X[i : i + 1]), norm=np.inf)
        middle = time.process_time()
        lower = _lower_by_veritas(trees, case.model, x, 2 * float(own.upper[0]))
        end = time.process_time()
        if own.closed[0]:
            ratios.append(lower / own.upper[0])
            seconds.append(end - middle)
            own_seconds.append(middle - start)
    return BesideVeritas(
        name,
        float(np.min(ratios)),
        float(np.median(ratios)),
        float(np.max(ratios)),
        float(np.median(seconds)),
        float(np.median(own_seconds)),
        len(ratios),
    )


def _lower_by_veritas(trees: Any, model: Any, x: np.ndarray, farthest: float) -> float:
    from veritas.robustness import VeritasRobustnessSearch

    is_second = model.predict(x[None])[0] == model.classes_[1]
    search = VeritasRobustnessSearch(
        x.astype(np.float32),
        farthest,
        trees if is_second else None,
        None if is_second else trees,
        num_steps=20,
        max_time=1,
        silent=True,
    )
    return float(search.search()[1])
