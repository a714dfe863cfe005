"""Rows are searched in parts: small enough for memory, and one worker can take each.

What happens to a row does not depend on the part it is in, so parts may be of any size.
"""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.frame._hooks import AttackHooks
from specreg_sklearn.attacks.frame._outcome import Outcome, Setting
from specreg_sklearn.attacks.frame._picklable_errors import picklable_error
from specreg_sklearn.attacks.questions import (
    FINAL_QUERIES,
    NO_LIMIT,
    Oracle,
    SearchTask,
    find_starts,
    no_starts,
)
from specreg_sklearn.space import CleanRows, as_norm

# Rows advance in step. From a few hundred on, more of them make no step cheaper.
_MOST_ROWS = 512
_LEAST_ROWS = 64
# Numbers that the starts of one part may hold.
_MOST_NUMBERS = 2**22
# Rows at the end of an earlier search spend this share of their budget on a first look round, and
# go on from there if they came nearer by this factor. Those that end with less than this share of
# their budget begin anew from data.
_FIRST_LOOK, _GAINED, _LITTLE_SPENT = 0.04, 0.99, 0.75
# A start that does not hold so much nearer to the clean row is where an earlier search ended.
_NEARER = 0.98


@dataclass
class _Part:
    """The rows of one search, cut out of the whole; `names` are their numbers in it.

    `known` holds points that fooled the model in an earlier run, and NaN where there are none.
    """

    attack: AttackHooks
    setting: Setting
    rows: CleanRows
    labels: IntArray
    names: IntArray
    spent: IntArray
    given: FloatArray | None
    known: FloatArray | None

    def take(self, some: IntArray) -> _Part:
        """Return some of the rows."""
        if len(some) == len(self.names):
            return self
        rest = [a if a is None else a[some] for a in (self.given, self.known)]
        own = self.labels[some], self.names[some], self.spent[some]
        return _Part(self.attack, self.setting, self.rows.take(some), *own, *rest)

    def on_from(self, some: IntArray, found: Outcome) -> _Part:
        """Return some of the rows, with what was found as the start."""
        return replace(self, given=None, known=found.best, spent=found.n_queries).take(some)

    def from_data(self, some: IntArray, found: Outcome) -> _Part:
        """Return some of the rows without any start."""
        attack = copy.copy(self.attack)
        if not isinstance(attack.starts, str):
            attack.starts = "data"
        part = replace(self, attack=attack, given=None, known=None, spent=found.n_queries)
        return part.take(some)


def search_rows(
    attack: AttackHooks,
    setting: Setting,
    rows: CleanRows,
    labels: IntArray,
    chosen: IntArray,
    outcome: Outcome,
    given: FloatArray | None,
    known: FloatArray | None,
    *,
    n_jobs: int | None,
    verbose: int,
) -> None:
    """Search on the `chosen` rows and write what is found into `outcome`.

    An error in the model, and Ctrl-C, end the search; `outcome` then holds what was found, and the
    error.
    """
    if not len(chosen):
        return

    def cut(part: IntArray) -> _Part:
        # A worker gets no more than it needs.
        mine = None if given is None else given[part]
        old = None if known is None else known[part]
        spent = outcome.n_queries[part]
        some = rows if len(part) == len(rows) else rows.take(part)
        return _Part(attack, setting, some, labels[part], part, spent, mine, old)

    parts = _parts(attack, len(rows.columns), chosen, n_jobs)
    with _progress(len(chosen), attack, verbose) as report:
        if effective_n_jobs(n_jobs) == 1 or len(parts) == 1:
            for part in parts:
                outcome.take_over(part, _search_part(cut(part), report))
                if outcome.error is not None:
                    break
            return
        # No part begins after an error; those that have begun bring home what they find.
        tasks = (
            delayed(_search_elsewhere)(os.getpid(), cut(part))
            for part in parts
            if outcome.error is None
        )
        try:
            found = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
            # Results first, so that they are asked for once more than there are: only then does
            # joblib hand the thread of a Dask worker back, and the next search in it can begin.
            for result, part in zip(found, parts, strict=False):
                outcome.take_over(part, result)
                report(len(part))
        except (Exception, KeyboardInterrupt) as error:
            outcome.error = outcome.error or error


def _search_elsewhere(parent: int, part: _Part) -> Outcome:
    """Search in a worker; an error in another process than `parent` is made picklable."""
    found = _search_part(part)
    if found.error is not None and os.getpid() != parent:
        found.trace = "".join(traceback.format_exception(found.error))
        if isinstance(found.error, Exception):
            found.error = picklable_error(found.error)
    return found


def _parts(attack: AttackHooks, d: int, chosen: IntArray, n_jobs: int | None) -> list[np.ndarray]:
    affordable = _MOST_NUMBERS // (max(d, 1) * attack.n_starts)
    size = min(max(affordable, _LEAST_ROWS), _MOST_ROWS)
    n_parts = -(-len(chosen) // size)
    n_workers = min(effective_n_jobs(n_jobs), len(chosen))
    if n_workers > 1:
        n_parts = max(n_parts, min(n_workers * attack._parts_per_worker, len(chosen)))
    return np.array_split(chosen, n_parts)


def _search_part(part: _Part, report: Callable[[float], None] | None = None) -> Outcome:
    """Search; from points at which an earlier search ended, go on or begin anew."""
    every, budget = np.arange(len(part.names)), part.attack.max_queries
    at_end: BoolArray = np.zeros(len(every), dtype=bool)
    found = Outcome.empty(*part.rows.raw.shape)
    found.n_queries = part.spent.copy()
    if part.known is not None:
        at_end = np.asarray(~np.isnan(part.known).any(axis=1))
    elif part.given is not None and budget is not None and part.given.shape[1] == 1:
        found = _search_once(part, None, search=_ask_nearer)
        at_end = np.isinf(found.best_distance)
        part = replace(part, spent=found.n_queries)
    if not at_end.any() and found.error is None:
        return _search_once(part, report)
    for some, search in ((every[~at_end], _search_once), (every[at_end], _search_on)):
        if len(some) and found.error is None:
            found.take_over(some, search(part.take(some), report))
    return found


def _search_on(part: _Part, report: Callable[[float], None] | None) -> Outcome:
    """Search from points at which an earlier search may have ended: nothing may lead on from there.

    So rows have a first look round; those that come nearer go on from there, the others begin anew
    from data, as do those that then end long before their budget.
    """
    going_on, budget = np.arange(len(part.names)), part.attack.max_queries
    found = _search_once(part, None, share=None if budget is None else _FIRST_LOOK)
    if budget is not None and found.error is None:
        began_at = part.rows.distance(
            part.rows.snap(found.far, going_on), going_on, part.setting.norm
        )
        going_on = np.flatnonzero(found.best_distance < _GAINED * began_at)
        if len(going_on):
            # The starts of the first look may lie deeper in the wrong class.
            far = found.far.copy()
            found.take_over(going_on, _search_once(part.on_from(going_on, found), report))
            found.far = far
    spare = found.best_distance > part.setting.stop_distance
    if budget is not None:
        spare &= found.n_queries < _LITTLE_SPENT * budget
    rest = np.flatnonzero(spare)
    if len(rest) and found.error is None:
        found.take_over(rest, _search_once(part.from_data(rest, found), None))
    if found.error is None:
        found.finished[:] = True
    else:
        found.finished[:] = found.best_distance <= part.setting.stop_distance
    return found


def _ask_nearer(
    part: _Part, oracle: Oracle, found: Outcome, _: Callable[[float], None] | None
) -> None:
    """Ask whether the given starts still fool the model a little nearer to the clean rows."""
    assert part.given is not None
    x, rows = part.rows.x, np.arange(len(part.names))
    nearer = as_norm(oracle.norm).shrink(x, part.given[:, 0], np.full(len(x), _NEARER))
    oracle.decide(nearer, rows)
    found.far = oracle.best.copy()


def _search_once(
    part: _Part,
    report: Callable[[float], None] | None,
    *,
    share: float | None = None,
    search: Callable[..., None] | None = None,
) -> Outcome:
    """Search, and return what was found up to the end, or up to an error.

    With a `share`, no row spends more than that of what it has left.
    """
    attack, setting = part.attack, part.setting
    oracle = Oracle(
        setting.predict,
        part.rows,
        part.labels,
        setting.coder,
        norm=setting.norm,
        targeted=attack.targeted,
        batch_rows=attack.batch_rows,
        names=part.names,
        n_repeats=setting.n_repeats,
    )
    limit, spent = _limits(part, share)
    oracle.limit = limit
    oracle.n_queries += spent
    found = Outcome.empty(*part.rows.raw.shape)
    try:
        (search or _search)(part, oracle, found, report)
        found.finished[:] = True
    except (Exception, KeyboardInterrupt) as error:
        found.error = error
        # Rows without a start of their own fall back on the best point.
        lacking = np.isinf(found.best_distance)
        found.far[lacking] = oracle.best[lacking]
        found.finished[:] = oracle.best_distance <= setting.stop_distance
    found.best, found.best_distance = oracle.best, oracle.best_distance
    found.n_queries = oracle.n_queries - spent + part.spent
    return found


def _limits(part: _Part, share: float | None) -> tuple[int, IntArray]:
    """Return the limit of a search, and what rows count as spent at its beginning."""
    attack, setting = part.attack, part.setting
    if attack.max_queries is None:
        return NO_LIMIT, part.spent
    # Rows that stop early in vain are searched and verified a second time.
    verifications = 2 if setting.stop_distance > 0 and not attack._within_eps else 1
    limit = attack.max_queries - verifications * setting.reserve
    if share is None:
        return limit, part.spent
    some = (share * np.maximum(limit - part.spent, 0)).astype(np.int64)
    return int(share * limit), int(share * limit) - some


def _search(
    part: _Part, oracle: Oracle, found: Outcome, report: Callable[[float], None] | None
) -> None:
    """Search; the oracle remembers what is found, and `found.far` the starts."""
    attack, setting, rows = part.attack, part.setting, part.rows
    limit = oracle.limit
    if limit != NO_LIMIT and attack._last_bisection:
        oracle.limit = max(limit - FINAL_QUERIES, 0)
    n_data_starts = attack._n_data_starts(rows.x.shape[1])
    if attack._within_eps:
        starts = no_starts(rows.x.shape[1])
    else:
        starts = find_starts(
            oracle,
            setting.pool,
            seed=setting.seed,
            given=part.given,
            known=part.known,
            n_data_starts=n_data_starts,
        )
    task = SearchTask(
        oracle,
        setting.pool.reach,
        *starts,
        setting.stop_distance,
        setting.seed,
        pool=setting.pool if n_data_starts else None,
    )
    found.far, found.best_distance = oracle.best.copy(), oracle.best_distance.copy()
    with _counted(report, len(rows)) as task.report:
        started = np.unique(task.owner)
        if attack._within_eps:
            attack._search(task)
            found.far = oracle.best.copy()
        elif len(started) or not attack._needs_start:
            if attack._from_boundary:
                task.starts_to_boundary(min(1 / (4 * rows.x.shape[1]), 2.0**-6))
                task.sharpen(np.intersect1d(started, task.active()))
            task.drop_closed_starts()
            if len(task.starts) or not attack._needs_start:
                attack._search(task)
        oracle.limit = limit
        if attack._within_eps:
            task.sharpen(np.flatnonzero(np.isfinite(oracle.best_distance)))
        else:
            if not attack._needs_start:
                started = task.active()
                lacking = np.isinf(found.best_distance)
                found.far[lacking] = oracle.best[lacking]
            if attack._last_bisection:
                task.sharpen(np.intersect1d(started, task.active()))


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
