"""The largest radius that is covered by what is proved with its own slopes."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray

# How many radii are tried, how near the largest one is near enough, where a search begins if
# nothing is known but that it is farther than the next number, and how many are tried as long as
# functions have no numbers so far out.
_TRIES, _NEAR = 12, 1.01
_FIRST, _FARTHEST, _SHRINKINGS = 8.0, 1e4, 40


class Radii:
    """The largest radius of each row that is covered by what is proved with its own slopes.

    What is proved falls as the radius grows, so that the radius looked for lies between the two.

    Parameters
    ----------
    open_ : ndarray of shape (n_rows,), bool
        Rows whose radius is looked for.
    most : ndarray of shape (n_rows,)
        A radius that is large enough; infinite where none is known.
    """

    def __init__(self, open_: BoolArray, most: FloatArray) -> None:
        n = len(most)
        # Where the space is open, the ends of a short float are the farthest that there is.
        most = np.where(most > _FARTHEST, np.inf, most)
        self.radius = np.where(np.isinf(most), _FIRST, most)
        self.open = open_ & (self.radius > 0)
        self.proved, self._high = np.zeros(n), most
        self._last = np.full((2, n), np.nan)
        self._tries, self._ends = np.zeros((2, n), dtype=np.int64)

    def note(self, some: IntArray, covered: FloatArray) -> None:
        """Note what is proved with the slopes within the radius; -1 where functions end there."""
        radius = self.radius[some]
        ends, whole = covered < 0, covered >= radius
        self._high[some] = np.minimum(self._high[some], np.where(whole, covered, radius))
        self.proved[some] = np.maximum(self.proved[some], np.minimum(covered, radius))
        self._tries[some] += ~ends
        self._ends[some] += ends
        low, high = self.proved[some], self._high[some]
        done = (high <= low * _NEAR) | (self._tries[some] >= _TRIES)
        done |= self._ends[some] >= _SHRINKINGS
        between = np.sqrt(np.maximum(low, high / 16) * high)
        guess = _crossing(self._last[0, some], self._last[1, some], radius, covered)
        inside = (guess > low) & (guess < high) & ~ends
        following = np.where(inside, guess, np.where(np.isinf(high), 4 * radius, between))
        self._last[:, some] = np.where(ends, np.nan, [radius, covered])
        self.radius[some] = following
        self.open[some[done]] = False


def _crossing(
    first: FloatArray, covered: FloatArray, second: FloatArray, also_covered: FloatArray
) -> FloatArray:
    """Return where what is covered would be the radius, if it followed a power of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = np.log(first), np.log(second)
        fa, fb = np.log(covered) - a, np.log(also_covered) - b
        return np.asarray(np.exp(b - fb * (b - a) / (fb - fa)))
