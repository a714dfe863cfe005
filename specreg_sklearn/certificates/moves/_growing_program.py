"""The shortest move in L1 or Linf into half-spaces that join one after another.

A linear program that grows by violated rows suits the dual simplex method: the multipliers so far
stay feasible, so every step begins where the last one ended. It is kept as a dictionary, in which
each basic variable is an affine function of those that are zero. Nothing hangs on its precision:
multipliers prove a bound whatever they are, and moves are asked of the model.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space import Norm

_PIVOT, _FEASIBLE = 1e-10, 1e-12
_MOST_PIVOTS = 400
_PRICE, _GOLDEN = 1e-9, 0.6180339887498949


class GrowingProgram:
    """Minimise the length of a move in half-spaces ``G @ t >= h``.

    In L1 the move is ``a - b`` with a, b >= 0, whose sum is minimised. In Linf it is ``s * (r -
    a)``, where r is minimised and s are the signs of the first half-space, so that a is zero for
    most columns; a <= 2 r joins where it is violated.

    Parameters
    ----------
    norm : Norm
        L1 or Linf.
    n_moves : int
        How many columns move.
    """

    def __init__(self, norm: Norm, n_moves: int) -> None:
        self.linf, self.d = norm.order == np.inf, n_moves
        self.n = n_moves + 1 if self.linf else 2 * n_moves
        self.signs: FloatArray = np.ones(n_moves)
        # Variables: those of the move, then a slack for each row.
        self.zero = np.arange(self.n)
        self.basic = np.empty(0, dtype=np.int64)
        self.table, self.value = np.empty((0, self.n)), np.empty(0)
        if self.linf:
            # Prices that differ keep steps from going round in circles.
            prices = _PRICE * (1 + (np.arange(n_moves) * _GOLDEN) % 1)
            self.cost = np.append(prices, 1.0)
        else:
            self.cost = np.ones(self.n)
        # Which row of a half-space each slack is; -1 for ends of the cube.
        self.slack_of: list[int] = []
        self.n_rows = 0

    def add(self, G: FloatArray, h: FloatArray) -> None:
        """Let half-spaces join."""
        if self.linf:
            if not self.n_rows:
                self.signs = np.where(G[0] >= 0, 1.0, -1.0)
            signed = G * self.signs
            rows = np.hstack([-signed, signed.sum(axis=1)[:, None]])
        else:
            rows = np.hstack([G, -G])
        numbers = list(range(self.n_rows, self.n_rows + len(G)))
        self.n_rows += len(G)
        self._join(rows, -h, numbers)

    def _join(self, rows: FloatArray, constants: FloatArray, numbers: list[int]) -> None:
        """Write rows ``slack = constants + rows @ x`` in the variables that are zero."""
        held = np.flatnonzero(self.basic < self.n)
        there = self.zero < self.n
        out = np.zeros((len(rows), self.n))
        out[:, there] = rows[:, self.zero[there]]
        if len(held):
            through = rows[:, self.basic[held]]
            out += through @ self.table[held]
            constants = constants + through @ self.value[held]
        first = self.n + len(self.slack_of)
        self.slack_of += numbers
        self.basic = np.append(self.basic, np.arange(first, first + len(rows)))
        self.table = np.vstack([self.table, out])
        self.value = np.append(self.value, constants)

    def solve(self) -> tuple[FloatArray | None, FloatArray]:
        """Return the shortest move, None where none was found, and multipliers of the rows.

        There must be a row.
        """
        for _ in range(_MOST_PIVOTS):
            i = int(self.value.argmin())
            if self.value[i] < -_FEASIBLE * (1.0 + float(np.abs(self.value).max())):
                row = self.table[i]
                up = np.flatnonzero(row > _PIVOT)
                if not len(up):
                    return None, self._against(i)
                ratios = self.cost[up] / row[up]
                near = up[ratios <= ratios.min() * (1 + 1e-9)]
                self._pivot(i, int(near[row[near].argmax()]))
            elif not self.linf or not self._cut_cube():
                return self._move(), self._multipliers()
        return None, self._multipliers()

    def _pivot(self, i: int, k: int) -> None:
        row = self.table[i] / -self.table[i, k]
        row[k] = 1.0 / self.table[i, k]
        start = -self.value[i] * row[k]
        column = self.table[:, k].copy()
        column[i] = 0.0
        self.table[:, k] = 0.0
        self.table += column[:, None] * row
        self.value += column * start
        self.table[i], self.value[i] = row, start
        c = self.cost[k]
        self.cost[k] = 0.0
        self.cost = np.maximum(self.cost + c * row, 0.0)
        self.basic[i], self.zero[k] = self.zero[k], self.basic[i]

    def _values(self) -> FloatArray:
        x = np.zeros(self.n)
        held = self.basic < self.n
        x[self.basic[held]] = self.value[held]
        return x

    def _move(self) -> FloatArray:
        x = self._values()
        if self.linf:
            return np.asarray(self.signs * (x[-1] - x[:-1]))
        return np.asarray(x[: self.d] - x[self.d :])

    def _cut_cube(self) -> bool:
        """Let ends of the cube join that the move is beyond."""
        x = self._values()
        beyond = np.flatnonzero(x[:-1] > 2 * x[-1] * (1 + 1e-12))
        if not len(beyond):
            return False
        rows = np.zeros((len(beyond), self.n))
        rows[np.arange(len(beyond)), beyond] = -1.0
        rows[:, -1] = 2.0
        self._join(rows, np.zeros(len(beyond)), [-1] * len(beyond))
        return True

    def _multipliers(self) -> FloatArray:
        return self._of_slacks(self.cost)

    def _against(self, i: int) -> FloatArray:
        """Return multipliers that show that a row cannot be met."""
        out = self._of_slacks(np.maximum(-self.table[i], 0.0))
        if self.basic[i] >= self.n and (row := self.slack_of[self.basic[i] - self.n]) >= 0:
            out[row] = 1.0
        return out

    def _of_slacks(self, numbers: FloatArray) -> FloatArray:
        out = np.zeros(self.n_rows)
        for k in np.flatnonzero(self.zero >= self.n):
            row = self.slack_of[self.zero[k] - self.n]
            if row >= 0:
                out[row] = numbers[k]
        return out
