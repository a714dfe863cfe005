"""Proofs where cells may be swapped: every cheap set of swaps, and a proof about the numbers.

A row that is reached by swaps at a price and by a move of the numbers is as far as both together,
in the norm of the distance. So the distance of a row is the least of these over all sets of swaps,
and a proof about the numbers, of the row with the swaps made, bounds each of them. Sets that cost
as much as the nearest row that is known need no proof.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.distances._bounds import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    ends_meet,
)
from specreg_sklearn.certificates.distances._confirm import confirmed_witnesses
from specreg_sklearn.certificates.distances._prover import lower_bounds
from specreg_sklearn.certificates.distances._prover_around import ProverAround
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import ask, same_labels

# Sets of swaps of a row at most, and for how many nodes of a search there is one of them.
_MOST_SETS, _NODES_PER_SET = 256, 20
# Sets that are proved at once: the first one, which swaps nothing, then ever more.
_FIRST_BLOCK, _GROWTH = 1, 4
# Sums of prices and lengths may round upwards by less than this share.
_ROUNDING = 1e-12
_MOST_NUMBERS = 2**22


class SwapsProver(ProverAround):
    """A proof about numbers, made one about numbers and swaps."""

    def lower_bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> FloatArray:
        """Return the lower ends alone."""
        options: dict[str, Any] = {"norm": norm, "within": within}
        options |= {"max_nodes": max_nodes, "n_jobs": n_jobs}
        if rows.choices:
            return self.bounds(rows, **options).lower
        return lower_bounds(self.prover, rows, **options)

    def bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        known: FloatArray | None = None,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> DistanceBounds:
        """Return the bounds of rows; without categories they are those of the proof itself."""
        if not rows.choices:
            return self.prover.bounds(
                rows, norm=norm, known=known, within=within, max_nodes=max_nodes, n_jobs=n_jobs
            )
        if rows.repair is not None:
            raise NoCertificateError(
                "The feature space swaps categories and has a repair, which may change them as "
                "well; certificates are for one of both."
            )
        most = max(1, min(_MOST_SETS, max_nodes // _NODES_PER_SET))
        n, size = len(rows), max(1, _MOST_NUMBERS // (most * rows.raw.shape[1]))
        options = {"norm": norm, "max_nodes": max_nodes, "n_jobs": n_jobs}
        parts = []
        for begin in range(0, n, size):
            some = np.arange(begin, min(begin + size, n))
            hints = None if known is None else known[some]
            part = _Sets(self, rows if size >= n else rows.take(some), norm, most, hints)
            parts.append(part.proved(within, options))
        return DistanceBounds(*(np.concatenate(ends) for ends in zip(*parts, strict=True)))


class _Sets:
    """The sets of swaps of some rows: whose they are, what they cost, and which are decided."""

    def __init__(
        self,
        whole: SwapsProver,
        rows: CleanRows,
        norm: float,
        most: int,
        known: FloatArray | None,
    ) -> None:
        self.prover, self.predict = whole.prover, whole.estimator.predict
        self.rows, self.norm = rows, norm
        n, d = len(rows), rows.n_numbers
        every = np.arange(n)
        self.labels = ask(self.predict, rows.write(rows.raw, every), n)
        self.witness, self.upper = confirmed_witnesses(self.predict, rows, self.labels, known, norm)
        found = [rows.swaps_of(i, norm, most) for i in range(n)]
        counts = [len(flags) for _, flags, _ in found]
        self.owner = np.repeat(every, counts)
        self.rank = np.concatenate([np.arange(count) for count in counts])
        self.raw = rows.raw[self.owner]
        self.raw[:, d:] = np.concatenate([flags for _, flags, _ in found])
        self.price = rows.distance(self.raw, self.owner, norm)
        rest = np.array([rest for _, _, rest in found])
        # Whatever is left out costs at least this.
        self.lower = (np.sqrt(rest) if norm == 2 else rest) * (1 - _ROUNDING)

    def proved(self, within: float | None, options: dict) -> DistanceBounds:
        """Return the bounds of the rows."""
        n = len(self.rows)
        self._ask_swaps()
        n_nodes, open_ = np.zeros(n, dtype=np.int64), ~self.flips
        begin, end = 0, _FIRST_BLOCK
        while begin <= self.rank.max(initial=-1):
            some = np.flatnonzero(open_ & (self.rank >= begin) & (self.rank < end))
            far = self.price[some] >= self.upper[self.owner[some]]
            if within is not None:
                far |= (self.price[some] > within) | (self.upper[self.owner[some]] <= within)
            skipped, some = some[far], some[~far]
            np.minimum.at(self.lower, self.owner[skipped], self.price[skipped] * (1 - _ROUNDING))
            if len(some):
                self._prove(some, n_nodes, options)
            begin, end = end, end * _GROWTH
        lower = np.minimum(self.lower, self.upper)
        return DistanceBounds(
            lower, self.upper, self.witness, ends_meet(lower, self.upper), n_nodes
        )

    def _ask_swaps(self) -> None:
        """Ask the model about swaps alone: those that fool it are as far as their price."""
        rows, owner = self.rows, self.owner
        answers = ask(self.predict, rows.write(self.raw, owner), len(owner))
        self.flips: BoolArray = ~same_labels(answers, self.labels[owner])
        some = np.flatnonzero(self.flips)
        np.minimum.at(self.lower, owner[some], self.price[some] * (1 - _ROUNDING))
        if len(some):
            obeys = (rows.settle(self.raw[some], owner[some]) == self.raw[some]).all(axis=1)
            some = some[obeys]
        self._witnessed(self.raw[some], owner[some], self.price[some])

    def _prove(self, some: IntArray, n_nodes: IntArray, options: dict) -> None:
        owner, price = self.owner[some], self.price[some]
        found = self.prover.bounds(self.rows.chosen(self.raw[some], owner), **options)
        np.add.at(n_nodes, owner, found.n_nodes)
        lower = np.where(price > 0, self._both(price, found.lower) * (1 - _ROUNDING), found.lower)
        np.minimum.at(self.lower, owner, lower)
        there = np.flatnonzero(np.isfinite(found.upper))
        raw = self.raw[some[there]]
        raw[:, : self.rows.n_numbers] = found.witness[there]
        missing = self.rows.missing[owner[there]]
        raw = np.where(missing, self.rows.raw[owner[there]], raw)
        distance = self.rows.distance(raw, owner[there], self.norm)
        self._witnessed(raw, owner[there], distance)

    def _witnessed(self, raw: FloatArray, owner: IntArray, distance: FloatArray) -> None:
        """Keep rows with another label that are nearer than those that are known."""
        order = np.argsort(-distance, kind="stable")
        order = order[distance[order] < self.upper[owner[order]]]
        # The nearest one is written last.
        self.witness[owner[order]], self.upper[owner[order]] = raw[order], distance[order]

    def _both(self, price: FloatArray, length: FloatArray) -> FloatArray:
        """Return how far swaps and a move of the numbers lead together."""
        if self.norm == 2:
            return np.hypot(price, length)
        return np.maximum(price, length) if self.norm == np.inf else price + length
