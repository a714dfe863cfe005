"""Lipschitz constants from below, and rows that gradients find from above."""

from __future__ import annotations

from functools import partial

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    LipschitzProver,
    bounds_by_workers,
    register_constants_prover,
)
from specreg_sklearn.certificates.gradients._row_margins import StagesMargins
from specreg_sklearn.certificates.gradients._row_search import RowSearch
from specreg_sklearn.certificates.pipelines import SeenRows
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
        search = RowSearch(self.estimator, self.model, rows, norm, known, within)
        search.look_for_rows(partial(self._margins, search.seen))
        return search.bounds()

    def _margins(self, seen: SeenRows, some: IntArray) -> StagesMargins:
        """Return the margins of some rows, as functions of moves."""
        return StagesMargins(self.model.scores.stages, seen.values[some], seen.directions)


register_constants_prover(ConstantsProver)
