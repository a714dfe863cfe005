"""Lipschitz constants from below, and rows that gradients find from above."""

from __future__ import annotations

from functools import partial

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    LipschitzProver,
    bounds_by_workers,
    confirmed_witnesses,
    ends_meet,
    register_constants_prover,
)
from specreg_sklearn.certificates.gradients._row_margins import StagesMargins
from specreg_sklearn.certificates.gradients._witnesses import nearer_witnesses
from specreg_sklearn.space import CONVEX_NORMS, CleanRows


class ConstantsProver:
    """Margins over Lipschitz constants, and the nearest rows that gradients find.

    It is what is left for networks that no other proof reads, such as convolutional ones.

    Parameters
    ----------
    constants : LipschitzProver
        Of the fitted classifier.
    """

    name = "lipschitz"
    norms: tuple[float, ...] = CONVEX_NORMS

    def __init__(self, constants: LipschitzProver) -> None:
        self.constants = constants
        self.estimator, self.model = constants.estimator, constants.model

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
        """Return the lower ends alone, which take no search."""
        return self.constants.bounds(rows, norm=norm).lower

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
        """Return radii as lower bounds; upper ones are those of rows known, and of rows found.

        `max_nodes` changes nothing.
        """
        prove = partial(self._bounds, norm=norm, within=within)
        return bounds_by_workers(prove, rows, known, n_jobs=n_jobs)

    def _bounds(
        self, rows: CleanRows, known: FloatArray | None, *, norm: float, within: float | None
    ) -> DistanceBounds:
        seen = self.model.seen(rows, norm=norm)
        lower = self.model.radii_from(seen, norm=norm)
        predict, labels = self.estimator.predict, seen.predicted
        witness, upper = confirmed_witnesses(predict, rows, labels, known, norm)
        open_ = (lower < upper) & (lower < seen.farthest)
        if within is not None:
            open_ &= (lower <= within) & (upper > within)
        some = np.flatnonzero(open_)
        margins = StagesMargins(self.model.scores.stages, seen.values[some], seen.directions)
        witness[some], upper[some] = nearer_witnesses(
            predict, rows.take(some), labels[some], margins, witness[some], upper[some], norm
        )
        n_nodes = np.zeros(len(rows), dtype=np.int64)
        n_nodes[some] = 1
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), n_nodes)


register_constants_prover(ConstantsProver)
