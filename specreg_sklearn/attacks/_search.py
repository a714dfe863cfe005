"""What a search is given to work with, and how it is spread over workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from specreg_sklearn.attacks._oracle import Oracle

if TYPE_CHECKING:
    from specreg_sklearn.attacks._base import BlackBoxAttack

# Keeps the draws of a search apart from those of the noise starts.
_SEARCH_STREAM, _NOISE_STREAM = 0, 1


def _nothing(_: int) -> None:
    """Report no progress."""


@dataclass
class SearchTask:
    """The rows of one search and everything it may use; see ``BlackBoxAttack._search``.

    Parameters
    ----------
    oracle : Oracle
        ``oracle.decide(Z, owner)`` asks the model; ``oracle.best`` and ``oracle.best_distance``
        hold each row's nearest adversarial point so far, and are kept up to date by `decide`.
    lo, hi : ndarray of shape (n, d), float64
        Finite box of each row, in coordinates.
    starts : ndarray of shape (m, d), float64
        Adversarial boundary points, at least one per row, from the bisected starts.
    owner : ndarray of shape (m,), int
        The row each start belongs to.
    stop_distance : float
        A row is done once its best distance is at most this (0 without early stop).
    seed : int
        The attack's `random_state` as one integer.
    report : callable
        ``report(k)`` tells the progress bar that k more rows are finished.
    """

    oracle: Oracle
    lo: np.ndarray
    hi: np.ndarray
    starts: np.ndarray
    owner: np.ndarray
    stop_distance: float
    seed: int
    report: Callable[[int], None] = field(default=_nothing)

    @property
    def x(self) -> np.ndarray:
        """Coordinates of the clean rows, shape (n, d)."""
        return self.oracle.rows.x

    def active(self) -> np.ndarray:
        """Return the rows that have no point within the stop distance yet."""
        return np.flatnonzero(self.oracle.best_distance > self.stop_distance)

    def rng(self, iteration: int) -> np.random.Generator:
        """Return the random generator of an iteration, the same for all rows and workers."""
        return stream(self.seed, iteration)

    def part(self, chosen: np.ndarray) -> SearchTask:
        """Return the task of some of the rows, with an oracle of its own."""
        mine = np.isin(self.owner, chosen)
        whole = self.oracle
        oracle = Oracle(
            whole.predict,
            whole.rows.take(chosen),
            whole.labels[chosen],
            whole.coder,
            norm=whole.norm,
            batch_rows=whole.batch_rows,
        )
        oracle.best = whole.best[chosen]
        oracle.best_distance = whole.best_distance[chosen]
        return SearchTask(
            oracle,
            self.lo[chosen],
            self.hi[chosen],
            self.starts[mine],
            np.searchsorted(chosen, self.owner[mine]),
            self.stop_distance,
            self.seed,
        )


def stream(seed: int, iteration: int) -> np.random.Generator:
    """Return the generator of a search iteration: keyed by seed and iteration, nothing else."""
    return np.random.default_rng(np.random.SeedSequence((seed, iteration, _SEARCH_STREAM)))


def noise_stream(seed: int, block: int) -> np.random.Generator:
    """Return the generator of a block of noise starts."""
    return np.random.default_rng(np.random.SeedSequence((seed, block, _NOISE_STREAM)))


def run_search(
    attack: BlackBoxAttack,
    task: SearchTask,
    chosen: np.ndarray,
    *,
    n_jobs: int | None,
    verbose: int,
) -> None:
    """Search on the `chosen` rows of a task, and write what was found into its oracle."""
    if not len(chosen):
        return
    n_workers = min(effective_n_jobs(n_jobs), len(chosen))
    n_parts = 1 if n_workers == 1 else min(n_workers * attack._parts_per_worker, len(chosen))
    parts = np.array_split(chosen, n_parts)
    if n_workers == 1:
        with _progress(len(chosen), attack, verbose) as report:
            found = [_search_part(attack, task.part(chosen), report)]
    else:
        found = Parallel(n_jobs=n_jobs, verbose=10 * int(verbose > 0))(
            delayed(_search_part)(attack, task.part(part)) for part in parts
        )
    for rows, (best, distance, queries) in zip(parts, found, strict=True):
        task.oracle.n_queries[rows] += queries
        nearer = rows[distance < task.oracle.best_distance[rows]]
        task.oracle.best[nearer] = best[np.searchsorted(rows, nearer)]
        task.oracle.best_distance[nearer] = distance[np.searchsorted(rows, nearer)]


def _search_part(
    attack: BlackBoxAttack, task: SearchTask, report: Callable[[int], None] = _nothing
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    task.report = report
    attack._search(task)
    return task.oracle.best, task.oracle.best_distance, task.oracle.n_queries


@contextmanager
def _progress(total: int, attack: Any, verbose: int) -> Iterator[Callable[[int], None]]:
    if verbose < 1:
        yield _nothing
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=type(attack).__name__, unit="row") as bar:
        yield bar.update
