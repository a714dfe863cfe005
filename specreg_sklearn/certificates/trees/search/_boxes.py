"""What a look at a box of cells tells: whether it can hold a point, at what cost, where to cut it.

Two implementations give the same numbers: loops that numba compiles, if it is installed, and NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, Protocol

import numpy as np

from specreg_sklearn._typing import ByteArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._compiled import compiled
from specreg_sklearn.certificates.trees.search._constants import ROUNDING
from specreg_sklearn.certificates.trees.search._multipliers import LARGEST, Multipliers
from specreg_sklearn.certificates.trees.search._stub import Stub

PRUNED, AT_TARGET, BOUNDED = 0, 1, 2
"""Nothing in the box counts; its cheapest point has the score; it has a bound, and a cut."""


class Terms(NamedTuple):
    """What is looked for in all boxes of a search.

    Parameters
    ----------
    stub : Stub
        The leaves.
    value : ndarray of shape (n_leaves,), float64
        What each adds to the score.
    target : float
        The score that a point needs at least, less what rounding may add.
    additive : bool
        Whether costs of columns add up; else the largest one counts.
    multipliers : Multipliers or None
        Which tree pays for what; None where they would be too many.
    margin : float
        Taken off bounds, as what their sums may lose by rounding.
    """

    stub: Stub
    value: FloatArray
    target: float
    additive: bool
    multipliers: Multipliers | None
    margin: float

    @property
    def priced(self) -> bool:
        """Whether the score has a price, so that bounds are costs."""
        return self.additive and self.multipliers is not None


class Look(NamedTuple):
    """What one look at a box tells.

    Parameters
    ----------
    verdict : int
        PRUNED, AT_TARGET or BOUNDED; fields that it does not need are empty.
    base : float
        The cost of the cheapest point of the box.
    near : ndarray of shape (d,), int
        The cells of this point.
    score : float
        Its score.
    key : float
        No point of the box with the score costs less.
    price : float
        The price of the score at which this was found; 0 without one.
    meeting : float
        The cost of the cheapest point in the leaves that attain the bound; infinite without one.
    point : ndarray of shape (d,), int
        The cells of this point.
    point_score : float
        Its score.
    cut : tuple of (int, int)
        A column, and the cell from which on the second half begins; the column is -1 if the box is
        one cell in each.
    """

    verdict: int
    base: float
    near: np.ndarray
    score: float = 0.0
    key: float = 0.0
    price: float = 0.0
    meeting: float = np.inf
    point: np.ndarray = np.zeros(0, dtype=np.int64)
    point_score: float = 0.0
    cut: tuple[int, int] = (-1, 0)


class Boxes(Protocol):
    """Looks at boxes, and improves the multipliers by what was seen last."""

    def look(
        self,
        low: IntArray,
        high: IntArray,
        is_open: ByteArray,
        radius: float,
        price: float,
        *,
        past_near: bool,
    ) -> Look:
        """Look in the box from cells `low` to `high`, (d,), for points cheaper than `radius`.

        Leaves whose byte in `is_open`, (n_leaves,), is 0 are known to hold none. Those of more
        leaves become 0, and the box shrinks to what the others cover: `low`, `high` and `is_open`
        are written to, for looks at parts of the box.
        The search for the price of the score starts from `price`. With `past_near` the cheapest
        point was refused, so the rest of the box is looked at.
        """
        ...

    def improve(self, low: IntArray, high: IntArray, rate: float) -> None:
        """Shift the shares towards those who pay in the box that was looked at last."""
        ...


def terms_of(stub: Stub, value: FloatArray, target: float, *, additive: bool) -> Terms:
    """Return the terms of a search, with multipliers where they are not too many."""
    size = float(np.maximum.reduceat(np.abs(value), stub.tree_start).sum()) + abs(target)
    most = np.maximum.reduceat(stub.cost, stub.start[:-1])
    multipliers, scale = None, size
    if len(stub.tree_start) * len(stub.cost) <= LARGEST:
        unit = float(stub.cost.max()) if additive else 10 * float(np.ptp(value))
        scale = float(most.sum()) if additive else size
        multipliers = Multipliers(stub, additive=additive, scale=unit)
    return Terms(stub, value, target, additive, multipliers, ROUNDING * scale)


def boxes_of(terms: Terms) -> Boxes:
    """Return the compiled looks if numba is installed, else those of NumPy."""
    module = "_compiled_boxes" if compiled() else "_array_boxes"
    return import_module(f"{__package__}.{module}").boxes(terms)
