"""One protocol for all comparisons: equal tuning, the same test rows, several seeds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.reproduce.protocol._gradient_distance import gradient_distances
from benchmarks.reproduce.protocol._section import Settings
from benchmarks.reproduce.protocol._task import PLAIN, Candidate, Figures, Split, Task
from specreg_sklearn.attacks import CGBA, BlackBoxAttack, TangentAttack
from specreg_sklearn.metrics import certified_radius, lipschitz_bound

TOLERANCE = 0.005  # of validation accuracy, against the plain network


@dataclass
class Comparison:
    """What came out of :func:`compare`.

    Parameters
    ----------
    path : dict of Candidate to list of dict
        Validation figures of every candidate, one dict a seed.
    chosen : dict of str to Candidate
        The strength of each regulariser.
    test : dict of str to list of dict
        Test figures of the chosen ones, one dict a seed.
    cpu_seconds : float
        CPU seconds of all fits and attacks.
    """

    path: dict[Candidate, list[Figures]]
    chosen: dict[str, Candidate]
    test: dict[str, list[Figures]]
    cpu_seconds: float

    def mean(self, regulariser: str, figure: str) -> float:
        """Return the mean test figure of a regulariser."""
        return float(np.mean([seed[figure] for seed in self.test[regulariser]]))


def compare(task: Task, settings: Settings) -> Comparison:
    """Choose the strength of every regulariser on validation rows, then measure on test rows."""
    some = settings.seeds[: task.choice_seeds]
    path = for_all(try_candidate, task, task.candidates(), some, settings, "choosing")
    chosen = choose(path)
    return measured(fit_and_measure, task, path, chosen, settings)


def for_all(
    function: Callable[..., Any],
    task: Task,
    candidates: Iterable[Candidate],
    seeds: tuple[int, ...],
    settings: Settings,
    label: str,
) -> dict[Candidate, list[Any]]:
    """Call ``function(task, candidate, seed)`` for all candidates and seeds."""
    candidates, n = list(candidates), len(seeds)
    jobs = [(function, task, c, seed) for c in candidates for seed in seeds]
    found = run_jobs(jobs, settings, f"{task.name}: {label}")
    return {c: found[i * n : (i + 1) * n] for i, c in enumerate(candidates)}


def measured(
    function: Callable[..., Figures],
    task: Task,
    path: dict[Candidate, list[Figures]],
    chosen: dict[str, Candidate],
    settings: Settings,
) -> Comparison:
    """Measure the chosen candidates with ``function(task, candidate, seed)`` for each seed."""
    seeds = settings.seeds[: task.test_seeds]
    found = for_all(function, task, chosen.values(), seeds, settings, "measuring")
    cpu = sum(f["cpu"] for seeds in [*path.values(), *found.values()] for f in seeds)
    return Comparison(path, chosen, {c.regulariser: s for c, s in found.items()}, cpu)


def choose(path: dict[Candidate, list[Figures]]) -> dict[str, Candidate]:
    """Return the strength of each regulariser: most robust among those accurate enough.

    Accurate enough is a mean validation accuracy of at least that of the plain network less
    `TOLERANCE`. If no strength of a regulariser is, its most accurate one is taken.
    """
    means = {
        c: {k: float(np.mean([s[k] for s in seeds])) for k in ("accuracy", "robust")}
        for c, seeds in path.items()
    }
    least = max(m["accuracy"] for c, m in means.items() if c.regulariser == PLAIN) - TOLERANCE
    chosen = {}
    for regulariser in dict.fromkeys(c.regulariser for c in path):
        own = {c: m for c, m in means.items() if c.regulariser == regulariser}
        allowed = [c for c, m in own.items() if m["accuracy"] >= least - 1e-12]
        if allowed:
            chosen[regulariser] = max(allowed, key=lambda c: own[c]["robust"])
        else:
            chosen[regulariser] = max(own, key=lambda c: own[c]["accuracy"])
    return chosen


def try_candidate(task: Task, candidate: Candidate, seed: int) -> Figures:
    """Fit on the rows to fit on; return accuracy and robust accuracy on validation rows."""
    split = task.split(seed)
    model = task.build(candidate, seed).fit(*split.fit)
    return on_validation_rows(task, model, split)


def on_validation_rows(task: Task, model: Any, split: Split) -> Figures:
    """Return the figures that the choice is made on."""
    X, y = split.validation
    some = X[: task.n_validation], y[: task.n_validation]
    if task.chosen_by == "gradient":
        distances = by_gradient(task, model, *some, split)
    else:
        distances = attacked(CGBA(), model, *some, split, task)
    return {
        "accuracy": float(np.mean(model.predict(X) == y)),
        "robust": float(np.mean(distances > task.eps_choice)),
        "distance": float(np.quantile(distances, task.quantile)),
    }


def by_gradient(task: Task, model: Any, X: np.ndarray, y: np.ndarray, split: Split) -> np.ndarray:
    """Return the distances that the gradient finds."""
    scale = task.scale(split.train[0])
    return gradient_distances(model, X, y, bounds=task.bounds, scale=scale)


def fit_and_measure(task: Task, candidate: Candidate, seed: int) -> Figures:
    """Fit on all rows but the test rows; return the figures of the table."""
    split = task.split(seed)
    return measure(task, task.build(candidate, seed).fit(*split.train), split)


def measure(task: Task, model: Any, split: Split) -> Figures:
    """Return accuracy, distances, certificate and norms of a fitted model on the test rows."""
    X_test, y_test = split.test
    X, y = X_test[: task.n_rows], y_test[: task.n_rows]
    budget = {"max_queries": task.max_queries}
    found = {
        "cgba": attacked(CGBA(**budget), model, X, y, split, task),
        "tangent": attacked(TangentAttack(**budget), model, X, y, split, task),
        "gradient": by_gradient(task, model, X, y, split),
    }
    train = split.train[0]
    nearest = np.min(list(found.values()), axis=0)
    radii = certified_radius(model, X, space=task.space(train))
    radii = np.where(model.predict(X) == y, radii, 0.0)
    if (radii > nearest * (1 + 1e-6) + 1e-9).any():
        raise AssertionError("A certified radius is larger than the distance of an error.")
    found |= {"nearest": nearest, "certified": radii}
    figures = {name: float(np.quantile(d, task.quantile)) for name, d in found.items()}
    figures |= {
        "accuracy": float(np.mean(model.predict(X_test) == y_test)),
        "robust_low": float(np.mean(nearest > task.eps[0])),
        "robust_high": float(np.mean(nearest > task.eps[1])),
        "lipschitz": lipschitz_bound(model),
        "undecided": float(np.isinf(nearest).sum()),
    }
    return figures | norms(model)


def norms(model: Any) -> Figures:
    """Return the product of the hidden spectral norms and the norm of the readout."""
    encoder = model[-1] if isinstance(model, Pipeline) else model
    spectral = dict(getattr(encoder, "spectral_norms_", {}))
    if not spectral:
        return {}
    readout = {"readout": spectral.pop("head")} if "head" in spectral else {}
    return {"hidden": float(np.prod(list(spectral.values())))} | readout


def attacked(
    attack: BlackBoxAttack, model: Any, X: np.ndarray, y: np.ndarray, split: Split, task: Task
) -> np.ndarray:
    """Return the distances that an attack finds; its starts are training rows."""
    train = split.train[0]
    result = attack.run(model, X, y, space=task.space(train), pool=train[:2000])
    return result.distances


def run_jobs(jobs: Iterable[tuple[Any, ...]], settings: Settings, label: str) -> list[Figures]:
    """Run ``function(*arguments)`` for every job, one thread each, with a progress bar.

    Parameters
    ----------
    jobs : iterable of (function, *arguments)
        Functions return a dict of figures, to which the CPU seconds of the job are added as `cpu`.
    settings : Settings
        The number of processes.
    label : str
        What the bar says.

    Returns
    -------
    list of dict
        In the order of the jobs.
    """
    jobs = list(jobs)
    parallel = Parallel(n_jobs=settings.jobs, return_as="generator_unordered")
    outcomes = parallel(delayed(_one_thread)(i, *job) for i, job in enumerate(jobs))
    found = dict(tqdm(outcomes, total=len(jobs), desc=label, unit="model"))
    return [found[i] for i in range(len(jobs))]


def _one_thread(
    number: int, function: Callable[..., Figures], *arguments: Any
) -> tuple[int, Figures]:
    torch.set_num_threads(1)
    # Weight decay turns the weights of dead pixels into subnormal numbers: ten times as slow.
    torch.set_flush_denormal(True)
    start = time.process_time()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = function(*arguments)
    return number, figures | {"cpu": time.process_time() - start}
