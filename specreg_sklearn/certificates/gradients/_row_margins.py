"""By how much the class of each row leads, as a function of its moves, with gradients.

No move may depend on those beside it, to the last bit, so products are taken row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import row_products
from specreg_sklearn.certificates.stages import Activation, Stage, apply_stages

# Slopes of curves are those between two points so far away.
_STEP = 1e-6

RowMargins = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]]
"""From moves (n, n_moves) of rows, and which rows these are (n,), to margins (n,) and gradients."""


class StagesMargins:
    """The largest score of each row minus the largest other one, wherever the row moves.

    Parameters
    ----------
    stages : sequence of Stage
        From inputs to scores.
    values : ndarray of shape (n_rows, n_inputs)
        The rows, as the first stage takes them.
    directions : ndarray of shape (n_inputs,) or (n_inputs, n_moves)
        From moves to moves of `values`; one axis is a diagonal matrix.
    """

    def __init__(self, stages: Sequence[Stage], values: FloatArray, directions: FloatArray) -> None:
        self._stages = stages
        self._values = torch.tensor(values, dtype=torch.float64)
        self._directions = torch.tensor(directions, dtype=torch.float64)
        with torch.no_grad():
            self._own = [int(apply_stages(stages, x[None])[0].argmax()) for x in self._values]

    def __call__(self, moves: FloatArray, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and gradients after moves."""
        margin, slope = np.empty(len(moves)), np.empty(moves.shape)
        for i in np.unique(owner):
            mine = owner == i
            margin[mine], slope[mine] = self._of_row(int(i), moves[mine])
        return margin, slope

    def _of_row(self, i: int, moves: FloatArray) -> tuple[FloatArray, FloatArray]:
        t = torch.tensor(moves, requires_grad=True)
        step = t * self._directions if self._directions.ndim == 1 else t @ self._directions.T
        scores = apply_stages(self._stages, self._values[i] + step)
        others = scores.detach().clone()
        others[:, self._own[i]] = -np.inf
        rival = others.argmax(dim=1, keepdim=True)
        margin = scores[:, self._own[i]] - scores.gather(1, rival)[:, 0]
        if not margin.requires_grad:  # the scores do not depend on the row
            return margin.numpy(), np.zeros_like(moves)
        (slope,) = torch.autograd.grad(margin.sum(), t)
        return margin.detach().numpy(), slope.numpy()


class DenseMargins:
    """The same for dense layers with a function of single neurons between them, far sooner.

    Parameters
    ----------
    weights : sequence of ndarray
        From moves to the first layer of neurons, and from each layer to the next, scores last.
    centre : ndarray of shape (n_rows, n_1)
        First pre-activations at the rows.
    biases : sequence of ndarray
        Of all but the first layer.
    slopes : sequence of ndarray
        Of each layer of neurons where they are negative, if they have two slopes.
    curves : sequence of Activation or None, default=None
        The functions of the layers, if they have more.
    """

    def __init__(
        self,
        weights: Sequence[FloatArray],
        centre: FloatArray,
        biases: Sequence[FloatArray],
        slopes: Sequence[FloatArray],
        curves: Sequence[Activation] | None = None,
    ) -> None:
        self._weights, self._centre = weights, centre
        self._biases, self._slopes, self._curves = biases, slopes, curves
        still = np.zeros((len(centre), weights[0].shape[1]))
        self._own = self._scores(still, np.arange(len(centre)))[0].argmax(axis=1)

    def __call__(self, moves: FloatArray, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and gradients after moves."""
        scores, steepness = self._scores(moves, owner)
        every, own = np.arange(len(moves)), self._own[owner]
        leads = scores[every, own]
        scores[every, own] = -np.inf
        rival = scores.argmax(axis=1)
        readout = self._weights[-1]
        slope = readout[own] - readout[rival]
        for weight, steep in zip(self._weights[-2::-1], steepness[::-1], strict=True):
            slope = row_products(slope * steep, weight)
        return leads - scores[every, rival], slope

    @property
    def n_neurons(self) -> int:
        """How many neurons there are."""
        return sum(len(low) for low in self._slopes)

    @property
    def has_regions(self) -> bool:
        """Whether it is linear where its neurons keep their signs."""
        return self._curves is None

    def region(self, move: FloatArray, i: int) -> tuple[FloatArray, FloatArray]:
        """Return the moves of row i that another class wins while neurons keep their signs.

        Parameters
        ----------
        move : ndarray of shape (n_moves,)
            The move whose signs, and whose other class, are meant.
        i : int
            The row.

        Returns
        -------
        G : ndarray of shape (n_neurons + 1, n_moves)
            Normals of the half-spaces ``G @ t >= h``.
        h : ndarray of shape (n_neurons + 1,)
            Their offsets.
        """
        slope, value = self._weights[0], self._centre[i]
        normals, offsets = [], []
        for k, low in enumerate(self._slopes):
            side = np.where(slope @ move + value > 0, 1.0, -1.0)
            normals.append(side[:, None] * slope)
            offsets.append(-side * value)
            steep = np.where(side > 0, 1.0, low)
            slope = self._weights[k + 1] @ (steep[:, None] * slope)
            value = self._weights[k + 1] @ (steep * value) + self._biases[k]
        scores = slope @ move + value
        own = int(self._own[i])
        scores[own] = -np.inf
        rival = int(scores.argmax())
        G = np.vstack([*normals, slope[rival] - slope[own]])
        return G, np.append(np.concatenate(offsets), value[own] - value[rival])

    def _scores(self, moves: FloatArray, owner: IntArray) -> tuple[FloatArray, list[FloatArray]]:
        """Return scores, and the slope of every neuron."""
        value, steepness = self._centre[owner] + row_products(moves, self._weights[0].T), []
        for k, low in enumerate(self._slopes):
            if self._curves is None:
                steep = np.where(value > 0, 1.0, low)
                output = steep * value
            else:
                function = self._curves[k].function
                ahead, behind = (function(value + side * _STEP) for side in (1, -1))
                steep, output = (ahead - behind) / (2 * _STEP), function(value)
            steepness.append(steep)
            value = row_products(output, self._weights[k + 1].T) + self._biases[k]
        return value, steepness
