"""Branch and bound on the signs of neurons, best first, for several rows in step."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.relaxations._ascent import Answer, Dual
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.relaxations._roots import Rows, answers, no_signs
from specreg_sklearn.certificates.stages import Stage

# Nodes of a row that are split at a time: the results do not depend on how many are asked for.
_AT_ONCE = 4
# The ball of a node, relative to the radius its parent proved, and the steps in it.
_WIDER = 1.15
_STEPS = 14


@dataclass(order=True)
class _Node:
    """A set of moves: those with some signs, and one rival."""

    radius: float  # no move nearer than this, with these signs, changes the label
    number: int  # of equal ones the older goes first
    rival: int = field(compare=False)
    signs: FloatArray = field(compare=False)
    slopes: FloatArray = field(compare=False)
    multipliers: FloatArray = field(compare=False)
    split: int = field(compare=False)  # the neuron whose sign is set next, -1 for none


class BranchedRow:
    """The open nodes of one row."""

    def __init__(self, radii: FloatArray, answer: Answer, position: int, upper: float) -> None:
        self.upper = upper
        self.n_nodes = 0
        self._number = 0
        self._nodes: list[_Node] = []
        slopes = np.concatenate([part[position] for part in answer.dual.slopes], axis=1)
        for rival, radius in enumerate(radii.tolist()):
            nothing = np.zeros(slopes.shape[1])
            gaps = answer.gaps[position, rival]
            self.add(radius, rival, nothing, slopes[rival], nothing, gaps)

    @property
    def lower(self) -> float:
        """What is proved of the row."""
        return self._nodes[0].radius if self._nodes else self.upper

    @property
    def is_open(self) -> bool:
        """Whether a further node could raise the lower end."""
        return bool(self._nodes) and self.lower < self.upper and self._nodes[0].split >= 0

    def add(
        self,
        radius: float,
        rival: int,
        signs: FloatArray,
        slopes: FloatArray,
        multipliers: FloatArray,
        gaps: FloatArray,
    ) -> None:
        """Keep a node, unless all of its moves are farther away than the upper end."""
        if radius >= self.upper:
            return
        worst = int(gaps.argmax())
        split = worst if gaps[worst] > 0 and not signs[worst] else -1
        node = _Node(radius, self._number, rival, signs, slopes, multipliers, split)
        self._number += 1
        heapq.heappush(self._nodes, node)

    def next_nodes(self, n_most: int) -> list[_Node]:
        """Take out those nodes that hold the lower end down."""
        taken: list[_Node] = []
        while self._nodes and len(taken) < n_most and self._nodes[0].split >= 0:
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
) -> tuple[FloatArray, IntArray]:
    """Return radii and how many nodes were looked at, for rows with relaxed radii.

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
                batch += [(i, node) for node in row.next_nodes(_AT_ONCE)]
        if not batch:
            break
        _split(layers, stages, rows, work, batch)
    lower = np.array([row.lower for row in work])
    return lower, np.array([row.n_nodes for row in work], dtype=np.int64)


def _split(
    layers: MovedLayers,
    stages: tuple[Stage, ...],
    rows: Rows,
    work: list[BranchedRow],
    batch: list[tuple[int, _Node]],
) -> None:
    """Bound both halves of every node, and hand them back to their rows."""
    pairs = [(i, node, sign) for i, node in batch for sign in (1.0, -1.0)]
    signs = np.array([node.signs for _, node, _ in pairs])
    for place, (_, node, sign) in enumerate(pairs):
        signs[place, node.split] = sign
    ends = np.cumsum([len(slope) for slope in layers.slopes])[:-1]
    dual = Dual(
        np.split(np.array([node.slopes for _, node, _ in pairs])[:, None], ends, axis=2),
        np.split(np.array([node.multipliers for _, node, _ in pairs])[:, None], ends, axis=2),
    )
    some = np.array([i for i, _, _ in pairs])
    part = rows.take(some)
    rival = np.array([node.rival for _, node, _ in pairs])
    part = part._replace(rivals=np.take_along_axis(part.rivals, rival[:, None], axis=1))
    parents = np.array([node.radius for _, node, _ in pairs])
    upper = np.array([work[i].upper for i in some])
    ball = np.minimum(_WIDER * parents, upper)
    found = answers(layers, stages, part, ball, np.split(signs, ends, axis=1), dual, _STEPS)
    radius = np.maximum(found.radius[:, 0], parents)
    slopes = np.concatenate(found.dual.slopes, axis=2)[:, 0]
    multipliers = np.concatenate(found.dual.multipliers, axis=2)[:, 0]
    for place, (i, node, _) in enumerate(pairs):
        work[i].n_nodes += 1
        work[i].add(
            float(radius[place]),
            node.rival,
            signs[place],
            slopes[place],
            multipliers[place],
            found.gaps[place, 0],
        )
