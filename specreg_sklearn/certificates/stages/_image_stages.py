"""Stages of image networks: convolutions, channel-wise maps, pooling, moves of the entries."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from specreg_sklearn.certificates.stages._central_differences import as_array
from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import (
    UNIT_ROUNDOFF,
    above,
    certified_matrix_norm,
    certified_norm,
    frobenius,
    gamma,
)
from specreg_sklearn.spectral.layers import Convolution, spread_over


def through_torch(function: Callable[[Tensor], Tensor], X: np.ndarray) -> np.ndarray:
    """Apply a torch function to an array; the array stays as it is."""
    with torch.no_grad():
        return function(torch.from_numpy(np.array(X))).numpy()


class Rearrange(Stage):
    """A move of entries within each row: reshape, permute, crop, pad. Distances never grow."""

    def __init__(
        self,
        move: Callable[[np.ndarray], np.ndarray],
        move_error: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        keeps_order: bool = False,
    ) -> None:
        self.move = move
        self.move_error = move_error or move
        self.keeps_order = keeps_order  # flattened rows stay the same

    def lipschitz(self) -> float:
        return 1.0

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.move(X), self.move_error(error)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Move the changes as the errors are moved; see :meth:`Stage.spread`."""
        return self.move_error(change)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return zero; see :meth:`Stage.rounding_growth`."""
        return np.zeros_like(self.move_error(size))

    def tensor(self, X: Tensor) -> Tensor:
        """Find out which entry ends up where, and fetch the entries themselves.

        A move only picks entries, perhaps the largest of some, or writes constants. So it moves
        the ranks of the entries the same way, and ranks say where they come from.
        """
        if self.keeps_order:
            return X.reshape(self.move(as_array(X)).shape)
        flat = X.reshape(len(X), -1)
        n = flat.shape[1]
        order = flat.detach().argsort(dim=1, stable=True)
        ranks = as_array(order.argsort(dim=1)).astype(np.float64).reshape(X.shape)
        first, second = self.move(ranks), self.move(ranks + n)
        picked = torch.from_numpy(second - first == n)
        places = torch.from_numpy(np.where(second - first == n, first, 0.0)).long()
        fetched = flat.gather(1, order.gather(1, places.reshape(len(X), -1))).reshape(first.shape)
        return torch.where(picked, fetched, torch.from_numpy(np.ascontiguousarray(first)))


def identity() -> Rearrange:
    """Return the stage that does nothing."""
    return Rearrange(lambda X: X, keeps_order=True)


def reshape(shape: Sequence[int]) -> Rearrange:
    """Return the stage that gives rows the shape `shape`, in the order of the entries."""
    return Rearrange(lambda X: X.reshape(len(X), *shape), keeps_order=True)


class ChannelAffine(Stage):
    """One factor and one shift per channel, as batch norm applies them outside training.

    Both are of shape (n_channels,) or (). A factor has a relative error, a shift an absolute one.
    """

    def __init__(
        self,
        scale: np.ndarray,
        shift: np.ndarray,
        scale_error: float = 0.0,
        shift_error: ArrayLike = 0.0,
    ) -> None:
        self.scale = scale
        self.shift = shift
        self.scale_error = scale_error
        self.shift_error = np.asarray(shift_error)

    def lipschitz(self) -> float:
        return above(float(np.abs(self.scale).max(initial=0.0)) * (1 + self.scale_error), 2)

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale, shift, shift_error = (
            part.reshape(-1, *(1,) * (X.ndim - 2)) if part.ndim else part
            for part in (self.scale, self.shift, self.shift_error)
        )
        relative = gamma(3) + self.scale_error * (1 + gamma(3))
        after = np.abs(scale) * (error + relative * (np.abs(X) + error))
        return X * scale + shift, above(after + relative * np.abs(shift) + shift_error, 8)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move; see :meth:`Stage.spread`."""
        scale = np.abs(self.scale)
        scale = scale.reshape(-1, *(1,) * (change.ndim - 2)) if scale.ndim else scale
        return above(change * scale * (1 + self.scale_error), 6)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows; see :meth:`Stage.rounding_growth`."""
        relative = gamma(3) + self.scale_error * (1 + gamma(3))
        return above(relative * self.spread(size), 4)

    def tensor(self, X: Tensor) -> Tensor:
        scale, shift = (
            torch.from_numpy(np.asarray(part)).reshape(-1, *(1,) * (X.ndim - 2))
            for part in (self.scale, self.shift)
        )
        return X * scale + shift


class ConvolutionStage(Stage):
    """A convolution layer in float64, transposed or not, on images of (n_channels, *size)."""

    def __init__(self, layer: _ConvNd, input_shape: tuple[int, ...]) -> None:
        self.layer = layer
        self.input_shape = input_shape
        self._absolute = copy.deepcopy(layer)
        with torch.no_grad():
            self._absolute.weight.abs_()
            self._absolute.bias = None

    def lipschitz(self) -> float:
        """Return a certified bound of the operator's norm."""
        return certified_norm(self.layer, self.input_shape)

    def scaled_lipschitz(self, scale: np.ndarray, relative_error: float) -> float:
        """Return a bound of the norm with one factor per output channel folded in."""
        weight = self.layer.weight.detach()
        folded = weight * spread_over(
            self.layer, torch.as_tensor(scale, dtype=weight.dtype, device=weight.device)
        )
        operator = Convolution.from_layer(self.layer, self.input_shape, weight=folded)
        # The factors and the products are rounded. A kernel E has a norm of at most the root of
        # the taps times ||E||_F, and padding copies no pixel more often than this.
        copies = math.prod(1 + before + after for before, after in operator.padding)
        factor = math.sqrt(math.prod(operator.kernel) * copies)
        lost = (relative_error + 2 * UNIT_ROUNDOFF) * factor * frobenius(folded.numpy())
        return above(certified_norm(operator) + lost, 6)

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        layer = self.layer
        n_terms = self._n_terms
        relative = gamma(n_terms + 2)
        after = through_torch(self._absolute, error + relative * (np.abs(X) + error))
        if layer.bias is not None:
            bias = np.abs(layer.bias.detach().numpy())
            after = after + relative * bias.reshape(-1, *(1,) * (X.ndim - 2))
        return through_torch(layer, X), above(after, 2 * n_terms + 8)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move; see :meth:`Stage.spread`."""
        return above(through_torch(self._absolute, change), 2 * self._n_terms + 8)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows; see :meth:`Stage.rounding_growth`."""
        return above(gamma(self._n_terms + 2) * self.spread(size), 4)

    @property
    def _n_terms(self) -> int:
        layer = self.layer
        return layer.in_channels // layer.groups * math.prod(layer.kernel_size)

    def tensor(self, X: Tensor) -> Tensor:
        return self.layer(X)


class AxisProduct(Stage):
    """A non-negative linear map that is one small matrix per axis, alike in every channel.

    Average pooling, averages over axes and interpolation are of this kind. The norm of such a
    product is the product of the norms. The last matrix (n_outputs, n_inputs) is for the last axis.
    `shape` is that of a row of the result; None for one axis per matrix, and those before them.
    """

    def __init__(self, matrices: Sequence[np.ndarray], shape: Sequence[int] | None = None) -> None:
        self.matrices = list(matrices)
        self.shape = shape

    def lipschitz(self) -> float:
        # Entries of the matrices are rounded once or twice.
        bound = 1.0
        for matrix in self.matrices:
            norm = certified_matrix_norm(matrix) + 4 * UNIT_ROUNDOFF * frobenius(matrix)
            bound = above(bound * norm, 4)
        return bound

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = X.ndim - len(self.matrices)
        for axis, matrix in enumerate(self.matrices, start=first):
            relative = gamma(matrix.shape[1] + 6)
            error = _along(axis, np.abs(matrix), error + relative * (np.abs(X) + error))
            error = above(error, 2 * matrix.shape[1] + 8)
            X = _along(axis, matrix, X)
        if self.shape is None:
            return X, error
        return X.reshape(len(X), *self.shape), error.reshape(len(X), *self.shape)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move; see :meth:`Stage.spread`."""
        # Where the values are zero all of the error was passed on.
        return self.forward(np.zeros_like(change), change)[1]

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows; see :meth:`Stage.rounding_growth`."""
        return self.forward(size, np.zeros_like(size))[1]

    def tensor(self, X: Tensor) -> Tensor:
        for axis, matrix in enumerate(self.matrices, start=X.ndim - len(self.matrices)):
            X = (X.movedim(axis, -1) @ torch.from_numpy(matrix).T).movedim(-1, axis)
        return X if self.shape is None else X.reshape(len(X), *self.shape)


def _along(axis: int, matrix: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.moveaxis(X, axis, -1) @ matrix.T, -1, axis)


class Selection(Stage):
    """Each output is one of the inputs: maxima over windows, or copies of the border.

    The function of tensors is monotone and does not round. A step of the input moves each maximum
    by at most the largest step in its window, and each input lies in at most
    ``prod(multiplicities)`` windows, one factor per axis: the constant is the root of that.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], multiplicities: Sequence[int]) -> None:
        self.function = function
        self.n_windows = math.prod(multiplicities)

    def lipschitz(self) -> float:
        """Return the root of the number of windows over one input."""
        root = math.isqrt(self.n_windows)
        return float(root) if root**2 == self.n_windows else above(math.sqrt(self.n_windows), 1)

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Padded entries of the error count as zero.
        after = np.maximum(through_torch(self.function, error), 0.0)
        return through_torch(self.function, X), after

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Select among the changes; see :meth:`Stage.spread`."""
        return self.forward(change, change)[1]

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return zero; see :meth:`Stage.rounding_growth`."""
        return np.zeros_like(self.spread(size))

    def tensor(self, X: Tensor) -> Tensor:
        return self.function(X)
