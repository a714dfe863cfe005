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

from specreg_sklearn.attacks.frame._hooks import AttackHooks
from specreg_sklearn.attacks.questions import (
    FINAL_QUERIES,
    NO_LIMIT,
    VERIFY_QUERIES,
    Oracle,
    SearchTask,
    StartPool,
    accepted_starts,
    carried,
    data_starts,
    noise_starts,
    noise_stream,
    other_data_starts,
    pool_order,
)
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import LabelCoder, Predict

# Rows advance in step. From a few hundred on, more of them make no step cheaper.
_MOST_ROWS = 512
_LEAST_ROWS = 64
# The most that a row spends on finding a start in data: without one, the rest is worth nothing.
_SHARE_OF_STARTS = 2 / 3
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
    """What was found for the rows of a run; arrays have one entry per row.

    Parameters
    ----------
    best : ndarray of shape (n, d)
        Coordinates of the nearest adversarial points.
    far : ndarray of shape (n, d)
        The nearest start of each row, deep in the wrong class.
    best_distance : ndarray of shape (n,)
        ``inf`` where nothing was found.
    n_queries : ndarray of shape (n,), int64
        Queries so far.
    """

    best: np.ndarray
    far: np.ndarray
    best_distance: np.ndarray
    n_queries: np.ndarray

    @classmethod
    def empty(cls, n: int, d: int) -> Outcome:
        """Return the outcome of rows that have not been searched."""
        return cls(np.zeros((n, d)), np.zeros((n, d)), np.full(n, np.inf), np.zeros(n, np.int64))

    def take_over(self, rows: np.ndarray, found: Outcome) -> None:
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
    labels: np.ndarray
    names: np.ndarray
    spent: np.ndarray
    given: np.ndarray | None


def search_rows(
    attack: AttackHooks,
    setting: Setting,
    rows: CleanRows,
    labels: np.ndarray,
    chosen: np.ndarray,
    outcome: Outcome,
    given: np.ndarray | None,
    *,
    n_jobs: int | None,
    verbose: int,
) -> None:
    """Search on the `chosen` rows and write what is found into `outcome`."""
    if not len(chosen):
        return

    def cut(part: np.ndarray) -> _Part:
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


def _search_elsewhere(home: int, part: _Part) -> Outcome:
    """Search in a worker; an error in another process than `home` is made fit to travel."""
    try:
        return _search_part(part)
    except Exception as error:
        if os.getpid() == home:
            raise
        raise carried(error) from error


def _parts(attack: AttackHooks, d: int, chosen: np.ndarray, n_jobs: int | None) -> list[np.ndarray]:
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
    task = SearchTask(
        oracle,
        setting.pool.reach(),
        *_starts(attack, setting, oracle, part.given),
        setting.stop_distance,
        setting.seed,
        pool=setting.pool if attack._n_data_starts(rows.x.shape[1]) else None,
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


def _starts(
    attack: AttackHooks, setting: Setting, oracle: Oracle, given: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (points, owners, groups): what the user gave, else data, and noise as a last try."""
    every = np.arange(len(oracle.labels))
    if attack._within_eps:
        return np.empty((0, len(oracle.rows.columns))), every[:0], every[:0]
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    if given is not None:
        owner = np.repeat(every, given.shape[1])
        points = given.reshape(len(owner), -1)
        found.append(accepted_starts(oracle, points, owner, np.zeros(len(owner), np.int64)))
    elif attack._n_data_starts(len(oracle.rows.columns)):
        n_starts = attack._n_data_starts(len(oracle.rows.columns))
        found.append(data_starts(oracle, setting.pool, every, n_starts=n_starts))
        lacking = np.flatnonzero(np.isinf(oracle.best_distance))
        order = pool_order(setting.seed, len(setting.pool.codes))
        most = np.inf if attack.max_queries is None else _SHARE_OF_STARTS * attack.max_queries
        found.append(other_data_starts(oracle, setting.pool, lacking, order, most))
    lacking = np.flatnonzero(np.isinf(oracle.best_distance))
    if len(lacking):
        lo, hi = oracle.rows.finite_box(setting.pool.reach())
        found.append(
            noise_starts(oracle, lo, hi, lacking, lambda block: noise_stream(setting.seed, block))
        )
    points, owner, group = (np.concatenate(c) for c in zip(*found, strict=True))
    return points, owner, group


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
