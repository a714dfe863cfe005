"""The slopes and multipliers that make the linear bound of a margin largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.gradients import Room
from specreg_sklearn.certificates.relaxations._boxed_balls import (
    lowest_moves,
    nearest_zeros_of_lines,
)
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.relaxations._linear_bounds import Bounds, Lines
from specreg_sklearn.certificates.relaxations._parabolas import (
    Layer,
    parabolic_radii,
)

# Of the steps: the first and the last one, for slopes, and for multipliers relative to the
# coefficients of their layer.
_FIRST, _LAST = 0.3, 0.03
_FOR_MULTIPLIERS = 0.3
# Rivals whose radius is at most so many times the smallest one are tried with parabolas.
_NEAR = 1.5
# How much corners of the unit ball are rounded, relative to a step.
_ROUNDED = 0.5
_DECAY, _DECAY_OF_SQUARES = 0.8, 0.95


class Dual(NamedTuple):
    """Free numbers of the bound, one list entry per hidden layer, of shape (n_balls, K, n_k).

    Parameters
    ----------
    slopes : list of ndarray
        Of the lines below.
    multipliers : list of ndarray
        Of the signs that are set, not negative.
    """

    slopes: list[FloatArray]
    multipliers: list[FloatArray]

    def take(self, some: np.ndarray) -> Dual:
        """Return those of some balls."""
        return Dual([part[some] for part in self.slopes], [part[some] for part in self.multipliers])


class Question(NamedTuple):
    """Margins over rivals in balls.

    Parameters
    ----------
    centre : ndarray of shape (n_balls, n_1)
        First pre-activations.
    radius : ndarray of shape (n_balls,)
        Radii of the balls.
    steps : ndarray of shape (n_balls, K, n_H)
        Rows of the readout: that of the own class minus those of rivals.
    start : ndarray of shape (n_balls, K)
        The same of the biases.
    error : ndarray of shape (n_balls, K)
        What roundings may take off, without multipliers.
    sizes : list of ndarray of shape (n_balls, n_k)
        Of the hidden layers.
    signs : list of ndarray of shape (n_balls, n_k)
        Signs that are set.
    room : Room or None
        Boxes that cut the balls.
    """

    centre: FloatArray
    radius: FloatArray
    steps: FloatArray
    start: FloatArray
    error: FloatArray
    sizes: list[FloatArray]
    signs: list[FloatArray]
    room: Room | None


class Answer(NamedTuple):
    """What was proved.

    Parameters
    ----------
    radius : ndarray of shape (n_balls, K)
        Up to here, and not beyond the ball, the margin is positive.
    dual : Dual
        Numbers to go on from.
    gaps : ndarray of shape (n_balls, K, n_neurons)
        How much the lines of each neuron take off the bound, at the move where it is smallest.
    move : ndarray of shape (n_balls, K, n_moves)
        That move, or nearly so.
    """

    radius: FloatArray
    dual: Dual
    gaps: FloatArray
    move: FloatArray


class _Pass(NamedTuple):
    constant: FloatArray
    rest: FloatArray  # the part of it that comes from behind the first layer of neurons
    slope: FloatArray
    length: FloatArray
    after: list[FloatArray]  # coefficients of the outputs of each layer's neurons


def largest_margins(
    layers: MovedLayers,
    question: Question,
    bounds: Bounds,
    dual: Dual,
    n_steps: int,
    pace: FloatArray,
    parabolas: bool,
) -> Answer:
    """Return the radii within which margins stay positive, for the best numbers that were met.

    The size of the steps is multiplied by the pace of each ball, (n_balls,). With `parabolas` the
    rivals whose radii are among the smallest of a ball are tried with these, too.
    """
    slopes, multipliers = list(dual.slopes), list(dual.multipliers)
    n_hidden = layers.n_hidden
    has_signs = any(part.any() for part in question.signs)
    n_moments = n_hidden * (2 if has_signs else 1)
    mean: list[FloatArray | float] = [0.0] * n_moments
    square: list[FloatArray | float] = [0.0] * n_moments
    best = np.zeros(question.start.shape)
    kept = Dual(list(slopes), list(multipliers))
    for step in range(n_steps + 1):
        found = _backward(layers, question, bounds, slopes, multipliers)
        proved = _radius(layers, question, found, multipliers)
        better = (proved > best)[..., None]
        best = np.maximum(best, proved)
        for mine, now in ((kept.slopes, slopes), (kept.multipliers, multipliers)):
            mine[:] = [np.where(better, b, a) for a, b in zip(mine, now, strict=True)]
        if step == n_steps:
            break
        rate = pace[:, None, None] * _FIRST * (_LAST / _FIRST) ** (step / max(n_steps - 1, 1))
        before, _ = _forward(layers, question, bounds, found, slopes, best, _ROUNDED * rate)
        for k in range(n_hidden):
            gradient = np.maximum(found.after[k], 0.0) * before[k]
            line = bounds.lines[k]
            move = adam_direction(mean, square, k, gradient * line.open, step)
            slopes[k] = np.clip(slopes[k] + rate * move, line.low, 1.0)
            if has_signs:
                sign = question.signs[k][:, None]
                move = adam_direction(mean, square, n_hidden + k, -sign * before[k], step)
                scale = _FOR_MULTIPLIERS * np.abs(found.after[k]).max(axis=2, keepdims=True)
                pushed = np.maximum(multipliers[k] + rate * scale * move, 0.0)
                multipliers[k] = np.where(sign != 0, pushed, 0.0)
    gaps, move, last = _gaps(layers, question, bounds, kept, best)
    if parabolas:
        _raise_by_parabolas(layers, question, bounds, kept, last, best)
    best[bounds.empty] = np.broadcast_to(question.radius[:, None], best.shape)[bounds.empty]
    return Answer(best, kept, gaps, move)


def adam_direction(
    mean: list[FloatArray | float], square: list[FloatArray | float], k: int, g: FloatArray, t: int
) -> FloatArray:
    """Return where the ascent goes from gradients g of layer k, at step t; moments are updated.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.
    """
    mean[k] = _DECAY * mean[k] + (1 - _DECAY) * g
    square[k] = _DECAY_OF_SQUARES * square[k] + (1 - _DECAY_OF_SQUARES) * g * g
    first = mean[k] / (1 - _DECAY ** (t + 1))
    second = square[k] / (1 - _DECAY_OF_SQUARES ** (t + 1))
    return np.asarray(first / (np.sqrt(second) + 1e-150))


def _backward(
    layers: MovedLayers,
    question: Question,
    bounds: Bounds,
    slopes: list[FloatArray],
    multipliers: list[FloatArray],
) -> _Pass:
    """Return the linear functions of the move that lie below the margins."""
    coefficients, constant = question.steps, question.start
    rest = constant
    after: list[FloatArray] = [coefficients] * layers.n_hidden
    for k in range(layers.n_hidden - 1, -1, -1):
        after[k], rest = coefficients, constant
        line = bounds.lines[k]
        above, below = np.minimum(coefficients, 0.0), np.maximum(coefficients, 0.0)
        constant = constant + (above * line.offset).sum(axis=2)
        coefficients = above * line.steepest + below * line.below(slopes[k])
        coefficients = coefficients - multipliers[k] * question.signs[k][:, None]
        value = layers.biases[k - 1] if k else question.centre[:, None]
        constant = constant + (coefficients * value).sum(axis=2)
        coefficients = coefficients @ layers.weights[k]
    n, n_rivals, width = coefficients.shape
    length = layers.norm.dual.length(coefficients.reshape(n * n_rivals, width))
    return _Pass(constant, rest, coefficients, length.reshape(n, n_rivals), after)


def _radius(
    layers: MovedLayers, question: Question, found: _Pass, multipliers: list[FloatArray]
) -> FloatArray:
    """Return up to which radius, at most that of the ball, a pass proves the margins positive."""
    left = found.constant - _error(layers, question, multipliers)
    ball = np.broadcast_to(question.radius[:, None], left.shape)
    far = nearest_zeros_of_lines(found.slope, left / (1 + layers.unit), layers.norm, question.room)
    # A function that does not change is positive everywhere.
    far = np.where((left > 0) & (found.length == 0), np.inf, far)
    radius = np.where(left > 0, np.minimum(far, ball) * (1 - 2.0**-40), 0.0)
    return np.where(np.isfinite(radius), radius, 0.0)


def _error(layers: MovedLayers, question: Question, multipliers: list[FloatArray]) -> FloatArray:
    """Return what roundings may take off the margins."""
    error = question.error
    for size, each in zip(question.sizes, multipliers, strict=True):
        error = error + layers.unit * (each * size[:, None]).sum(axis=2)
    return error


def _forward(
    layers: MovedLayers,
    question: Question,
    bounds: Bounds,
    found: _Pass,
    slopes: list[FloatArray],
    best: FloatArray,
    rounded: FloatArray,
) -> tuple[list[FloatArray], FloatArray]:
    """Return pre-activations, as the lines have them, at the move where the bound is smallest.

    They are the bound's derivatives by the coefficients of each layer. The radius is the one that
    is proved so far: with it, the steps lead to the largest radius and not to the largest bound.
    The move comes with them.
    """
    ball = question.radius[:, None]
    at = np.minimum(np.maximum(best, 0.5 * ball), ball)[..., None]
    move = -at * _steepest(layers.norm.order, found, rounded)
    if question.room is not None:
        move = lowest_moves(found.slope, move, at[..., 0], layers.norm, question.room, rounded)
    before = [question.centre[:, None] + move @ layers.weights[0].T]
    for k in range(layers.n_hidden - 1):
        line, value = bounds.lines[k], before[k]
        above = line.steepest * value + line.offset
        outputs = np.where(found.after[k] > 0, line.below(slopes[k]) * value, above)
        before.append(outputs @ layers.weights[k + 1].T + layers.biases[k])
    return before, move


def _steepest(order: float, found: _Pass, rounded: FloatArray) -> FloatArray:
    """Return moves of length 1 along which the linear functions rise fastest, or nearly so.

    In L1 and Linf these moves jump as slopes change, and an ascent that follows them gets stuck at
    edges; so corners are rounded by a share of the slopes, (n_balls, 1, 1).
    """
    slope = found.slope
    length = np.maximum(found.length, 1e-300)[..., None]
    if order == 2:
        return np.asarray(slope / length)
    if order == np.inf:
        return np.tanh(slope * slope.shape[2] / (rounded * length))
    weight = np.exp((np.abs(slope) / length - 1) / rounded)
    return np.asarray(np.sign(slope) * weight / weight.sum(axis=2, keepdims=True))


def _gaps(
    layers: MovedLayers, question: Question, bounds: Bounds, dual: Dual, best: FloatArray
) -> tuple[FloatArray, FloatArray, _Pass]:
    """Return how much each neuron's lines cost the bound where it is smallest, where, and it."""
    found = _backward(layers, question, bounds, dual.slopes, dual.multipliers)
    rounded = np.full((len(best), 1, 1), _ROUNDED * _LAST)
    before, move = _forward(layers, question, bounds, found, dual.slopes, best, rounded)
    gaps = []
    for k, line in enumerate(bounds.lines):
        value, after = before[k], found.after[k]
        truth = np.maximum(value, layers.slopes[k] * value)
        below = truth - line.below(dual.slopes[k]) * value
        above = line.steepest * value + line.offset - truth
        lost = np.where(after > 0, after * below, -after * above)
        gaps.append(np.where(line.open, np.maximum(lost, 0.0), 0.0))
    return np.concatenate(gaps, axis=2), move, found


def _raise_by_parabolas(
    layers: MovedLayers,
    question: Question,
    bounds: Bounds,
    dual: Dual,
    found: _Pass,
    best: FloatArray,
) -> None:
    """Raise radii by parabolas in the first layer, behind the lines of the others."""
    near = _NEAR * best.min(axis=1, keepdims=True)
    ball = question.radius[:, None]
    i, j = np.nonzero((best <= near) & (best < ball * (1 - 2.0**-30)) & ~bounds.empty[:, None])
    if not len(i):
        return
    line = bounds.lines[0]
    layer = Layer(
        question.centre[i],
        question.sizes[0][i],
        question.radius[i],
        found.rest[i, j],
        _error(layers, question, dual.multipliers)[i, j],
        found.after[0][i, j],
        -dual.multipliers[0][i, j] * question.signs[0][i],
        dual.slopes[0][i, j],
        Lines(line.steepest[i, 0], line.offset[i, 0], line.open[i, 0], line.low[i, 0]),
    )
    best[i, j] = np.maximum(best[i, j], parabolic_radii(layers, layer))
