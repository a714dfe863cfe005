"""From what a search found to the result, and the warnings that go with it."""

from __future__ import annotations

import warnings

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.frame._hooks import AttackHooks
from specreg_sklearn.attacks.frame._outcome import Outcome, Setting
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.attacks.questions import Oracle, Repeats, StartPool
from specreg_sklearn.tables import stacklevel_of_caller


def make_result(
    oracle: Oracle,
    outcome: Outcome,
    raw: FloatArray,
    success: BoolArray,
    chosen: IntArray,
    eps: float | None,
    attack: AttackHooks,
    setting: Setting,
) -> AttackResult:
    """Return the result: of the `chosen` rows those in `success` hold adversarial cells."""
    every = np.arange(len(raw))
    distances = oracle.rows.distance(raw, every, oracle.norm)
    done = "already_right" if attack.targeted else "already_wrong"
    status = np.full(len(raw), done, dtype="<U14")
    started = np.isfinite(outcome.best_distance[chosen])
    nothing = "not_found" if attack._within_eps else "start_failed"
    status[chosen] = np.where(started, "unverified", nothing)
    status[success] = "found"
    # Rows whose search did not come to its end.
    cut = np.zeros(len(raw), dtype=bool)
    cut[chosen] = ~outcome.finished[chosen]
    status[cut] = "interrupted"
    if eps is not None:
        early = success & (outcome.best_distance <= setting.stop_distance) & (distances <= eps)
        status[early] = "stopped_at_eps"
    known = np.ones(len(raw), dtype=bool)
    known[chosen] = success[chosen]
    distances[~known] = np.inf
    return AttackResult(
        X_adv=oracle.rows.build(raw, every),
        distances=distances,
        success=known,
        status=status,
        n_queries=outcome.n_queries * setting.n_repeats,
        found_by=np.where(success, attack._name(), ""),
    )


def warn_of_failed_starts(
    attack: AttackHooks, attacked: int, best: FloatArray, pool: StartPool
) -> None:
    """Warn of rows for which there was nowhere to start from."""
    failed = int(np.isinf(best).sum())
    if not failed:
        return
    one_class = (
        " The model predicts one class only for all rows of data."
        if len(np.unique(pool.codes)) == 1
        else ""
    )
    _warn(
        f"{type(attack).__name__} found no adversarial row to start from for {failed} of "
        f"{attacked} rows. They are undecided (status 'start_failed', distance inf), which "
        f"does not mean robust.{one_class}"
    )


def warn_of_unverified(attack: AttackHooks, attacked: int, status: np.ndarray) -> None:
    """Warn of rows on which the model did not repeat its answer."""
    failed = int((status == "unverified").sum())
    if failed:
        _warn(
            f"{type(attack).__name__} found adversarial rows for {failed} of {attacked} rows on "
            "which the model did not repeat its answer. They are undecided (status 'unverified', "
            "distance inf), which does not mean robust."
        )


def warn_of_changes(estimator: object, repeats: Repeats, n_repeats: int) -> None:
    """Warn of a model that does not repeat its answers, and say what is done about it."""
    if not repeats.n_changed:
        return
    share = repeats.n_changed / repeats.n_asked
    why = (
        "even on the very same batch"
        if repeats.noisy
        else "when the other rows of the batch were others"
    )
    votes = (
        f"Each question is asked {n_repeats} times and the majority decides (n_repeats); rows"
        if n_repeats > 1
        else "Rows"
    )
    _warn(
        f"{type(estimator).__name__} does not repeat its answers: {repeats.n_changed} of "
        f"{repeats.n_asked} ({share:.0%}), most of them close to a decision boundary, changed "
        f"{why}. {votes} are moved outwards until the answer repeats, so distances are wider than "
        "those of a model that repeats itself."
    )


def warn_of_interruption(attack: AttackHooks, error: BaseException, result: AttackResult) -> None:
    """Warn that a result is not complete."""
    cut = int((result.status == "interrupted").sum())
    reported = int(np.isin(result.status, ("found", "stopped_at_eps")).sum())
    _warn(
        f"{type(attack).__name__} was interrupted by {type(error).__name__}: {error}. What was "
        f"found so far is kept: {reported} rows are finished, {cut} are not (status "
        "'interrupted') and undecided beyond what is reported. "
        "run(..., resume=result) goes on from here; on_error='raise' raises the error instead."
    )


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=stacklevel_of_caller())
