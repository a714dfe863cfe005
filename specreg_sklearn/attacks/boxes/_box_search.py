"""The search on models whose decision boundaries are thresholds on single columns.

Rows of real tables have heavy tails: in many columns a tiny move passes many thresholds. So the
search begins with cubes of all sizes around a row, from large to tiny, polishes the smallest hits,
and then goes on for ever: it proposes exchanges around the best point, and polishes what fools.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boxes._cube_draws import CubeDraws, into_cube
from specreg_sklearn.attacks.boxes._exchange import exchanged
from specreg_sklearn.attacks.boxes._polish import Polish
from specreg_sklearn.attacks.questions import NO_LIMIT, SearchTask
from specreg_sklearn.tables import rank_within

_SCALES, _DOWNWARDS, _EXCHANGE = range(3)
_N_SCALES, _PER_CUBE = 12, 8
# The first cube, in units of the smallest Linf distance of the starts.
_FIRST_CUBE = 0.7
_FIRST_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25)
# Smaller cubes, in units of the smallest one with a hit; after a round in vain the second set.
_SMALLER = np.array([[0.25, 0.35, 0.5, 0.7], [0.5, 0.6, 0.7, 0.85]])
_N_DOWNWARDS = 3
# Hits that are kept for polishing, and how far beyond the best point they may lie.
_N_HITS, _BEYOND = 5, 1.2
# While a row polishes a point, it makes proposals at every so many of its steps: more of them save
# calls of the model, fewer come nearer. In L1 more is left to gain.
_EVERY, _EVERY_IN_L1 = 6, 9
# A hit is judged by its largest moves: the others are hardly needed.
_N_LARGEST = 4
# Keys of the draws of each phase.
_KEYS = 2**32
# A row is given up after so many rounds in which nothing could be asked (all that was proposed is
# built as the clean row itself), and without a budget after so many queries without gain.
_MOST_IN_VAIN, _PATIENCE, _GAIN = 64, 4000, 0.995
_MOST_NUMBERS = 2**22
# A row on a threshold is fooled at every scale; so many sets of scales are tried.
_MOST_SCALES = 5


class BoxSearch:
    """Searches rows of a task; goes on where it was when it is called again."""

    def __init__(self, task: SearchTask) -> None:
        n, d = task.x.shape
        self.task = task
        self._draws, self._polish = CubeDraws(task), Polish(task)
        self._phase, self._turn = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._in_vain, self._gained_at = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._n_waited = np.zeros(n, dtype=np.int64)
        self._best, self._gained_to = np.full(n, np.inf), np.full(n, np.inf)
        self._due = np.zeros(n, dtype=bool)
        self._half = _FIRST_CUBE * self._smallest_start()
        self._missed = np.zeros(n, dtype=np.int64)
        # Hits that wait for a polish, the smallest cubes first.
        self._hits = np.zeros((n, _N_HITS, d))
        self._hit_half = np.full((n, _N_HITS), np.inf)
        if task.oracle.norm == 0:
            # A small move costs as much as a large one.
            self._phase[:] = _EXCHANGE
            self._keep_hits(task.starts - task.x[task.owner], np.zeros(len(task.owner)), task.owner)

    def _smallest_start(self) -> FloatArray:
        task = self.task
        size = np.abs(task.starts - task.x[task.owner]).max(axis=1, initial=0.0)
        smallest = np.full(len(task.x), np.inf)
        np.minimum.at(smallest, task.owner, size)
        return np.where(np.isfinite(smallest), smallest, 1.0)

    def search(self, rows: IntArray, until: int | IntArray) -> IntArray:
        """Search until rows have sent so many queries in all; return those that may go on.

        `until` is one number, or one for each row of the task.
        """
        task = self.task
        elsewhere = rows[task.oracle.best_distance[rows] < self._best[rows]]
        elsewhere = elsewhere[np.isfinite(self._best[elsewhere])]
        # What another search has found since is polished first.
        self._keep_hits(
            task.oracle.best[elsewhere] - task.x[elsewhere], np.zeros(len(elsewhere)), elsewhere
        )
        size = max(1, _MOST_NUMBERS // (_N_SCALES * _PER_CUBE * self.task.x.shape[1]))
        for begin in range(0, len(rows), size):
            self._search(rows[begin : begin + size], np.broadcast_to(until, len(task.x)))
        return rows[self._may_go_on(rows)]

    def _may_go_on(self, rows: IntArray) -> BoolArray:
        """Return which rows may ask, and are not given up."""
        task, n_queries = self.task, self.task.oracle.n_queries[rows]
        best = self._best[rows] = task.oracle.best_distance[rows]
        gained = rows[best < _GAIN * self._gained_to[rows]]
        self._gained_to[gained] = self._best[gained]
        self._gained_at[gained] = task.oracle.n_queries[gained]
        going = task.is_open(rows) & (self._in_vain[rows] < _MOST_IN_VAIN)
        if task.oracle.limit == NO_LIMIT:
            going &= n_queries - self._gained_at[rows] < _PATIENCE
        return np.asarray(going)

    def _search(self, rows: IntArray, until: IntArray) -> None:
        task = self.task
        while True:
            rows = rows[self._may_go_on(rows) & (task.oracle.n_queries[rows] < until[rows])]
            if not len(rows):
                return
            before = task.oracle.n_queries[rows]
            self._polish.settle(rows[self._polish.busy(rows)])
            self._next_hit(rows[~self._polish.busy(rows)])
            polished, whose = self._polish.questions(rows[self._polish.busy(rows)])
            drawing = self._drawing(rows)
            drawn, halves, owner = self._proposals(drawing)
            fooled = task.oracle.decide(
                np.concatenate([polished, task.x[owner] + drawn]), np.concatenate([whose, owner])
            )
            self._polish.learn(fooled[: len(whose)])
            self._take(drawing, drawn, halves, owner, fooled[len(whose) :])
            self._in_vain[rows] += 1
            self._in_vain[rows[task.oracle.n_queries[rows] > before]] = 0

    def _drawing(self, rows: IntArray) -> IntArray:
        """Return the rows that make proposals now.

        A polish asks little at a time, and calls of a model are dear: proposals go on beside it.
        """
        busy = self._polish.busy(rows)
        self._n_waited[rows] = np.where(busy, self._n_waited[rows] + 1, 0)
        every = _EVERY_IN_L1 if self.task.oracle.norm == 1 else _EVERY
        beside = (self._phase[rows] == _EXCHANGE) & (self._n_waited[rows] % every == 0)
        return rows[~busy | beside]

    # --- What is asked ---------------------------------------------------------------------------

    def _proposals(self, rows: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return (moves, half-widths of their cubes, owners) of the next round of rows."""
        phase = self._phase[rows]
        parts = [
            self._scales(rows[phase == _SCALES]),
            self._smaller(rows[phase == _DOWNWARDS]),
            self._exchanges(rows[phase == _EXCHANGE]),
        ]
        moves, halves, owner = (np.concatenate(part) for part in zip(*parts, strict=True))
        return moves, halves, owner

    def _keys(self, rows: IntArray) -> IntArray:
        return (self._phase[rows] + 1) * _KEYS + self._turn[rows]

    def _cubes(self, rows: IntArray, halves: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
        n = halves.shape[1]
        moves = self._draws.moves(rows, self._keys(rows), n, _FIRST_SHARES)
        moves = into_cube(moves, halves).reshape(len(rows) * n, moves.shape[2])
        return moves, halves.ravel(), np.repeat(rows, n)

    def _scales(self, rows: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        scale = np.repeat(np.arange(_N_SCALES), _PER_CUBE) + (_N_SCALES * self._turn[rows])[:, None]
        return self._cubes(rows, self._half[rows][:, None] / 2.0**scale)

    def _smaller(self, rows: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        share = np.repeat(_SMALLER[np.minimum(self._missed[rows], 1)], _PER_CUBE, axis=1)
        return self._cubes(rows, share * self._half[rows][:, None])

    def _exchanges(self, rows: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        moves = exchanged(self.task, self._draws, rows, self._keys(rows))
        owner = np.repeat(rows, moves.shape[1])
        return moves.reshape(len(owner), moves.shape[2]), np.zeros(len(owner)), owner

    # --- What is learned -------------------------------------------------------------------------

    def _take(
        self,
        rows: IntArray,
        moves: FloatArray,
        halves: FloatArray,
        owner: IntArray,
        fooled: BoolArray,
    ) -> None:
        """Take over the answers to proposals."""
        moves, halves, owner = moves[fooled], halves[fooled], owner[fooled]
        phase = self._phase[owner]
        early = phase != _EXCHANGE
        self._keep_hits(moves[early], halves[early], owner[early])
        late = np.flatnonzero(~early)
        if len(late):
            points = self.task.as_built(self.task.x[owner[late]] + moves[late], owner[late])
            size = np.sort(np.abs(points - self.task.x[owner[late]]), axis=1)[:, -_N_LARGEST:]
            if self.task.oracle.norm == 0:
                size = np.sqrt(self.task.distance(points, owner[late]))[:, None]
            first = late[rank_within((owner[late],), (size**2).sum(axis=1)) == 0]
            self._keep_hits(moves[first], np.zeros(len(first)), owner[first])
        smallest = np.full(len(self._half), np.inf)
        np.minimum.at(smallest, owner, halves)
        self._after_scales(rows[self._phase[rows] == _SCALES], smallest)
        down = rows[(self._phase[rows] == _DOWNWARDS) & (self._turn[rows] > 0)]
        self._after_smaller(down, smallest)
        self._turn[rows] += 1

    def _keep_hits(self, moves: FloatArray, halves: FloatArray, owner: IntArray) -> None:
        """Keep the hits of the smallest cubes."""
        rank = rank_within((owner,), halves)
        for k in range(_N_HITS):
            some = np.flatnonzero(rank == k)
            whose = owner[some]
            last = self._hit_half[whose].argmax(axis=1)
            better = halves[some] < self._hit_half[whose, last]
            self._hits[whose[better], last[better]] = moves[some[better]]
            self._hit_half[whose[better], last[better]] = halves[some[better]]

    def _after_scales(self, rows: IntArray, smallest: FloatArray) -> None:
        if not len(rows):
            return
        # A row on a threshold is fooled in any cube: go on to smaller ones.
        last = self._half[rows] / 2.0 ** (_N_SCALES * (self._turn[rows] + 1) - 1)
        again = (smallest[rows] <= last) & (self._turn[rows] + 1 < _MOST_SCALES)
        done = rows[~again]
        self._half[done] = np.minimum(self._half[done], self._hit_half[done].min(axis=1))
        self._phase[done], self._turn[done], self._due[done] = _DOWNWARDS, 0, True

    def _after_smaller(self, rows: IntArray, smallest: FloatArray) -> None:
        hit = np.isfinite(smallest[rows])
        self._half[rows[hit]] = smallest[rows[hit]]
        self._missed[rows] = np.where(hit, 0, self._missed[rows] + 1)
        done = rows[(self._missed[rows] >= 2) | (self._turn[rows] >= _N_DOWNWARDS)]
        self._phase[done], self._turn[done] = _EXCHANGE, 0

    def _next_hit(self, rows: IntArray) -> None:
        """Begin to polish the smallest hit of rows that have some left.

        One is polished before smaller cubes are looked into: a small budget ends there.
        """
        rows = rows[(self._phase[rows] == _EXCHANGE) | self._due[rows]]
        self._due[rows] = False
        first = self._hit_half[rows].argmin(axis=1)
        half = self._hit_half[rows, first]
        good = half <= _BEYOND * self.task.oracle.best_distance[rows]
        self._hit_half[rows[~good]] = np.inf
        rows, first = rows[good & np.isfinite(half)], first[good & np.isfinite(half)]
        self._hit_half[rows, first] = np.inf
        self._polish.start(rows, self.task.x[rows] + self._hits[rows, first])
