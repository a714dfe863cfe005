"""The nearest row of the other label under a tree ensemble, proved by integer programming.

One 0/1 variable says of every threshold near the row whether it is crossed, one continuous variable
per leaf whether the leaf is reached; the cost grows from threshold to threshold. HiGHS, through
scipy, gives the optimum and a bound that proves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from benchmarks.attacks.truths._ensembles import Ensemble, Tree

PROVED = 0.998
"""A distance counts as the truth if the bound is at least this share of it."""

TIE = 1e-5
"""Margins that a sum in another order, or in float32, could put on either side of 0."""


@dataclass(frozen=True)
class Nearest:
    """A row of the other label, its distance, and how much of it is proved.

    Parameters
    ----------
    row : ndarray of shape (d,) or None
        None if nothing was found in time.
    distance, bound : float
        No row of the other label is nearer than `bound`.
    """

    row: np.ndarray | None
    distance: float
    bound: float

    @property
    def proved(self) -> bool:
        """Whether the distance is the truth."""
        return self.row is not None and self.bound >= PROVED * self.distance


def nearest_row(
    ensemble: Ensemble,
    x: np.ndarray,
    lo: np.ndarray,
    hi: np.ndarray,
    *,
    norm: float,
    within: float,
    tie: float = 0.0,
    seconds: float = 20.0,
) -> Nearest:
    """Search the box of half-width `within` around `x`, inside the bounds.

    `within` is a distance at which a row of the other label is known: nothing nearer lies outside
    the box. Margins beyond 0 by less than `tie` do not count as the other label.
    """
    found = Nearest(None, np.inf, 0.0)
    for _ in range(6):
        program = _Program(x, lo, hi, norm, within * (1 + 1e-9))
        for tree in ensemble.trees:
            program.add(tree)
        margin = float(ensemble.margin(x[None])[0])
        found = program.solve(-np.sign(margin), ensemble.start, tie, seconds)
        # Gaps and tolerances of the solver are absolute: a far smaller optimum needs its own scale.
        if found.row is None or found.distance > within / 4:
            break
        within = found.distance
    return found


@dataclass
class _Program:
    """Variables in the order thresholds, leaves, and the radius (used by Linf only)."""

    x: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    norm: float
    within: float
    crossings: dict[tuple[int, float], int] = field(default_factory=dict)
    sides: list[tuple[int, float, bool]] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    rows: list[tuple[list[tuple[str, int, float]], float, float]] = field(default_factory=list)

    def add(self, tree: Tree) -> None:
        reached = self._below(tree, 0)
        self.rows.append(([("leaf", leaf, 1.0) for leaf in reached], 1.0, 1.0))

    def _below(self, tree: Tree, node: int) -> list[int]:
        """Add the part of a tree that the box meets; return its leaves."""
        if tree.left[node] < 0:
            self.leaves.append(float(tree.value[node]))
            return [len(self.leaves) - 1]
        column, below, above = tree.feature[node], tree.below[node], tree.above[node]
        stays_left = self.x[column] <= below
        there, left, right = (
            (above, tree.left[node], tree.right[node])
            if stays_left
            else (below, tree.right[node], tree.left[node])
        )
        outside = not self.lo[column] <= there <= self.hi[column]
        if outside or abs(there - self.x[column]) > self.within:
            return self._below(tree, left)
        key = (int(column), float(there))
        if key not in self.crossings:
            self.crossings[key] = len(self.sides)
            self.sides.append((int(column), float(there), bool(stays_left)))
        crossed = self.crossings[key]
        home, beyond = self._below(tree, left), self._below(tree, right)
        # Leaves behind the threshold only if it is crossed, those before it only if not.
        self.rows.append(
            ([("leaf", leaf, 1.0) for leaf in beyond] + [("cross", crossed, -1.0)], -np.inf, 0.0)
        )
        self.rows.append(
            ([("leaf", leaf, 1.0) for leaf in home] + [("cross", crossed, 1.0)], -np.inf, 1.0)
        )
        return home + beyond

    def solve(self, towards: float, start: float, tie: float, seconds: float) -> Nearest:
        costs = np.zeros(len(self.sides))
        chains: dict[tuple[int, bool], list[int]] = {}
        for number, (column, _, up) in enumerate(self.sides):
            chains.setdefault((column, up), []).append(number)
        radii = []
        for (column, up), chain in chains.items():
            chain.sort(key=lambda number: self.sides[number][1], reverse=not up)
            reach = np.abs([self.sides[number][1] - self.x[column] for number in chain])
            size = (reach / self.within) ** (2 if self.norm == 2 else 1)
            steps = np.diff(size, prepend=0.0)
            for nearer, farther in pairwise(chain):
                self.rows.append(([("cross", farther, 1.0), ("cross", nearer, -1.0)], -np.inf, 0.0))
            if np.isinf(self.norm):
                radii.append([("cross", n, s) for n, s in zip(chain, steps, strict=True)])
            else:
                costs[chain] = steps
            if up and (column, False) in chains:
                firsts = [("cross", chain[0], 1.0)]
                other = chains[(column, False)]
                lowest = max(other, key=lambda number: self.sides[number][1])
                self.rows.append(([*firsts, ("cross", lowest, 1.0)], -np.inf, 1.0))
        self.rows += [([*radius, ("radius", 0, -1.0)], -np.inf, 0.0) for radius in radii]
        values = [("leaf", n, towards * v) for n, v in enumerate(self.leaves)]
        self.rows.append((values, tie - towards * start, np.inf))
        return self._optimum(costs, chains, seconds)

    def _optimum(
        self, costs: np.ndarray, chains: dict[tuple[int, bool], list[int]], seconds: float
    ) -> Nearest:
        n, m = len(self.sides), len(self.leaves)
        offset = {"cross": 0, "leaf": n, "radius": n + m}
        entries = [
            (row, offset[kind] + k, weight)
            for row, (terms, _, _) in enumerate(self.rows)
            for kind, k, weight in terms
        ]
        at, column, weight = map(np.array, zip(*entries, strict=True))
        at, column = at.astype(np.int32), column.astype(np.int32)  # as scipy before 1.15 needs
        matrix = csr_array((weight, (at, column)), shape=(len(self.rows), n + m + 1))
        low, high = np.array([row[1:] for row in self.rows]).T
        objective = np.concatenate([costs, np.zeros(m), [float(np.isinf(self.norm))]])
        result = milp(
            objective,
            integrality=np.concatenate([np.ones(n), np.zeros(m + 1)]),
            bounds=Bounds(0, np.concatenate([np.ones(n + m), [np.inf]])),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": seconds, "mip_rel_gap": 1e-4},
        )
        bound = self._length(result.mip_dual_bound) if result.mip_dual_bound is not None else 0.0
        if result.x is None:
            return Nearest(None, np.inf, bound)
        row = self.x.copy()
        for (j, _), chain in chains.items():
            crossed = [number for number in chain if result.x[number] > 0.5]
            if crossed:
                row[j] = self.sides[crossed[-1]][1]
        distance = float(np.linalg.norm(row - self.x, ord=self.norm))
        return Nearest(row, distance, min(bound, distance))

    def _length(self, objective: float) -> float:
        objective = max(float(objective), 0.0)
        return self.within * (objective**0.5 if self.norm == 2 else objective)
