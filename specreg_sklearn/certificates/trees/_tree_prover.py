"""Exact distances of trees, in the form of all proofs of distances."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    register_distance_prover,
)
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees._nearest_rows import nearest_rows
from specreg_sklearn.certificates.trees._tree_labels import TreeLabels
from specreg_sklearn.certificates.trees.readers import has_tree_reader
from specreg_sklearn.space import NORMS, CleanRows


class TreeProver:
    """The search of :func:`nearest_rows` for one ensemble."""

    name = "trees"
    takes_gaps = True
    norms: tuple[float, ...] = tuple(NORMS)

    def __init__(self, ensemble: TreeEnsemble) -> None:
        self.ensemble = ensemble

    @cached_property
    def quick_model(self) -> TreeLabels:
        """A classifier with the same labels, which answers sooner about few rows."""
        return TreeLabels(self.ensemble)

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
        """Return bounds and witnesses."""
        return nearest_rows(
            self.ensemble,
            rows,
            norm=norm,
            known=known,
            within=within,
            max_nodes=max_nodes,
            n_jobs=n_jobs,
        )


@register_distance_prover(has_tree_reader)
def prove_trees(estimator: Classifier, X: Any) -> TreeProver:
    """Return the proof of a classifier made of trees, alone or at the end of a pipeline."""
    return TreeProver(TreeEnsemble.from_estimator(estimator, X))
