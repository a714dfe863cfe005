"""What single columns gain: a table of moves of one column each, and how much margin they cost.

In trees the margin is a sum over trees, and most trees look at few columns. So the gains of single
moves nearly add up, and a table of them says which moves together fool the model at the least
distance. The price of a distance settles the choice column by column: at a given price each column
takes the move whose gain exceeds its cost the most. From high prices to low ones the chosen moves
get longer, and somewhere on the way the model is fooled.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import SearchTask
from specreg_sklearn.space import Norm, as_norm

# Sizes on a fixed grid, by halves; then one slot for where thresholds were found, and some for
# sizes that are drawn anew in each round.
N_LEVELS, N_DRAWN = 8, 3
_LARGEST = 0.7
FOUND, N_SLOTS = N_LEVELS, N_LEVELS + 1 + N_DRAWN
_SMALLEST_DRAWN = 0.01
# Columns that have gained nothing so far get drawn sizes with these odds.
_TRY_IDLE = 0.3
# Prices that are tried, as powers of two of the mean price.
_PRICES = 2.0 ** np.linspace(6, -6, 25)
# Radii that are tried in Linf, as shares of the best distance.
_RADII = 0.96 ** np.arange(1, 26)
_TINY = 1e-12


class ColumnGains:
    """Sizes of moves and the margin that each has gained, of shape (n, d, 2, N_SLOTS).

    The third axis is the side: 0 is down, 1 is up. Unknown gains, and moves that the box has no
    room for, are NaN. A gain is over the column at home.
    """

    def __init__(self, task: SearchTask, length: FloatArray) -> None:
        n, d = task.x.shape
        self.norm = as_norm(task.oracle.norm)
        self._room = np.stack([task.x - task.lo, task.hi - task.x], axis=2)
        clean = task.oracle.rows
        self._unit = np.where(clean.integer, 1 / clean.scale, 0.0)[:, None, None]
        self.size = np.full((n, d, 2, N_SLOTS), np.nan)
        self.gain = np.full((n, d, 2, N_SLOTS), np.nan)
        levels = _LARGEST * 2.0 ** -np.arange(N_LEVELS)
        grid = np.broadcast_to(length[:, None, None, None] * levels, (n, d, 2, N_LEVELS))
        self.size[..., :N_LEVELS] = self._fitted(grid, np.arange(n))

    def _fitted(self, size: FloatArray, rows: IntArray) -> FloatArray:
        """Return sizes that the box and whole numbers allow; NaN where a larger one is the same."""
        room = self._room[rows][..., None]
        unit = np.broadcast_to(self._unit, size.shape)
        whole = np.ceil(size / np.where(unit > 0, unit, 1.0) - 1e-9) * unit
        size = np.minimum(np.where(unit > 0, whole, size), room)
        same = np.zeros(size.shape, dtype=bool)
        same[..., 1:] = size[..., 1:] == size[..., :-1]
        return np.where(same | (size <= 0), np.nan, size)

    def draw_sizes(self, rng: np.random.Generator, rows: IntArray, length: FloatArray) -> None:
        """Put fresh sizes into one of the slots for them."""
        d = self.size.shape[1]
        slot = FOUND + 1 + int(rng.integers(N_DRAWN))
        share = np.exp(rng.uniform(np.log(_SMALLEST_DRAWN), 0.0, size=(d, 2)))
        tried = (rng.random((d, 2)) < _TRY_IDLE) | self.gains(rows)
        size = self._fitted((share * length[:, None, None])[..., None], rows)[..., 0]
        self.size[rows, :, :, slot] = np.where(tried, size, np.nan)
        self.gain[rows, :, :, slot] = np.nan

    def note_found(self, rows: IntArray, step: FloatArray) -> None:
        """Note the moves of columns at a point where they ended at their thresholds."""
        row, column = np.nonzero(step)
        side = (step[row, column] > 0).astype(np.int64)
        place = rows[row], column, side, FOUND
        self.size[place] = np.abs(step[row, column])
        # They take part in choices from now on; what they gain is measured when they are chosen.
        self.gain[place] = np.where(np.isnan(self.gain[place]), _TINY, self.gain[place])

    def gains(self, rows: IntArray) -> BoolArray:
        """Return which sides of which columns have gained something, (m, d, 2)."""
        return np.asarray((np.nan_to_num(self.gain[rows], nan=-1.0) > 0).any(axis=3))

    def steps(self, rows: IntArray, flat: IntArray) -> tuple[IntArray, FloatArray]:
        """Return (column, signed step) of entries of the table, given by their flat numbers."""
        column, side, slot = np.unravel_index(flat, self.size.shape[1:])
        return column, np.where(side == 1, 1.0, -1.0) * self.size[rows, column, side, slot]

    def worth_asking(
        self,
        rng: np.random.Generator,
        rows: IntArray,
        step: FloatArray,
        price: FloatArray,
        length: FloatArray,
        n_known: int,
        n_new: int,
    ) -> tuple[IntArray, IntArray]:
        """Return (place among `rows`, flat entry) of moves to ask about at points x + `step`.

        They are the known moves that are worth most at a price, whose gains may have changed, and
        moves that were never asked about, of columns that gain something rather than of others.
        """
        size, gain = self.size[rows], self.gain[rows]
        cost = cost_of(size, self.norm)
        worth = gain - price[:, None, None, None] * cost
        here = np.abs(size - np.abs(step)[:, :, None, None]) < _TINY
        worth = np.where((gain > 0) & ~here, worth, -np.inf).reshape(len(rows), -1)
        odds = rng.random(size.shape[1:]) + 0.7 * self.gains(rows)[..., None]
        fresh = np.isnan(gain) & (size < length[:, None, None, None])
        odds = np.where(fresh, odds, -np.inf).reshape(len(rows), -1)
        chosen = []
        for key, count in ((worth, n_known), (odds, n_new)):
            best = np.argsort(-key, axis=1, kind="stable")[:, :count]
            ok = np.isfinite(np.take_along_axis(key, best, axis=1))
            place = np.nonzero(ok)[0]
            chosen.append((place, best[ok]))
        (a, b), (c, e) = chosen
        return np.concatenate([a, c]), np.concatenate([b, e])

    def combined(
        self, rows: IntArray, step: FloatArray, loss: FloatArray, price: FloatArray, b: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return moves (m, k, d) chosen at falling prices, and what each gains in sum, (m, k).

        `step` is where rows are, and `loss` (m, d) what each column gains there. In Linf the choice
        is made at shrinking radii, all moves within them being free.
        """
        m, d = step.shape
        gain = np.nan_to_num(self.gain[rows], nan=-np.inf).reshape(m, d, -1)
        size = np.nan_to_num(self.size[rows], nan=np.inf)
        cost = cost_of(size, self.norm).reshape(m, d, -1)
        signed = np.nan_to_num(size * np.array([-1.0, 1.0])[:, None], posinf=0.0, neginf=0.0)
        signed = signed.reshape(m, d, -1)
        steps, sums = np.empty((m, len(_PRICES), d)), np.empty((m, len(_PRICES)))
        own = cost_of(step, self.norm)
        for k in range(len(_PRICES)):
            if self.norm.order == np.inf:
                radius = (_RADII[k] * b)[:, None]
                worth = np.where(cost <= radius[..., None], gain, -np.inf)
                stay = np.where(step != 0, loss, 0.0)
            else:
                at = (price * _PRICES[k])[:, None]
                worth = gain - at[..., None] * cost
                stay = np.where(step != 0, loss - at * own, 0.0)
            best = worth.argmax(axis=2)[..., None]
            changed = np.take_along_axis(worth, best, axis=2)[..., 0] > np.maximum(stay, _TINY)
            kept = ~changed & (stay > 0)
            to = np.take_along_axis(signed, best, axis=2)[..., 0]
            gained = np.take_along_axis(gain, best, axis=2)[..., 0]
            steps[:, k] = np.where(changed, to, np.where(kept, step, 0.0))
            sums[:, k] = np.where(changed, gained, np.where(kept, loss, 0.0)).sum(axis=1)
            if self.norm.order == np.inf:
                steps[:, k] = np.sign(steps[:, k]) * radius
        return steps, sums


def cost_of(steps: FloatArray, norm: Norm) -> FloatArray:
    """Return what steps of columns cost: squares in L2, which add up, and else their lengths."""
    return steps**2 if norm.order == 2 else np.abs(steps)
