"""Affine maps, with a bound of how well their weights are known."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import (
    above,
    certified_matrix_norm,
    frobenius,
    gamma,
    row_norms,
    times,
)

# The smallest number of float64, and one far above those whose roundings are lost.
_SMALLEST, _TINY = 2.0**-1074, 2.0**-900
# Shares of entries up to this size add up.
_LARGEST_SHARE = 2.0**-20


class Affine(Stage):
    """The map ``x -> W x + b``, with a bound of how well W and b are known.

    Parameters
    ----------
    weight : array-like of shape (n_outputs, n_inputs) or (n,)
        The matrix W; one axis stands for a diagonal matrix.
    bias : array-like of shape (n_outputs,), default=None
        The vector b; None for zero.
    weight_error : float, default=0.0
        Bound of the spectral norm of ``true W - weight``.
    entry_error : float, default=0.0
        Bound of ``|true W - weight| / |weight|``, entry by entry; adds to `weight_error`.
    bias_error : float or array-like of shape (n_outputs,), default=0.0
        Bound of ``|true b - bias|``, entry by entry.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or if an entry is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.certificates import Affine
    >>> step = Affine([[3.0, 4.0]], [1.0])
    >>> step.forward(np.array([[1.0, 1.0]]), np.zeros((1, 2)))[0]
    array([[8.]])
    >>> round(step.lipschitz(), 9)
    5.0
    """

    n_inputs: int
    n_outputs: int

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        weight_error: float = 0.0,
        *,
        entry_error: float = 0.0,
        bias_error: ArrayLike = 0.0,
    ) -> None:
        self.weight = np.asarray(weight, dtype=np.float64)
        if self.weight.ndim not in (1, 2):
            raise ValueError(f"weight must have 1 or 2 axes, got shape {self.weight.shape}.")
        self.n_outputs, self.n_inputs = self.weight.shape[0], self.weight.shape[-1]
        self.bias = np.asarray(0.0 if bias is None else bias, dtype=np.float64)
        if self.bias.shape not in ((), (self.n_outputs,)):
            raise ValueError(
                f"bias has shape {self.bias.shape}; the weight of shape {self.weight.shape} "
                f"asks for ({self.n_outputs},)."
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise ValueError("The weight or the bias of an affine step holds NaN or infinity.")
        self.weight_error = float(weight_error)
        self.entry_error = float(entry_error)
        self.bias_error = np.asarray(bias_error, dtype=np.float64)
        self._norm: float | None = None
        self._is_selection: bool | None = None

    @property
    def is_diagonal(self) -> bool:
        """Whether each output depends on one input alone."""
        return self.weight.ndim == 1

    def dense(self) -> np.ndarray:
        """Return the weight as a matrix of shape (n_outputs, n_inputs)."""
        return np.diag(self.weight) if self.is_diagonal else self.weight

    def uncertainty(self) -> float:
        """Return a bound of the spectral norm of ``true W - weight``."""
        if self.entry_error == 0.0:
            return self.weight_error
        size = np.abs(self.weight).max(initial=0.0) if self.is_diagonal else frobenius(self.weight)
        return above(self.weight_error + self.entry_error * float(size), 2)

    def lipschitz(self) -> float:
        """Return a certified upper bound of the spectral norm of W."""
        if self._norm is None:
            if self.is_diagonal:
                norm = float(np.abs(self.weight).max(initial=0.0))
            else:
                norm = certified_matrix_norm(self.weight)
            extra = self.uncertainty()
            self._norm = above(norm + extra, 1) if extra else norm
        return self._norm

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = np.abs(self.weight)
        if self.is_diagonal:
            n_terms = 1
            Y = X * self.weight + self.bias
        else:
            n_terms = X.shape[-1]
            Y = X @ self.weight.T + self.bias
        # |W| e + gamma (|W| (|x| + e) + |b|) in one product.
        relative = gamma(n_terms + 2) + self.entry_error * (1 + gamma(4))
        spread = error + relative * (np.abs(X) + error)
        after = spread * size if self.is_diagonal else spread @ size.T
        after = after + relative * np.abs(self.bias) + self.bias_error
        if self.weight_error:
            rows = np.linalg.norm(X, axis=-1, keepdims=True)
            rows = rows + np.linalg.norm(error, axis=-1, keepdims=True)
            after = after + self.weight_error * rows
        return Y, above(after, 2 * n_terms + 8)

    def computed(
        self, X: np.ndarray, error: np.ndarray, coarseness: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Apply the map in coarser arithmetic; see :meth:`Stage.computed`."""
        if not self._selects:
            return super().computed(X, error, coarseness)
        return self.forward(X, error)[0], error @ np.abs(self.weight).T

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move; see :meth:`Stage.spread`."""
        size = np.abs(self.weight)
        after = change * size if self.is_diagonal else change @ size.T
        unsure = self.uncertainty()
        if unsure:
            after = after + unsure * row_norms(change)[:, None]
        return above(after, 2 * self.n_inputs + 8)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows; see :meth:`Stage.rounding_growth`."""
        n_terms = 1 if self.is_diagonal else self.n_inputs
        relative = gamma(n_terms + 2) + self.entry_error * (1 + gamma(4))
        if self._selects:
            return np.zeros_like(self.spread(size))
        growth = relative * self.spread(size)
        if self.weight_error:
            growth = growth + self.weight_error * row_norms(size)[:, None]
        return above(growth, 4)

    @property
    def _selects(self) -> bool:
        """Whether each output is one of the inputs: estimators do not multiply there."""
        if self._is_selection is None:
            weight = self.weight
            self._is_selection = bool(
                not self.is_diagonal
                and not self.bias.any()
                and not self.bias_error.any()
                and not self.uncertainty()
                and ((weight == 0) | (weight == 1)).all()
                and (weight.sum(axis=1) == 1).all()
            )
        return self._is_selection

    def tensor(self, X: Tensor) -> Tensor:
        weight, bias = torch.from_numpy(self.weight), torch.from_numpy(self.bias)
        return X * weight + bias if self.is_diagonal else X @ weight.T + bias

    def after(self, first: Affine) -> Affine:
        """Fold this map behind another one: one map that does `first`, then this.

        The rounding of the product goes into `weight_error` and `bias_error`, so that bounds of
        the folded map hold for the composition in real arithmetic.
        """
        if self.n_inputs != first.n_outputs:
            raise ValueError(
                f"A step with {first.n_outputs} outputs cannot feed one of {self.n_inputs} inputs."
            )
        mine, theirs = self.uncertainty(), first.uncertainty()
        with np.errstate(over="ignore", invalid="ignore"):
            weight, slack = _product(self.weight, first.weight)
        if not np.isfinite(weight).all():
            raise ValueError(
                "The weights of two linear steps, one after the other, multiply to numbers beyond "
                "the range of float64, so that there is no bound. Bring them to a common size."
            )
        entry_error = self._entry_error_after(first, weight)
        if entry_error:
            # What is known of the factors of each entry is known of it, too, however far the sizes
            # of columns lie apart.
            slack = 0.0
        elif mine or theirs:
            slack += times(mine, frobenius(first.weight) + theirs)
            slack += times(frobenius(self.weight), theirs)
        bias, bias_error = self.forward(
            np.broadcast_to(first.bias, (1, first.n_outputs)),
            np.broadcast_to(first.bias_error, (1, first.n_outputs)),
        )
        slack = above(slack, 6)
        return Affine(weight, bias[0], slack, entry_error=entry_error, bias_error=bias_error[0])

    def _entry_error_after(self, first: Affine, weight: np.ndarray) -> float:
        """Return a bound for the entries of the product with `first`; 0 where none is known."""
        error = self.entry_error + first.entry_error + 2 * gamma(1)
        if self.weight_error or first.weight_error or error > _LARGEST_SHARE:
            return 0.0
        if not (_at_most_one(self.weight, 1) or _at_most_one(first.weight, 0)):
            return 0.0  # entries are sums
        there, _ = _product((self.weight != 0) * 1.0, (first.weight != 0) * 1.0)
        # An entry that underflows may be off by more than a share of itself.
        if not (np.abs(weight[there > 0]) > _TINY).all():
            return 0.0
        return float(above(error * (1 + 2 * error), 4))


def _at_most_one(weight: np.ndarray, axis: int) -> bool:
    """Return whether rows (axis 1) or columns (axis 0) have one entry each that is not zero."""
    return weight.ndim == 1 or bool(np.count_nonzero(weight, axis=axis).max(initial=0) <= 1)


def _product(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Multiply two matrices, either of them diagonal, and bound the norm of the rounding."""
    if left.ndim == 1 or right.ndim == 1:
        weight = left[:, None] * right if left.ndim == 1 and right.ndim == 2 else left * right
        n_terms, bound = 1, frobenius(weight)
    else:
        weight = left @ right
        n_terms, bound = left.shape[1] + 1, frobenius(np.abs(left) @ np.abs(right))
    slack = gamma(n_terms) * bound
    if bound < _TINY and left.any() and right.any():
        # Each product may be off by as much, and no share of itself, where it underflows.
        slack += n_terms * math.sqrt(weight.size) * _SMALLEST
    return weight, slack
