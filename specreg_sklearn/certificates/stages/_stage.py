"""One step of a function that a certificate can follow."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from specreg_sklearn.certificates.stages._central_differences import rows_to_rows
from specreg_sklearn.spectral.bounds import above, gamma, row_norms

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages._precision import Precision


class Stage(ABC):
    """One step of a function on rows, with what a proof needs.

    Attributes
    ----------
    n_inputs, n_outputs : int or None
        Columns of the rows that go in and come out; None if any number will do.
    precision : Precision or None
        In which floating point type the estimator itself carries the step out; None for that of the
        rows it is given. Whoever asks an estimator for its stages sets it.
    after_rounding : float
        What an order-preserving function that the estimator applies afterwards, such as a softmax,
        may blur the outputs by: an absolute error, in float64.
    comparison : callable or None
        On the first of several stages that were read off a model: takes rows, and raises
        NoLipschitzBound where the stages give something else than the model itself.
    """

    comparison: Callable[[np.ndarray], None] | None = None
    n_inputs: int | None = None
    n_outputs: int | None = None
    precision: Precision | None = None
    after_rounding: float = 0.0

    @abstractmethod
    def lipschitz(self) -> float:
        """Return an upper bound of the l2 Lipschitz constant of a row's map."""

    @abstractmethod
    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply the step in float64 and propagate the rounding error.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_inputs)
            Computed values.
        error : ndarray of shape (n_samples, n_inputs)
            Bound of how far each of them is from its value in real arithmetic.

        Returns
        -------
        Y : ndarray of shape (n_samples, n_outputs)
            Computed values after the step.
        error : ndarray of shape (n_samples, n_outputs)
            Bound of their distance from real arithmetic.
        """

    def computed(
        self, X: np.ndarray, error: np.ndarray, coarseness: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Apply the step, with the error of arithmetic that is coarser than float64.

        Parameters
        ----------
        X, error : ndarray of shape (n_samples, n_inputs)
            As in :meth:`forward`.
        coarseness : float
            How many times as large the estimator's roundings are.

        Returns
        -------
        Y, error : ndarray of shape (n_samples, n_outputs)
            As from :meth:`forward`.
        """
        # What a step passes on does not depend on the arithmetic, and what it adds grows with it.
        Y, after = self.forward(X, error / coarseness)
        return Y, above(after * coarseness, 3)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move, entry by entry, where the inputs move by `change`.

        Parameters
        ----------
        change : ndarray of shape (1, n_inputs)
            Bounds of the moves, not negative.

        Returns
        -------
        ndarray of shape (1, n_outputs)
            Bounds. Without a version of its own a stage has what follows from its constant.
        """
        return np.full(self._shape_after(change), self._change_of_row(change))

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how much more :meth:`forward` rounds, entry by entry, on inputs larger by `size`.

        Only what the step itself adds counts, in float64. Without a version of its own a stage is
        taken to round as a matrix product of its width and its constant does.

        Parameters
        ----------
        size : ndarray of shape (1, n_inputs)
            By how much the inputs may be larger, not negative.

        Returns
        -------
        ndarray of shape (1, n_outputs)
            Bounds.
        """
        n = size[0].size
        per_unit = gamma(n + 32) * math.sqrt(n)
        growth = above(per_unit * self._change_of_row(size), 4)
        return np.full(self._shape_after(size), growth)

    def _change_of_row(self, change: np.ndarray) -> float:
        length = float(row_norms(change.reshape(1, -1))[0])
        return above(self.lipschitz() * length, 2) if length else 0.0

    def _shape_after(self, X: np.ndarray) -> tuple[int, ...]:
        zeros = np.zeros_like(X)
        return self.forward(zeros, zeros)[0].shape

    def tensor(self, X: Tensor) -> Tensor:
        """Apply the step to a tensor, so that gradients flow to it.

        A stage without a version of its own takes the values of :meth:`forward`, and its gradient
        by central differences, column by column.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_inputs), float64
            Rows.

        Returns
        -------
        Tensor of shape (n_samples, n_outputs), float64
            The rows after the step.
        """
        return rows_to_rows(lambda rows: self.forward(rows, np.zeros_like(rows))[0], X)
