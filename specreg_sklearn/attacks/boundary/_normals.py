"""Estimating the normal of the decision boundary from answers around boundary points.

This is where an attack spends nearly all of its queries, so it is written for speed: all points ask
in the same directions, whole blocks of rows are built by broadcasting, and no row is gathered.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions import Oracle

# Numbers built at once: a megabyte. Larger blocks fall out of the processor's cache.
_BLOCK = 2**17
_MOST_OVER = 1.25
# Numbers of a few points' steps, which stay in the cache nearest to the processor.
_FEW = 2**16
# numpy buffers the operands of products whose rows are shorter: a third of its buffer.
_SHORT = 2**13 / 3


def boundary_normals(
    oracle: Oracle,
    centre: FloatArray,
    radius: FloatArray,
    directions: FloatArray,
    owner: IntArray,
    n_asked: IntArray,
    across: FloatArray | None = None,
) -> FloatArray:
    """Estimate unit normals of the boundary, pointing to the side where the model is fooled.

    Each answer weighs the step that was really asked, after clipping and rounding, by +1 or -1; the
    mean answer is subtracted, which reduces the variance (Chen et al., arXiv:1904.02144, eq. 16).

    From each of the boundary points `centre`, (m, d), steps of length `radius`, (m,), are made in
    the first `n_asked`, (m,), of the unit directions, (B, d), which all points share. The normals
    have shape (m, d), with zeros where no step could be made.

    With unit vectors `across`, (m, d), steps are made at right angles to them, and of the normal
    only the part at right angles is estimated. An answer tells no more than a sign: where the
    normal is all but parallel to a known direction, that direction decides nearly every sign, and
    next to nothing is learned of the part that is still unknown. At right angles to it, the answers
    depend on that part alone, however small it is.
    """
    rows, (n, d) = oracle.rows, directions.shape
    sums = np.empty(centre.shape)
    n_points = max(1, min(_BLOCK // max(d, 1), oracle.batch_rows) // n)
    if n_points < len(centre) <= _MOST_OVER * n_points and len(centre) * n <= oracle.batch_rows:
        # A call for a few rows that are left over costs more than a block that is a little larger.
        n_points = len(centre)
    # Answers of several blocks are summed up together; those of all might fill the memory.
    n_together = n_points * max(1, _BLOCK // (n * n_points))
    for begin in range(0, len(centre), n_together):
        part = slice(begin, begin + n_together)
        side = None if across is None else across[part]
        probes = _Probes(oracle, centre[part], radius[part], directions, owner[part], side)
        sums[part] = probes.sums(n_asked[part], n_points)
    oracle.n_queries += np.bincount(owner, n_asked, len(oracle.n_queries)).astype(np.int64)
    normals = sums if rows.unit else sums / rows.scale
    if across is not None:
        normals -= np.einsum("ij,ij->i", normals, across)[:, None] * across
    size = np.sqrt(np.einsum("ij,ij->i", normals, normals))
    normals /= np.where(size > 0, size, 1.0)[:, None]
    return normals


class _Probes:
    """Builds the cells to ask about, and sums up the steps; see :func:`boundary_normals`."""

    def __init__(
        self,
        oracle: Oracle,
        centre: FloatArray,
        radius: FloatArray,
        directions: FloatArray,
        owner: IntArray,
        across: FloatArray | None,
    ) -> None:
        rows = oracle.rows
        self.oracle, self.radius, self.directions = oracle, radius, directions
        self.owner, self.across = owner, across
        self.steps = directions if rows.unit else directions * rows.scale
        self.base = centre if rows.unit else rows.cells(centre, owner)
        self.lo, self.hi = rows.box(owner)
        reach = radius[:, None] if rows.unit else radius[:, None] * rows.scale
        # Whether steps are asked just as they are meant: no step can leave the box, nothing rounds.
        self.all_as_meant = False
        self.as_meant: np.ndarray = np.zeros(len(centre), dtype=bool)
        if rows.exact and not rows.settles:
            most = (1 + 1e-9) * reach
            inside = (self.base - most >= self.lo) & (self.base + most <= self.hi)
            self.all_as_meant = bool(inside.all())
            if not self.all_as_meant:
                self.as_meant = np.asarray(inside.all(axis=1))
        if across is not None:
            self._frame = np.empty((len(centre), 2, centre.shape[1]))
            self._frame[:, 0] = self.base
            np.multiply(across, -reach, out=self._frame[:, 1])

    def sums(self, n_asked: IntArray, n_points: int) -> FloatArray:
        """Ask, `n_points` at a time, and return the weighted sums of steps, of shape (m, d)."""
        (m, d), n = self.base.shape, len(self.steps)
        fooled = np.empty((m, n), dtype=bool)
        sums = np.empty((m, d))
        every = n_asked.min() == n
        for begin in range(0, m, n_points):
            part = slice(begin, begin + n_points)
            cells = self._cells(part)
            fooled[part] = _answers(self.oracle, cells, self.owner[part], n_asked[part], every)
            if not self.all_as_meant:
                sums[part] = self._sums_as_asked(part, cells, fooled[part], n_asked[part])
        if self.all_as_meant:
            return self._sums_as_meant(fooled, n_asked, every)
        meant = np.flatnonzero(self.as_meant)
        if len(meant):
            sums[meant] = self._sums_as_meant(fooled[meant], n_asked[meant], every)
        return sums

    def _sums_as_meant(self, fooled: BoolArray, n_asked: IntArray, every: bool) -> FloatArray:
        """Return the weighted sums of steps that were asked just as they are meant."""
        weights = fooled.astype(np.float64)
        share = weights.sum(axis=1) / n_asked
        # Of all steps by one sum, whoever else asks: prefixes may be rounded otherwise.
        total = self.steps.sum(axis=0)[None]
        if not every:
            prefixes = np.cumsum(self.steps, axis=0)[n_asked - 1]
            total = np.where((n_asked == len(self.steps))[:, None], total, prefixes)
        # One product for each point: a single large one would round by how many there are.
        sums = np.matmul(weights[:, None], self.steps)[:, 0]
        sums -= share[:, None] * total
        same = np.flatnonzero((share == 0) | (share == 1))
        if len(same):
            sums[same] = (2 * share[same] - 1)[:, None] * (total if every else total[same])
        return sums

    def _sums_as_asked(
        self, part: slice, cells: FloatArray, fooled: BoolArray, n_asked: IntArray
    ) -> FloatArray:
        """Return the weighted sums of steps, after clipping and rounding."""
        weights = fooled.astype(np.float64)
        share = weights.sum(axis=1) / n_asked
        weights -= share[:, None]
        # Where all answers agree there is nothing to subtract: the mean step has to do.
        same = np.flatnonzero((share == 0) | (share == 1))
        if len(same):
            weights[same] = (2 * share[same] - 1)[:, None]
        if n_asked.min() < fooled.shape[1]:
            weights *= np.arange(fooled.shape[1]) < n_asked[:, None]
        sums = np.matmul(weights[:, None], cells)[:, 0]
        sums -= weights.sum(axis=1)[:, None] * self.base[part]
        return sums

    def _cells(self, part: slice) -> FloatArray:
        """Return the cells of all steps from some points, of shape (m, n_directions, d)."""
        rows, oracle, steps = self.oracle.rows, self.oracle, self.steps
        base, radius = self.base[part], self.radius[part]
        m, (n, d) = len(base), steps.shape
        # Passes over all cells are what costs here. A few points at a time stay in the cache.
        width = min(m, max(1, _FEW // (n * d)))
        # The model may be shown these cells themselves, and keep them: they are not used again.
        cells = np.empty((m, n, d)) if rows.are_cells else oracle.scratch(0, m, n, d)
        if self.across is not None:
            frame, shares = self._frame[part], np.empty((m, 2, n))
            shares[:, 0] = 1.0
            np.matmul(self.across[part, None], self.directions.T, out=shares[:, 1:])
            shares, plane = shares.swapaxes(1, 2), oracle.scratch(1, width, n, d)
        clipped = not (self.all_as_meant or self.as_meant[part].all())
        lo, hi = self.lo[:, None], self.hi[:, None]
        for begin in range(0, m, width):
            few = slice(begin, begin + width)
            some = cells[few]
            _scaled(radius[few], steps, some)
            if self.across is None:
                some += base[few, None]
            else:
                # A small matrix product adds the point and takes away what goes along `across`.
                some += np.matmul(shares[few], frame[few], out=plane[: len(some)])
            if clipped:
                one = len(lo) == 1
                rows.fit(some, lo if one else lo[part][few], hi if one else hi[part][few])
        return cells


def _scaled(radius: FloatArray, steps: FloatArray, out: FloatArray) -> None:
    """Write radius * steps, of shape (m, n_directions, d)."""
    if steps.size < _SHORT:
        np.einsum("i,jk->ijk", radius, steps, out=out)
    else:
        np.multiply(radius[:, None, None], steps, out=out)


def _answers(
    oracle: Oracle, cells: FloatArray, owner: IntArray, n_asked: IntArray, every: bool
) -> BoolArray:
    """Return, of shape (m, n_directions), which cells fool the model; False if not asked.

    `every` says that all are asked. A repair or a rule changes the cells in place.
    """
    m, n, d = cells.shape
    every = every and m * n <= oracle.batch_rows
    if every and not oracle.rows.settles:
        return oracle.ask(cells, owner, copy=False)
    flat, whose = cells.reshape(m * n, d), np.repeat(owner, n)
    if oracle.rows.settles:
        settled = oracle.rows.settle(flat, whose)
        flat[...] = settled
        if every:
            return oracle.ask(settled, whose, copy=False).reshape(m, n)
    chosen = np.flatnonzero(np.arange(n) < n_asked[:, None])
    fooled = np.zeros(m * n, dtype=bool)
    for begin in range(0, len(chosen), oracle.batch_rows):
        part = chosen[begin : begin + oracle.batch_rows]
        fooled[part] = oracle.ask(flat[part], whose[part])
    return fooled.reshape(m, n)
