"""Looks at boxes whose loops are compiled: what they need, laid out once for a search."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import ByteArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.search._boxes import (
    AT_TARGET,
    BOUNDED,
    PRUNED,
    Look,
    Terms,
)
from specreg_sklearn.certificates.trees.search._look_loops import look_at
from specreg_sklearn.certificates.trees.search._multiplier_loops import improve
from specreg_sklearn.certificates.trees.search._multipliers import growth_of


def boxes(terms: Terms) -> CompiledBoxes:
    """Return the looks of a search."""
    return CompiledBoxes(terms)


class CompiledBoxes:
    """See Boxes."""

    def __init__(self, terms: Terms) -> None:
        stub, held = terms.stub, terms.multipliers
        n, n_trees, n_cells, d = (
            len(stub.leaf),
            len(stub.tree_start),
            len(stub.cost),
            len(stub.column),
        )
        self.terms, self.d = terms, d
        self.start, self.home = _short(stub.start), _short(stub.home)
        self.leaves = (
            _short(np.append(stub.tree_start, n)),
            _short(np.append(stub.entry_start, len(stub.entry_leaf))),
            _short(stub.entry_column),
            _short(stub.first),
            _short(stub.last),
        )
        self.value, self.cost = _floats(terms.value), _floats(stub.cost)
        self.levels = np.unique(self.cost)
        none = np.zeros((1, 1))
        self.sums = (
            (held.asked_to, held.forbidden_to, held.pool_to, held.total)
            if held
            else (none, none, none[0], none[0])
        )
        self.shares = (held.price, held.pool, held.asking) if held else (none[0], none[0], none)
        self.near = np.zeros(d, dtype=np.int32)
        self.work = (
            np.zeros(n, dtype=np.int32),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n_trees + 1, dtype=np.int32),
            np.zeros(n_trees, dtype=np.int32),
            np.zeros(n_trees),
            np.zeros((d, n_trees), dtype=np.int32),
            np.zeros((d, n_trees), dtype=np.int32),
            np.zeros(n_cells),
            np.zeros(n_cells),
            np.zeros(d, dtype=np.int32),
            np.zeros(d, dtype=np.int32),
            np.zeros(d, dtype=np.int32),
        )
        self.out, self.point, self.cut = np.zeros(6), np.zeros(d, dtype=np.int32), np.zeros(2, int)

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
        """Look at a box."""
        terms, out = self.terms, self.out
        verdict = look_at(
            low, high, is_open, radius, price, past_near, terms.additive,
            terms.multipliers is not None, terms.target, terms.margin, self.home, self.start,
            self.cost, self.levels, self.value,
            *self.leaves, *self.sums, *self.shares, self.near, *self.work, out, self.point,
            self.cut,
        )  # fmt: skip
        if verdict == PRUNED:
            return Look(PRUNED, float(out[0]), self.near, key=float(out[2]), price=float(out[3]))
        if verdict == AT_TARGET:
            return Look(AT_TARGET, float(out[0]), self.near.copy(), float(out[1]))
        base, score, key, price, meeting, points = out.tolist()
        point = self.point.copy() if np.isfinite(meeting) else self.point
        cut = int(self.cut[0]), int(self.cut[1])
        return Look(BOUNDED, base, self.near, score, key, price, meeting, point, points, cut)

    def improve(self, low: IntArray, high: IntArray, rate: float) -> None:
        """Shift shares and pools by one step."""
        held = self.terms.multipliers
        assert held is not None
        improve(
            low, high, self.near, rate, growth_of(rate), held.least_pool, held.small_pool,
            self.home, self.start, held.price, held.pool, held.asking, held.forbidding,
            held.asked_to, held.forbidden_to, held.pool_to, held.total, self.work[7], self.work[8],
        )  # fmt: skip


def _short(numbers: IntArray) -> np.ndarray:
    return np.ascontiguousarray(numbers, dtype=np.int32)


def _floats(numbers: FloatArray) -> FloatArray:
    return np.ascontiguousarray(numbers, dtype=np.float64)
