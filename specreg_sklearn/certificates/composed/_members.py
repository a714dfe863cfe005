"""Fitted members as the rows of a space see them, behind the steps that come first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.composed._ranges import MemberRanges, member_ranges
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import cell_rounding

Rule: TypeAlias = Callable[[FloatArray], BoolArray]
"""From distances (n_rows,) to the labels (n_rows, n_classes) that are possible."""


class Members:
    """What members of a classifier may answer.

    Parameters
    ----------
    steps : list of tuple (str, transformer)
        Fitted steps in front of the classifier, and what refusals call them.
    rows : CleanRows
        Rows, bound to their space.
    norm : float
        The norm of moves.
    max_nodes : int
        How much is searched for a row and a member at most.
    name : str, default="member"
        What refusals call the members.

    Attributes
    ----------
    blur : float
        Room for the roundings of links and of short sums, relative to numbers around 1.
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        rows: CleanRows,
        norm: float,
        max_nodes: int,
        name: str = "member",
    ) -> None:
        self.steps, self.rows, self.norm, self.max_nodes = steps, rows, norm, max_nodes
        self.name = name
        held = cell_rounding(rows.table, np.arange(rows.table.n_columns))
        self.blur = max(1e-12, 64 * held.coarsest)

    def __call__(
        self, estimator: Classifier, *, columns: IntArray | None = None, n_columns: int = 0
    ) -> MemberRanges:
        """Return what a fitted member may answer, given some of `n_columns` columns, or all."""
        named = list(self.steps)
        if columns is not None:
            step = Columns(columns)
            step.n_features_in_ = n_columns
            named.append(("columns", step))
        whole = Pipeline([*named, (self.name, estimator)]) if named else estimator
        return member_ranges(whole, self.rows, self.norm, self.max_nodes, self.blur)


class Columns(TransformerMixin, BaseEstimator):
    """Some columns of an array, as a fitted step of a pipeline.

    Parameters
    ----------
    columns : ndarray of int
        Which ones, in order.
    """

    n_features_in_: int

    def __init__(self, columns: IntArray) -> None:
        self.columns = columns

    def transform(self, X: Any) -> np.ndarray:
        """Return the columns."""
        return np.asarray(X)[:, self.columns]

    def __certified_stages__(self, role: str) -> list[Any]:
        from specreg_sklearn.certificates.stages import Affine

        return [Affine(np.eye(self.n_features_in_)[self.columns])]
