"""RayS: rounds of block flips that look for the corner of the smallest ball which fools.

Several perturbations of a row are followed at first, since the corner that is reached from the
nearest start need not be the nearest one. The nearest of a row moves in every round, the next one
in every second, the third in every fourth: so a short search goes deep and a long one wide, and a
short one is how a long one begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary import choose_starts
from specreg_sklearn.attacks.linf._lattice import Lattice
from specreg_sklearn.attacks.linf._moves import Moves, block_flips, random_moves, try_moves
from specreg_sklearn.attacks.linf._shrink import shrink
from specreg_sklearn.attacks.questions import SearchTask
from specreg_sklearn.tables import rank_within

# Smallest progress that counts, as a share of the radius.
TOLERANCE = 1e-3
# Starts are compared after so many halvings; one that is then much farther out is dropped.
_START_ROUNDS, _START_SLACK, _START_TOLERANCE = 6, 3.0, 0.01
_MOST_KEPT = 8
# So many starts are brought to the boundary at first.
_FIRST_STARTS = 3
# The blocks of the first round, and how fast they get finer where there are many columns.
_FIRST_BLOCKS, _FINER = 64, 2


@dataclass
class _Perturbations:
    """Perturbations that are made smaller, several for each row; `moved` marks old ones."""

    x: FloatArray
    delta: FloatArray
    radius: FloatArray
    owner: IntArray
    moved: BoolArray


class CornerSearch:
    """The perturbations of all rows, and their rounds of moves."""

    def __init__(
        self, task: SearchTask, lattice: Lattice, blocks: Literal["permuted", "contiguous"]
    ) -> None:
        self.task, self.lattice, self.blocks = task, lattice, blocks
        none = np.zeros(0, dtype=np.int64)
        nothing = np.zeros((0, task.x.shape[1]))
        self.all = _Perturbations(nothing, nothing, np.zeros(0), none, none.astype(bool))
        self._place = rank_within((task.owner,))
        # Which rows still have starts that nobody looked at.
        self.has_more = np.zeros(len(task.x), dtype=bool)
        self.has_more[task.owner[self._place >= _FIRST_STARTS]] = True
        self._add(self._place < _FIRST_STARTS)

    def add_starts(self, rows: BoolArray) -> None:
        """Bring the other starts of the marked rows to the boundary."""
        rows = rows & self.has_more
        if rows.any():
            self.has_more &= ~rows
            self._add((self._place >= _FIRST_STARTS) & rows[self.task.owner])

    def _add(self, chosen: BoolArray) -> None:
        task = self.task
        part = replace(
            task,
            starts=task.starts[chosen],
            owner=task.owner[chosen],
            group=task.group[chosen],
        )
        points, owner, _ = choose_starts(
            part, _MOST_KEPT, _START_ROUNDS, slack=_START_SLACK, tolerance=_START_TOLERANCE
        )
        x, moved = task.x[owner], np.zeros(len(owner), dtype=bool)
        new = x, points - x, task.distance(points, owner), owner, moved
        old = vars(self.all).values()
        self.all = _Perturbations(*(np.concatenate(p) for p in zip(old, new, strict=True)))

    def _to_corners(self, some: IntArray) -> None:
        """Put perturbations into a corner of their ball if that fools."""
        c = self.all
        signs = np.where(c.delta[some] >= 0, np.inf, -np.inf)
        corners = self.lattice.inside(signs, (1 - TOLERANCE) * c.radius[some])
        fooled = self.task.oracle.decide(c.x[some] + corners, c.owner[some])
        which = np.flatnonzero(fooled)
        self._shrink(some, which, corners[which])

    def round(self, number: int, rows: BoolArray) -> None:
        """Move perturbations of the marked rows, once; `number` counts such rounds."""
        if not rows.any():
            return
        self._adopt(rows)
        c = self.all
        rank = rank_within((c.owner,), c.radius)
        due = (number + 1) % 2 ** np.minimum(rank, 30) == 0
        # Besides, one after the other makes its first moves, the nearest first.
        fresh = ~c.moved
        due |= fresh & (rank_within((c.owner,), c.radius, ~fresh) == 0)
        chosen = np.flatnonzero(rows[c.owner] & due)
        self._to_corners(chosen[fresh[chosen]])
        which = np.where(fresh, 0, number)[chosen]
        c.moved[chosen] = True
        for one in np.unique(which).tolist():
            self._move(chosen[which == one], self._moves(one, self.task.x.shape[1]))

    def _move(self, some: IntArray, moves: Moves) -> None:
        c, decide = self.all, self.task.oracle.decide
        radius = (1 - TOLERANCE) * c.radius[some]
        place = c.x[some], c.delta[some], radius, c.owner[some]
        which, found = try_moves(decide, self.lattice, *place, moves)
        self._shrink(some, which, found)

    def _shrink(self, some: IntArray, which: IntArray, found: FloatArray) -> None:
        c, oracle = self.all, self.task.oracle
        c.delta[some], c.radius[some] = shrink(
            oracle.decide,
            self.lattice,
            c.x[some],
            c.delta[some],
            c.radius[some],
            c.owner[some],
            which,
            found,
            TOLERANCE,
            oracle.best_distance[c.owner[some]],
        )

    def _adopt(self, rows: BoolArray) -> None:
        """Go on from the nearest point of a row where it is not the own one."""
        c, oracle = self.all, self.task.oracle
        rank = rank_within((c.owner,), c.radius)
        nearer = oracle.best_distance[c.owner] < (1 - TOLERANCE / 2) * c.radius
        taken = np.flatnonzero((rank == 0) & rows[c.owner] & nearer)
        owner = c.owner[taken]
        c.delta[taken] = oracle.best[owner] - c.x[taken]
        c.radius[taken] = oracle.best_distance[owner]
        c.moved[taken] = True

    def _moves(self, turn: int, d: int) -> Moves:
        """Return the moves of a round: coarse flips, fine ones, and then others in between."""
        rng = self.task.rng(turn)
        n_blocks = min(d, _FIRST_BLOCKS * _FINER ** min(turn, 20))
        n_coarse = max(1, min(n_blocks, d) // 2)
        if turn > 1 and turn % 2 == 0:
            return random_moves(rng, min(max(n_coarse, 8), 64), d)
        order = rng.permutation(d) if self.blocks == "permuted" else np.arange(d)
        # Not all starts lie in corners: every other time, what is inside the ball moves outwards.
        return block_flips(order, n_blocks if turn else n_coarse, outward=turn % 4 == 1)
