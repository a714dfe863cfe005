"""Linear bounds of networks whose neurons have curves: tanh, the logistic function and their kind.

Between two ends a function lies between two lines of the same slope, whatever the slope is. How far
apart these are is read off a grid: in each of its cells the function can leave its values no faster
than its own slopes allow, so that nothing escapes between them. The slope of each neuron is what
the ascent looks for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.relaxations._ascent import (
    Answer,
    Dual,
    Question,
    adam_direction,
)
from specreg_sklearn.certificates.relaxations._boxed_balls import (
    falls_in_balls,
    lowest_moves,
    nearest_zeros_of_lines,
)
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.stages import Activation

_CELLS = 48
# Numbers in one block of a grid.
_BLOCK = 2**20
# Of steps: the first and the last one, relative to the range of slopes.
_FIRST, _LAST = 0.2, 0.02
_ROUNDED = 0.05
# Values on the grid are rounded by a few dozen units.
_BLUR = 2.0**-44


class CurveBetween(NamedTuple):
    """A function between two ends.

    Parameters
    ----------
    at, value : ndarray of shape (n_balls, n_k, n_points)
        Places, and the function there, with the slack for what it may do between them.
    chord : ndarray of shape (n_balls, n_k)
        Its mean slope.
    low, high : float
        Between which its slopes lie.
    """

    at: FloatArray
    value: FloatArray
    chord: FloatArray
    low: float
    high: float

    @classmethod
    def of(cls, curve: Activation, low: FloatArray, high: FloatArray) -> CurveBetween:
        """Return the values of a function between ends of shape (n_balls, n_k)."""
        width = high - low
        at = low[..., None] + width[..., None] * np.linspace(0.0, 1.0, _CELLS + 1)
        at[..., -1] = high
        # Settings of single neurons belong to the last axis.
        value = np.moveaxis(curve.function(np.moveaxis(at, 2, 0)), 0, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            chord = (value[..., -1] - value[..., 0]) / width
        chord = np.clip(np.where(width > 0, chord, 0.0), curve.low, curve.high)
        return cls(at, value, chord, curve.low, curve.high)

    def offsets(self, slope: FloatArray, above: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """Return offsets of the lines above or below, and where they touch, (n_balls, K, n_k).

        Parameters
        ----------
        slope : ndarray of shape (n_balls, K, n_k)
            Slopes of lines.
        above : ndarray of bool, of the same shape
            Whether the line above is meant.
        """
        offset, touch = np.empty(slope.shape), np.empty(slope.shape)
        step = max(1, _BLOCK // (slope[0].size * (_CELLS + 1)))
        for begin in range(0, len(slope), step):
            part = slice(begin, begin + step)
            sign = np.where(above[part], 1.0, -1.0)[..., None]
            places = self.at[part, None]
            left = sign * (self.value[part, None] - slope[part][..., None] * places)
            # How fast that can rise and fall between two points.
            fast = sign * (np.where(sign > 0, self.high, self.low) - slope[part][..., None])
            slow = sign * (np.where(sign > 0, self.low, self.high) - slope[part][..., None])
            best = left.argmax(axis=3)[..., None]
            width = places[..., 1:] - places[..., :-1]
            ahead, behind = left[..., 1:], left[..., :-1]
            rise = np.maximum(fast - slow, 1e-300)
            between = behind + fast * (ahead - behind - slow * width) / rise
            inside = (fast > 0) & (slow < 0)
            peak = np.where(inside, between, np.maximum(ahead, behind)).max(axis=3)
            peak = np.maximum(peak, np.take_along_axis(left, best, axis=3)[..., 0])
            size = np.abs(self.value[part, None]) + np.abs(slope[part][..., None] * places)
            offset[part] = sign[..., 0] * (peak + _BLUR * size.max(axis=3))
            places = np.broadcast_to(places, left.shape)
            touch[part] = np.take_along_axis(places, best, axis=3)[..., 0]
        return offset, touch


def curved_margins(
    layers: MovedLayers, question: Question, dual: Dual | None, n_steps: int
) -> Answer:
    """Return the radii within which margins stay positive, for the best slopes that were met.

    Parameters
    ----------
    layers : MovedLayers
        A network with curves.
    question : Question
        Margins over rivals in balls.
    dual : Dual or None
        Slopes to go on from.
    n_steps : int
        Steps of the ascent.
    """
    grids = _grids(layers, question)
    shape = question.start.shape
    if dual is None:
        slopes = [
            np.broadcast_to(grid.chord[:, None], (*shape, grid.chord.shape[1])).copy()
            for grid in grids
        ]
    else:
        slopes = [np.array(part) for part in dual.slopes]
    best, kept = np.zeros(shape), list(slopes)
    nearest = np.zeros((*shape, layers.weights[0].shape[1]))
    mean: list[FloatArray | float] = [0.0] * len(slopes)
    square: list[FloatArray | float] = [0.0] * len(slopes)
    ball = np.broadcast_to(question.radius[:, None], shape)
    for step in range(n_steps + 1):
        found = _backward(layers, question, grids, slopes)
        left = (found.constant - question.error) / (1 + layers.unit)
        far = nearest_zeros_of_lines(found.slope, left, layers.norm, question.room)
        far = np.where((left > 0) & ~found.slope.any(axis=2), np.inf, far)
        radius = np.where(left > 0, np.minimum(far, ball) * (1 - 2.0**-40), 0.0)
        radius = np.where(np.isfinite(radius), radius, 0.0)
        better = (radius > best)[..., None] | (step == 0)
        best = np.maximum(best, radius)
        kept = [np.where(better, now, old) for old, now in zip(kept, slopes, strict=True)]
        move = _lowest(layers, question, found.slope, np.maximum(best, 0.5 * ball))
        nearest = np.where(better, move, nearest)
        if step == n_steps:
            break
        rate = _FIRST * (_LAST / _FIRST) ** (step / max(n_steps - 1, 1))
        value = question.centre[:, None] + move @ layers.weights[0].T
        for k, grid in enumerate(grids):
            gradient = found.after[k] * (value - found.touch[k])
            outputs = slopes[k] * value + found.offset[k]
            reach = rate * (grid.high - grid.low)
            pushed = slopes[k] + reach * adam_direction(mean, square, k, gradient, step)
            slopes[k] = np.clip(pushed, grid.low, grid.high)
            if k + 1 < len(grids):
                value = outputs @ layers.weights[k + 1].T + layers.biases[k]
    nothing = [np.zeros(part.shape) for part in kept]
    gaps = np.zeros((*shape, sum(part.shape[2] for part in kept)))
    return Answer(best, Dual(kept, nothing), gaps, nearest)


class _Pass(NamedTuple):
    constant: FloatArray
    slope: FloatArray
    after: list[FloatArray]  # coefficients of the outputs of each layer's neurons
    offset: list[FloatArray]
    touch: list[FloatArray]


def _backward(
    layers: MovedLayers, question: Question, grids: list[CurveBetween], slopes: list[FloatArray]
) -> _Pass:
    """Return the linear functions of the move that lie below the margins."""
    coefficients, constant = question.steps, question.start
    n = len(grids)
    after, offset, touch = ([coefficients] * n for _ in "abc")
    for k in range(n - 1, -1, -1):
        after[k] = coefficients
        offset[k], touch[k] = grids[k].offsets(slopes[k], coefficients < 0)
        constant = constant + (coefficients * offset[k]).sum(axis=2)
        coefficients = coefficients * slopes[k]
        value = layers.biases[k - 1] if k else question.centre[:, None]
        constant = constant + (coefficients * value).sum(axis=2)
        coefficients = coefficients @ layers.weights[k]
    return _Pass(constant, coefficients, after, offset, touch)


def _grids(layers: MovedLayers, question: Question) -> list[CurveBetween]:
    """Return what the functions of all hidden neurons do in the balls."""
    assert layers.curves is not None
    centre, radius, norm, room = question.centre, question.radius, layers.norm, question.room
    grids: list[CurveBetween] = []
    lines: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for k, curve in enumerate(layers.curves):
        weight = layers.weights[k]
        both = np.concatenate([weight, -weight])[None]
        if k:
            constant = np.concatenate([layers.biases[k - 1], -layers.biases[k - 1]])[None]
        else:
            constant = np.concatenate([centre, -centre], axis=1)
        for j in range(k - 1, -1, -1):
            slope, above, below = lines[j]
            offsets = np.where(both < 0, above[:, None], below[:, None])
            constant = constant + (both * offsets).sum(axis=2)
            both = both * slope[:, None]
            if j:
                constant = constant + both @ layers.biases[j - 1]
                both = both @ layers.weights[j]
            else:
                constant = constant + (both @ centre[..., None])[..., 0]
                both = both @ layers.weights[0]
        value = constant - falls_in_balls(both, radius, norm, room)
        m = len(weight)
        error = layers.unit * question.sizes[k]
        low, high = value[:, :m] - error, -value[:, m:] + error
        low, high = np.maximum(low, -question.sizes[k]), np.minimum(high, question.sizes[k])
        grid = CurveBetween.of(curve, low, np.maximum(low, high))
        grids.append(grid)
        slope = grid.chord[:, None]
        above, _ = grid.offsets(slope, np.ones(slope.shape, dtype=bool))
        below, _ = grid.offsets(slope, np.zeros(slope.shape, dtype=bool))
        lines.append((grid.chord, above[:, 0], below[:, 0]))
    return grids


def _lowest(
    layers: MovedLayers, question: Question, slope: FloatArray, radius: FloatArray
) -> FloatArray:
    """Return moves of these lengths along which linear functions fall fastest, or nearly so."""
    flat = slope.reshape(-1, slope.shape[2])
    move = -layers.norm.steepest(flat).reshape(slope.shape) * radius[..., None]
    if question.room is None:
        return move
    rounded = np.full((len(slope), 1, 1), _ROUNDED)
    return lowest_moves(slope, move, radius, layers.norm, question.room, rounded)
