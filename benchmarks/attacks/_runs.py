"""Attacks of three libraries on the same rows, from equal starts, told in the same terms.

The rows and labels come from a ``Problem``. Our attacks get its pool; the others get, for each row,
the nearest row of that pool with another prediction. Queries are counted where the model is asked.
Distances are measured on what an attack returns, and only rows that fool the model count.
"""

from __future__ import annotations

import inspect
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import Problem
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.attacks.art import art_session, import_art

try:
    import foolbox
except ImportError:
    foolbox = None

NO_FOOLBOX = "foolbox is not installed (pip install foolbox): its attacks are left out"
WHOLE_BLOCK = 2**20


@dataclass
class Run:
    """What one attack did on the rows of a problem.

    Parameters
    ----------
    name : str
        The attack and its settings.
    cpu : float
        CPU seconds, of all threads of this process.
    queries : float
        Predictions asked per row; those of clean rows and of the pool are not counted for ours.
    distances : ndarray of shape (n,), float64
        ``inf`` where the attack failed.
    norm : float
        The norm of the distances.
    group : float
        Runs with about the same number of queries share one; their CPU seconds are compared.
    """

    name: str
    cpu: float
    queries: float
    distances: np.ndarray
    norm: float = 2
    group: float = 0

    @property
    def success(self) -> float:
        """Share of rows that fool the model."""
        return float(np.isfinite(self.distances).mean())

    @property
    def median(self) -> float:
        """Median distance of the rows that fool the model."""
        found = self.distances[np.isfinite(self.distances)]
        return float(np.median(found)) if len(found) else float("nan")

    def over(self, floor: np.ndarray) -> float:
        """Return the median over rows of distance / floor."""
        return float(np.median(self.distances / floor))

    def median_over(self, floor: np.ndarray) -> float:
        """Return the ratio of the medians."""
        return self.median / float(np.median(floor))


def ours(problem: Problem, attack: BlackBoxAttack, *, repeats: int = 5, group: float = 0) -> Run:
    """Run one of our attacks; CPU seconds are the median over repeats, after one warm-up."""

    def attacked() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # failed starts show in the success rate
            return attack.run(
                problem.model, problem.X, problem.y, space=problem.space, pool=problem.pool
            )

    result, seconds = attacked(), []
    for _ in range(repeats):
        start = time.process_time()
        attacked()
        seconds.append(time.process_time() - start)
    norm = attack.norm
    return Run(
        f"{type(attack).__name__}({_settings(attack)})",
        statistics.median(seconds) if seconds else float("nan"),
        float(result.n_queries.mean()),
        _distances(problem, result.X_adv, norm),
        norm,
        group,
    )


def art(
    problem: Problem,
    name: str,
    *,
    own_starts: bool = False,
    seed: int = 0,
    group: float = 0,
    **settings: Any,
) -> Run:
    """Run an attack of the Adversarial Robustness Toolbox once, through its fastest wrapper."""
    evasion = import_art("art.attacks.evasion")
    classifiers = import_art("art.estimators.classification")
    n_classes = len(np.unique(problem.pool_labels))
    predict = Counted(problem.model, n_classes)
    wrapped = classifiers.BlackBoxClassifier(
        predict,
        input_shape=(problem.X.shape[1],),
        nb_classes=n_classes,
        clip_values=(problem.lo, problem.hi),
    )
    attack = getattr(evasion, name)(
        wrapped, targeted=False, batch_size=WHOLE_BLOCK, verbose=False, **settings
    )
    starts = {} if own_starts else {"x_adv_init": problem.nearest.astype(np.float32)}
    with art_session(seed):
        begin = time.process_time()
        Z = attack.generate(problem.X.astype(np.float32), **starts)
        cpu = time.process_time() - begin
    norm = settings.get("norm", 2)
    shown = {k: v for k, v in settings.items() if k != "norm"}
    title = f"ART {name}({_listed(shown)}{', own starts' if own_starts else ''})"
    queries = predict.n_rows / len(problem.X)
    return Run(title, cpu, queries, _distances(problem, Z, norm), norm, group)


def foolbox_run(problem: Problem, name: str, *, group: float = 0, **settings: Any) -> Run | str:
    """Run an attack of foolbox once; return why not if it gives up.

    foolbox clips to [0, 1] whatever the bounds of the model, so it is shown the box as [0, 1].
    """
    assert foolbox is not None
    lo, width = problem.lo, problem.hi - problem.lo
    predict = Counted(problem.model, len(np.unique(problem.pool_labels)))
    wrapped = foolbox.models.NumPyModel(lambda U: predict(lo + width * U), bounds=(0, 1))
    attack = getattr(foolbox.attacks, name)(**settings)

    def in_unit_box(X: np.ndarray) -> np.ndarray:
        return np.clip((X - lo) / width, 0, 1).astype(np.float32)

    with art_session(0):  # it draws from numpy's global generator, too
        begin = time.process_time()
        try:
            U = attack.run(
                wrapped,
                in_unit_box(problem.X),
                foolbox.criteria.Misclassification(problem.y),
                starting_points=in_unit_box(problem.nearest),
            )
        except (ValueError, AssertionError) as error:
            return f"foolbox {name} gave up: {type(error).__name__} {error}"
        cpu = time.process_time() - begin
    norm = np.inf if settings.get("constraint") == "linf" else 2
    shown = {k: v for k, v in settings.items() if k != "constraint"}
    queries = predict.n_rows / len(problem.X)
    Z = lo + width * U.astype(np.float64)
    title = f"foolbox {name}({_listed(shown)})"
    return Run(title, cpu, queries, _distances(problem, Z, norm), norm, group)


class Counted:
    """A model as a function that returns one-hot rows and counts what it was asked."""

    def __init__(self, model: Any, n_classes: int) -> None:
        self.model = model
        self.one_hot = np.eye(n_classes, dtype=np.float32)
        self.n_rows = 0

    def __call__(self, X: np.ndarray) -> np.ndarray:
        self.n_rows += len(X)
        return self.one_hot[self.model.predict(X)]


class Recorded:
    """A model that keeps a copy of all that it was asked, to ask it again."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.calls: list[np.ndarray] = []

    def predict(self, X: np.ndarray) -> np.ndarray:
        self.calls.append(X.copy())
        return self.model.predict(X)

    def replay(self) -> None:
        """Ask the bare model everything again."""
        for X in self.calls:
            self.model.predict(X)


def _distances(problem: Problem, Z: np.ndarray, norm: float) -> np.ndarray:
    Z = np.asarray(Z, dtype=np.float64)
    distance = np.linalg.norm(Z - problem.X, ord=norm, axis=1)
    return np.where(problem.fooled(Z), distance, np.inf)


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in settings.items()) or "defaults"


def _settings(attack: BlackBoxAttack) -> str:
    """Return the parameters that say how much an attack may ask, where they are not defaults."""
    usual = {k: p.default for k, p in inspect.signature(type(attack)).parameters.items()}
    usual |= {"norm": attack.norm, "random_state": attack.random_state}
    shown = {k: v for k, v in attack.get_params().items() if k not in usual or v != usual[k]}
    return _listed({"max_queries": attack.max_queries, **shown} if attack.max_queries else shown)
