"""Short moves to another vote, from cell to cell.

Where given points vote is a polyhedron. The shortest move into it ends where several points are
equally near, so that others may vote there as well, and a shorter move may lead to them.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.neighbours._beating import nearest_of
from specreg_sklearn.certificates.neighbours._cells import Cells
from specreg_sklearn.certificates.neighbours._lost_votes import LostVote, Voters

# So many of the nearest points are moved to.
_STARTS = 5
_MOST_CELLS = 6
# A move gets shorter by more than this share, or it is left.
_SHORTER = 1e-9
# How far beyond the boundary a witness is looked for, relative to its distance.
_INSIDE = 1e-8


class LocalMoves:
    """The shortest move of one row to another vote that is known.

    Parameters
    ----------
    cells : Cells
        Polyhedra of the row.
    voters : Voters
        The points, and the classes they vote for.
    farthest : float
        No move is longer.
    max_nodes : int
        No move is looked for after so many steps.

    Attributes
    ----------
    length : float
        That of the move, or `farthest`.
    """

    def __init__(self, cells: Cells, voters: Voters, farthest: float, max_nodes: int) -> None:
        self.cells, self.voters, self.max_nodes = cells, voters, max_nodes
        self.length = farthest
        self.move: FloatArray | None = None
        self._cell: tuple[IntArray, IntArray, IntArray] | None = None

    def from_points(self) -> None:
        """Begin at the nearest points of other classes."""
        others, label = self.voters.others, self.voters.label
        for q in nearest_of(others, self.cells.power, _STARTS):
            votes = [vote for vote in self.voters.lost_votes if vote.label == label[q]]
            if votes:
                step = self.cells.position - self.cells.position[q]
                self.from_place(np.square(step).sum(axis=1), votes[-1])

    def from_place(self, power: FloatArray, vote: LostVote) -> None:
        """Begin where points are so far away, and go on as long as moves get shorter.

        Parameters
        ----------
        power : ndarray of shape (n_points,)
            Squared distances of the points, but for a number that they share.
        vote : LostVote
            The vote that is to be lost.
        """
        begin, last = np.empty((0, 2), dtype=np.int64), np.inf
        for _ in range(_MOST_CELLS):
            if self.cells.n_steps >= self.max_nodes:
                return
            inside, outside = self._nearest_voters(power, vote)
            cell = self.cells.nearest(inside, outside, begin, np.inf)
            if cell.move is None:
                return
            length = float(self.cells.norm.length(cell.move[None])[0])
            lost = self.voters.losing(cell.power, vote, self.cells.blur(cell.power))
            if length < self.length and lost is not None:
                self.length, self.move = length, cell.move
                self._cell = inside, outside, cell.pairs
            if length >= last * (1 - _SHORTER):
                return
            last, power = length, cell.power

    def inner_move(self) -> FloatArray | None:
        """Return the move, a little beyond the boundary, where labels hang on roundings."""
        if self._cell is None or self.move is None:
            return None
        past = _INSIDE * float(np.linalg.norm(self.move))
        inside, outside, pairs = self._cell
        found = self.cells.nearest(inside, outside, pairs, np.inf, past=past)
        return self.move if found.move is None else found.move

    def _nearest_voters(self, power: FloatArray, vote: LostVote) -> tuple[IntArray, IntArray]:
        """Return who votes and who does not, of those that must: the nearest points do."""
        voters = self.voters
        lost = voters.losing(power, vote, self.cells.blur(power))
        if lost is not None:
            inside = lost[voters.label[lost] != voters.own]
            spared = lost[voters.label[lost] == voters.own]
        else:
            others = voters.others[np.argsort(power[voters.others], kind="stable")]
            wins = voters.label[others] == vote.label
            first = others[wins][: vote.n_label]
            rest = others[~np.isin(others, first)][: vote.n_others - len(first)]
            inside = np.concatenate([first, rest])
            spared = nearest_of(voters.mine, power, vote.n_own)
        outside = voters.but(voters.mine, spared)
        if voters.exact:
            outside = np.concatenate([outside, voters.but(voters.others, inside)])
        return inside, outside
