"""The nearest place where the k nearest points vote otherwise: branch and bound over who votes.

A node says of some points that they vote, and of others that they do not: each of the former is at
least as near as each of the latter, which is a polyhedron, and the shortest move into it a lower
bound. Nodes are opened in the order of their bounds. Where the points of a polyhedron's nearest
place vote otherwise, the bound is the distance; elsewhere either one more point of another class
must vote, or one more of the own class, of those that are too near, must not.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.neighbours._beating import nearest_of
from specreg_sklearn.certificates.neighbours._cells import Cell, Cells
from specreg_sklearn.certificates.neighbours._joint_bounds import joint_bounds
from specreg_sklearn.certificates.neighbours._local_moves import LocalMoves
from specreg_sklearn.certificates.neighbours._lost_votes import LostVote, Voters

# How many points of the own class a bound looks at, beyond those that may vote: at a node, and
# before there is any.
_FEW, _MANY = 12, 64
# Moves are looked for at the nodes of these numbers and at their doubles.
_FIRST_LOOK, _LOOKS = 4, 1.4
_NONE = np.empty(0)


class Found(NamedTuple):
    """What a search found.

    Parameters
    ----------
    lower : float
        No move to another vote is shorter.
    move : ndarray of shape (n_moves,) or None
        The shortest one that it knows.
    """

    lower: float
    move: FloatArray | None


class _Node(NamedTuple):
    """Who votes, who does not, and the nearest place where that may be so.

    `candidates` are those that may still join the ones inside; `spared` points of the own class may
    vote or not.
    """

    vote: LostVote
    inside: IntArray
    candidates: IntArray
    outside: IntArray
    spared: IntArray
    cell: Cell


class _Branch(NamedTuple):
    """Children of a node in the order of their bounds: one for each of some places among points.

    A point that joins those inside is the last one of them in this order, so that only earlier ones
    may follow. A point that joins those outside is the first one from the end that does, so that
    later ones are spared.
    """

    node: _Node
    bounds: FloatArray
    places: IntArray
    points: IntArray
    joins: bool


class VoteSearch:
    """A search for one row.

    Parameters
    ----------
    cells : Cells
        Polyhedra of the row.
    voters : Voters
        The points, and the classes they vote for.
    farthest : float
        Nothing is looked for beyond this distance.
    max_nodes : int
        How many steps the search may take.
    """

    def __init__(self, cells: Cells, voters: Voters, farthest: float, max_nodes: int) -> None:
        self.cells, self.voters, self.max_nodes = cells, voters, max_nodes
        self.moves = LocalMoves(cells, voters, farthest, max_nodes)
        # The least bound of nodes that are not opened any further.
        self.settled = np.inf
        self.heap: list[tuple[float, int, _Node | _Branch, int]] = []
        self.number, self.n_visited, self.look = count(), 0, _FIRST_LOOK

    def run(self) -> Found:
        """Open nodes until the least bound is that of a known move, or the budget is used up."""
        home, none = self.cells.everywhere(), np.empty(0, dtype=np.int64)
        for vote in self.voters.lost_votes:
            self._open(_Node(vote, none, self.voters.others, none, none, home))
        self.moves.from_points()
        lower = np.inf
        while self.heap:
            bound, _, item, k = heappop(self.heap)
            if bound >= self.moves.length or self.cells.n_nodes >= self.max_nodes:
                lower = bound
                break
            if isinstance(item, _Node):
                self._open(item)
                continue
            if k + 1 < len(item.bounds):
                self._push(float(item.bounds[k + 1]), item, k + 1)
            self._visit(item, k)
        return Found(min(lower, self.settled, self.moves.length), self.moves.inner_move())

    def _push(self, bound: float, item: _Node | _Branch, k: int = 0) -> None:
        heappush(self.heap, (bound, next(self.number), item, k))

    def _visit(self, branch: _Branch, k: int) -> None:
        """Find the nearest place of a child."""
        place = int(branch.places[k])
        child = self._joined(branch, place) if branch.joins else self._left_out(branch, place)
        begin, enough = branch.node.cell.pairs, self.moves.length
        cell = self.cells.nearest(child.inside, child.outside, begin, enough)
        bound = max(cell.lower, float(branch.bounds[k]))
        self.n_visited += 1
        if bound >= self.moves.length:
            return
        if cell.move is None:
            self.settled = min(self.settled, bound)
            return
        child = child._replace(cell=cell._replace(lower=bound))
        if self.n_visited == self.look:
            self.look = int(self.look * _LOOKS) + 1
            self.moves.from_place(cell.power, child.vote)
        if self.heap and bound > self.heap[0][0]:
            self._push(bound, child)
        else:
            self._open(child)

    def _joined(self, branch: _Branch, place: int) -> _Node:
        node = branch.node
        inside = np.append(node.inside, branch.points[place])
        outside = node.outside
        if self.voters.exact and len(inside) == node.vote.n_others:
            # Whoever is not of the own class and votes is known.
            rest = self.voters.but(self.voters.others, inside)
            outside = np.concatenate([outside[self.voters.label[outside] == self.voters.own], rest])
        return node._replace(inside=inside, candidates=branch.points[:place], outside=outside)

    def _left_out(self, branch: _Branch, place: int) -> _Node:
        node = branch.node
        spared = np.concatenate([node.spared, branch.points[place + 1 :]])
        outside = np.append(node.outside, branch.points[place])
        if len(spared) == node.vote.n_own:
            rest = outside[self.voters.label[outside] != self.voters.own]
            outside = np.concatenate([rest, self.voters.but(self.voters.mine, spared)])
        return node._replace(outside=outside, spared=spared)

    def _open(self, node: _Node) -> None:
        """Split a node in the way that leaves the larger bound, or settle it."""
        cell, vote = node.cell, node.vote
        lost = self.voters.losing(cell.power, vote, self.cells.blur(cell.power))
        if len(node.inside) and lost is not None:
            self.settled = min(self.settled, cell.lower)
            self.moves.from_place(cell.power, vote)
            return
        # What waits needs them no longer.
        slim = node._replace(cell=cell._replace(power=_NONE))
        n_left = vote.n_own - len(node.spared)
        free = self.voters.but(self.voters.mine, np.concatenate([node.outside, node.spared]))
        n_near = n_left + (_FEW if len(node.inside) else _MANY)
        free = nearest_of(free, cell.power, n_near)
        ways = [self._leave_out(node, free, n_left), self._join(node, free, n_left)]
        known = [way for way in ways if way is not None]
        if not known:
            self.settled = min(self.settled, cell.lower)
            return
        branch = max(known, key=lambda way: way.bounds[0] if len(way.bounds) else np.inf)
        if len(branch.bounds):
            self._push(float(branch.bounds[0]), branch._replace(node=slim), 0)

    def _leave_out(self, node: _Node, free: IntArray, n_left: int) -> _Branch | None:
        """Split by who of the own class does not vote, if too many are too near."""
        if not len(node.inside):
            return None
        power = node.cell.power
        highest = power[node.inside].max()
        near = free[power[free] < highest - self.cells.blur(power)[free]]
        if len(near) <= n_left:
            return None
        bounds = joint_bounds(self.cells, node.cell, node.inside, near).max(axis=0)
        # Of so many, one at least does not vote.
        order = np.argsort(-bounds, kind="stable")[: n_left + 1][::-1]
        places = np.arange(len(order))
        return _Branch(node, bounds[order], places, near[order], joins=False)

    def _join(self, node: _Node, free: IntArray, n_left: int) -> _Branch | None:
        """Split by who else votes."""
        n_more = node.vote.n_others - len(node.inside)
        if not n_more:
            return None
        some, cell = node.candidates, node.cell
        bounds = np.full(len(some), cell.lower)
        if len(free) > n_left:
            # Whoever votes is nearer than all of these but so many.
            each = joint_bounds(self.cells, cell, some, free)
            place = len(free) - 1 - n_left
            bounds = np.partition(each, place, axis=1)[:, place]
        if len(node.outside):
            near = nearest_of(node.outside, cell.power, _FEW)
            each = joint_bounds(self.cells, cell, some, near)
            bounds = np.maximum(bounds, each.max(axis=1))
        kept = np.flatnonzero(bounds < self.moves.length)
        kept = kept[np.argsort(bounds[kept], kind="stable")]
        some, bounds = some[kept], bounds[kept]
        # The last one to join has enough before it, of all classes and of that which wins.
        wins = self.voters.label[some] == node.vote.label
        before, wins_before = np.arange(len(some)), np.cumsum(wins) - wins
        missing = node.vote.n_label
        missing -= int((self.voters.label[node.inside] == node.vote.label).sum())
        possible = (before >= n_more - 1) & (missing - wins <= np.minimum(wins_before, n_more - 1))
        places = np.flatnonzero(possible)
        return _Branch(node, bounds[places], places, some, joins=True)
