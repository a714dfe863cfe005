"""Rows in front of steps and behind them: what is proved there, and what that says here."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import DistanceProver, ProverAround, lower_bounds
from specreg_sklearn.certificates.linear import LinearProver
from specreg_sklearn.certificates.rising_steps._front import BendingFront
from specreg_sklearn.certificates.rising_steps._radii import Radii
from specreg_sklearn.certificates.rising_steps._secants import DISTANCES, Secants, secants
from specreg_sklearn.certificates.rising_steps._sums_of_columns import SumsOfColumns
from specreg_sklearn.space import CleanRows, as_norm
from specreg_sklearn.tables import Table, as_table, ask, cell_rounding, same_labels

_SAFETY, _BEYOND = 1 - 1e-9, 1 + 1e-8
# How far past its end a move is followed, and in how many halves the way to it is searched.
_PAST, _HALVINGS = 1.2, 24


class AroundRows:
    """Rows behind the steps, and what is proved of them there.

    Parameters
    ----------
    estimator : classifier
        The whole model.
    front : BendingFront
        Its steps that bend columns, and what is behind them.
    prover : DistanceProver
        The proof of the model behind them.
    rows : CleanRows
        Rows in front of the steps.
    norm : {1, 2, inf}
        The norm of moves.
    max_nodes : int
        How much is searched at most, each time that the proof is asked about a row.

    Attributes
    ----------
    corner : ndarray of shape (n_rows,)
        The farthest that a row can move.
    n_nodes : ndarray of shape (n_rows,), int
        How often the proof behind the steps was asked.
    """

    def __init__(
        self,
        estimator: Classifier,
        front: BendingFront,
        prover: DistanceProver,
        rows: CleanRows,
        norm: float,
        max_nodes: int,
    ) -> None:
        self.predict, self.front, self.prover = estimator.predict, front, prover
        self.rows, self.norm, self.max_nodes = rows, norm, max_nodes
        source = front.followed.source
        place = np.full(rows.table.n_columns, -1)
        place[rows.columns] = np.arange(len(rows.columns))
        moved = np.where(source >= 0, place[source], -1)
        self.outputs = np.flatnonzero(moved >= 0)
        self.places = moved[self.outputs]
        # A column that several others are made of moves them all at once.
        most = int(np.bincount(self.places).max(initial=0))
        self.times = max(most, 1) ** (1 / norm)
        self.behind: Table = as_table(front.dense(rows.write(rows.raw, np.arange(len(rows)))))
        made = cell_rounding(self.behind, np.arange(self.behind.n_columns)).coarsest
        self.unit = max(made, cell_rounding(rows.table, rows.columns).coarsest)
        low, high = rows.box(np.arange(len(rows)))
        reach = np.maximum(high - rows.raw, rows.raw - low) / rows.scale
        self.corner = as_norm(norm).length(np.where(rows.missing, 0.0, reach))
        self.n_nodes = np.zeros(len(rows), dtype=np.int64)
        # In L2, as many outputs as there are may move by as much as the norm lets a column.
        self.longest = float(np.sqrt(len(self.outputs)))
        linear = _linear(prover)
        self.sums = SumsOfColumns(linear, self.places, norm) if linear and most else None
        self.moves = np.zeros(rows.raw.shape)
        self.labels = ask(front.rest.predict, self.behind.data, len(rows))

    def proved(self, labels: np.ndarray, upper: FloatArray, within: float | None) -> FloatArray:
        """Return the radii within which no row has another label."""
        n = len(self.rows)
        if not len(self.outputs):
            return np.full(n, np.inf)
        same = same_labels(self.labels, labels)
        # A little beyond the corner, so that roundings of a radius leave no cell of the box out.
        most = np.minimum(upper, self.corner * _BEYOND)
        if within is not None:
            most = np.minimum(most, within * (1 + 1e-6))
        search = Radii(same, most)
        while True:
            some = np.flatnonzero(search.open)
            if not len(some):
                return search.proved * _SAFETY
            search.note(some, self._covered(some, search.radius[some]))

    def nearest_on_the_way(self, labels: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """Return cells on the way of the moves with another label, and how far; NaN without."""
        rows = self.rows
        cells, distance = np.full(rows.raw.shape, np.nan), np.full(len(rows), np.inf)
        some = np.flatnonzero(self.moves.any(axis=1))
        low, high = np.zeros(len(some)), np.ones(len(some)) * _PAST
        share = high
        for _ in range(_HALVINGS if len(some) else 0):
            raw = rows.raw[some] + share[:, None] * self.moves[some] * rows.scale
            held = rows.settle(rows.fit(raw, *rows.box(some)), some)
            answers = ask(self.predict, rows.build(held, some), len(some))
            flips = ~same_labels(answers, labels[some])
            length = rows.distance(held, some, self.norm)
            better = flips & (length < distance[some])
            cells[some[better]], distance[some[better]] = held[better], length[better]
            low, high = np.where(flips, low, share), np.where(flips, share, high)
            share = (low + high) / 2
        return cells, distance

    def _covered(self, some: IntArray, radius: FloatArray) -> FloatArray:
        """Return what is proved if slopes are those within a radius; -1 where it has no numbers."""
        bent = secants(
            self.front.dense, self.rows, some, radius, self.places, self.outputs, self.unit
        )
        out = np.full(len(some), -1.0)
        for k in np.flatnonzero(bent.finite).tolist():
            i = int(some[k])
            if self.sums is not None:
                out[k], move = self._by_sums(i, k, bent, float(radius[k]))
                if move.any():
                    self.moves[i, : len(move)] = move
                continue
            moves = np.flatnonzero(bent.moves[k])
            if not len(moves):
                out[k] = np.inf
                continue
            clean = self._row(i, k, bent, moves)
            options: dict[str, Any] = {"norm": self.norm, "max_nodes": self.max_nodes}
            length = float(lower_bounds(self.prover, clean, **options)[0])
            slack = as_norm(self.norm).length(bent.slack[k : k + 1, moves])[0]
            out[k] = max(length * _SAFETY - slack, 0.0) / self.times
            self.n_nodes[i] += 1
        return out

    def _by_sums(self, i: int, k: int, bent: Secants, radius: float) -> tuple[float, FloatArray]:
        """Return what is proved where scores are sums of functions of columns, and a move."""
        assert self.sums is not None
        every = np.arange(len(self.outputs))
        row = self._row(i, k, bent, every, priced=False)
        self.n_nodes[i] += 1
        reach = (radius + float(as_norm(2).length(bent.slack[k : k + 1])[0])) * self.longest
        distances = radius * DISTANCES
        return self.sums.covered(row, self.labels[i], bent.far[k], distances, reach)

    def _row(
        self, i: int, k: int, bent: Secants, moves: IntArray, *, priced: bool = True
    ) -> CleanRows:
        """Return a row behind the steps, where units are slopes and the box is what is reached."""
        table, slope = self.behind.take(np.array([i])), bent.slope[k][:, moves]
        steepest, outputs = slope.max(axis=0), self.outputs[moves]
        return CleanRows(
            table,
            outputs,
            table.numbers(outputs),
            low=bent.low[k, moves],
            high=bent.high[k, moves],
            integer=np.zeros(len(outputs), dtype=bool),
            scale=steepest,
            dearer=steepest / slope if priced else None,
        )


def _linear(prover: DistanceProver) -> LinearProver | None:
    """Return the proof of linear scores that others may be around."""
    while isinstance(prover, ProverAround):
        prover = prover.prover
    return prover if isinstance(prover, LinearProver) else None
