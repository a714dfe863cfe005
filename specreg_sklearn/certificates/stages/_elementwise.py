"""Activation functions, entry by entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from specreg_sklearn.certificates.stages._activations import activation
from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import above


class Elementwise(Stage):
    """An activation function, applied to every entry.

    Parameters
    ----------
    name : str
        As in :func:`activation`: "relu", "tanh", "gelu", ...
    **parameters : dict
        Settings of the function under torch's names, such as ``negative_slope``.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.certificates import Elementwise
    >>> Elementwise("leaky_relu", negative_slope=3.0).lipschitz()
    3.0
    """

    def __init__(self, name: str, **parameters: ArrayLike) -> None:
        self.activation = activation(name, **parameters)

    def lipschitz(self) -> float:
        """Return the largest absolute slope, rounded up."""
        return self.activation.lipschitz

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.activation.forward(X, error)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Return how far the outputs move; see :meth:`Stage.spread`."""
        return above(self.lipschitz() * change, 1)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how the rounding grows; see :meth:`Stage.rounding_growth`."""
        return self.activation.rounding_growth(size)

    def tensor(self, X: Tensor) -> Tensor:
        return self.activation.tensor(X)
