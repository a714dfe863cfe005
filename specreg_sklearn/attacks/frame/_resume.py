"""Going on from an earlier result, without asking again what it knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.attacks.frame._outcome import Outcome
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.attacks.questions import Repeats
from specreg_sklearn.space import CleanRows, FeatureSpace


@dataclass
class Resumable:
    """What a result remembers for a run that goes on from it.

    Parameters
    ----------
    clean, pooled : ndarray or None
        Labels that the model gave the clean rows and the pool.
    repeats : Repeats or None
        How far it repeats its answers.
    outcome : Outcome or None
        What was found, if the run was cut short: points that are not verified, too.
    verified : ndarray of bool, or None
        The rows that were verified.
    """

    clean: np.ndarray | None = None
    pooled: np.ndarray | None = None
    repeats: Repeats | None = None
    outcome: Outcome | None = None
    verified: BoolArray | None = None


@dataclass
class Before:
    """What is known of the rows of a run before it begins; see :class:`Resumable`."""

    outcome: Outcome
    verified: BoolArray
    cells: FloatArray | None = None
    clean: np.ndarray | None = None
    pooled: np.ndarray | None = None
    repeats: Repeats | None = None

    @property
    def points(self) -> FloatArray | None:
        """Points that have fooled the model, NaN where there are none; None if there is none."""
        known = np.isfinite(self.outcome.best_distance)
        return np.where(known[:, None], self.outcome.best, np.nan) if known.any() else None


def what_is_known(
    resume: AttackResult | None, space: FeatureSpace, rows: CleanRows, norm: float
) -> Before:
    """Return what an earlier result knows of the rows; nothing if there is none."""
    outcome = Outcome.empty(*rows.raw.shape)
    before = Before(outcome, np.zeros(len(rows), dtype=bool))
    if resume is None:
        return before
    if not isinstance(resume, AttackResult):
        raise TypeError(f"resume={type(resume).__name__} is not an AttackResult or None.")
    if len(resume.status) != len(rows):
        raise ValueError(
            f"resume holds {len(resume.status)} rows, but X has {len(rows)}; pass the X and y that "
            "the result came from."
        )
    kept = resume.resumable if isinstance(resume.resumable, Resumable) else Resumable()
    before.clean, before.pooled, before.repeats = kept.clean, kept.pooled, kept.repeats
    verified = resume.success if kept.verified is None else kept.verified
    every, old = np.arange(len(rows)), space.bind(resume.X_adv, parameter="resume.X_adv")
    before.cells = old.seen_from(rows, every)
    points = before.cells / rows.scale
    distance = rows.distance(before.cells, every, norm)
    before.verified = verified & (distance > 0)
    if kept.outcome is not None:
        outcome.take_over(every, kept.outcome)
        outcome.error = None
    there = np.flatnonzero(before.verified)
    outcome.best[there], outcome.best_distance[there] = points[there], distance[there]
    outcome.far[there] = points[there]
    outcome.n_queries = np.array(resume.n_queries, dtype=np.int64)
    return before
