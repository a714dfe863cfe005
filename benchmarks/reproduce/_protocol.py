"""One protocol for all comparisons: equal tuning, the same test rows, several seeds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.reproduce import _gradient_distance
from benchmarks.reproduce._section import Settings
from specreg_sklearn.attacks import CGBA, BlackBoxAttack, FeatureSpace, TangentAttack
from specreg_sklearn.metrics import certified_radius, lipschitz_bound

Figures = dict[str, float]

PLAIN, RECIPE = "none", "rep_spectral + decay"
DECAY = 1e-4  # the library's default
TOLERANCE = 0.005  # of validation accuracy, against the plain network


def grids(
    squares: tuple[float, float] = (3e-5, 3e-3),
    spectral: tuple[float, float] = (1e-3, 1e-1),
    n: int = 5,
) -> dict[str, tuple[float, ...]]:
    """Return as many strengths for every regulariser, on logarithmic grids.

    Parameters
    ----------
    squares : (float, float)
        Smallest and largest strength of the sum of squares.
    spectral : (float, float)
        Smallest and largest strength of the spectral penalties.
    n : int
        Strengths of each regulariser.
    """
    small, large = (
        tuple(float(f"{s:.3g}") for s in np.geomspace(*ends, n)) for ends in (squares, spectral)
    )
    return {
        PLAIN: (0.0,),
        "l2": small,
        "ll_spectral": large,
        "rep_spectral": large,
        RECIPE: large,
    }


@dataclass(frozen=True)
class Candidate:
    """A regulariser at one strength.

    Parameters
    ----------
    regulariser : str
        A key of what :func:`grids` returns. With " + decay" behind the name of a penalty there is
        the default weight decay beside it.
    strength : float
        What the encoder calls `alpha`.
    move : float or None
        Where a new readout is put on the features: the size of the moves that it withstands, in
        standard deviations of the features.
    """

    regulariser: str
    strength: float
    move: float | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the encoder: `penalty`, `alpha`, `weight_decay`."""
        if self.regulariser == PLAIN:
            return {"penalty": None, "alpha": 0.0, "weight_decay": 0.0}
        penalty, _, decay = self.regulariser.partition(" + ")
        weight_decay = DECAY if decay else 0.0
        return {"penalty": penalty, "alpha": self.strength, "weight_decay": weight_decay}


@dataclass
class Split:
    """The rows of one seed.

    Parameters
    ----------
    fit, validation, test : (X, y)
        Rows to fit and to choose on, and rows for the end.
    refit : bool
        Whether the final fit is on `fit` and `validation` together.
    """

    fit: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    refit: bool = True

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the final fit."""
        if not self.refit:
            return self.fit
        X, y = zip(self.fit, self.validation, strict=True)
        return np.concatenate(X), np.concatenate(y)


@dataclass
class Task:
    """What is compared: data, a model for each candidate, and how it is attacked.

    Parameters
    ----------
    name : str
        For the progress bar.
    split : callable
        ``split(seed) -> Split``; a function of a module.
    build : callable
        ``build(candidate, seed) -> estimator``, unfitted; a function of a module.
    eps : (float, float)
        Sizes at which robust accuracy is reported.
    eps_choice : float
        Size at which strengths are chosen, with CGBA and 1000 queries.
    bounds : (float, float) or None
        Box of the attack.
    standardised : bool
        Whether distances are in standard deviations of the training rows.
    max_queries : int
        Budget of each attack on a test row.
    n_rows, n_validation : int
        Rows attacked in the end and for choosing.
    strengths : dict
        The grid.
    quantile : float
        Which quantile of the distances is shown. The median is 0 where half of the rows are
        misclassified.
    choice_seeds, test_seeds : int
        So many seeds are tried to choose strengths on, and in the end, at most.
    """

    name: str
    split: Callable[[int], Split]
    build: Callable[[Candidate, int], Any]
    eps: tuple[float, float]
    eps_choice: float
    bounds: tuple[float, float] | None = (0.0, 1.0)
    standardised: bool = False
    max_queries: int = 1000
    n_rows: int = 200
    n_validation: int = 150
    strengths: dict[str, tuple[float, ...]] = field(default_factory=grids)
    quantile: float = 0.5
    choice_seeds: int = 5
    test_seeds: int = 5

    def candidates(self) -> list[Candidate]:
        """Return every regulariser at every strength."""
        return [Candidate(r, s) for r, strengths in self.strengths.items() for s in strengths]

    def space(self, X: np.ndarray) -> FeatureSpace:
        """Return where rows may go and in which units they are measured."""
        scale = self.scale(X)
        mutable = None if scale is None else scale > 0
        unit = None if scale is None else np.where(scale > 0, scale, 1.0)
        return FeatureSpace.from_data(
            X, mutable=mutable, bounds=self.bounds, types=["real"] * X.shape[1], scale=unit
        )

    def scale(self, X: np.ndarray) -> np.ndarray | None:
        """Return the unit of each column, 0 for those that do not vary; None for the units of X."""
        return np.asarray(X, dtype=float).std(axis=0) if self.standardised else None


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
    X, y = split.validation
    distances = attacked(CGBA(), model, X[: task.n_validation], y[: task.n_validation], split, task)
    return {
        "accuracy": float(np.mean(model.predict(X) == y)),
        "robust": float(np.mean(distances > task.eps_choice)),
        "distance": float(np.quantile(distances, task.quantile)),
    }


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
        "gradient": _gradient_distance.distances(
            model, X, y, bounds=task.bounds, scale=task.scale(split.train[0])
        ),
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
