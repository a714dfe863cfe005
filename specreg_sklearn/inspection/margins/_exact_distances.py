"""The exact L2 distance of a row to another label, for small ReLU networks.

Where it is known which hidden units are active, the network is affine, and such a region is a
polytope. The search fixes one unit after the other, layer by layer. The distance to the polytope of
the units fixed so far is a lower bound for all regions inside it, and regions beyond the nearest
label found are never looked at.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear, nnls

from specreg_sklearn.certificates.bounds import CertifiedMap
from specreg_sklearn.certificates.stages import Affine, Elementwise

MOST_UNITS = 16
"""Hidden units of the largest network that is searched."""

# A distance below this share of the data's size cannot be told from zero.
_TINY = 1e-10


def exact_distance(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> float:
    """Return the distance from a row to the nearest one with another label, inf if there is none.

    `layers` are weights and biases with ReLU between them; the last ones give the logits.
    """
    value = x
    for weight, bias in layers[:-1]:
        value = np.maximum(weight @ value + bias, 0.0)
    label = int(np.argmax(layers[-1][0] @ value + layers[-1][1]))
    best = np.inf
    ticket = itertools.count()
    # A node: half-spaces A z <= b around the row (z = x' - x), and the pattern of units so far.
    root = _Node((), np.empty((0, len(x))), np.empty(0))
    queue: list[tuple[float, int, _Node]] = [(0.0, next(ticket), root)]
    while queue:
        bound, _, node = heapq.heappop(queue)
        if bound >= best:
            break
        slope, level, unit = _affine_at(layers, node.pattern, x)
        if unit is None:
            for other in range(len(level)):
                if other != label:
                    ahead = slope[label] - slope[other], level[other] - level[label]
                    best = min(best, node.with_side(*ahead, 0).distance())
            continue
        for active in (0, 1):
            sign = 1.0 - 2.0 * active  # active: slope z + level >= 0
            child = node.with_side(sign * slope[unit], -sign * level[unit], active)
            distance = child.distance()
            if distance < best:
                heapq.heappush(queue, (distance, next(ticket), child))
    return best


class _Node:
    """Units fixed so far, and the polytope ``A z <= b`` where they are as said."""

    def __init__(self, pattern: tuple[int, ...], A: np.ndarray, b: np.ndarray) -> None:
        self.pattern, self.A, self.b = pattern, A, b

    def with_side(self, row: np.ndarray, limit: float, active: int) -> _Node:
        return _Node((*self.pattern, active), np.vstack([self.A, row]), np.append(self.b, limit))

    def distance(self) -> float:
        """Return the distance of the origin to the polytope, inf if it is empty."""
        return least_distance(self.A, self.b)


def least_distance(A: np.ndarray, b: np.ndarray) -> float:
    """Return the smallest ``||z||_2`` with ``A z <= b``; inf if there is none.

    References
    ----------
    C. Lawson, R. Hanson, "Solving Least Squares Problems", 1974, chapter 23: least distance
    programming by non-negative least squares.
    """
    size = np.linalg.norm(A, axis=1)
    flat = size <= _TINY * max(1.0, float(np.abs(b).max(initial=0.0)))
    if (b[flat] < 0).any():
        return np.inf
    A, b = A[~flat] / size[~flat, None], b[~flat] / size[~flat]
    if (b >= 0).all():
        return 0.0
    # Distances are all of one scale after this, so that the test for emptiness is one of shape.
    reach = float(-b.min())
    E = np.vstack([-A.T, -b / reach])
    f = np.zeros(len(E))
    f[-1] = 1.0
    u, residual = _nonnegative_least_squares(E, f)
    if residual <= 1e-9:
        return np.inf
    r = E @ u - f
    return float(np.linalg.norm(r[:-1]) / abs(r[-1]) * reach)


def _nonnegative_least_squares(E: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, float]:
    try:
        return nnls(E, f)
    except (RuntimeError, np.linalg.LinAlgError):
        # That of scipy before 1.15 may go round in circles, or meet a matrix without an inverse.
        u = lsq_linear(E, f, bounds=(0, np.inf), method="bvls", tol=1e-14).x
        return u, float(np.linalg.norm(E @ u - f))


def _affine_at(
    layers: list[tuple[np.ndarray, np.ndarray]], pattern: tuple[int, ...], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Return slope and level of the first layer that is not fixed, and its first free unit.

    No free unit: those of the logits.
    """
    slope, level = np.eye(len(x)), x
    start = 0
    for weight, bias in layers[:-1]:
        slope, level = weight @ slope, weight @ level + bias
        units = pattern[start : start + len(bias)]
        if len(units) < len(bias):
            return slope, level, len(units)
        active = np.array(units, dtype=float)
        slope, level = active[:, None] * slope, active * level
        start += len(bias)
    weight, bias = layers[-1]
    return weight @ slope, weight @ level + bias, None


def relu_layers(scores: CertifiedMap, model: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the layers of a small ReLU network; anything else raises a ValueError."""
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    expected: Any = Affine
    for stage in scores.folded:
        relu = isinstance(stage, Elementwise) and stage.activation.name == "relu"
        if not isinstance(stage, expected) or (expected is Elementwise and not relu):
            raise ValueError(
                f"method='exact' is for linear models and ReLU networks of fully connected layers; "
                f"{model} is another kind of model. Take method='auto'."
            )
        if isinstance(stage, Affine):
            layers.append((stage.dense(), np.broadcast_to(stage.bias, stage.n_outputs)))
        expected = Elementwise if expected is Affine else Affine
    n_units = sum(len(bias) for _, bias in layers[:-1])
    if n_units > MOST_UNITS:
        raise ValueError(
            f"method='exact' is for networks of at most {MOST_UNITS} hidden units; {model} has "
            f"{n_units}. Take method='auto'."
        )
    return layers
