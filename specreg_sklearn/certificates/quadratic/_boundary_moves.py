"""Short moves to where a quadratic function is not positive, found by search: upper bounds only.

What a relaxation proposes is seldom such a move, but it shows which columns end at bounds, which
are as long as the longest one, and which stay. With these sets fixed, the shortest move is on a
line or a curve of one parameter, where the function has roots in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates.moves import nearest_in_half_spaces, nearest_in_l2
from specreg_sklearn.space import NORMS

# What counts as equal in a proposed move, relative to its largest column.
_EQUAL = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
# A move beyond the boundary by this share is on it.
_BEYOND, _ON = 1 + 1e-12, 1 + 4e-12
# How often what leaves the box is cut off and the rest drawn out.
_MOST_CLIPS = 8
_MOST_SWEEPS, _MOST_EXCHANGES = 10, 30
_MOST_ROUNDS, _SHARES = 12, (1.0, 0.5, 0.25, 0.1, 0.03)


class Boundary:
    """Where ``c + g @ t + t @ H @ t`` is not positive, for moves t in a box.

    Parameters
    ----------
    c : float
        The function without a move, positive.
    g : ndarray of shape (n_moves,)
        Its slopes.
    H : ndarray of shape (n_moves, n_moves)
        Its form.
    low, high : ndarray of shape (n_moves,)
        Ends of the box, which contains zero.
    order : {1, 2, inf}
        The norm.
    """

    def __init__(
        self,
        c: float,
        g: FloatArray,
        H: FloatArray,
        low: FloatArray,
        high: FloatArray,
        order: float,
    ) -> None:
        self.c, self.g, self.H, self.low, self.high = c, g, H, low, high
        self.order, self.norm = order, NORMS[order]
        self.length, self.move = np.inf, np.zeros(len(g))

    def offer(self, moves: FloatArray) -> None:
        """Take the shortest of some moves, each drawn out or back to the boundary."""
        inside = np.zeros(len(moves), dtype=bool)
        moves = moves[np.isfinite(moves).all(axis=1)]
        for _ in range(_MOST_CLIPS):
            moves = np.clip(moves, self.low, self.high)
            shares = self._shares(moves)
            # What ends at bounds cannot be drawn out, and is on the boundary but for roundings.
            inside = shares <= _ON
            moves = (
                moves
                * np.where(shares < 1e100, np.where(inside, np.minimum(shares, 1.0), shares), 1.0)[
                    :, None
                ]
            )
            if inside.all():
                break
        if not inside.any():
            return
        lengths = self.norm.length(moves[inside])
        nearest = int(lengths.argmin())
        if lengths[nearest] < self.length:
            self.length, self.move = float(lengths[nearest]), moves[inside][nearest]

    def _shares(self, moves: FloatArray) -> FloatArray:
        """Return by how much moves are drawn out to the boundary; infinite where none reaches."""
        slope = moves @ self.g
        bend = ((moves @ self.H) * moves).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            root = np.sqrt(slope * slope - 4 * bend * self.c)
            shares = np.stack([2 * self.c / (-slope + root), 2 * self.c / (-slope - root)])
        return np.asarray(np.where(shares > 0, shares * _BEYOND, np.inf).min(axis=0))

    def improve(self) -> None:
        """Go along the boundary, towards the shortest move past its tangent plane."""
        for _ in range(_MOST_ROUNDS):
            before, t = self.length, self.move
            slope = self.g + 2 * (self.H @ t)
            level = -(slope @ t)
            if not (np.isfinite(before) and level > 0):
                return
            box = self.low[None], self.high[None]
            _, (target,) = nearest_in_half_spaces(-slope[None], level[None], self.order, box)
            self.offer(np.array([t + share * (target - t) for share in _SHARES]))
            if self.order == np.inf:
                self.offer(self._swept()[None])
            elif self.order == 1:
                self.offer(self._exchanged()[None])
            if not self.length < before * (1 - 1e-9):
                return

    def _swept(self) -> FloatArray:
        """Return a move as long as the shortest one, with each column where the function is least.

        One column at a time, again and again.
        """
        t, r = self.move.copy(), self.length
        low, high = np.maximum(self.low, -r), np.minimum(self.high, r)
        slope, bend = self.g + 2 * (self.H @ t), np.diag(self.H)
        for _ in range(_MOST_SWEEPS):
            before = t.copy()
            for j in range(len(t)):
                places = np.array([low[j], high[j], t[j] - 0.5 * slope[j] / (bend[j] or 1.0)])
                steps = np.clip(places, low[j], high[j]) - t[j]
                change = steps * (slope[j] + bend[j] * steps)
                best = int(change.argmin())
                if change[best] < 0:
                    t[j] += steps[best]
                    slope += 2 * steps[best] * self.H[j]
            if np.abs(t - before).max(initial=0.0) <= 1e-9 * r:
                break
        return t

    def _exchanged(self) -> FloatArray:
        """Return a move as long as the shortest one, where no exchange of two columns gains."""
        t, bend = self.move.copy(), np.diag(self.H)
        for _ in range(_MOST_EXCHANGES):
            slope = self.g + 2 * (self.H @ t)
            i = np.flatnonzero(t)
            back = -np.sign(t[i])[:, None, None]
            way = np.array([1.0, -1.0])[:, None]
            room = np.stack([self.high - t, t - self.low])
            # Another column goes farther from zero, as much as this one comes nearer.
            most = np.minimum(np.abs(t[i])[:, None, None], np.where(way * t >= 0, room, 0.0))
            rate = back * slope[i][:, None, None] + way * slope
            curve = bend[i][:, None, None] + bend + 2 * back * way * self.H[i][:, None, :]
            with np.errstate(divide="ignore", invalid="ignore"):
                turn = np.where(curve > 0, -0.5 * rate / curve, 0.0)
            steps = np.stack([most, np.clip(turn, 0.0, most)])
            change = steps * (rate + curve * steps)
            if not change.size or not change.min() < -1e-9 * self.c:
                break
            which, a, side, j = np.unravel_index(int(change.argmin()), change.shape)
            size = steps[which, a, side, j]
            t[i[a]] += back[a, 0, 0] * size
            t[j] += way[side, 0] * size
        return t

    def sharpen(self, proposed: FloatArray) -> None:
        """Take moves of the shape of a proposed one."""
        largest = float(np.abs(proposed).max(initial=0.0))
        if largest == 0:
            return
        found = [proposed]
        for equal in _EQUAL:
            near = equal * largest
            at_low = (proposed <= self.low + near) & (self.low > -np.inf)
            at_high = (proposed >= self.high - near) & (self.high < np.inf)
            fixed = np.where(at_low, self.low, np.where(at_high, self.high, 0.0))
            found += list(self._of_shape(proposed, at_low | at_high, fixed, largest, near))
        self.offer(np.array(found))

    def _of_shape(
        self, t: FloatArray, bound: BoolArray, fixed: FloatArray, largest: float, near: float
    ) -> Iterator[FloatArray]:
        """Yield moves whose columns end at bounds, stay or are longest where those of t do."""
        H, still = self.H, np.where(bound, fixed, 0.0)
        if self.order == np.inf:
            longest = (np.abs(t) >= largest - near) & ~bound
            free, sign = ~bound & ~longest, np.where(longest, np.sign(t), 0.0)
            begin, way = still.copy(), sign
            yield from self._along(free, begin, way)
        elif self.order == 1:
            free = ~bound & (np.abs(t) > near)
            yield from self._along(free, still, None, np.sign(t))
        else:
            free = ~bound
            c = self.c + self.g @ still + still @ H @ still
            if c > 0 and free.any():
                slope = (self.g + 2 * (H @ still))[free]
                values, vectors = np.linalg.eigh(H[np.ix_(free, free)])
                _, steps = nearest_in_l2(np.array([c]), (slope @ vectors)[None], values)
                still[free] = vectors @ steps[0]
            yield still

    def _along(
        self,
        free: BoolArray,
        begin: FloatArray,
        way: FloatArray | None,
        sign: FloatArray | None = None,
    ) -> Iterator[FloatArray]:
        """Yield roots on the line where free columns balance, for all values of one parameter."""
        H, line = self.H, np.zeros(len(begin)) if way is None else way.copy()
        point = begin.copy()
        if free.any():
            inside = H[np.ix_(free, free)]
            try:
                point[free] = np.linalg.solve(inside, -0.5 * self.g[free] - H[free] @ begin)
                target = -0.5 * sign[free] if sign is not None else -(H[free] @ line)
                line[free] = np.linalg.solve(inside, target)
            except np.linalg.LinAlgError:
                return
        slope = self.g + 2 * (H @ point)
        parabola = [line @ H @ line, slope @ line, self.c + self.g @ point + point @ H @ point]
        if np.isfinite(parabola).all():
            for root in np.roots(parabola):
                if abs(root.imag) <= 1e-9 * abs(root):
                    yield point + root.real * line
