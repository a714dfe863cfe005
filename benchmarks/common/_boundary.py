"""Two steps of every white-box search: bisect to the decision boundary, project on a plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def to_boundary(
    fooled: Callable[[np.ndarray], np.ndarray], x: np.ndarray, far: np.ndarray, *, halvings: int
) -> np.ndarray:
    """Bisect the segments from x to far; return the ends that are adversarial.

    Parameters
    ----------
    fooled : callable
        ``fooled(points)`` says for each of n points whether it is adversarial to its row.
    x, far : ndarray of shape (n, d)
        Clean rows, and adversarial ones.
    halvings : int
        How often every segment is halved.
    """
    near_end, far_end = np.zeros(len(x)), np.ones(len(x))
    for _ in range(halvings if len(x) else 0):
        middle = (near_end + far_end) / 2
        beyond = fooled(x + middle[:, None] * (far - x))
        far_end = np.where(beyond, middle, far_end)
        near_end = np.where(beyond, near_end, middle)
    return x + far_end[:, None] * (far - x)


def foot_in_box(x: np.ndarray, z: np.ndarray, normal: np.ndarray, lo: Any, hi: Any) -> np.ndarray:
    """Project x on the part of the plane through z that lies in the box.

    `normal`, of length 1, points from x to the plane; x lies in the box, whose ends `lo` and `hi`
    are numbers or have shape (d,).
    """
    height = np.einsum("ij,ij->i", normal, z)
    size = np.zeros(len(x))
    for _ in range(12):  # Newton's method; what it solves is concave and piecewise linear
        foot = np.clip(x + size[:, None] * normal, lo, hi)
        free = np.where(normal > 0, foot < hi, foot > lo)
        slope = np.einsum("ij,ij->i", normal * free, normal)
        missing = height - np.einsum("ij,ij->i", normal, foot)
        size += np.divide(missing, slope, out=np.zeros_like(size), where=slope > 1e-12)
    return np.clip(x + size[:, None] * normal, lo, hi)
