"""Planes through all that a row has asked: where its boundary lies, and where it leads.

A walk estimates the normal of each step from the answers of that step alone. Together the answers
of all steps say more: few planes separate the points that fooled the model from the others. Such a
plane is fitted near the point where a row stands, by squared hinge losses and Newton's method, in
which only points on the wrong side or close to the plane count (Keerthi and DeCoste, "A modified
finite Newton method for fast solution of large scale linear SVMs", JMLR 6, 2005). On ReLU networks,
whose boundaries are flat in parts, a third of what is left to the nearest point goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary._boundary_points import BoundaryPoints
from specreg_sklearn.attacks.questions import SearchTask

# A fit costs as much as a thousand predictions of a small network. So planes are fitted late in one
# stretch of the walk, for rows whose steps still turn by this much, in radians, and not with more
# columns than a budget can say something about.
_STRETCH, _FROM, _LEAST_ANGLE, _MOST_COLUMNS = 1, 840, 0.06, 128
# Points count by a Gaussian whose width is this many times the length of the present probes, and at
# most a share of the distance; points beyond so many widths do not count.
_WIDTHS, _LARGEST_WIDTH, _CUT = 12.0, 0.3, 2.0
_N_NEWTON, _RIDGE, _RIDGE_OF_SHIFT = 2, 1e-2, 1e-4
# The first plane of a row begins with the one across its own direction, this steep.
_FIRST_SLOPE = 2.0
# What is fitted needs no more digits.
_SINGLE = np.float32


@dataclass(frozen=True)
class _Probes:
    """What one step of a walk asked around each of its points: see :func:`boundary_normals`."""

    owner: IntArray  # (m,)
    directions: np.ndarray  # (B, d)
    centres: np.ndarray  # (m, d), seen from the clean rows
    radius: np.ndarray  # (m,)
    radial: np.ndarray  # (m, d)
    fooled: BoolArray  # (m, B)


class _Asked:
    """All probes of all rows."""

    def __init__(self, probes: list[_Probes]) -> None:
        self._probes = probes
        self._owner = np.concatenate([step.owner for step in probes])
        self._number = np.repeat(np.arange(len(probes)), [len(step.owner) for step in probes])
        self._place = np.concatenate([np.arange(len(step.owner)) for step in probes])
        self._centres = np.concatenate([step.centres for step in probes])
        self._radius = np.concatenate([step.radius for step in probes])

    def near(self, row: int, step: FloatArray, reach: float) -> tuple[np.ndarray, BoolArray]:
        """Return where a row's probes ended, (n, d), seen from a step, and which of them fooled.

        Those of a walk's steps that lie wholly beyond `reach` are left out.
        """
        mine = np.flatnonzero(self._owner == row)
        gap = self._centres[mine] - step.astype(_SINGLE)
        close = np.sqrt(np.einsum("ij,ij->i", gap, gap)) - self._radius[mine] <= reach
        points, fooled = [], []
        for i, k, centre in zip(
            self._number[mine[close]], self._place[mine[close]], gap[close], strict=True
        ):
            asked = self._probes[i]
            along = asked.directions @ asked.radial[k]
            moves = asked.directions - along[:, None] * asked.radial[k]
            moves *= asked.radius[k]
            moves += centre
            points.append(moves)
            fooled.append(asked.fooled[k])
        return np.concatenate(points), np.concatenate(fooled)


class FittedPlanes:
    """Remembers the probes of a task's walks, and fits planes to their answers."""

    def __init__(self, task: SearchTask) -> None:
        rows, d = task.oracle.rows, task.x.shape[1]
        # Where cells are rounded, or others follow, probes do not end where they were meant to.
        as_meant = not rows.integer.any() and not rows.settles
        self.remembers = bool(d <= _MOST_COLUMNS and task.oracle.limit > _FROM and as_meant)
        self._probes: list[_Probes] = []
        self._planes: dict[int, np.ndarray] = {}

    def remember(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        directions: FloatArray,
        radius: FloatArray,
        fooled: BoolArray,
    ) -> None:
        """Note the answers, (m, B), to moves of length `radius`, (m,), in `directions`, (B, d)."""
        self._probes.append(
            _Probes(
                current.owner,
                directions.astype(_SINGLE),
                (current.points - task.x[current.owner]).astype(_SINGLE),
                radius.astype(_SINGLE),
                current.radial(task).astype(_SINGLE),
                fooled,
            )
        )

    def end(self, stretch: int) -> None:
        """Forget everything once the stretch is over in which planes are fitted."""
        if stretch >= _STRETCH:
            self.remembers = False
            self._probes.clear()

    def sideways(
        self,
        task: SearchTask,
        current: BoundaryPoints,
        normals: FloatArray,
        radius: FloatArray,
        stretch: int,
    ) -> FloatArray:
        """Return unit normals, without their parts along the radial directions.

        Where no plane is fitted they are `normals`, (m, d), estimated by moves of length `radius`.
        """
        chosen = current.angle >= _LEAST_ANGLE
        chosen &= task.oracle.n_queries[current.owner] >= _FROM
        if stretch != _STRETCH or not chosen.any():
            return normals
        normals, radial = normals.copy(), current.radial(task)
        width = np.minimum(_WIDTHS * radius, _LARGEST_WIDTH * current.distances(task))
        asked = _Asked(self._probes)
        for j in np.flatnonzero(chosen).tolist():
            row = int(current.owner[j])
            plane = self._plane(task, row, current.points[j], radial[j], float(width[j]), asked)
            side = plane - (plane @ radial[j]) * radial[j]
            length = float(np.linalg.norm(side))
            if 0 < length < np.inf:
                normals[j] = side / length
        return normals

    def _plane(
        self,
        task: SearchTask,
        row: int,
        point: FloatArray,
        radial: FloatArray,
        width: float,
        asked: _Asked,
    ) -> FloatArray:
        """Return the normal of the plane fitted near a point to what its row has asked."""
        step, d = point - task.x[row], len(point)
        apart, fooled = asked.near(row, step, _CUT * width)
        rows = task.oracle.rows
        lo, hi = (end[0] / rows.scale - point for end in rows.box(np.array([row])))
        np.clip(apart, lo.astype(_SINGLE), hi.astype(_SINGLE), out=apart)
        squares = np.einsum("ij,ij->i", apart, apart)
        near = np.flatnonzero(squares <= (_CUT * width) ** 2)
        unit = _SINGLE(width / np.sqrt(d))
        weights = np.exp(squares[near] / _SINGLE(-4 * width**2))
        points = np.empty((len(near), d + 1), dtype=_SINGLE)
        np.multiply(apart[near], (weights / unit)[:, None], out=points[:, :d])
        points[:, d] = weights
        start = np.zeros(d + 1, dtype=_SINGLE)
        if row in self._planes:
            normal, shift = self._planes[row][:d], self._planes[row][d]
            start[:d], start[d] = normal * unit, shift + normal @ step
        else:
            start[:d] = _FIRST_SLOPE * radial
        sides = np.where(fooled[near], _SINGLE(1), _SINGLE(-1))
        fitted = _separating(points, sides, weights, start).astype(np.float64)
        normal = fitted[:d] / unit
        self._planes[row] = np.append(normal, fitted[d] - normal @ step)
        return normal


def _separating(
    points: np.ndarray, sides: np.ndarray, weights: np.ndarray, plane: np.ndarray
) -> np.ndarray:
    """Return the plane, (d + 1,), that separates points of two sides, 1 and -1.

    Points, (n, d + 1), have a 1 as their last coordinate, and are multiplied by the square roots of
    their weights, `weights`. Newton's method begins with `plane`.
    """
    ridge = np.full(len(plane), _RIDGE, dtype=_SINGLE)
    ridge[-1] = _RIDGE_OF_SHIFT
    goals = sides * weights
    for _ in range(_N_NEWTON):
        active = np.flatnonzero(sides * (points @ plane) < weights)
        if not len(active):
            break
        some = points.take(active, axis=0)
        curvature = some.T @ some
        np.fill_diagonal(curvature, curvature.diagonal() + ridge)
        plane = np.linalg.solve(curvature, goals[active] @ some)
    return plane
