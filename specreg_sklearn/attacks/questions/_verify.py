"""Nothing is reported that the model does not repeat.

A boundary point may flip back when it is asked in another batch shape: matrix products round
differently for one row and for a thousand. So the very array that the user will get is asked as a
whole, and once more in small blocks of one fixed shape. A row that flips is pushed outwards, a
little at first and then in growing steps, and asked again; only then it falls back on its start,
and comes back from there by halves.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions._oracle import NO_LIMIT, Oracle

PUSHES = (0.0, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""How far beyond the boundary point a row is moved, as shares of its distance."""
_FROM_START = (0.0, 0.3, 1.0)
# Rounding reaches so many unit roundoffs behind the boundary, relative to the row or to its move,
# whichever is longer, and at most so much of the move. In double precision it is not worth a step.
_ROUNDINGS, _LARGEST_REACH = 64, PUSHES[1] / 2
_START, _LAST = len(PUSHES), len(PUSHES) + len(_FROM_START) - 1

BLOCK_ROWS = 64
_BLOCK = 2**20
_ROUND = 2
VERIFY_QUERIES = 3 * _ROUND
"""Questions that are set aside for one row: enough for two pushes, and the start."""
VARYING_QUERIES = 12 * _ROUND
"""As much for models that do not repeat their answers."""

_MOST_ROUNDS = 16
# The share of repeats that have to agree on a row.
_CLEAR = 0.8
# A row between a place that holds and one that does not is not looked at closer than this.
_NEAR_ENOUGH = 1.05


def verify(
    oracle: Oracle,
    near: FloatArray,
    far: FloatArray,
    attacked: IntArray,
    *,
    most: IntArray | None = None,
    settled: BoolArray | None = None,
    cells: FloatArray | None = None,
    noisy: bool = False,
    unit: float = 0.0,
) -> tuple[FloatArray, BoolArray]:
    """Find, for each attacked row, the nearest point whose label the model repeats.

    `near` are the boundary points and `far` the untouched starts, to fall back on when no push
    helps, both of shape (n, d); `attacked` are the rows that have one. `most` says how many
    questions each row may be asked. Rows in `settled` were verified before, at `cells`, and are
    asked along only. If the model is `noisy`, so that its answers change on the very same array,
    all answers at a place count together; otherwise the last one, on the final array, has to hold.
    Where `unit`, the unit roundoff of the model, is not 0, rows are first asked about beyond what
    rounding reaches. Returns the verified cells, of shape (n, d), which are the clean cells
    elsewhere, and where they are adversarial.
    """
    search = _Search(oracle, near, far, attacked, most, noisy, unit)
    if settled is not None and cells is not None:
        search.settle(attacked[settled[attacked]], cells)
    for turn in range(_MOST_ROUNDS):
        if search.is_settled:
            break
        search.ask(last=turn >= _MOST_ROUNDS - 2)
    search.give_up(search.pending)
    return search.raw, search.verified


class _Search:
    """Where each row is on its way outwards, and what held."""

    def __init__(
        self,
        oracle: Oracle,
        near: FloatArray,
        far: FloatArray,
        attacked: IntArray,
        most: IntArray | None,
        noisy: bool,
        unit: float,
    ) -> None:
        n = len(oracle.rows)
        self.noisy = noisy
        # Answers at the place where a row is, and how many of them it takes.
        self.yes, self.n_answers = np.zeros(n), np.zeros(n)
        self.oracle, self.near, self.far = oracle, near, far
        self.unit = unit
        self.raw = oracle.rows.raw.copy()
        self.verified = np.zeros(n, dtype=bool)
        self.verified[attacked] = True
        self.left = np.full(n, NO_LIMIT) if most is None else most.copy()
        # The place of a row among the pushes; then come its start, and pushes beyond that.
        self.level = np.zeros(n, dtype=np.int64)
        self.in_block = np.zeros(n, dtype=bool)
        # Rows whose place holds while a nearer one is tried; `held` is that place, in cells, and
        # `failed` the nearest one that does not hold.
        self.between = np.zeros(n, dtype=bool)
        self.returning = np.zeros(n, dtype=bool)
        self.held: dict[int, FloatArray] = {}
        self.failed: dict[int, FloatArray] = {}
        self._place(attacked)
        self.pending = attacked
        # Whether the array is, to the last row, one that was asked about as a whole.
        self.is_settled = not len(attacked)

    def settle(self, rows: IntArray, cells: FloatArray) -> None:
        """Put rows where they were verified before; they are not pending."""
        self.raw[rows] = cells[rows]
        self.in_block[rows] = True
        self.pending = np.setdiff1d(self.pending, rows)

    def _place(self, rows: IntArray) -> None:
        """Put rows where their level says."""
        if not len(rows):
            return
        clean, pushes = self.oracle.rows, np.array([*PUSHES, *_FROM_START])
        # A few rows at a time: intermediate results would each be as large as the data.
        for some in np.array_split(rows, -(-len(rows) * self.raw.shape[1] // _BLOCK)):
            x = clean.raw[some] / clean.scale
            push, move = pushes[self.level[some]][:, None], self.near[some] - x
            at_first = np.flatnonzero(self.level[some] == 0)
            if self.unit and len(at_first):
                push[at_first] = _reach(x[at_first], move[at_first], self.unit)
            there = x + (1 + push) * move
            at_start = self.level[some] >= _START
            if at_start.any():
                far = self.far[some[at_start]]
                there[at_start] = far + push[at_start] * (far - x[at_start])
            self.raw[some] = clean.snap(there, some)

    def ask(self, *, last: bool) -> None:
        """Ask about all rows where they are now, and move those that do not hold."""
        oracle, pending = self.oracle, self.pending
        attacked = np.flatnonzero(self.verified)
        if len(pending):
            share = _ask_in_blocks(oracle, self.raw, pending)
            self.in_block[pending] = share >= _CLEAR
            self.left[pending] -= 1
            self.yes[pending], self.n_answers[pending] = share, 1
        # All rows go again, not just the pending ones: this is the array the user will ask on. The
        # others are asked along and pay nothing, so that no row depends on them; and a row whose
        # queries are used up is given up if it does not hold.
        counted = pending[self.left[pending] > 0]
        share = oracle.votes(self.raw, np.arange(len(self.raw)), counted=counted)
        self.left[counted] -= 1
        self.yes += share
        self.n_answers += 1
        holds = (self.yes / self.n_answers if self.noisy else share) >= _CLEAR
        holds &= self.in_block
        self.is_settled = True
        moving = [self._after_success(pending[holds[pending]], last)]
        moving.append(self._after_failure(attacked[~holds[attacked]], last))
        self.pending = np.sort(np.concatenate(moving))
        self.is_settled &= not len(self.pending)

    def _after_success(self, rows: IntArray, last: bool) -> IntArray:
        """Look for a nearer place where pushes were long; return the rows that do."""
        # Rows that hold near the boundary point are done: the usual case.
        rows = rows[(self.level[rows] > 1) & ~self.returning[rows]]
        for i in rows.tolist():
            self.held[i] = self.raw[i].copy()
        again = self._halve(rows, last)
        self.between[np.setdiff1d(rows, again)] = False
        return again

    def _halve(self, rows: IntArray, last: bool) -> IntArray:
        """Go half the way from the place that holds to the nearest one that does not.

        A try takes a round, and so does the way back.
        """
        rows = rows[self.left[rows] >= 2 * _ROUND]
        if last or not len(rows):
            return rows[:0]
        clean = self.oracle.rows
        held = np.array([self.held[i] for i in rows.tolist()])
        failed = np.array([self.failed[i] for i in rows.tolist()])
        norm = self.oracle.norm
        wide = clean.distance(held, rows, norm) > _NEAR_ENOUGH * clean.distance(failed, rows, norm)
        rows, middle = rows[wide], (held + failed)[wide] / 2
        self.raw[rows] = clean.snap(middle / clean.scale, rows)
        self.between[rows] = True
        return rows

    def _after_failure(self, rows: IntArray, last: bool) -> IntArray:
        """Push rows outwards, or back to where they held; return those that can be asked again."""
        for i in rows.tolist():
            self.failed[i] = self.raw[i].copy()
        # Tries between two places: on to the next, or back to the place that held.
        back = rows[self.between[rows]]
        again = self._halve(back, last)
        self.between[np.setdiff1d(back, again)] = False
        back = np.setdiff1d(back, again)
        for i in back.tolist():
            self.raw[i] = self.held.pop(i)
        self.returning[back] = True
        # The others go outwards: by one step, or to the start if no more can be paid.
        out = np.setdiff1d(rows, np.concatenate([again, back]))
        self.returning[out] = False
        self.level[out] += 1
        far = last | (self.left[out] < 2 * _ROUND) | self._beyond_start(out)
        self.level[out[far & (self.level[out] < _START)]] = _START
        lost = self.level[out] > _LAST
        self._place(out[~lost])
        again = np.concatenate([again, back, out[~lost]])
        lost_rows = np.concatenate([out[lost], again[self.left[again] < _ROUND]])
        self.give_up(lost_rows)
        return np.setdiff1d(again, lost_rows)

    def _beyond_start(self, rows: IntArray) -> BoolArray:
        """Return whether the next push would take rows farther out than their starts are."""
        clean, norm = self.oracle.rows, self.oracle.norm
        level = np.minimum(self.level[rows], len(PUSHES) - 1)
        pushed = (1 + np.array(PUSHES)[level]) * clean.distance(
            clean.snap(self.near[rows], rows), rows, norm
        )
        beyond = pushed >= clean.distance(clean.snap(self.far[rows], rows), rows, norm)
        # The smallest pushes are worth a try in any case.
        return np.asarray(beyond & (level > 1))

    def give_up(self, rows: IntArray) -> None:
        """Let go of rows: nothing is reported for them."""
        self.is_settled &= not len(rows)
        self.verified[rows] = False
        self.raw[rows] = self.oracle.rows.raw[rows]


def _reach(x: FloatArray, move: FloatArray, unit: float) -> FloatArray:
    """Return how far rounding reaches behind the ends of moves, as shares of them, (m, 1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        longer = np.linalg.norm(x, axis=1) / np.linalg.norm(move, axis=1)
    return np.fmin(_ROUNDINGS * unit * np.fmax(longer, 1.0), _LARGEST_REACH)[:, None]


def _ask_in_blocks(oracle: Oracle, raw: FloatArray, owner: IntArray) -> FloatArray:
    """Ask in blocks of exactly BLOCK_ROWS rows; the last one is filled up with clean rows."""
    answers = []
    for begin in range(0, len(owner), BLOCK_ROWS):
        some = owner[begin : begin + BLOCK_ROWS]
        padded = np.concatenate([some, np.zeros(BLOCK_ROWS - len(some), dtype=np.int64)])
        cells = np.concatenate([raw[some], oracle.rows.raw[padded[len(some) :]]])
        answers.append(oracle.votes(cells, padded, counted=some)[: len(some)])
    return np.concatenate(answers)
