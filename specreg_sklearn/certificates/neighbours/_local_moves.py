"""Short moves to another vote, from cell to cell.

Where given points vote is a polyhedron. The shortest move into it ends where several points are
equally near, so that others may vote there as well, and a shorter move may lead to them.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.neighbours._beating import nearest_of
from specreg_sklearn.certificates.neighbours._cells import Cell, Cells
from specreg_sklearn.certificates.neighbours._lost_votes import LostVote, Voters

# So many of the nearest points are moved to.
_STARTS = 5
_MOST_CELLS = 6
# How many points that hold a move back are exchanged.
_EXCHANGED = 8
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
        self._held: tuple[IntArray, IntArray, Cell] | None = None

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
        begin, last, best = np.empty((0, 2), dtype=np.int64), np.inf, self.length
        for _ in range(_MOST_CELLS):
            if self.cells.n_nodes >= self.max_nodes:
                return
            inside, outside = self._nearest_voters(power, vote)
            cell = self._enter(inside, outside, begin, np.inf, vote)
            if cell is None or cell.lower >= last * (1 - _SHORTER):
                break
            last, power = cell.lower, cell.power
        while self.length < best:
            best = self.length
            self._exchange(vote)

    def _enter(
        self, inside: IntArray, outside: IntArray, begin: IntArray, enough: float, vote: LostVote
    ) -> Cell | None:
        """Move to where given points vote, and keep the move if it is the shortest."""
        cell = self.cells.nearest(inside, outside, begin, enough)
        if cell.move is None:
            return None
        length = float(self.cells.norm.length(cell.move[None])[0])
        if length < self.length:
            lost = self.voters.losing(cell.power, vote, self.cells.blur(cell.power))
            if lost is not None:
                self.length, self.move = length, cell.move
                self._held = inside, outside, cell
        return cell

    def _exchange(self, vote: LostVote) -> None:
        """Let others vote for those that hold the shortest move back, one at a time."""
        if self._held is None:
            return
        cell, before = self._held[2], self.length
        of_points = cell.pairs[:, 0] >= 0
        pairs = cell.pairs[of_points]
        price = np.zeros(len(self.voters.label))
        np.add.at(price, pairs.ravel(), np.repeat(cell.weights[of_points], 2))
        for held in nearest_of(np.unique(pairs), -price, _EXCHANGED).tolist():
            voting = self._without(held, vote)
            if voting is None:
                continue
            if self.cells.n_nodes >= self.max_nodes:
                return
            begin = cell.pairs[~(of_points & (cell.pairs == held).any(axis=1))]
            self._enter(*voting, begin, self.length, vote)
            if self.length < before:
                return

    def _without(self, held: int, vote: LostVote) -> tuple[IntArray, IntArray] | None:
        """Return who votes and who does not if one point changes sides, None if none can."""
        inside, outside, cell = cast(tuple[IntArray, IntArray, Cell], self._held)
        voters, power = self.voters, cell.power
        if voters.label[held] == voters.own:
            spared = voters.but(voters.mine, outside)
            farthest = spared[np.argsort(-power[spared], kind="stable")[:1]]
            out = np.append(outside[outside != held], farthest)
            return (inside, out) if len(farthest) else None
        if held not in inside:
            return None
        rest = voters.but(voters.others, inside)
        if voters.label[held] == vote.label:
            rest = rest[voters.label[rest] == vote.label]
        nearest = nearest_of(rest, power, 1)
        out = outside[~np.isin(outside, nearest)]
        out = np.append(out, held) if voters.exact else out
        return (np.append(inside[inside != held], nearest), out) if len(nearest) else None

    def inner_move(self) -> FloatArray | None:
        """Return the move, a little beyond the boundary, where labels hang on roundings."""
        if self._held is None or self.move is None:
            return None
        past = _INSIDE * float(np.linalg.norm(self.move))
        inside, outside, cell = self._held
        found = self.cells.nearest(inside, outside, cell.pairs, np.inf, past=past)
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
