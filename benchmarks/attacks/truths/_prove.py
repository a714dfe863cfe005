"""Exact distances of the rows of a problem, each proved and shown by a row that fools the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from benchmarks.attacks.truths._additive import read_bins
from benchmarks.attacks.truths._ensembles import Ensemble, read
from benchmarks.attacks.truths._nearest_row import PROVED, TIE, Nearest, nearest_row
from benchmarks.common import Problem
from specreg_sklearn.attacks import CGBA, RayS
from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows

SMALLEST = 1e-4
"""Truths below this are rows on a wall: they are judged by their own checks, not by a ratio."""


@dataclass(frozen=True)
class Truth:
    """Distances in one norm, and for which rows they are exact.

    Parameters
    ----------
    exact : ndarray of shape (n,)
        Length to a row that fools the model; infinite if none was found.
    proved : ndarray of bool, shape (n,)
    rows : ndarray of shape (n, d)
        The rows that fool the model.
    """

    exact: np.ndarray
    proved: np.ndarray
    rows: np.ndarray


def known_rows(problem: Problem) -> list[np.ndarray]:
    """Return rows that fool the model, from two attacks of the library; they limit the search."""
    found = []
    for attack in (CGBA(max_queries=1000), RayS(max_queries=1000)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = attack.run(
                problem.model, problem.X, problem.y, space=problem.space, pool=problem.pool
            )
        found.append(np.where(result.success[:, None], result.X_adv, np.nan))
    return [*found, *(_stripped(problem, Z) for Z in found)]


def witnesses(problem: Problem, norm: float) -> np.ndarray:
    """Return the rows at the distances that the library's own search proves, NaN where it fails.

    They only limit the integer program, which proves the distances independently and much faster.
    """
    ensemble = TreeEnsemble.from_estimator(problem.model)
    return nearest_rows(ensemble, problem.space.bind(problem.X), norm=norm).witness


def prove(problem: Problem, norm: float, known: list[np.ndarray], seconds: float = 20.0) -> Truth:
    """Return the distances of all rows of a problem in one norm."""
    reader = read_bins if isinstance(problem.model, Pipeline) else read
    ensemble = reader(problem.model, problem.pool)
    lengths = [np.linalg.norm(Z - problem.X, ord=norm, axis=1) for Z in known]
    shortest = np.nanmin([np.where(np.isnan(z), np.inf, z) for z in lengths], axis=0)
    exact = np.full(len(problem.X), np.inf)
    proved = np.zeros(len(problem.X), dtype=bool)
    rows = np.full(problem.X.shape, np.nan)
    for i in np.flatnonzero(np.isfinite(shortest)):
        best = _one(problem, ensemble, i, norm, shortest[i], seconds)
        if best.row is not None:
            exact[i], rows[i] = best.distance, best.row
            proved[i] = best.proved and best.distance > SMALLEST
    return Truth(exact, proved, rows)


def _one(
    problem: Problem, ensemble: Ensemble, i: int, norm: float, within: float, seconds: float
) -> Nearest:
    """Return the nearest row that fools `predict`, with the bound of all margins beyond 0."""
    x = problem.X[i]
    box = {"lo": problem.lo, "hi": problem.hi, "norm": norm, "seconds": seconds}
    found = nearest_row(ensemble, x, within=within, tie=-TIE, **box)
    if _fools(problem, i, found):
        return found
    # The optimum is a tie: the bound holds, and the row is searched on the safe side of ties.
    safe = nearest_row(ensemble, x, within=within, tie=TIE, **box)
    if _fools(problem, i, safe):
        return Nearest(safe.row, safe.distance, min(found.bound, safe.distance))
    return Nearest(None, np.inf, found.bound)


def _fools(problem: Problem, i: int, found: Nearest) -> bool:
    if found.row is None:
        return False
    return bool(problem.model.predict(found.row[None])[0] != problem.y[i])


def _stripped(problem: Problem, Z: np.ndarray) -> np.ndarray:
    """Take home the smallest moves, column by column, as far as the model stays fooled."""
    Z = Z.copy()
    order = np.argsort(np.abs(Z - problem.X), axis=1)
    every = np.arange(len(Z))
    for column in order.T:
        home = Z.copy()
        home[every, column] = problem.X[every, column]
        usable = ~np.isnan(home).any(axis=1)
        fooled = np.zeros(len(Z), dtype=bool)
        fooled[usable] = problem.model.predict(home[usable]) != problem.y[usable]
        Z[fooled] = home[fooled]
    return Z


__all__ = ["PROVED", "SMALLEST", "Truth", "known_rows", "prove", "witnesses"]
