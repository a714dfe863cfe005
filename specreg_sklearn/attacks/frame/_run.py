"""One run of an attack, from the user's arguments to the result."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.attacks.frame._hooks import LEAST_QUERIES, AttackHooks, Starts
from specreg_sklearn.attacks.frame._interrupted import interrupted
from specreg_sklearn.attacks.frame._outcome import Outcome, Setting, WorkerError
from specreg_sklearn.attacks.frame._report import (
    make_result,
    warn_of_changes,
    warn_of_failed_starts,
    warn_of_interruption,
    warn_of_unverified,
)
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.attacks.frame._resume import Resumable, what_is_known
from specreg_sklearn.attacks.frame._workers import search_rows
from specreg_sklearn.attacks.questions import (
    FINAL_QUERIES,
    MAX_ASKED,
    VARYING_QUERIES,
    VERIFY_QUERIES,
    Oracle,
    Repeats,
    StartPool,
    check_repeats,
    spread_rows,
    unit_roundoff,
    verify,
)
from specreg_sklearn.space import CleanRows, FeatureSpace, check_norm, check_room
from specreg_sklearn.tables import (
    LabelCoder,
    as_table,
    as_targets,
    ask,
    check_columns,
    check_eps,
    check_estimator,
    check_fitted_columns,
    check_seed,
    check_wanted_labels,
    take_rows,
)

# Verification may push a row outwards by 1e-3 of its distance; a row that stops this much before
# eps stays within eps after the push.
_STOP_MARGIN = 2e-3
_ROUNDING = 1e-9
# How often a model is asked each question, if the user does not say, whose answers change widely:
# this share of those that are not close to the boundary.
_REPEATS, _WIDELY = 3, 0.015
OnError = Literal["auto", "raise", "keep"]
ON_ERROR = ("auto", "raise", "keep")


def run_attack(
    attack: AttackHooks,
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: float | None,
    space: FeatureSpace | None,
    pool: ArrayLike | None,
    n_jobs: int | None,
    verbose: int,
    resume: AttackResult | None = None,
    on_error: OnError = "auto",
) -> AttackResult:
    """Check the arguments, search and verify; see ``BlackBoxAttack.run``."""
    attack._check_parameters()
    attack = _with_plain_numbers(attack)
    attack._prepare()
    if on_error not in ON_ERROR:
        raise ValueError(f"on_error={on_error!r} is not one of {list(ON_ERROR)}.")
    eps = None if eps is None else check_eps(eps)
    norm = check_norm(attack.norm, attack._norms, type(attack).__name__)
    check_estimator(estimator)
    if space is not None and not isinstance(space, FeatureSpace):
        raise TypeError(f"space={type(space).__name__} is not a FeatureSpace or None.")
    table = as_table(X)
    check_fitted_columns(estimator, table)
    attack._check_run(table.n_columns, eps)
    if space is None:
        space = FeatureSpace.from_data(X if pool is None else pool)
    rows = space.bind(X)
    check_room(space, table)
    targets = as_targets(y, len(rows))
    given = _given_starts(attack.starts, space, rows)
    if pool is not None:
        pool = _few_enough(pool, space)
    pool_rows = rows if pool is None else space.bind(pool, parameter="pool")
    before = what_is_known(resume, space, rows, norm)

    predict = attack._predict_of(estimator)
    clean = ask(predict, X, len(rows)) if before.clean is None else before.clean
    pooled = clean
    if pool is not None:
        old = before.pooled
        same = old is not None and len(old) == len(pool_rows)
        pooled = old if old is not None and same else ask(predict, pool, len(pool_rows))
    coder = LabelCoder(targets, clean, pooled)
    if attack.targeted:
        check_wanted_labels(estimator, targets, clean, pooled)
    labels = coder.encode(targets)
    done = (coder.encode(clean) == labels) == attack.targeted
    chosen = np.flatnonzero(~done)
    start_pool = StartPool(pool_rows, coder.encode(pooled))
    oracle = Oracle(
        predict,
        rows,
        labels,
        coder,
        norm=norm,
        targeted=attack.targeted,
        batch_rows=attack.batch_rows,
    )
    repeats = before.repeats
    if repeats is None:
        repeats = _repeats(oracle, start_pool, chosen, done)
    oracle.n_repeats = _n_repeats(attack, repeats)
    warn_of_changes(estimator, repeats, oracle.n_repeats)
    if attack.max_queries is not None and oracle.n_repeats > 1:
        # From here on, queries are questions.
        budget = attack.max_queries // oracle.n_repeats
        attack = copy.copy(attack)
        attack.max_queries = budget
    setting = Setting(
        predict=predict,
        coder=coder,
        pool=start_pool,
        norm=norm,
        # A search within eps keeps its own distance from eps.
        stop_distance=(eps or 0.0) * (1 if attack._within_eps else 1 - _STOP_MARGIN),
        seed=check_seed(attack.random_state),
        n_repeats=oracle.n_repeats,
        reserve=_reserve(attack, repeats, eps),
    )
    outcome, known = before.outcome, before.points
    # What a repeat is left over counts as a question.
    outcome.n_queries = -(-outcome.n_queries // oracle.n_repeats)

    def search(some: IntArray, known: FloatArray | None) -> None:
        search_rows(
            attack,
            setting,
            rows,
            labels,
            some,
            outcome,
            given,
            known,
            n_jobs=n_jobs,
            verbose=verbose,
        )

    unit = unit_roundoff(estimator, rows)
    run = _Run(attack, setting, oracle, outcome, chosen, repeats, search, unit)
    run.run(known, before.verified, before.cells)
    result = make_result(oracle, outcome, run.raw, run.success, chosen, eps, attack, setting)
    result.clean = X
    result.resumable = Resumable(clean, pooled, repeats)
    if outcome.error is None:
        warn_of_unverified(attack, len(chosen), result.status)
        return result
    found = replace(outcome, error=None)
    result.resumable = Resumable(clean, pooled, repeats, found, run.verified)
    return _cut_short(attack, outcome, result, on_error)


def _few_enough(pool: Any, space: FeatureSpace) -> Any:
    """Return the pool, or some of its rows if there are too many to ask the model about."""
    table = as_table(pool, parameter="pool")
    if table.n_rows <= MAX_ASKED:
        return pool
    check_columns(table, space.names, space.kinds, space.mutable, "pool")
    return take_rows(pool, spread_rows(table, space.movable))


def _repeats(oracle: Oracle, pool: StartPool, chosen: IntArray, done: BoolArray) -> Repeats:
    """Find out whether the model repeats its answers."""
    if not len(chosen):
        return Repeats()
    try:
        return check_repeats(oracle, pool, chosen, done)
    except Exception:
        # What fails here fails in the search as well, which says for which rows.
        return Repeats()


def _n_repeats(attack: AttackHooks, repeats: Repeats) -> int:
    if attack.n_repeats is not None:
        return int(attack.n_repeats)
    if not repeats.noisy or repeats.widely < _WIDELY:
        # Close to the boundary only: moving outwards costs less than asking again.
        return 1
    if attack.max_queries is None:
        return _REPEATS
    affordable = min(_REPEATS, attack.max_queries // (2 * LEAST_QUERIES))
    # An even number of votes can be a draw.
    return max(1, affordable - (affordable + 1) % 2)


def _reserve(attack: AttackHooks, repeats: Repeats, eps: float | None) -> int:
    """Return how many questions of each row are kept for one verification."""
    if not repeats.n_changed or attack.max_queries is None:
        return VERIFY_QUERIES
    # Half the budget at most, for one verification or for two.
    most = (attack.max_queries - 1 - FINAL_QUERIES) // (4 if eps else 2)
    return int(np.clip(most, VERIFY_QUERIES, VARYING_QUERIES))


def _with_plain_numbers(attack: AttackHooks) -> AttackHooks:
    """Return the attack with Python's numbers: counts of numpy, such as int8, may overflow."""
    plain = {k: v.item() for k, v in vars(attack).items() if isinstance(v, np.generic)}
    if plain:
        attack = copy.copy(attack)
        vars(attack).update(plain)
    return attack


def _given_starts(starts: Starts, space: FeatureSpace, rows: CleanRows) -> FloatArray | None:
    """Return the user's own starts as coordinates of shape (n, n_starts, d)."""
    if isinstance(starts, str):
        return None
    shape, n_rows = np.shape(starts), len(rows)
    every = np.arange(n_rows)
    if len(shape) == 3 and shape[0] == n_rows and shape[1] > 0:
        flat = np.asarray(starts).reshape(-1, shape[2])
        points = space.bind(flat, parameter="starts")
        cells = points.seen_from(rows, np.repeat(every, shape[1])) / rows.scale
        return np.asarray(cells.reshape(n_rows, shape[1], -1))
    if len(shape) != 2 or shape[0] != n_rows:
        raise ValueError(
            f"starts has the shape {shape}, but X has {n_rows} rows; accepted: one row per row of "
            "X, or an array of shape (n_samples, n_starts, n_features)."
        )
    cells = space.bind(starts, parameter="starts").seen_from(rows, every)
    return np.asarray((cells / rows.scale)[:, None, :])


class _Run:
    """The search and the verification of one run.

    Attributes
    ----------
    raw : ndarray of shape (n, d)
        Cells to report.
    success : ndarray of shape (n,), bool
        Rows for which they are adversarial.
    verified : ndarray of shape (n,), bool
        Those of them that the model repeated.
    """

    def __init__(
        self,
        attack: AttackHooks,
        setting: Setting,
        oracle: Oracle,
        outcome: Outcome,
        chosen: IntArray,
        repeats: Repeats,
        search: Callable[[IntArray, FloatArray | None], None],
        unit: float,
    ) -> None:
        self.attack, self.setting, self.oracle = attack, setting, oracle
        self.outcome, self.chosen, self.repeats, self.search = outcome, chosen, repeats, search
        # What lies within eps, and need not be nearer, is not pushed out of it.
        self.unit = 0.0 if attack._within_eps else unit
        self.raw = oracle.rows.raw
        self.cells: FloatArray | None = None
        self.success = self.verified = np.zeros(len(oracle.rows), dtype=bool)

    def run(self, known: FloatArray | None, before: BoolArray, cells: FloatArray | None) -> None:
        """Search and verify; rows in `before` were verified with these cells, at `known` points."""
        self.cells = cells
        attack, outcome, chosen = self.attack, self.outcome, self.chosen
        twice = self.setting.stop_distance > 0 and not attack._within_eps
        at_first = outcome.best_distance.copy()
        self.search(chosen, known)
        if outcome.error is None and not attack._within_eps:
            warn_of_failed_starts(
                attack, len(chosen), outcome.best_distance[chosen], self.setting.pool
            )
        # Going from cells to coordinates and back may change the last digits.
        settled = before & (outcome.best_distance >= at_first * (1 - _ROUNDING))
        self._verify(settled, keep=self.setting.reserve if twice else 0)
        if not twice or outcome.error is not None:
            return
        again = self._stopped_in_vain()
        if len(again):
            self.setting.stop_distance, stop = 0.0, self.setting.stop_distance
            self.search(again, None)
            self.setting.stop_distance = stop
            # The others stay as they were verified: what is searched again must not cost them.
            settled, self.cells = self.verified.copy(), self.raw
            settled[again] = False
            self._verify(settled, keep=0)

    def _verify(self, settled: BoolArray, *, keep: int) -> None:
        """Verify what was found; each row keeps some questions.

        If the model fails here as well, what it has answered so far has to do.
        """
        outcome, oracle = self.outcome, self.oracle
        started = self.chosen[np.isfinite(outcome.best_distance[self.chosen])]
        oracle.n_queries = outcome.n_queries
        most = None
        if self.attack.max_queries is not None:
            most = np.maximum(self.attack.max_queries - oracle.n_queries - keep, 0)
        try:
            self.raw, self.verified = verify(
                oracle,
                outcome.best,
                outcome.far,
                started,
                most=most,
                settled=settled,
                cells=self.cells,
                noisy=self.repeats.noisy,
                unit=self.unit,
            )
            self.success = self.verified
        except (Exception, KeyboardInterrupt) as error:
            outcome.error = outcome.error or error
            outcome.finished[self.chosen] = False
            self.raw, self.verified = oracle.rows.raw.copy(), settled
            # Each of these rows was asked about and fooled the model, which repeats its answers.
            seen = started if not self.repeats.n_changed else np.flatnonzero(settled)
            self.raw[seen] = oracle.rows.snap(outcome.best[seen], seen)
            if self.cells is not None:
                self.raw[settled] = self.cells[settled]
            self.success = np.zeros(len(self.raw), dtype=bool)
            self.success[seen] = True

    def _stopped_in_vain(self) -> IntArray:
        """Return rows that were let go early but do not hold within eps; budgets are untouched."""
        stop, oracle = self.setting.stop_distance, self.oracle
        early = np.flatnonzero(self.outcome.best_distance <= stop)
        distance = oracle.rows.distance(self.raw[early], early, oracle.norm)
        return early[~self.verified[early] | (distance > stop / (1 - _STOP_MARGIN))]


def _cut_short(
    attack: AttackHooks, outcome: Outcome, result: AttackResult, on_error: OnError
) -> AttackResult:
    """Return the result of a run that was cut short, or raise the error with the result."""
    error = outcome.error
    assert error is not None
    if not np.isfinite(outcome.best_distance).any():
        # There is nothing to keep.
        raise error
    outside = isinstance(error, OSError)
    if isinstance(error, Exception) and (on_error == "keep" or (on_error == "auto" and outside)):
        warn_of_interruption(attack, error, result)
        return result
    # What happened in another process says more than the error that came from there.
    cause = error.__cause__ if isinstance(error.__cause__, WorkerError) else error
    raise interrupted(error, result) from cause
