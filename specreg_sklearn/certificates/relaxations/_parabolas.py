"""In L2: parabolas in place of lines above the neurons of the first layer.

The chord above a neuron touches it at the ends of its range, and loses most in the middle, where
the row is. A parabola ``(z + t)^2 / (4 t)`` lies above ReLU everywhere and touches both of its
branches, at ``-t`` and ``t``. Many neurons that may change their sign a little cost a chord each,
but together only what their curvature adds up to along one direction. The smallest value of the
quadratic function that is left, in a ball, is bounded by its Lagrange dual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.relaxations._linear_bounds import Lines

# Eigenvectors of larger matrices take longer than a search would: of rows, and of their branches.
_WIDEST, _WIDEST_IN_BRANCHES = 40, 32
_STEPS = 5
# Multiples of the largest curvature that are tried for the multiplier of the ball.
_TRIED = 1 + np.geomspace(1e-3, 1e3, 33)
# Eigenvalues of LAPACK are that much less sure than a product of matrices.
_EIGEN = 64


class Layer(NamedTuple):
    """What is below a margin once all layers but the first are replaced by lines.

    Parameters
    ----------
    centre, size : ndarray of shape (n, n_1)
        Pre-activations at the row, and bounds of their absolute values in the ball.
    radius, constant, error : ndarray of shape (n,)
        Of the ball; of the linear function of the first layer's outputs; of all roundings of lines.
    after, shift : ndarray of shape (n, n_1)
        Coefficients of the outputs, and of pre-activations, by multipliers of signs.
    slopes : ndarray of shape (n, n_1)
        Where lines below start from.
    lines : Lines
        Of shape (n, n_1) each.
    """

    centre: FloatArray
    size: FloatArray
    radius: FloatArray
    constant: FloatArray
    error: FloatArray
    after: FloatArray
    shift: FloatArray
    slopes: FloatArray
    lines: Lines


def parabolas_help(layers: MovedLayers, *, in_branches: bool) -> bool:
    """Return whether parabolas are worth their time, for rows or for branches."""
    widest = _WIDEST_IN_BRANCHES if in_branches else _WIDEST
    straight = layers.curves is None
    return straight and layers.norm.order == 2 and layers.turned.shape[1] <= widest


def parabolic_radii(layers: MovedLayers, layer: Layer) -> FloatArray:
    """Return radii, at most those of the balls, within which margins are positive."""
    slope = layers.slopes[0]
    lines, after, centre = layer.lines, layer.after, layer.centre
    above = lines.open & (after < 0)
    touch = np.maximum(np.abs(centre), 1e-3 * layer.size.max(axis=1, keepdims=True))
    touch = np.minimum(touch, layer.size)
    share = np.zeros_like(centre)  # of the chord
    below = layer.slopes
    best = np.zeros(len(centre))
    for step in range(_STEPS):
        straight = np.where(after > 0, lines.below(below), lines.steepest)
        mixed = share * lines.steepest + (1 - share) * slope
        linear = after * np.where(above, mixed, straight) + layer.shift
        bend = np.where(above, (1 - share) * -after * (1 - slope) / (4 * touch), 0.0)
        chord = np.where(above, after * share * lines.offset, 0.0)
        base = linear * centre + chord - bend * (centre + touch) ** 2
        constant = layer.constant + base.sum(axis=1)
        pull = linear - 2 * bend * (centre + touch)
        lost = layer.error + layers.unit * (
            bend * (layer.size + touch) ** 2 + np.abs(linear) * layer.size
        ).sum(axis=1)
        radius, move, spread = _ball(layers, layer.radius, constant - lost, pull, bend)
        best = np.maximum(best, radius)
        if step == _STEPS - 1:
            break
        value = centre + (move[:, None] @ layers.turned.T)[:, 0]
        second = value**2 + spread
        chords = lines.steepest * value + lines.offset
        curves = slope * value + (1 - slope) * (second + 2 * touch * value + touch**2) / (4 * touch)
        change = (curves - chords) / (np.abs(chords) + np.abs(curves) + 1e-300)
        share = np.clip(share + 0.5 * change, 0.0, 1.0)
        root = np.sqrt(second)
        touch = np.clip(0.3 * touch + 0.7 * root, 1e-3 * layer.size, layer.size)
        below = np.clip(
            below - 0.3 * np.clip(value / (root.mean(axis=1)[:, None] + 1e-300), -1, 1), 0, 1
        )
    return best


def _ball(
    layers: MovedLayers,
    ball: FloatArray,
    constant: FloatArray,
    pull: FloatArray,
    bend: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return up to where ``constant + (pull A) m - |sqrt(bend) A m|^2`` is positive.

    Beside it, a move where it is smallest, and what second moments of pre-activations have beside
    their squares there.
    """
    weight = layers.turned
    slope = (pull[:, None] @ weight)[:, 0]
    curvature = (weight * bend[..., None]).transpose(0, 2, 1) @ weight
    values, vectors = np.linalg.eigh(curvature)
    rows = np.sqrt((weight**2).sum(axis=1))
    unsure = _EIGEN * layers.unit * (bend * rows**2).sum(axis=1)
    blur = _EIGEN * layers.unit * (np.abs(pull) * rows).sum(axis=1)
    along = (slope[:, None] @ vectors)[:, 0]
    largest = np.maximum(values[:, -1], 0.0) + unsure + 1e-200
    tried = largest[:, None] * _TRIED
    room = tried[..., None] - np.maximum(values, 0.0)[:, None]
    taken = ((np.abs(along) + blur[:, None])[:, None] ** 2 / room).sum(axis=2) / 4
    squared = (constant[:, None] - taken * (1 + layers.unit)) / (tried + unsure[:, None])
    best = squared.argmax(axis=1)
    every = np.arange(len(best))
    radius = np.sqrt(np.maximum(squared[every, best], 0.0)) * (1 - 2.0**-40)
    radius = np.where(np.isfinite(radius), np.minimum(radius, ball), 0.0)
    # The smallest value is attained at this move, and beyond it along the steepest direction.
    move = (vectors @ (-0.5 * along / room[every, best])[..., None])[..., 0]
    size = np.sqrt((move**2).sum(axis=1))
    reach = np.maximum(radius, 0.3 * ball)
    move *= np.minimum(1.0, reach / np.maximum(size, 1e-300))[:, None]
    left = np.maximum(reach**2 - np.minimum(size, reach) ** 2, 0.0)
    top = (vectors[:, :, -1][:, None] @ weight.T)[:, 0]
    return radius, move, left[:, None] * top**2
