"""One run of an attack, from the user's arguments to the result."""

from __future__ import annotations

import warnings
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.attacks.frame._hooks import AttackHooks, Starts
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.attacks.frame._workers import Outcome, Setting, search_rows
from specreg_sklearn.attacks.questions import Oracle, StartPool, verify
from specreg_sklearn.space import FeatureSpace, check_norm
from specreg_sklearn.tables import (
    LabelCoder,
    as_table,
    as_targets,
    ask,
    check_eps,
    check_estimator,
    check_fitted_columns,
    check_seed,
    stacklevel_of_caller,
)

# Verification may push a row outwards by 1e-3 of its distance; a row that stops this much before
# eps stays within eps after the push.
_STOP_MARGIN = 2e-3


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
) -> AttackResult:
    """Check the arguments, search and verify; see ``BlackBoxAttack.run``."""
    attack._check_parameters()
    attack = _with_plain_numbers(attack)
    attack._prepare()
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
    if not len(space.movable):
        raise ValueError(
            "The feature space has no column to move: none is mutable, or the bounds leave them no "
            "room."
        )
    targets = as_targets(y, len(rows))
    given = _given_starts(attack.starts, space, X, len(rows))
    pool_rows = rows if pool is None else space.bind(pool, parameter="pool")

    predict = attack._predict_of(estimator)
    clean = ask(predict, X, len(rows))
    pooled = clean if pool is None else ask(predict, pool, len(pool_rows))
    coder = LabelCoder(targets, clean, pooled)
    labels = coder.encode(targets)
    # A search within eps keeps its own distance from eps.
    stop = 0.0 if eps is None else eps * (1 if attack._within_eps else 1 - _STOP_MARGIN)
    setting = Setting(
        predict=predict,
        coder=coder,
        pool=StartPool(pool_rows, coder.encode(pooled)),
        norm=norm,
        stop_distance=stop,
        seed=check_seed(attack.random_state),
    )
    done = (coder.encode(clean) == labels) == attack.targeted
    chosen = np.flatnonzero(~done)
    outcome = Outcome.empty(*rows.raw.shape)

    def search(some: IntArray) -> None:
        search_rows(
            attack, setting, rows, labels, some, outcome, given, n_jobs=n_jobs, verbose=verbose
        )

    search(chosen)
    if not attack._within_eps:
        _warn_of_failures(attack, len(chosen), outcome.best_distance[chosen], setting.pool)

    oracle = Oracle(predict, rows, labels, coder, norm=norm, targeted=attack.targeted)
    raw, verified = _verified(oracle, outcome, chosen)
    again = _stopped_in_vain(oracle, outcome, raw, verified, stop)
    if len(again) and not attack._within_eps:
        setting.stop_distance = 0.0
        search(again)
        raw, verified = _verified(oracle, outcome, chosen)
    nothing = "not_found" if attack._within_eps else "start_failed"
    return _report(oracle, outcome, raw, verified, chosen, eps, stop, nothing)


def _with_plain_numbers(attack: AttackHooks) -> AttackHooks:
    """Return the attack with Python's numbers: counts of numpy, such as int8, may overflow."""
    plain = {k: v.item() for k, v in vars(attack).items() if isinstance(v, np.generic)}
    if plain:
        attack = copy(attack)
        vars(attack).update(plain)
    return attack


def _given_starts(starts: Starts, space: FeatureSpace, X: Any, n_rows: int) -> FloatArray | None:
    """Return the user's own starts as coordinates of shape (n, n_starts, d)."""
    if isinstance(starts, str):
        return None
    shape = np.shape(starts)
    if len(shape) == 3 and shape[0] == n_rows and shape[1] > 0:
        flat = np.asarray(starts).reshape(-1, shape[2])
        return space.bind(flat, parameter="starts").x.reshape(n_rows, shape[1], -1)
    if len(shape) != 2 or shape[0] != n_rows:
        raise ValueError(
            f"starts has the shape {shape}, but X has {n_rows} rows; accepted: one row per row of "
            "X, or an array of shape (n_samples, n_starts, n_features)."
        )
    return space.bind(starts, parameter="starts").x[:, None, :]


def _verified(oracle: Oracle, outcome: Outcome, chosen: IntArray) -> tuple[FloatArray, BoolArray]:
    started = chosen[np.isfinite(outcome.best_distance[chosen])]
    oracle.n_queries = outcome.n_queries
    return verify(oracle, outcome.best, outcome.far, started)


def _stopped_in_vain(
    oracle: Oracle, outcome: Outcome, raw: FloatArray, verified: BoolArray, stop: float
) -> IntArray:
    """Return rows that were let go early but do not hold within eps; budgets are untouched."""
    early = np.flatnonzero(outcome.best_distance <= stop)
    distance = oracle.rows.distance(raw[early], early, oracle.norm)
    return early[~verified[early] | (distance > stop / (1 - _STOP_MARGIN))]


def _report(
    oracle: Oracle,
    outcome: Outcome,
    raw: FloatArray,
    verified: BoolArray,
    chosen: IntArray,
    eps: float | None,
    stop: float,
    nothing: str,
) -> AttackResult:
    every = np.arange(len(raw))
    distances = oracle.rows.distance(raw, every, oracle.norm)
    done = "already_right" if oracle.targeted else "already_wrong"
    status = np.full(len(raw), done, dtype="<U14")
    started = np.isfinite(outcome.best_distance[chosen])
    status[chosen] = np.where(started, "unverified", nothing)
    status[verified] = "found"
    success = np.ones(len(raw), dtype=bool)
    success[chosen] = verified[chosen]
    if eps is not None:
        status[verified & (outcome.best_distance <= stop) & (distances <= eps)] = "stopped_at_eps"
    distances[~success] = np.inf
    return AttackResult(
        X_adv=oracle.rows.build(raw, every),
        distances=distances,
        success=success,
        status=status,
        n_queries=outcome.n_queries,
    )


def _warn_of_failures(
    attack: AttackHooks, attacked: int, best: FloatArray, pool: StartPool
) -> None:
    failed = int(np.isinf(best).sum())
    if not failed:
        return
    one_class = ""
    if len(np.unique(pool.codes)) == 1:
        one_class = " The model predicts one class only for all rows of data."
    warnings.warn(
        f"{type(attack).__name__} found no adversarial row to start from for {failed} of "
        f"{attacked} rows. They are undecided (status 'start_failed', distance inf), which "
        f"does not mean robust.{one_class}",
        UserWarning,
        stacklevel=stacklevel_of_caller(),
    )
