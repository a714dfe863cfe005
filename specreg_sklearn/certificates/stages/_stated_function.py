"""A function of rows as a stage, with the constant its author states."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.certificates.pipelines._stated_lipschitz import StatedLipschitz
from specreg_sklearn.certificates.stages import Stage
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF, above, row_norms

# What a stated function is trusted to round by, in units of its value: numpy's elementary
# functions stay below 4.
_FUNCTION_ERROR = 16 * UNIT_ROUNDOFF


class StatedFunction(Stage):
    """A function of rows with the constant its author states.

    Parameters
    ----------
    function : StatedLipschitz
        The function.
    kw_args : dict
        Passed to it as keywords.
    n_inputs : int or None
        Columns it was fitted on.
    """

    def __init__(
        self, function: StatedLipschitz, kw_args: dict[str, Any], n_inputs: int | None
    ) -> None:
        self.function, self.kw_args, self.n_inputs = function, kw_args, n_inputs
        if n_inputs is not None:
            # Only the function knows how many columns it returns.
            self.n_outputs = self._apply(np.zeros((1, n_inputs))).shape[1]

    def _apply(self, X: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            Y = np.asarray(self.function(X.copy(), **self.kw_args), dtype=np.float64)
        if Y.ndim != 2 or len(Y) != len(X):
            raise ValueError(
                f"{self.function!r} maps an array of shape {X.shape} to one of shape {Y.shape}; "
                "rows must map to rows."
            )
        return Y

    def lipschitz(self) -> float:
        """Return the stated constant."""
        return self.function.constant

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply the function; any cell of a row may take up the error of the whole row."""
        Y = self._apply(X)
        carried = above(self.function.constant * row_norms(error), 2)
        return Y, above(carried[:, None] + _FUNCTION_ERROR * np.abs(Y), 2)
