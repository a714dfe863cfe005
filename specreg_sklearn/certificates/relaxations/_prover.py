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
    confirmed_witnesses,
    ends_meet,
    register_constants_prover,
)
from specreg_sklearn.certificates.gradients import (
    DenseMargins,
    nearer_witnesses,
)
from specreg_sklearn.certificates.pipelines import SeenRows
from specreg_sklearn.certificates.relaxations._boxed_balls import (
    Room,
    farthest_corners,
    room_of,
)
from specreg_sklearn.certificates.relaxations._branches import branched_radii
from specreg_sklearn.certificates.relaxations._from_l2 import implied_radii, reach_of
from specreg_sklearn.certificates.relaxations._layers import hidden_neurons, moved_layers
from specreg_sklearn.certificates.relaxations._parabolas import parabolas_help
from specreg_sklearn.certificates.relaxations._roots import Rows, has_room, relaxed_radii
from specreg_sklearn.certificates.relaxations._rounding import centres_of
from specreg_sklearn.space import CONVEX_NORMS, L2, NORMS, CleanRows, Norm

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


class RelaxationProver:
    """The largest of the radii by Lipschitz constants, by linear relaxation, and from that in L2.

    Parameters
    ----------
    constants : LipschitzProver
        Of a fitted classifier that is a sequence of dense layers with ReLU, or with a function of
        two slopes like it, between them; steps in front are folded into the first one.

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
        """Return radii as lower bounds; upper ones are those of the known rows.

        A node of the search counts as five of `max_nodes`, or as more in L2 or in a large network.
        In L1 and Linf a relaxation in L2, without such nodes, is asked as well for rows that are
        open.
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
        seen = self.model.seen(rows, norm=norm)
        lower = self.model.radii_from(seen, norm=norm)
        witness, upper = confirmed_witnesses(
            self.estimator.predict, rows, seen.predicted, known, norm
        )
        n_nodes = np.zeros(len(rows), dtype=np.int64)
        far = np.inf if within is None else within
        room = room_of(rows)

        def find(some: IntArray, starts: list[FloatArray] | None) -> None:
            witness[some], upper[some] = nearer_witnesses(
                self.estimator.predict,
                rows.take(some),
                seen.predicted[some],
                self._margins(seen, some, NORMS[norm]),
                witness[some],
                upper[some],
                norm,
                starts,
            )

        def still_open() -> IntArray:
            # Where arithmetic ends, or a known row is as near, there is nothing to search.
            is_open = (lower > 0) & (lower <= far) & has_room(lower, np.asarray(seen.farthest))
            is_open &= has_room(lower, upper)
            return np.flatnonzero(is_open if within is None else is_open & (upper > far))

        if finds:
            find(still_open(), None)
        some = still_open()
        if len(some):
            lower[some], n_nodes[some], lowest = self._raised(
                seen, some, lower[some], upper[some], norm, far, max_nodes, room
            )
            left = np.isin(some, still_open())
            if finds and room is not None and left.any():
                find(some[left], [m for m, open_ in zip(lowest, left, strict=True) if open_])
            some = some[left]
            if norm != 2:
                lower[some] = np.maximum(lower[some], self._by_l2(rows, some, witness, norm))
        # No row of the space is farther away than the farthest corner of its box.
        lower[lower > farthest_corners(room, len(rows), norm)] = np.inf
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), n_nodes)

    def _margins(self, seen: SeenRows, some: IntArray, norm: Norm) -> DenseMargins:
        """Return the margins of some rows, as functions of moves."""
        layers, _ = moved_layers(self.model, seen, self.neurons, norm, boxed=True)
        first, every = self.model.scores.folded[0], seen.values[some]
        centres = [first.forward(row[None], np.zeros((1, row.size)))[0] for row in every]
        centre = np.concatenate([*centres, np.empty((0, len(layers.weights[0])))])
        return DenseMargins(layers.weights, centre, layers.biases, *self.neurons)

    def _by_l2(
        self, rows: CleanRows, some: IntArray, witness: FloatArray, norm: float
    ) -> FloatArray:
        """Return what relaxations in L2 imply for some rows, 0 where these can be no better."""
        nothing = np.zeros(len(some))
        if not len(some):
            return nothing
        rows = rows.take(some)
        seen = self.model.seen(rows, norm=2)
        layers, _ = moved_layers(self.model, seen, self.neurons, L2, boxed=False)
        if not parabolas_help(layers, in_branches=False):
            return nothing
        lower = self.model.radii_from(seen, norm=2)
        known = np.flatnonzero(~np.isnan(witness[some]).any(axis=1))
        upper = np.full(len(some), np.inf)
        upper[known] = rows.distance(witness[some[known]], known, 2)
        is_open = np.flatnonzero((lower > 0) & np.isfinite(lower) & (lower < upper))
        if len(is_open):
            lower[is_open], _, _ = self._raised(
                seen, is_open, lower[is_open], upper[is_open], 2, np.inf, 0, room_of(rows)
            )
        return implied_radii(lower, reach_of(rows), norm)

    def _raised(
        self,
        seen: SeenRows,
        some: IntArray,
        lower: FloatArray,
        upper: FloatArray,
        norm: float,
        within: float,
        max_nodes: int,
        room: Room | None,
    ) -> tuple[FloatArray, IntArray, list[FloatArray]]:
        """Return better radii of some rows, nodes spent, and moves where bounds are smallest."""
        layers, stages = moved_layers(
            self.model, seen, self.neurons, NORMS[norm], boxed=room is not None
        )
        n_nodes = np.zeros(len(some), dtype=np.int64)
        lowest: list[FloatArray] = [np.empty((0, layers.weights[0].shape[1]))] * len(some)
        if layers.cost > _MOST:
            return lower, n_nodes, lowest
        node = _NODE_WITH_PARABOLAS if parabolas_help(layers, in_branches=True) else _NODE
        price = max(node, int(layers.cost / _MULTIPLICATIONS))
        upper = np.minimum(upper, seen.farthest)
        room = None if room is None else room.take(some)
        upper = np.minimum(upper, farthest_corners(room, len(some), norm) * _BEYOND)
        n_neurons = sum(len(slope) for slope in layers.slopes)
        n_scores = len(layers.weights[-1])
        step = int(np.clip(_BLOCK // (64 * n_scores * n_neurons), 1, 64))
        raised = lower.copy()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for begin in range(0, len(some), step):
                part = slice(begin, begin + step)
                values = seen._replace(values=seen.values[some[part]])
                ends = None if room is None else room.take(part)
                inside = Rows.of(centres_of(self.model, values), ends)
                roots = relaxed_radii(layers, stages, inside, lower[part], upper[part])
                # Branches set signs, which curves do not have.
                n_most = max_nodes // price if layers.curves is None else 0
                found, count, lowest[part] = branched_radii(
                    layers, stages, inside, roots, upper[part], within, n_most
                )
                better = np.where(np.isfinite(found), found * _SAFETY, 0.0)
                raised[part] = np.maximum(raised[part], better)
                n_nodes[part] = count * price
        return raised, n_nodes, lowest


register_constants_prover(RelaxationProver)
