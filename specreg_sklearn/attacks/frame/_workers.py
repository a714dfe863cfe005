"""Rows are searched in parts: small enough for memory, and one worker can take each.

What happens to a row does not depend on the part it is in, so parts may be of any size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.attacks.frame._hooks import AttackHooks
from specreg_sklearn.attacks.frame._picklable_errors import picklable_error
from specreg_sklearn.attacks.questions import (
    FINAL_QUERIES,
    NO_LIMIT,
    VERIFY_QUERIES,
    Oracle,
    SearchTask,
    StartPool,
    find_starts,
    no_starts,
)
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import LabelCoder, Predict

# Rows advance in step. From a few hundred on, more of them make no step cheaper.
_MOST_ROWS = 512
_LEAST_ROWS = 64
# Numbers that the starts of one part may hold.
_MOST_NUMBERS = 2**22


@dataclass
class Setting:
    """What all rows of one run share, as plain data that can be sent to workers."""

    predict: Predict
    coder: LabelCoder
    pool: StartPool
    norm: float
    stop_distance: float
    seed: int


@dataclass
class Outcome:
    """What was found for the rows of a run, one entry per row.

    `best` are the coordinates of the nearest adversarial points, (n, d), and `far` the nearest
    start of each row, deep in the wrong class; `best_distance` is ``inf`` where nothing was found.
    """

    best: FloatArray
    far: FloatArray
    best_distance: FloatArray
    n_queries: IntArray

    @classmethod
    def empty(cls, n: int, d: int) -> Outcome:
        """Return the outcome of rows that have not been searched."""
        return cls(np.zeros((n, d)), np.zeros((n, d)), np.full(n, np.inf), np.zeros(n, np.int64))

    def take_over(self, rows: IntArray, found: Outcome) -> None:
        """Write what was found for `rows`, where it is nearer than what is known."""
        self.n_queries[rows] = found.n_queries
        nearer = found.best_distance < self.best_distance[rows]
        self.best[rows[nearer]] = found.best[nearer]
        self.far[rows[nearer]] = found.far[nearer]
        self.best_distance[rows[nearer]] = found.best_distance[nearer]


@dataclass
class _Part:
    """The rows of one search, cut out of the whole; `names` are their numbers in it."""

    attack: AttackHooks
    setting: Setting
    rows: CleanRows
    labels: IntArray
    names: IntArray
    spent: IntArray
    given: FloatArray | None


def search_rows(
    attack: AttackHooks,
    setting: Setting,
    rows: CleanRows,
    labels: IntArray,
    chosen: IntArray,
    outcome: Outcome,
    given: FloatArray | None,
    *,
    n_jobs: int | None,
    verbose: int,
) -> None:
    """Search on the `chosen` rows and write what is found into `outcome`."""
    if not len(chosen):
        return

    def cut(part: IntArray) -> _Part:
        # A worker gets no more than it needs.
        mine = None if given is None else given[part]
        spent = outcome.n_queries[part]
        some = rows if len(part) == len(rows) else rows.take(part)
        return _Part(attack, setting, some, labels[part], part, spent, mine)

    parts = _parts(attack, len(rows.columns), chosen, n_jobs)
    with _progress(len(chosen), attack, verbose) as report:
        if effective_n_jobs(n_jobs) == 1 or len(parts) == 1:
            for part in parts:
                outcome.take_over(part, _search_part(cut(part), report))
            return
        found = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_search_elsewhere)(os.getpid(), cut(part)) for part in parts
        )
        for part, result in zip(parts, found, strict=True):
            outcome.take_over(part, result)
            report(len(part))


def _search_elsewhere(parent: int, part: _Part) -> Outcome:
    """Search in a worker; an error in another process than `parent` is made picklable."""
    try:
        return _search_part(part)
    except Exception as error:
        if os.getpid() == parent:
            raise
        raise picklable_error(error) from error


def _parts(attack: AttackHooks, d: int, chosen: IntArray, n_jobs: int | None) -> list[np.ndarray]:
    affordable = _MOST_NUMBERS // (max(d, 1) * attack.n_starts)
    size = min(max(affordable, _LEAST_ROWS), _MOST_ROWS)
    n_parts = -(-len(chosen) // size)
    n_workers = min(effective_n_jobs(n_jobs), len(chosen))
    if n_workers > 1:
        n_parts = max(n_parts, min(n_workers * attack._parts_per_worker, len(chosen)))
    return np.array_split(chosen, n_parts)


def _search_part(part: _Part, report: Callable[[float], None] | None = None) -> Outcome:
    attack, setting, rows = part.attack, part.setting, part.rows
    oracle = Oracle(
        setting.predict,
        rows,
        part.labels,
        setting.coder,
        norm=setting.norm,
        targeted=attack.targeted,
        batch_rows=attack.batch_rows,
        names=part.names,
    )
    oracle.n_queries += part.spent
    # Rows that stop early in vain are searched and verified a second time.
    verifications = 2 if setting.stop_distance > 0 and not attack._within_eps else 1
    limit = NO_LIMIT
    if attack.max_queries is not None:
        limit = attack.max_queries - verifications * VERIFY_QUERIES
        oracle.limit = limit - FINAL_QUERIES
    n_data_starts = attack._n_data_starts(rows.x.shape[1])
    if attack._within_eps:
        starts = no_starts(rows.x.shape[1])
    else:
        starts = find_starts(
            oracle,
            setting.pool,
            seed=setting.seed,
            given=part.given,
            n_data_starts=n_data_starts,
            max_queries=attack.max_queries,
        )
    task = SearchTask(
        oracle,
        setting.pool.reach,
        *starts,
        setting.stop_distance,
        setting.seed,
        pool=setting.pool if n_data_starts else None,
    )
    far = oracle.best.copy()
    with _counted(report, len(rows)) as task.report:
        found = np.unique(task.owner)
        if attack._within_eps:
            attack._search(task)
            far = oracle.best.copy()
        elif len(found):
            if attack._from_boundary:
                task.starts_to_boundary(min(1 / (4 * rows.x.shape[1]), 2.0**-6))
                task.sharpen(np.intersect1d(found, task.active()))
            if len(task.active()):
                attack._search(task)
        oracle.limit = limit
        if attack._within_eps:
            task.sharpen(np.flatnonzero(np.isfinite(oracle.best_distance)))
        else:
            task.sharpen(np.intersect1d(found, task.active()))
    return Outcome(oracle.best, far, oracle.best_distance, oracle.n_queries)


@contextmanager
def _counted(
    report: Callable[[float], None] | None, n_rows: int
) -> Iterator[Callable[[float], None]]:
    """Pass progress on, and fill it up to the number of rows at the end."""
    done = 0.0

    def count(k: float) -> None:
        nonlocal done
        k = min(k, n_rows - done)
        done += k
        if report is not None:
            report(k)

    yield count
    count(n_rows - done)


@contextmanager
def _progress(total: int, attack: AttackHooks, verbose: int) -> Iterator[Callable[[float], None]]:
    if verbose < 1:
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    # Fractions of rows are reported; a bar should show whole ones.
    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total} rows [{elapsed}<{remaining}]"
    with tqdm(total=total, desc=type(attack).__name__, bar_format=form) as bar:
        yield bar.update
