"""Scores as `predict` itself computes them: how far they are from real arithmetic, near a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.stages import Stage, Units
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF, above, row_norms
from specreg_sklearn.tables import CellRounding

FLOAT32_UNIT = 2.0**-24
# float32 rounds 2**29 times as coarsely as float64. A sixteenth is room for roundings of what was
# rounded before: enough for half a million terms of sums, one behind the other.
FLOAT32_ROUNDING = 2.0**29 * (1 + 2.0**-4)
# Below this float32 loses all digits, be it at once.
_FLOAT32_TINY = 2.0**-126
# Errors of this size stand for sums that come near the end of float32's range.
_FLOAT32_TOO_LARGE = 2.0**100


class _Step(NamedTuple):
    stage: Stage
    coarseness: float  # of its roundings, as a multiple of those of float64
    cast: float  # relative rounding of the rows on their way in


class PredictedScores:
    """Bounds of the rounding in an estimator's own scores.

    Parameters
    ----------
    stages : iterable of Stage
        What the estimator computes; each knows its precision.
    cells : CellRounding
        How the cells of X are held.

    Raises
    ------
    NoCertificateError
        If a step is computed in a type that is neither float32 nor float64.
    """

    def __init__(self, stages: Iterable[Stage], cells: CellRounding) -> None:
        self._steps: list[_Step] = []
        units = Units(cells.coarsest, cells.common)
        for stage in stages:
            unit = units.within(stage.precision)
            if unit not in (UNIT_ROUNDOFF, FLOAT32_UNIT):
                raise NoCertificateError(
                    f"The model has no certificate for this X: a step of it is computed in a "
                    f"floating point type of unit roundoff {unit:.2g}, float16 or the like. Give X "
                    "in float32 or float64, to a model that is fitted on it."
                )
            coarseness = 1.0 if unit == UNIT_ROUNDOFF else FLOAT32_ROUNDING
            cast = unit if unit > units.coarsest or units.common == np.inf else 0.0
            self._steps.append(_Step(stage, coarseness, cast if coarseness > 1 else 0.0))
            units = Units(unit, unit)

    @property
    def in_float64(self) -> bool:
        """Whether every step is computed in float64."""
        return all(step.coarseness == 1 for step in self._steps)

    @property
    def unit(self) -> float:
        """Unit roundoff of the step that is computed most coarsely."""
        return UNIT_ROUNDOFF if self.in_float64 else FLOAT32_UNIT

    def errors(self, X: np.ndarray, in_float64: np.ndarray) -> np.ndarray:
        """Return how far the estimator's scores may be from real arithmetic.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_inputs)
            Rows.
        in_float64 : ndarray of shape (n_samples, n_outputs)
            The same bound for stages computed in float64.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Bounds; infinite where a number may leave the range of the estimator's arithmetic.
        """
        if self.in_float64:
            return in_float64 + self._blur
        Y, error = X, np.zeros_like(X)
        lost = np.zeros(len(X), dtype=bool)
        with np.errstate(over="ignore", invalid="ignore"):
            for stage, coarseness, cast in self._steps:
                if cast:
                    error = above(error + cast * (np.abs(Y) + error), 3)
                if coarseness == 1:
                    Y, error = stage.forward(Y, error)
                    continue
                lost |= _leaves_float32(Y, error)
                n_terms = Y.shape[1]
                Y, error = stage.computed(Y, error + _FLOAT32_TINY, coarseness)
                error = error + _FLOAT32_TINY * (n_terms + 1)
                lost |= _leaves_float32(Y, error)
        error = above(error + self._blur, 4)
        error[lost] = np.inf
        return error

    def growth(self, reach: np.ndarray, length: float) -> tuple[np.ndarray, float]:
        """Return how the errors grow while a row moves, per unit of the move.

        Parameters
        ----------
        reach : ndarray of shape (n_inputs,)
            How far each cell moves at most.
        length : float
            How far all of them move together, in L2.

        Returns
        -------
        growth : ndarray of shape (n_outputs,)
            Bounds: after a move of length r the errors are at most those of :meth:`errors` plus r
            times this.
        farthest : float
            Moves up to this length stay in the range of the estimator's arithmetic.
        """
        change = np.asarray(reach, dtype=np.float64)[None]
        error = np.zeros_like(change)
        error_length = 0.0
        largest = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for stage, coarseness, cast in self._steps:
                if cast:
                    largest = max(largest, float(change.max()))
                    rounded = above(cast * (change + error), 2)
                    error = error + rounded
                    error_length = above(error_length + float(row_norms(rounded)[0]), 1)
                constant = stage.lipschitz()
                added = above(coarseness * stage.rounding_growth(above(change + error, 1)), 1)
                error_length = above(constant * error_length, 1) if error_length else 0.0
                error = np.fmin(stage.spread(error), error_length) + added
                error_length = above(error_length + float(row_norms(added)[0]), 1)
                length = above(constant * length, 1) if constant and length else 0.0
                change = np.fmin(stage.spread(change), length)
                if coarseness > 1:
                    largest = max(largest, float(change.max()), float(error.max()))
        farthest = _FLOAT32_TOO_LARGE / largest if largest else np.inf
        return error[0], farthest

    @property
    def _blur(self) -> np.ndarray:
        """What order-preserving functions after the stages may add to the errors."""
        blur: np.ndarray | float = 0.0
        for stage, coarseness, _ in self._steps:
            if np.any(blur):
                blur = stage.spread(np.asarray(blur))
            if stage.after_rounding:
                assert stage.n_outputs is not None
                blur = blur + np.full((1, stage.n_outputs), coarseness * stage.after_rounding)
        return np.asarray(blur)


def _leaves_float32(Y: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the rows that come near the end of float32's range."""
    inside = (np.abs(Y) < _FLOAT32_TOO_LARGE) & (error < _FLOAT32_TOO_LARGE)
    return ~inside.all(axis=1)
