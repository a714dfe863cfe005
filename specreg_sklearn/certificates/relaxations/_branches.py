"""Branch and bound on the signs of neurons, best first, for several rows in step."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.relaxations._ascent import Answer, Dual
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.relaxations._parabolas import parabolas_help
from specreg_sklearn.certificates.relaxations._roots import Rows, answers
from specreg_sklearn.certificates.stages import Stage

# Nodes of a row that are split at a time: the results do not depend on how many are asked for.
_AT_ONCE = 4
# The ball of a node, relative to the radius its parent proved, and the steps in it.
_WIDER = 1.15
_STEPS = 14
# The same for a node that is asked again because its ball was too small, and how often one is whose
# signs are all set; each time with smaller steps.
_MUCH_WIDER = 1.4
_AGAIN = 24
# A node is proved as far as the upper end, but for the roundings of its radius.
_ALL = 1 - 2.0**-35
# Moves that are handed back for a row.
_MOVES = 4


@dataclass(order=True)
class _Node:
    """A set of moves: those with some signs, and one rival."""

    radius: float  # no move nearer than this, with these signs, changes the label
    number: int  # of equal ones the older goes first
    rival: int = field(compare=False)
    signs: FloatArray = field(compare=False)
    slopes: FloatArray = field(compare=False)
    multipliers: FloatArray = field(compare=False)
    move: FloatArray = field(compare=False)  # where its bound is smallest
    split: int = field(compare=False)  # the neuron whose sign is set next, -1 for none
    whole: bool = field(compare=False)  # whether the proof reaches as far as its ball did
    turns: int = field(compare=False)  # how often it was asked with no neuron left to split

    @property
    def is_open(self) -> bool:
        """Whether there is a way to prove more of it."""
        return self.whole or self.split >= 0 or self.turns < _AGAIN


class BranchedRow:
    """The open nodes of one row."""

    def __init__(self, radii: FloatArray, answer: Answer, position: int, upper: float) -> None:
        self.upper = upper
        self.n_nodes = 0
        self._number = 0
        self._nodes: list[_Node] = []
        self._n_moves = answer.move.shape[2]
        slopes = np.concatenate([part[position] for part in answer.dual.slopes], axis=1)
        for rival, radius in enumerate(radii.tolist()):
            nothing = np.zeros(slopes.shape[1])
            gaps = answer.gaps[position, rival]
            move = answer.move[position, rival]
            root = _Node(radius, 0, rival, nothing, slopes[rival], nothing, move, -1, False, 0)
            self.add(root, gaps)

    @property
    def lower(self) -> float:
        """What is proved of the row."""
        return self._nodes[0].radius if self._nodes else self.upper

    def lowest_moves(self, n_most: int) -> FloatArray:
        """Return where the bounds of the nodes that hold the lower end down are smallest."""
        moves = [node.move for node in heapq.nsmallest(n_most, self._nodes)]
        return np.array(moves).reshape(len(moves), self._n_moves)

    @property
    def is_open(self) -> bool:
        """Whether a further node could raise the lower end."""
        return bool(self._nodes) and self._nodes[0].is_open

    def add(self, node: _Node, gaps: FloatArray) -> None:
        """Keep a node, unless all of its moves are farther away than the upper end."""
        if node.radius >= self.upper * _ALL:
            return
        worst = int(gaps.argmax())
        node.split = worst if gaps[worst] > 0 and not node.signs[worst] else -1
        node.number = self._number
        self._number += 1
        heapq.heappush(self._nodes, node)

    def next_nodes(self) -> list[_Node]:
        """Take out those nodes that hold the lower end down."""
        taken: list[_Node] = []
        while self._nodes and len(taken) < _AT_ONCE and self._nodes[0].is_open:
            taken.append(heapq.heappop(self._nodes))
        return taken


def branched_radii(
    layers: MovedLayers,
    stages: tuple[Stage, ...],
    rows: Rows,
    roots: tuple[FloatArray, Answer],
    upper: FloatArray,
    within: float,
    n_most: int,
) -> tuple[FloatArray, IntArray, list[FloatArray]]:
    """Return radii, how many nodes were looked at, and moves where bounds are smallest.

    Parameters
    ----------
    layers, stages, rows
        As for :func:`relaxed_radii`.
    roots : tuple
        What that returned.
    upper : ndarray of shape (n_rows,)
        Distances to known rows with another label.
    within : float
        A row is left once its radius is larger.
    n_most : int
        Nodes of a row, at most.
    """
    radii, answer = roots
    work = [BranchedRow(radii[i], answer, i, float(upper[i])) for i in range(len(radii))]
    while True:
        batch: list[tuple[int, _Node]] = []
        for i, row in enumerate(work):
            if row.is_open and row.lower <= within and row.n_nodes + 2 * _AT_ONCE <= n_most:
                batch += [(i, node) for node in row.next_nodes()]
        if not batch:
            break
        _split(layers, stages, rows, work, batch)
    lower = np.array([row.lower for row in work])
    moves = [row.lowest_moves(_MOVES) for row in work]
    return lower, np.array([row.n_nodes for row in work], dtype=np.int64), moves


def _split(
    layers: MovedLayers,
    stages: tuple[Stage, ...],
    rows: Rows,
    work: list[BranchedRow],
    batch: list[tuple[int, _Node]],
) -> None:
    """Bound both halves of every node, or itself again, and hand them back to their rows."""
    parts = [(i, part) for i, node in batch for part in _parts(node)]
    nodes = [node for _, node in parts]
    ends = np.cumsum([len(slope) for slope in layers.slopes])[:-1]
    signs = np.array([node.signs for node in nodes])
    dual = Dual(
        np.split(np.array([node.slopes for node in nodes])[:, None], ends, axis=2),
        np.split(np.array([node.multipliers for node in nodes])[:, None], ends, axis=2),
    )
    some = np.array([i for i, _ in parts])
    asked = rows.take(some)
    rival = np.array([node.rival for node in nodes])
    asked = asked._replace(rivals=np.take_along_axis(asked.rivals, rival[:, None], axis=1))
    before = np.array([node.radius for node in nodes])
    wider = np.where([node.whole for node in nodes], _MUCH_WIDER, _WIDER)
    ball = np.minimum(wider * before, [work[i].upper for i in some])
    pace = 0.75 ** np.array([node.turns for node in nodes])
    signs_of_layers = np.split(signs, ends, axis=1)
    curved = parabolas_help(layers, in_branches=True)
    found = answers(
        layers, stages, asked, ball, signs_of_layers, dual, _STEPS, pace, parabolas=curved
    )
    slopes = np.concatenate(found.dual.slopes, axis=2)[:, 0]
    multipliers = np.concatenate(found.dual.multipliers, axis=2)[:, 0]
    for place, (i, node) in enumerate(parts):
        work[i].n_nodes += 1
        radius = float(found.radius[place, 0])
        node.radius = max(radius, node.radius)
        node.whole = radius >= ball[place] * (1 - 2.0**-30)
        node.slopes, node.multipliers = slopes[place], multipliers[place]
        node.move = found.move[place, 0]
        work[i].add(node, found.gaps[place, 0])


def _parts(node: _Node) -> list[_Node]:
    """Return the nodes that stand for one: its halves, or itself in a larger ball."""
    if node.whole:
        return [node]
    if node.split < 0:
        return [replace(node, turns=node.turns + 1)]
    halves = []
    for sign in (1.0, -1.0):
        signs = node.signs.copy()
        signs[node.split] = sign
        halves.append(replace(node, signs=signs))
    return halves
