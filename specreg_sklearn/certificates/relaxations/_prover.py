"""Radii of fully connected networks by linear relaxation, and branch and bound on signs."""

from __future__ import annotations

from functools import partial

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    LipschitzProver,
    bounds_by_workers,
    register_constants_prover,
)
from specreg_sklearn.certificates.gradients import DenseMargins, RowSearch, farthest_corners
from specreg_sklearn.certificates.pipelines import SeenRows
from specreg_sklearn.certificates.relaxations._branches import branched_radii
from specreg_sklearn.certificates.relaxations._from_l2 import implied_radii, reach_of
from specreg_sklearn.certificates.relaxations._layers import (
    MovedLayers,
    hidden_neurons,
    moved_layers,
)
from specreg_sklearn.certificates.relaxations._parabolas import parabolas_help
from specreg_sklearn.certificates.relaxations._roots import Rows, relaxed_radii
from specreg_sklearn.certificates.relaxations._rounding import centres_of
from specreg_sklearn.certificates.stages import Stage
from specreg_sklearn.space import CONVEX_NORMS, NORMS, CleanRows, Norm

# A node costs as much as so many of a search among trees, and as so many multiplications.
_NODE, _MULTIPLICATIONS = 5, 8e5
_NODE_WITH_PARABOLAS = 20
# Networks whose bounds take more multiplications for one row are left to Lipschitz constants.
_MOST = 1e9
# Numbers held at once, of coefficients and of nodes.
_BLOCK = 2**22
_SAFETY = 1 - 1e-9
# A box is proved as a whole where a little more than its farthest corner is.
_BEYOND = 1 + 1e-6
# In networks whose bounds take more multiplications, boxes cost so many times as much as balls, and
# are looked at where that many nodes can be paid for.
_WIDE, _BOXED, _FEW = 6e6, 4, 8


class RelaxationProver:
    """The largest of the radii by Lipschitz constants, by linear relaxation, and from that in L2.

    Parameters
    ----------
    constants : LipschitzProver
        Of a fitted classifier that is a sequence of dense layers with functions of single neurons
        between them that rise: ReLU, others of two slopes, tanh and its kind. Steps in front are
        folded into the first layer.

    Raises
    ------
    NoCertificateError
        If it is none.
    """

    name = "relaxation"
    norms: tuple[float, ...] = CONVEX_NORMS
    # Scores that have an attack at hand spend so little on a row.
    quick_nodes = 50

    def __init__(self, constants: LipschitzProver) -> None:
        self.estimator = constants.estimator
        self.model = constants.model
        self.neurons = hidden_neurons(self.model)

    def bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        known: FloatArray | None = None,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> DistanceBounds:
        """Return radii as lower bounds; upper ones are those of rows that are known, or are found.

        A node of the search counts as five of `max_nodes`, or as more in L2 or in a large network.
        In L1 and Linf a relaxation in L2, without such nodes, is asked as well for rows that are
        open. With more nodes the lower end is never lower; rows are found by gradients, from where
        the nodes end, so that the upper end may be another one.
        """
        prove = partial(self._bounds, norm=norm, within=within, max_nodes=max_nodes)
        return bounds_by_workers(prove, rows, known, n_jobs=n_jobs)

    def lower_bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> FloatArray:
        """Return the lower ends alone, without looking for rows."""
        prove = partial(self._bounds, norm=norm, within=within, max_nodes=max_nodes, finds=False)
        return bounds_by_workers(prove, rows, None, n_jobs=n_jobs).lower

    def _bounds(
        self,
        rows: CleanRows,
        known: FloatArray | None,
        *,
        norm: float,
        within: float | None,
        max_nodes: int,
        finds: bool = True,
    ) -> DistanceBounds:
        search = RowSearch(self.estimator, self.model, rows, norm, known, within)
        margins = partial(self._margins, search.seen, NORMS[norm])
        if finds:
            search.look_for_rows(margins)
        lowest = self._raise(search, max_nodes)
        if finds:
            search.look_for_rows(margins, lowest)
        if norm != 2:
            self._raise_by_l2(search)
        return search.bounds()

    def _margins(self, seen: SeenRows, norm: Norm, some: IntArray) -> DenseMargins:
        """Return the margins of some rows, as functions of moves."""
        layers, _ = moved_layers(self.model, seen, self.neurons, norm, boxed=True)
        first, every = self.model.scores.folded[0], seen.values[some]
        centres = [first.forward(row[None], np.zeros((1, row.size)))[0] for row in every]
        centre = np.concatenate([*centres, np.empty((0, len(layers.weights[0])))])
        return DenseMargins(layers.weights, centre, layers.biases, *self.neurons)

    def _raise(self, search: RowSearch, max_nodes: int) -> list[FloatArray]:
        """Raise what is proved of open rows; return moves where bounds in boxes are smallest.

        Boxes cost many times as much in a wide network, where its whole balls come first.
        """
        boxed = search.room is not None
        layers, _ = self._layers(search, boxed)
        if boxed and layers.cost > _WIDE:
            affordable = _price(layers, boxed) * _FEW <= max_nodes
            if affordable:
                self._raise_open(search, boxed=False, max_nodes=0)
            else:
                boxed = False
        lowest = self._raise_open(search, boxed=boxed, max_nodes=max_nodes)
        nothing = np.empty((0, search.rows.raw.shape[1]))
        return lowest if boxed else [nothing] * len(lowest)

    def _layers(self, search: RowSearch, boxed: bool) -> tuple[MovedLayers, tuple[Stage, ...]]:
        norm = NORMS[search.norm]
        return moved_layers(self.model, search.seen, self.neurons, norm, boxed=boxed)

    def _raise_open(self, search: RowSearch, *, boxed: bool, max_nodes: int) -> list[FloatArray]:
        """Raise what is proved of open rows, with or without their boxes."""
        layers, stages = self._layers(search, boxed)
        nothing = np.empty((0, layers.weights[0].shape[1]))
        lowest = [nothing] * len(search.rows)
        if layers.cost > _MOST:
            return lowest
        price = _price(layers, boxed)
        room = search.room if boxed else None
        n_neurons = sum(len(slope) for slope in layers.slopes)
        n_scores = len(layers.weights[-1])
        step = int(np.clip(_BLOCK // (64 * n_scores * n_neurons), 1, 64))
        every = search.open_rows()
        corner = farthest_corners(search.room, len(search.rows), search.norm) * _BEYOND
        farthest = np.minimum(np.minimum(search.upper, search.seen.farthest), corner)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for begin in range(0, len(every), step):
                some = every[begin : begin + step]
                values = search.seen._replace(values=search.seen.values[some])
                ends = None if room is None else room.take(some)
                inside = Rows.of(centres_of(self.model, values), ends)
                upper = farthest[some]
                roots = relaxed_radii(layers, stages, inside, search.lower[some], upper)
                # Branches set signs, which curves do not have.
                n_most = max_nodes // price if layers.curves is None else 0
                found, count, moves = branched_radii(
                    layers, stages, inside, roots, upper, search.within, n_most
                )
                search.raise_lower(some, np.where(np.isfinite(found), found * _SAFETY, 0.0))
                search.n_nodes[some] += count * price
                for i, move in zip(some.tolist(), moves, strict=True):
                    lowest[i] = move
        return lowest

    def _raise_by_l2(self, search: RowSearch) -> None:
        """Raise what is proved in another norm by what relaxations in L2 imply."""
        some = search.open_rows()
        if not len(some):
            return
        rows, known = search.rows.take(some), search.witness[some]
        other = RowSearch(self.estimator, self.model, rows, 2, known, None)
        layers, _ = self._layers(other, boxed=False)
        if not parabolas_help(layers, in_branches=False):
            return
        self._raise(other, 0)
        search.raise_lower(some, implied_radii(other.lower, reach_of(rows), search.norm))


def _price(layers: MovedLayers, boxed: bool) -> int:
    """Return what a node costs, in those of a search among trees."""
    node = _NODE_WITH_PARABOLAS if parabolas_help(layers, in_branches=True) else _NODE
    times = _BOXED if boxed and layers.cost > _WIDE else 1
    return max(node, int(times * layers.cost / _MULTIPLICATIONS))


register_constants_prover(RelaxationProver)
