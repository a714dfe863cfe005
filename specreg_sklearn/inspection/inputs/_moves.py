"""Moves of rows in units of a scale, in the columns that can move."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Moves:
    """Turns moves in scaled units into moved rows.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Clean rows.
    units : ndarray of shape (n_features,)
        The unit of each column; 0 for columns that cannot move.

    Attributes
    ----------
    shape : (int, int)
        Shape of the moves: rows, and columns that can move.
    """

    def __init__(self, x: Tensor, units: np.ndarray) -> None:
        self.x = x
        free = np.flatnonzero(units > 0)
        self.shape = len(x), len(free)
        self._free = None if len(free) == len(units) else torch.from_numpy(free)
        self._units = torch.from_numpy(units[free])

    def rows(self, moves: Tensor) -> Tensor:
        """Return the rows after moves of the given shape; gradients flow to the moves."""
        steps = moves * self._units
        if self._free is None:
            return self.x + steps
        return self.x.index_add(1, self._free, steps)
