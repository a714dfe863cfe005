"""Multipliers that suit the readout: feasible points that are tighter than ECLipsE-Fast."""

from __future__ import annotations

import numpy as np

from specreg_sklearn.certificates.bounds._eclipse import FeasiblePoint, HiddenLayer

# Points that are tried for small networks; four more gain another one to seven per cent.
_MOST_STEPS = 4
# Multiplications that all points together may cost, which leaves one of them to layers of 2000
# units; networks wider than some 4000 units keep ECLipsE-Fast.
_BUDGET = 1.6e11
# How much a multiplier may move in one step, and how much of the way it goes.
_LARGEST_FACTOR = 4.0
_DAMPING = 0.7
# Gain of a step, relative to the constants, below which the search ends.
_WORTHWHILE = 1e-3


def tuned_points(
    plain: FeasiblePoint, layers: list[HiddenLayer], weight: np.ndarray, weight_error: float = 0.0
) -> list[FeasiblePoint]:
    """Return feasible points, each proved, on the way to one that suits a readout best.

    `plain` is ECLipsE-Fast of the layers: the start, and the first of the list. Of the readout
    `weight` (n_outputs, n_units), known up to `weight_error` in the spectral norm, differences of
    rows count, or a single row itself. None of the points is better than all others for every pair:
    take the minimum.

    Notes
    -----
    For one direction ``v`` of the readout, the bound ``v . P v`` is a convex function of the
    inverse multipliers ``1 / e``, of all layers at once. With ``y = P v`` its derivative vanishes
    where ``e_i = y_i**2 / (v_i y_i)``, and, over many directions, where numerator and denominator
    are sums over them. This is iterated, with damping. The directions of an earlier layer are
    ``W.T (y / e)`` of the layer behind it. The directions of the last layer are the differences
    of the readout's rows, each over its constant, so that all pairs gain alike.
    """
    points, best = [plain], plain
    if plain.scale == 0.0:
        return points
    lengths = _lengths(plain, weight, weight_error)
    if not (np.isfinite(lengths).all() and lengths.any()):
        return points
    directions = _directions(weight, lengths)
    damping = _DAMPING
    for _ in range(_affordable_steps(layers, weight)):
        try:
            point = FeasiblePoint(layers, _next_multipliers(best, layers, directions, damping))
        except ArithmeticError:  # a step too far
            damping /= 2
            continue
        after = _lengths(point, weight, weight_error)
        gain = 1.0 - _mean_ratio(after, lengths)
        if not gain > 0.0:
            damping /= 2
            continue
        points.append(point)
        best, lengths = point, after
        if gain < _WORTHWHILE:
            break
    return points


def _affordable_steps(layers: list[HiddenLayer], weight: np.ndarray) -> int:
    per_layer = sum(4.0 * len(layer.weight) ** 2 * sum(layer.weight.shape) for layer in layers)
    per_pair = 4.0 * len(weight) ** 2 * weight.shape[1]
    return int(min(_MOST_STEPS, _BUDGET // (per_layer + per_pair)))


def _lengths(point: FeasiblePoint, weight: np.ndarray, weight_error: float) -> np.ndarray:
    """Return the constants of all pairs, or of the only output."""
    if len(weight) == 1:
        return np.array([point.norm(weight, weight_error)])
    return point.pairs(weight, weight_error)[np.triu_indices(len(weight), 1)]


def _mean_ratio(after: np.ndarray, before: np.ndarray) -> float:
    """Return the geometric mean of what is left of every constant that is not zero."""
    kept = before > 0.0
    return float(np.exp(np.mean(np.log(after[kept] / before[kept]))))


def _directions(weight: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return columns whose squares add up to those of all weighted differences of rows."""
    n_rows = len(weight)
    if n_rows == 1:
        return weight.T
    moved = lengths > 0.0
    shares = np.zeros_like(lengths)
    shares[moved] = (lengths[moved].min() / lengths[moved]) ** 2
    weights = np.zeros((n_rows, n_rows))
    weights[np.triu_indices(n_rows, 1)] = shares
    weights += weights.T
    # The sum is weight.T @ laplacian @ weight, of rank n_rows - 1.
    laplacian = np.diag(weights.sum(axis=0)) - weights
    values, vectors = np.linalg.eigh(laplacian)
    return weight.T @ (vectors[:, 1:] * np.sqrt(np.maximum(values[1:], 0.0)))


def _next_multipliers(
    point: FeasiblePoint, layers: list[HiddenLayer], directions: np.ndarray, damping: float
) -> list[tuple[np.ndarray, int]]:
    """Take one damped step of the fixed-point iteration, in all layers at once."""
    multipliers = []
    v = directions
    for layer, (rows, exponent, root) in zip(
        reversed(layers), reversed(point.layer_points), strict=True
    ):
        # The result does not depend on the size of v, which may leave the range of float64.
        v = v / max(float(np.abs(v).max()), np.finfo(float).tiny)
        y = root @ (root.T @ v)
        numerator = np.einsum("ij,ij->i", y, y)
        denominator = np.einsum("ij,ij->i", v, y) * rows**2
        # Where the denominator is not positive, the larger the better.
        factor = np.divide(
            numerator,
            denominator,
            where=denominator * _LARGEST_FACTOR > numerator,
            out=np.full(len(rows), _LARGEST_FACTOR),
        )
        factor = np.maximum(factor, 1.0 / _LARGEST_FACTOR)
        multipliers.append((rows * factor ** (damping / 2), exponent))
        v = np.ldexp(layer.weight, -exponent).T @ (y / rows[:, None] ** 2)
    return multipliers[::-1]
