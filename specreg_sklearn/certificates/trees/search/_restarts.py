"""Nearer points by descents that start again from parts of the best one, blurred by noise.

Descents from the row alone end a few hundredths above the distance where a forest is deep, and
searches within a radius that is too large look at leaves that do not matter.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._descent import Descent, Reached
from specreg_sklearn.certificates.trees.search._stub import Stub

_NOISE = 0.5
_AWAY = 1.05


class Restarts:
    """A walk over points that reach the target, of which the cheapest counts.

    Parameters
    ----------
    descent : Descent
        Moves over a stub whose radius is a little larger than the cost of the best point.
    cells : ndarray of shape (d,), int
        Where the walk begins, such as the best point so far.
    cost : float
        The cost of the best point so far.
    generator : numpy.random.Generator
        Draws what is put back, and the noise.
    """

    def __init__(
        self, descent: Descent, cells: IntArray, cost: float, generator: np.random.Generator
    ) -> None:
        self.descent, self.generator = descent, generator
        self._here, self._best, self._cost = cells, cells, cost
        self._found: Reached | None = None

    def run(self, n_tries: int) -> Reached | None:
        """Return the cheapest point after so many more tries, if it is cheaper than the first."""
        for _ in range(n_tries):
            reached = self._next()
            if reached is None:
                continue
            if reached.cost < self._cost * (1 - 1e-9):
                self._found, self._cost, self._best = reached, reached.cost, reached.cells
            self._here = reached.cells if reached.cost <= self._cost * _AWAY else self._best
        return self._found

    def _next(self) -> Reached | None:
        """Put some columns back, and climb again by moves whose gains are blurred."""
        draw, stub = self.generator, self.descent.stub
        cells = self._here.copy()
        moved = np.flatnonzero(cells != stub.home)
        if len(moved):
            n_back = int(draw.integers(1, max(2, len(moved) // 2) + 1))
            back = draw.choice(moved, min(n_back, len(moved)), replace=False)
            cells[back] = stub.home[back]
        noise = np.exp(draw.normal(0.0, _NOISE, len(stub.cost)))
        # Dearer points than the best one are of use on the way.
        return self.descent.climb(cells, self._cost * _AWAY, noise)


def cells_at(stub: Stub, numbers: FloatArray) -> IntArray:
    """Return the cells, (d,), of a point given by its numbers, (d,), among those of a stub."""
    cells = np.empty(len(stub.column), dtype=np.int64)
    for j in range(len(cells)):
        home, points = int(stub.home[j]), stub.point[stub.start[j] : stub.start[j + 1]]
        # Cells beyond home begin at their number, those before it end there.
        if numbers[j] > points[home]:
            after = np.searchsorted(points[home + 1 :], numbers[j], side="right")
            cells[j] = home + after
        else:
            cells[j] = min(int(np.searchsorted(points[:home], numbers[j], side="left")), home)
    return cells
