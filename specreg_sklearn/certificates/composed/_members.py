"""Fitted members as the rows of a space see them, behind the steps that come first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, NuSVC

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.composed._ranges import (
    ConstantMember,
    MachineMember,
    MemberRanges,
    ProvedMember,
    Range,
    ScoredMember,
)
from specreg_sklearn.certificates.composed._tree_member import TreeMember
from specreg_sklearn.certificates.moves import model_rows
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    ScoreRanges,
    split_pipeline,
)
from specreg_sklearn.certificates.quadratic import quadratic_scores
from specreg_sklearn.certificates.trees import has_tree_reader
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import cell_rounding

# Shares of these are sigmoids or softmaxes of their scores.
_SOFTMAX = (LogisticRegression, LogisticRegressionCV, LinearDiscriminantAnalysis, MLPClassifier)

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


def member_ranges(
    estimator: Classifier, rows: CleanRows, norm: float, max_nodes: int, blur: float
) -> MemberRanges:
    """Return what a fitted member may answer, by its scores, or by its distances.

    Raises
    ------
    NoCertificateError
        If neither is known.
    """
    last = split_pipeline(estimator)[1]
    if type(last).__name__ == "_ConstantPredictor":
        return ConstantMember(last, rows.table.n_columns)
    if type(last) in (GaussianNB, QuadraticDiscriminantAnalysis):
        quadratic = quadratic_scores(last)
        inputs = model_rows(estimator, rows, norm, last.n_features_in_)

        def difference(j: int, k: int | None, radius: FloatArray) -> Range:
            if k is None:
                raise NoCertificateError(f"{type(last).__name__} has no certificate by one score.")
            return quadratic.difference(inputs, j, k, radius)

        return ScoredMember(last.classes_, difference, softmax=True, blur=blur)
    if type(last) in (SVC, NuSVC) and len(last.classes_) == 2:
        return MachineMember(estimator, rows, norm, max_nodes, blur)
    try:
        scores = ScoreRanges(estimator, rows, norm)
    except NoCertificateError as error:
        kind = TreeMember if has_tree_reader(last) else ProvedMember
        try:
            return kind(estimator, rows, norm, max_nodes, blur)
        except NoCertificateError as other:
            raise NoCertificateError(f"{error}\n{other}") from other
    softmax = type(last) in _SOFTMAX and not _normalised(last, len(scores.classes))
    return ScoredMember(scores.classes, scores.difference, softmax=softmax, blur=blur)


def _normalised(last: object, n_classes: int) -> bool:
    """Return whether shares are sigmoids of single scores, divided by their sum."""
    if getattr(last, "multi_class", None) == "multinomial":
        return n_classes == 2  # a softmax of the score and its negative
    one_by_one = getattr(last, "solver", None) == "liblinear"
    return n_classes > 2 and (one_by_one or getattr(last, "multi_class", None) == "ovr")
