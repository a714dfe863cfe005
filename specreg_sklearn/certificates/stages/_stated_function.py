"""Functions whose constant somebody states: of arrays, or layers of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from torch import Tensor, nn

from specreg_sklearn.certificates.stages._image_stages import through_torch
from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import above, row_norms


class StatedFunction(Stage):
    """A function of rows with the constant that its author states.

    Parameters
    ----------
    function : callable
        Maps a float64 array of rows to one; each row by itself.
    constant : float
        Its l2 Lipschitz constant on a flattened row.
    rounding : float
        Claim about the function's float64 arithmetic: no output is wrong by more than this times
        ``|output|``.
    row_rounding : float, default=0.0
        And by this times ``constant * ||row||``.
    n_inputs : int, default=None
        Columns of the rows; None if any number will do.
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        constant: float,
        *,
        rounding: float,
        row_rounding: float = 0.0,
        n_inputs: int | None = None,
    ) -> None:
        self.function, self.constant = function, float(constant)
        self.rounding, self.row_rounding = float(rounding), float(row_rounding)
        if n_inputs is not None:
            # Only the function knows how many columns it returns.
            self.n_inputs, self.n_outputs = n_inputs, function(np.zeros((1, n_inputs))).shape[1]

    def lipschitz(self) -> float:
        return self.constant

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply the function; any cell of a row may take up the error of the whole row."""
        Y = self.function(X)
        flat = len(X), math.prod(X.shape[1:])
        inputs = row_norms(error.reshape(flat))
        if self.row_rounding:
            inputs = inputs + self.row_rounding * row_norms(X.reshape(flat))
        propagated = above(self.constant * inputs, 4).reshape(len(X), *(1,) * (Y.ndim - 1))
        return Y, above(propagated + self.rounding * np.abs(Y), 2)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows, by the claims about it."""
        growth = above((self.rounding + self.row_rounding) * self._change_of_row(size), 4)
        return np.full(self._shape_after(size), growth)


class BoundedLayer(StatedFunction):
    """A layer whose Lipschitz constant is stated by the user.

    Parameters
    ----------
    layer : torch.nn.Module
        Run in float64.
    constant : float
        Its l2 Lipschitz constant on a flattened row.
    rounding : float, default=1e-12
        Claim about the layer's float64 arithmetic: no output is wrong by more than this times
        ``constant * ||row|| + |output|``.
    """

    def __init__(self, layer: nn.Module, constant: float, rounding: float = 1e-12) -> None:
        super().__init__(
            partial(through_torch, layer), constant, rounding=rounding, row_rounding=rounding
        )
        self.layer = layer

    def tensor(self, X: Tensor) -> Tensor:
        return self.layer(X)
