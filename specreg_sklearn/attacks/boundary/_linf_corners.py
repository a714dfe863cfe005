"""RayS: rounds of block flips that look for the corner of the smallest ball which fools.

Several perturbations of a row are followed at first, since the corner that is reached from the
nearest start need not be the nearest one. The nearest of a row moves in every round, the next one
in every second, the third in every fourth: so a short search goes deep and a long one wide, and a
short one is how a long one begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.boundary._choose_starts import choose_starts
from specreg_sklearn.attacks.boundary._linf_lattice import Lattice
from specreg_sklearn.attacks.boundary._linf_moves import Moves, block_flips, random_moves, try_moves
from specreg_sklearn.attacks.boundary._linf_shrink import shrink
from specreg_sklearn.attacks.questions import SearchTask, rank_within

# Smallest progress that counts, as a share of the radius.
TOLERANCE = 1e-3
# Starts are compared after so many halvings; one that is then much farther out is dropped.
_START_ROUNDS, _START_SLACK, _START_TOLERANCE = 6, 3.0, 0.01
_MOST_KEPT = 8
# The blocks of the first round, and how fast they get finer where there are many columns.
_FIRST_BLOCKS, _FINER = 64, 2
_CORNER_GROUP = -1


@dataclass
class _Perturbations:
    """Perturbations that are made smaller, several for each row; `turn` counts their rounds."""

    x: FloatArray
    delta: FloatArray
    radius: FloatArray
    owner: IntArray
    turn: IntArray


class CornerSearch:
    """The perturbations of all rows, and their rounds of moves."""

    def __init__(
        self,
        task: SearchTask,
        lattice: Lattice,
        blocks: Literal["permuted", "contiguous"],
        *,
        corner: bool,
    ) -> None:
        self.task, self.lattice, self.blocks = task, lattice, blocks
        if corner:
            self._add_corner()
        points, owner, _ = choose_starts(
            task, _MOST_KEPT, _START_ROUNDS, slack=_START_SLACK, tolerance=_START_TOLERANCE
        )
        x = task.x[owner]
        delta = points - x
        radius = task.distance(points, owner)
        corners = np.where(delta >= 0, 1.0, -1.0)
        corners = lattice.inside(corners * np.inf, (1 - TOLERANCE) * radius)
        which = np.flatnonzero(task.oracle.decide(x + corners, owner))
        turn = np.zeros(len(owner), dtype=np.int64)
        self.all = _Perturbations(x, delta, radius, owner, turn)
        self._shrink(np.arange(len(owner)), which, corners[which])

    def _add_corner(self) -> None:
        """Let the corner where all coordinates are at their upper ends be one more start."""
        task = self.task
        rows = task.active()
        corner = task.clip(task.hi[rows], rows)
        fooled = task.oracle.decide(corner, rows)
        task.starts = np.concatenate([task.starts, corner[fooled]])
        task.owner = np.concatenate([task.owner, rows[fooled]])
        task.group = np.concatenate([task.group, np.full(fooled.sum(), _CORNER_GROUP)])

    def round(self, t: int, rows: BoolArray) -> None:
        """Move perturbations of the marked rows, once; `t` counts the rounds."""
        self._adopt(rows)
        rank = rank_within((self.all.owner,), self.all.radius)
        due = (t + 1) % 2.0 ** np.minimum(rank, 30) == 0
        chosen = np.flatnonzero(rows[self.all.owner] & due)
        d = self.task.x.shape[1]
        for turn in np.unique(self.all.turn[chosen]).tolist():
            some = chosen[self.all.turn[chosen] == turn]
            self._move(some, self._moves(turn, d))
        self.all.turn[chosen] += 1

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
        # Coarse moves come first again, but not the very first ones.
        c.turn[taken] = np.maximum(c.turn[taken], 1)

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
