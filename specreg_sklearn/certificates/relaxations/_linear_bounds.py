"""Linear bounds of a network in a ball, carried backward through its layers.

Where the sign of a neuron is open, its function lies between a line below, of any slope between
its two, and the chord above. Replacing neurons by lines, from the last layer to the first, leaves a
linear function of the move that lies below a score or a neuron; a dual norm bounds that.

References
----------
Zhang, Weng, Chen, Hsieh, Daniel, "Efficient neural network robustness certification with general
activation functions", NeurIPS 2018. Wang et al., "Beta-CROWN", NeurIPS 2021, for signs that are
set and their multipliers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates.gradients import Room
from specreg_sklearn.certificates.relaxations._boxed_balls import falls_in_balls
from specreg_sklearn.certificates.relaxations._layers import MovedLayers

# Numbers in one block of coefficients.
_BLOCK = 2**21


class Lines(NamedTuple):
    """Lines around the functions of one layer's neurons, each of shape (n_balls, 1, n_k).

    Parameters
    ----------
    steepest : ndarray
        Slope of the line above, which is also that of the line below where the sign is known.
    offset : ndarray
        Value of the line above at 0.
    open : ndarray of bool
        Whether both signs are possible.
    low : ndarray
        Smallest slope that the line below may have.
    """

    steepest: FloatArray
    offset: FloatArray
    open: BoolArray
    low: FloatArray

    def take(self, some: slice) -> Lines:
        """Return the lines in some balls."""
        return Lines(self.steepest[some], self.offset[some], self.open[some], self.low[some])

    def below(self, slopes: FloatArray) -> FloatArray:
        """Return slopes of lines below; the given ones where the sign is open."""
        return np.where(self.open, np.clip(slopes, self.low, 1.0), self.steepest)

    def adaptive(self) -> FloatArray:
        """Return the slope, of the two, whose line leaves the smaller area."""
        return np.where(
            self.open & (self.steepest - self.low < 0.5 * (1 - self.low)), self.low, 1.0
        )


def lines_between(low: FloatArray, high: FloatArray, slope: FloatArray) -> Lines:
    """Return lines for neurons whose pre-activations lie between two bounds, (n_balls, n_k)."""
    is_open = (low < 0) & (high > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        chord = (high - slope * low) / (high - low)
    steepest = np.where(is_open, np.clip(chord, slope, 1.0), np.where(high <= 0, slope, 1.0))
    ends = np.maximum(high - steepest * high, slope * low - steepest * low)
    offset = np.where(is_open, ends, 0.0)
    return Lines(
        steepest[:, None],
        offset[:, None],
        is_open[:, None],
        np.broadcast_to(slope, is_open.shape)[:, None],
    )


class Bounds(NamedTuple):
    """Lines of all hidden layers in some balls.

    Parameters
    ----------
    lines : list of Lines
        Of each hidden layer.
    empty : ndarray of shape (n_balls,), bool
        Whether no move at all has the signs that were set.
    """

    lines: list[Lines]
    empty: BoolArray


def neuron_bounds(
    layers: MovedLayers,
    centre: FloatArray,
    radius: FloatArray,
    sizes: list[FloatArray],
    signs: list[FloatArray],
    room: Room | None,
) -> Bounds:
    """Return lines for all hidden neurons in the ball around each row.

    Parameters
    ----------
    layers : MovedLayers
        The network.
    centre : ndarray of shape (n_balls, n_1)
        First pre-activations.
    radius : ndarray of shape (n_balls,)
        Radii of the balls.
    sizes : list of ndarray of shape (n_balls, n_k)
        Of :func:`sizes_within`.
    signs : list of ndarray of shape (n_balls, n_k)
        1 or -1 where a sign is set, 0 elsewhere.
    room : Room or None
        Boxes that cut the balls.
    """
    empty = np.zeros(len(centre), dtype=bool)
    lines: list[Lines] = []
    low, high = _moved(layers, layers.weights[0][None], centre, radius, room)
    for k, slope in enumerate(layers.slopes):
        if k:
            low, high = _through(layers, centre, radius, lines, k, room)
        error = layers.unit * sizes[k]
        low, high = np.maximum(low - error, -sizes[k]), np.minimum(high + error, sizes[k])
        low = np.where(signs[k] > 0, np.maximum(low, 0.0), low)
        high = np.where(signs[k] < 0, np.minimum(high, 0.0), high)
        empty |= (low > high).any(axis=1)
        lines.append(lines_between(low, np.maximum(low, high), slope))
    return Bounds(lines, empty)


def _moved(
    layers: MovedLayers,
    slope: FloatArray,
    value: FloatArray,
    radius: FloatArray,
    room: Room | None,
) -> tuple[FloatArray, FloatArray]:
    """Return bounds of linear functions, (n_balls, m) at the rows, in balls."""
    if room is None:
        reach = radius[:, None] * layers.norm.dual.length(slope[0])
        return value - reach, value + reach
    falls = falls_in_balls(np.concatenate([slope, -slope], axis=1), radius, layers.norm, room)
    m = value.shape[1]
    return value - falls[:, :m], value + falls[:, m:]


def _through(
    layers: MovedLayers,
    centre: FloatArray,
    radius: FloatArray,
    lines: list[Lines],
    k: int,
    room: Room | None,
) -> tuple[FloatArray, FloatArray]:
    """Return bounds of the pre-activations of layer k, behind lines of those before."""
    weight, bias = layers.weights[k], layers.biases[k - 1]
    both = np.concatenate([weight, -weight])[None]
    n, width = len(centre), len(weight)
    low, high = np.empty((n, width)), np.empty((n, width))
    widest = max(part.shape[1] for part in layers.weights[:k])
    step = max(1, _BLOCK // (2 * width * widest))
    for begin in range(0, n, step):
        part = slice(begin, begin + step)
        coefficients, constant = both, np.concatenate([bias, -bias])[None]
        for j in range(k - 1, -1, -1):
            line = lines[j].take(part)
            above, below = np.minimum(coefficients, 0.0), np.maximum(coefficients, 0.0)
            constant = constant + (above @ line.offset.transpose(0, 2, 1))[..., 0]
            coefficients = above * line.steepest + below * line.below(line.adaptive())
            if j:
                constant = constant + coefficients @ layers.biases[j - 1]
            else:
                constant = constant + (coefficients @ centre[part, :, None])[..., 0]
            coefficients = coefficients @ layers.weights[j]
        some = None if room is None else room.take(part)
        value = constant - falls_in_balls(coefficients, radius[part], layers.norm, some)
        low[part], high[part] = value[:, :width], -value[:, width:]
    return low, high
