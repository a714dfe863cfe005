"""Rows of data that may serve as starts, sorted and thinned by content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Table, rank_within, row_blocks

StartPoints: TypeAlias = tuple[FloatArray, IntArray, IntArray]
"""Points of shape (m, d), the row of each, and the class it was taken from: (m,), (m,)."""

MAX_POOL = 2000
"""Rows of a pool that are kept: the search for starts must not grow with the square of the data."""
MAX_ASKED = 10_000
"""Rows of a pool that the model is asked about, before the kept ones are chosen by its answers."""
# Numbers in one block of distances.
_BLOCK = 2**20


def spread_rows(table: Table, columns: IntArray, *, size: int = MAX_ASKED) -> IntArray:
    """Choose at most `size` rows of a pool, evenly over their contents, in their order.

    To ask a model about a million rows in order to keep two thousand would cost more than the
    attack. Rows are put in order by a weighted sum of the cells in `columns`, which must hold
    numbers, and every so many-th is taken. So the choice does not depend on the order of the data.
    A class that the model gives to one row in ten thousand or fewer may be missed.
    """
    if table.n_rows <= size:
        return np.arange(table.n_rows)
    weights = np.random.default_rng(0).normal(size=len(columns))
    low, high = np.full(len(columns), np.inf), np.full(len(columns), -np.inf)
    # In blocks, twice: the pool is read, and never copied as a whole.
    for _, block in _finite_blocks(table, columns):
        low = np.minimum(low, block.min(axis=1))
        high = np.maximum(high, block.max(axis=1))
    width = np.where(high > low, high - low, 1.0)
    key = np.zeros(table.n_rows)
    for rows, block in _finite_blocks(table, columns):
        part = key[rows]
        for k, weight in enumerate(weights.tolist()):
            part += weight * ((block[k] - low[k]) / width[k])
    order = _order(key)
    return np.sort(order[(np.arange(size) * len(order)) // size])


def _finite_blocks(table: Table, columns: IntArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the cells of columns as :func:`row_blocks` does, 0 where there is no finite number."""
    for rows, block in row_blocks(table, columns):
        if not np.isfinite(block).all():
            block[~np.isfinite(block)] = 0.0
        yield rows, block


def _order(key: FloatArray) -> IntArray:
    """Return the order of numbers by size; of equal ones by place."""
    # Six times faster than a stable sort, which is the same where no two are equal.
    order = np.argsort(key)
    sorted_key = key[order]
    if (sorted_key[1:] == sorted_key[:-1]).any():
        return np.argsort(key, kind="stable")
    return order


class StartPool:
    """Rows of data that may serve as starts: at most `size`, evenly from the predicted classes.

    They are sorted by content, so neither their choice nor ties in distance depend on the order in
    which the data came. `codes`, of shape (p,), are what the model predicts for the rows.
    """

    def __init__(self, rows: CleanRows, codes: IntArray, *, size: int = MAX_POOL) -> None:
        cells, gone = rows.goals()
        kept = _spread(cells, codes, size)
        x, missing, codes = cells[kept] / rows.scale, gone[kept], codes[kept]
        order = _by_content(x, codes)
        self.x, self.missing, self.codes = x[order], missing[order], codes[order]
        self._gaps = bool(self.missing.any())
        # How far to search where a space has no bounds: the data's range, three times.
        self.reach = _range(cells, gone, rows.scale)

    def nearest(
        self, x: FloatArray, missing: BoolArray, labels: IntArray, n_starts: int, targeted: bool
    ) -> StartPoints:
        """Return up to `n_starts` candidates for each clean row.

        The nearest row (L2) of every wanted class comes first, then the second nearest of every
        class, and so on. Where the cell of either row is missing, a candidate has the clean row's.

        `x` and `missing`, of shape (n, d), are the clean coordinates and which cells are missing;
        `labels` the codes of the true labels, or of the wanted ones if `targeted`.
        """
        found = [(np.empty(0, int), np.empty(0, int), np.empty(0))]
        step = max(1, _BLOCK // max(len(self.x), 1))
        for begin in range(0, len(x), step):
            part = slice(begin, begin + step)
            row, candidate = self._shortlist(
                x[part], missing[part], labels[part], n_starts, targeted
            )
            row += begin
            found.append((row, candidate, self._distance(x, missing, row, candidate)))
        owner, candidate, distance = (np.concatenate(c) for c in zip(*found, strict=True))
        # The candidate's number is its rank by content: it settles ties.
        tier = rank_within((self.codes[candidate], owner), candidate, distance)
        rank = rank_within((owner,), candidate, distance, tier)
        chosen = np.flatnonzero(rank < n_starts)
        chosen = chosen[np.lexsort((rank[chosen], owner[chosen]))]
        owner, candidate = owner[chosen], candidate[chosen]
        return self.filled(x, missing, owner, candidate), owner, self.codes[candidate]

    def _shortlist(
        self, x: FloatArray, missing: BoolArray, labels: IntArray, n_starts: int, targeted: bool
    ) -> tuple[IntArray, IntArray]:
        """Return (row, candidate) pairs among which the nearest of every class are for certain."""
        distance = self._rough_distance(x, missing)
        # Matrix products round differently for different shapes; exact distances follow.
        margin = 1e-9 * (1 + distance.max(initial=0.0))
        pairs = [(np.empty(0, int), np.empty(0, int))]
        most = n_starts if targeted else self._most_of_a_class(n_starts)
        for code in np.unique(self.codes).tolist():
            rows = np.flatnonzero((labels == code) == targeted)
            members = np.flatnonzero(self.codes == code)
            if not len(rows):
                continue
            part = distance[np.ix_(rows, members)]
            k = min(most, len(members)) - 1
            near = part <= np.partition(part, k, axis=1)[:, [k]] + margin
            row, member = np.nonzero(near)
            pairs.append((rows[row], members[member]))
        row, candidate = (np.concatenate(c) for c in zip(*pairs, strict=True))
        return row, candidate

    def _most_of_a_class(self, n_starts: int) -> int:
        """Return how many rows of one class can be among `n_starts` candidates of a clean row.

        Classes take turns, so it is the number of turns. The fewest rows remain where the largest
        class is the one that is not wanted.
        """
        sizes = np.sort(np.unique(self.codes, return_counts=True)[1])[:-1]
        turns = np.minimum(np.arange(1, n_starts + 1)[:, None], sizes).sum(axis=1)
        return min(int(np.searchsorted(turns, n_starts)) + 1, n_starts)

    def _rough_distance(self, x: FloatArray, missing: BoolArray) -> FloatArray:
        """Return squared distances over the cells that both have, from matrix products."""
        # Counted from the middle of the data: a common offset would cancel all digits.
        middle = (self.reach[0] + self.reach[1]) / 2
        x, pool = x - middle, self.x - middle
        if not (self._gaps or missing.any()):
            square = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", pool, pool)
            return np.asarray(square - 2 * x @ pool.T)
        mine, theirs = (~missing).astype(float), (~self.missing).astype(float)
        a, b = x * mine, pool * theirs
        return np.asarray((a * a) @ theirs.T + mine @ (b * b).T - 2 * a @ b.T)

    def _distance(
        self, x: FloatArray, missing: BoolArray, row: IntArray, candidate: IntArray
    ) -> FloatArray:
        distance = np.empty(len(row))
        step = max(1, _BLOCK // max(x.shape[1], 1))
        for begin in range(0, len(row), step):
            part = slice(begin, begin + step)
            steps = self.filled(x, missing, row[part], candidate[part]) - x[row[part]]
            distance[part] = np.einsum("ij,ij->i", steps, steps)
        return distance

    def fooling(self, label: int, targeted: bool) -> IntArray:
        """Return the numbers of the rows that an attack on a clean row of this label may lead to.

        The model puts them into another class than `label`; if `targeted`, into this very class.
        """
        return np.flatnonzero((self.codes == label) == targeted)

    def mean(self, chosen: BoolArray) -> FloatArray:
        """Return the mean of the rows marked in `chosen`, (p,), over the cells that they have."""
        there = ~self.missing[chosen]
        total = np.where(there, self.x[chosen], 0.0).sum(axis=0)
        return np.asarray(total / np.maximum(there.sum(axis=0), 1))

    def filled(
        self, x: FloatArray, missing: BoolArray, row: IntArray, candidate: IntArray
    ) -> FloatArray:
        """Return candidates for clean rows, with the clean row's value where either has a gap."""
        if not self._gaps and not missing.any():
            return self.x[candidate]
        return np.where(missing[row] | self.missing[candidate], x[row], self.x[candidate])


def _by_content(x: FloatArray, codes: IntArray) -> IntArray:
    """Return the order of rows by their last column; by the others, and the codes, among equals."""
    if x.shape[1]:
        order = np.argsort(x[:, -1], kind="stable")
        last = x[order, -1]
        if (last[1:] > last[:-1]).all():
            return order
    return np.lexsort((codes, *x.T))


def _spread(raw: FloatArray, codes: IntArray, size: int) -> IntArray:
    """Choose at most `size` rows, evenly over classes, and evenly over contents in each class."""
    if len(raw) <= size:
        return np.arange(len(raw))
    # A fixed projection orders rows by content; a plain sum over each row does not depend on the
    # others, as a matrix product might.
    weights = np.random.default_rng(0).normal(size=raw.shape[1])
    width = raw.max(axis=0) - raw.min(axis=0)
    key = np.einsum("ij,j->i", raw, weights / np.where(width > 0, width, 1.0))
    chosen = []
    classes = np.unique(codes)
    for code in classes:
        members = np.flatnonzero(codes == code)
        members = members[np.argsort(key[members], kind="stable")]
        quota = min(len(members), max(1, size // len(classes)))
        chosen.append(members[(np.arange(quota) * len(members)) // quota])
    return np.concatenate(chosen)


def _range(
    cells: FloatArray, missing: BoolArray, scale: FloatArray
) -> tuple[FloatArray, FloatArray]:
    present = not missing.any()
    low = (cells if present else np.where(missing, np.inf, cells)).min(axis=0) / scale
    high = (cells if present else np.where(missing, -np.inf, cells)).max(axis=0) / scale
    empty = ~(low <= high)
    low[empty], high[empty] = 0.0, 0.0
    width = np.where(high > low, high - low, 1.0)
    return low - width, high + width
