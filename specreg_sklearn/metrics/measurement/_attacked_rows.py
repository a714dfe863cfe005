"""Rows under attack at given sizes: what withstands, what fails, and by which rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, Certify, Classifier, FloatArray, IntArray
from specreg_sklearn.attacks import AttackResult
from specreg_sklearn.attacks.frame import NearestOfAll
from specreg_sklearn.metrics.measurement._confirmed_attack import confirmed_attack
from specreg_sklearn.metrics.measurement._measurement import Measurement, Sample, check_certify
from specreg_sklearn.metrics.measurement._proved_rows import proved_rows
from specreg_sklearn.tables import as_table, ask, check_estimator, same_labels, take_rows

# How often a model that does not repeat its answers is asked for the one that the attack has seen.
_ASKED_AGAIN = 8


@dataclass(frozen=True, eq=False)
class AttackedRows:
    """What is known of some rows after proof and attack at given sizes.

    Parameters
    ----------
    sample : Sample
        The clean rows.
    given : ndarray of shape (n_rows,)
        What the model predicts for them.
    found : AttackResult
        The nearest rows that are known; where nothing can move, the clean rows.
    given_adv : ndarray of shape (n_rows,)
        What the model predicts for ``found.X_adv``.
    lower : ndarray of shape (n_rows,), float64
        Distances within which the model is proved to stay right; 0 where it is not.
    unproved : str
        Why nothing is proved; empty if something is.
    seconds : float
        How long it took.
    """

    sample: Sample
    given: np.ndarray
    found: AttackResult
    given_adv: np.ndarray
    lower: FloatArray
    unproved: str
    seconds: float


def attacked_rows(
    estimator: Classifier,
    X: Any,
    sample: Sample,
    grid: FloatArray,
    measurement: Measurement,
    *,
    certify: Certify = "auto",
    verbose: int = 0,
) -> AttackedRows:
    """Attack those of the rows that a proof leaves open, at the increasing sizes of a grid.

    `X` is the whole of the data: the space, and the rows to start from, are its, if there is no
    other.
    """
    begin = time.perf_counter()
    check_certify(certify)
    measurement.check()
    attack, pool = measurement.resolved_attack(), measurement.pool_of(X)
    sizes = grid[grid > 0]
    check_estimator(estimator)
    given = ask(estimator.predict, sample.X, len(sample.y))
    right = same_labels(sample.y, given)
    if not sizes.size:
        # Nothing can move: no attack is needed to know the answer.
        found = unmoved(sample.X, right)
        seconds = time.perf_counter() - begin
        reason = "Nothing was proved, as nothing can move at eps=0."
        return AttackedRows(sample, given, found, given, np.zeros(len(right)), reason, seconds)
    space = measurement.space_of(X)
    known = proved_rows(
        estimator, sample.X, right, sizes, measurement, space=space, certify=certify
    )
    nearest = NearestOfAll(
        estimator, sample.X, sample.y, space, norm=measurement.norm, targeted=False
    )
    decided = np.zeros(len(right), dtype=bool)
    if known.proof.prover is not None and known.witness is not None:
        nearest.add_cells(known.proof.prover.name, known.witness)
        decided = ~right | _decided(known.lower, nearest.distances, sizes)
    if decided.any():
        # What an attack would complain about does not depend on how many rows it is left.
        attack._check_run(as_table(sample.X).n_columns, float(sizes[-1]))
        attack._prepare()
    # Starts that the user gave belong to the rows one by one, so that none can be taken out.
    left = ~decided if isinstance(attack.starts, str) else np.ones_like(decided)
    rows = np.flatnonzero(left & (~decided).any())
    words = np.full(len(right), "", dtype="<U14")
    if len(rows):
        # A score of half the rows would be no score of all.
        run = partial(
            confirmed_attack,
            attack,
            estimator,
            prover=known.proof.prover,
            pool=pool,
            space=space,
            n_jobs=measurement.n_jobs,
            verbose=verbose,
            on_error="raise",
        )
        # The nearest rows, once found, answer for every size; a search within a size does not.
        sizes = sizes if attack._within_eps else sizes[:1]
        words = _attack(run, attack._name(), nearest, rows, sizes)
    words[(known.lower > sizes[-1]) & right] = "certified"
    # An attack has asked about its rows as one array. Once more, a model that does not repeat its
    # answers would take some of them back, and only those that are wrong.
    verified = known.witness is not None
    found, given_adv = _found(estimator, nearest, sample, right, words, verified=verified)
    seconds = time.perf_counter() - begin
    lower = np.minimum(known.lower, found.distances)
    return AttackedRows(sample, given, found, given_adv, lower, known.proof.reason, seconds)


def _decided(lower: FloatArray, upper: FloatArray, sizes: FloatArray) -> BoolArray:
    """Return which rows need no attack, by what is proved and by the nearest rows that are known.

    At each size a row is either proved to stay right, or shown to fail by a row that `predict`
    confirms. No attack changes that: it finds nothing nearer than a proof allows, and one that
    fails to start leaves the row undecided, which counts as withstanding.
    """
    return np.asarray(((lower > sizes[:, None]) | (upper <= sizes[:, None])).all(axis=0))


def _attack(
    run: partial[AttackResult], name: str, nearest: NearestOfAll, rows: IntArray, sizes: FloatArray
) -> NDArray[np.str_]:
    """Attack rows at each size; return why nothing was found, where it was not.

    Rows that were found within one size are not attacked at the next.
    """
    words = np.full(len(nearest), "", dtype="<U14")
    for place, eps in enumerate(sizes.tolist()):
        rows = rows[nearest.distances[rows] > eps] if place else rows
        if not len(rows):
            break
        whole = len(rows) == len(nearest)
        X = nearest.X if whole else take_rows(nearest.X, rows)
        result = run(X, nearest.y[rows], eps=eps)
        nearest.add(place, name, rows, result)
        # What was undecided within one size is not decided by a search of another in vain.
        words[rows] = np.where(words[rows] == "unverified", "unverified", result.status)
    return words


def _found(
    estimator: Classifier,
    nearest: NearestOfAll,
    sample: Sample,
    right: BoolArray,
    words: NDArray[np.str_],
    *,
    verified: bool,
) -> tuple[AttackResult, np.ndarray]:
    """Return the nearest rows of all, and what the model predicts for them.

    `words` say why nothing is known of rows for which nothing was found.
    """
    wrong = np.flatnonzero(~right)
    if len(wrong):
        nearest.add(-1, "", wrong, unmoved(take_rows(sample.X, wrong), right[wrong]))
    found = nearest.result(None, verified=verified)
    nothing = ~found.success & (words != "") & (found.status != "unverified")
    found.status[nothing] = words[nothing]
    given = ask(estimator.predict, found.X_adv, len(right))
    for _ in range(_ASKED_AGAIN):
        lost = found.success & right & same_labels(sample.y, given)
        if not lost.any():
            return found, given
        again = ask(estimator.predict, found.X_adv, len(right))
        given = np.where(lost, again, given)
    lost = found.success & right & same_labels(sample.y, given)
    found.success[lost], found.distances[lost], found.status[lost] = False, np.inf, "unverified"
    return found, given


def unmoved(X: Any, right: BoolArray) -> AttackResult:
    """Return rows as they stand: those that are wrong need no attack, others had none."""
    status: NDArray[np.str_] = np.where(right, "not_found", "already_wrong").astype("<U14")
    return AttackResult(
        X_adv=X,
        distances=np.where(right, np.inf, 0.0),
        success=~right,
        status=status,
        n_queries=np.zeros(len(right), dtype=np.int64),
        clean=X,
    )
