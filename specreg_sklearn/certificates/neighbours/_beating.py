"""How far a row must move until one point is nearer to it than another.

A point q is at least as near as a point s in a half-space, and where q is at least as near as all
points of a set is a polyhedron. Offsets make it a power diagram: centroids of classes with priors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import ModelRows

# Numbers held at once.
_BLOCK = 2**22


def nearest_of(some: IntArray, power: FloatArray, count: int) -> IntArray:
    """Return the nearest ones of some points, in order.

    Parameters
    ----------
    some : ndarray of int
        The points.
    power : ndarray of shape (n_points,)
        How far all points are away.
    count : int
        How many are asked for.
    """
    far = power[some]
    if count < len(some):
        some = some[np.argpartition(far, count)[:count]]
        far = power[some]
    return np.asarray(some[np.argsort(far, kind="stable")])


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled points that rows are compared with.

    Parameters
    ----------
    position : ndarray of shape (n_points, n_inputs), float64
        Where they are.
    label : ndarray of shape (n_points,), int
        Their classes.
    offset : ndarray of shape (n_points,), float64
        What is taken off squared distances.
    """

    position: FloatArray
    label: IntArray
    offset: FloatArray

    @cached_property
    def squares(self) -> FloatArray:
        """Squared lengths of the positions."""
        return np.asarray(np.square(self.position).sum(axis=1))

    @cached_property
    def longest(self) -> float:
        """The length of the longest one."""
        return float(np.sqrt(self.squares.max(initial=0.0)))


class Comparisons:
    """Comparisons of points from where one row is.

    Parameters
    ----------
    points : Points
        The points.
    rows : ModelRows
        Rows, of which one is looked at.
    i : int
        Which one.
    """

    def __init__(self, points: Points, rows: ModelRows, i: int) -> None:
        self.points, self.rows = points, rows
        self.at = rows.values[i]
        self.error = float(rows.error[i])
        # Differences, not the expanded square: near points keep their digits.
        step = points.position - self.at
        self.distance = np.sqrt(np.square(step).sum(axis=1))
        self.power = np.square(step).sum(axis=1) - points.offset

    def slack(self, radius: float) -> float:
        """Return how much squared distances may be off within a radius, by rounding alone.

        Neighbours are found by expanded squares, which round as the squares of rows and points.
        """
        rows, points = self.rows, self.points
        reach = float(np.linalg.norm(self.at)) + rows.stretch * radius + self.error
        size = (reach + points.longest) ** 2 + float(np.abs(points.offset).max(initial=0.0))
        return 8 * (len(self.at) + 16) * rows.unit * size

    def drift(self, radius: float) -> float:
        """Return how far the model's own inputs are from these, after a move."""
        return self.error + self.rows.growth * radius

    @cached_property
    def slopes(self) -> FloatArray:
        """How fast moves bring each point nearer, (n_points, n_moves), as squared distances."""
        return 2 * self.rows.slopes(self.points.position - self.at)

    def pair_slack(self, radius: float) -> float:
        """Return :meth:`slack`, with the roundings of `slopes`."""
        slope = self.rows.slope
        reach = float(np.linalg.norm(self.at)) + self.points.longest
        # No move is longer in L2.
        radius = radius * float(np.sqrt(max(slope.shape[1], 1)))
        blur = 2.0**-50 * (len(self.at) + 8) * reach * float(np.linalg.norm(slope)) * radius
        return self.slack(radius) + blur

    def half_spaces(
        self, q: int, others: IntArray, radius: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return ``G, h, slack``: where q is at least as near as each of the others.

        Parameters
        ----------
        q : int
            A point.
        others : ndarray of int
            The points that it must beat.
        radius : float
            Roundings are counted for moves up to this length.
        """
        step = self.points.position[q] - self.points.position[others]
        G = 2 * self.rows.slopes(step)
        h = self.power[q] - self.power[others]
        lengths = np.sqrt(np.square(step).sum(axis=1))
        slack = 2 * self.slack(radius) + 2 * self.drift(radius) * lengths
        return G, h, slack

    def lower_bounds(self, q: IntArray, others: IntArray, radius: float) -> FloatArray:
        """Return (n_q, n_others): how far the row must move until q beats each of the others."""
        out = np.empty((len(q), len(others)))
        block = max(1, _BLOCK // max(len(others) * self.rows.slope.shape[0], 1))
        flat_slack = 2 * self.slack(radius)
        drift = self.drift(radius)
        for begin in range(0, len(q), block):
            some = q[begin : begin + block]
            step = self.points.position[some][:, None] - self.points.position[others][None]
            rate = 2 * self.rows.rates(step)
            lengths = np.sqrt(np.square(step).sum(axis=2))
            gain = self.power[some][:, None] - self.power[others][None]
            gain = gain - flat_slack - 2 * drift * lengths
            with np.errstate(divide="ignore", invalid="ignore"):
                bound = gain / rate * (1 - 1e-12)
            out[begin : begin + block] = np.where(gain > 0, bound, 0.0)
        return out
