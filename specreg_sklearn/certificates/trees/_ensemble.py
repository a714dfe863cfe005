"""A fitted ensemble of trees as proofs see it: one form for all libraries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray
from specreg_sklearn.certificates.pipelines import split_pipeline
from specreg_sklearn.certificates.trees._against_predict import (
    compare_rows,
    compare_with_model,
    rounding_of_scores,
)
from specreg_sklearn.certificates.trees._leaf_boxes import LeafBoxes, leaf_boxes
from specreg_sklearn.certificates.trees._pulled_back import before_steps
from specreg_sklearn.certificates.trees.readers import TreeSum, read_trees
from specreg_sklearn.tables import Table, as_table, check_estimator, take_rows

_N_COMPARED = 256


@dataclass(frozen=True, eq=False)
class Duel:
    """The question whether class `other` beats class `own`: a sum over trees against a number.

    Parameters
    ----------
    value : ndarray of shape (n_leaves,), float64
        What each leaf adds.
    target : float
        The sum, without the base, from which on the other class wins.
    tolerance : float
        Sums nearer to the target than this may be on either side, by rounding; 0 where sums are
        exact, and then the target lies between two sums.
    """

    value: FloatArray
    target: float
    tolerance: float


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """The trees of a fitted classifier, as boxes of cells with values.

    Build one with :meth:`from_estimator`.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier.
    trees : TreeSum
        Its trees, and how it makes labels of their sums.
    boxes : LeafBoxes
        Their leaves.
    fixed : ndarray of shape (n_columns,), bool
        Columns of X that must not move: steps in front of the trees make something else of them.
    dtypes : tuple of dtype or None
        The types of the cells of X that thresholds hold for; None if they hold for all.
    reach : ndarray of shape (2, n_columns of X), float64, or None
        From where to where numbers of each column were followed through steps in front of the
        trees; None if there are none.
    same_means : bool
        Whether the means of the trees are those that `predict` compares, to the last bit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from specreg_sklearn.certificates.trees import TreeEnsemble
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> ensemble = TreeEnsemble.from_estimator(model)
    >>> ensemble
    TreeEnsemble(GradientBoostingClassifier, n_trees=30, n_leaves=..., n_columns=4)
    >>> bool(np.allclose(ensemble.scores(X), model.decision_function(X)))
    True
    """

    estimator: Classifier
    trees: TreeSum
    boxes: LeafBoxes
    fixed: BoolArray
    dtypes: tuple[np.dtype, ...] | None = None
    reach: FloatArray | None = None
    same_means: bool = False

    @classmethod
    def from_estimator(cls, estimator: Classifier, X: Any = None) -> TreeEnsemble:
        """Read the trees of a fitted classifier, and compare them with what it predicts.

        Parameters
        ----------
        estimator : estimator
            A fitted tree or ensemble of trees of scikit-learn, XGBoost, LightGBM or CatBoost, or
            another class that :func:`register_tree_reader` was called for; alone, in a search, or
            in a pipeline behind steps that map columns one by one.
        X : array-like, DataFrame or None, default=None
            Rows such as those that distances are wanted for. Needed for pipelines: what a step does
            to a number depends on the type of its cell.

        Returns
        -------
        TreeEnsemble
            Its trees.

        Raises
        ------
        NoCertificateError
            If there is no reader, settings are not covered, or labels or scores of rows at the
            thresholds are not those of the model.
        TypeError
            If a pipeline comes without `X`.
        """
        check_estimator(estimator)
        steps, last = split_pipeline(estimator)
        trees = read_trees(last)
        boxes = leaf_boxes(trees.nodes, trees.n_columns)
        same_means = False
        if trees.categorical is None or not np.any(trees.categorical):
            same_means = compare_with_model(trees, boxes, last.predict, trees.scores)
        elif X is not None and not steps:
            # Codes of categories have no threshold to stand at.
            some = take_rows(X, np.arange(min(as_table(X).n_rows, _N_COMPARED)))
            numbers = trees.encode(some) if trees.encode is not None else _numbers(some)
            compare_rows(trees, numbers, some, last.predict, trees.scores)
        if not steps:
            free = np.zeros(trees.n_columns, dtype=bool)
            return cls(estimator, trees, boxes, free, same_means=same_means)
        if X is None:
            raise TypeError(
                "X is needed for a pipeline: where its steps map a threshold to depends on the "
                "types of the cells."
            )
        table: Table = as_table(X)
        trees, fixed, reach = before_steps(trees, steps, X)
        dtypes = tuple(table.dtype(j) for j in range(table.n_columns))
        boxes = leaf_boxes(trees.nodes, trees.n_columns)
        return cls(estimator, trees, boxes, fixed, dtypes, reach, same_means)

    def __repr__(self) -> str:
        return (
            f"TreeEnsemble({self.trees.name}, n_trees={len(self.trees.nodes.roots)}, "
            f"n_leaves={len(self.boxes.node)}, n_columns={self.trees.n_columns})"
        )

    @property
    def classes(self) -> np.ndarray:
        """The labels, in the order of the scores."""
        return np.asarray(self.trees.classes)

    def numbers(self, X: Any) -> FloatArray:
        """Return rows such as the user's as the trees see them, NaN where missing."""
        if self.trees.encode is not None:
            return self.trees.encode(X)
        return _numbers(X)

    def scores(self, X: Any) -> FloatArray:
        """Return the sums (n_rows, n_outputs) of rows such as the user's."""
        return self.trees.evaluate(self.numbers(X))

    @cached_property
    def rounding(self) -> FloatArray:
        """How far the model's own sums may be from the exact ones, (n_outputs,)."""
        return rounding_of_scores(self.trees)

    @cached_property
    def _leaf_values(self) -> FloatArray:
        return self.trees.nodes.value[self.boxes.node]

    @cached_property
    def _votes(self) -> bool:
        """Whether leaves add whole numbers, so that all sums are exact and ties real."""
        values = self._leaf_values
        whole = bool((values == np.rint(values)).all() and (self.trees.base == 0).all())
        return whole and self.trees.n_outputs > 1 and self.trees.blur == 0

    def duel(self, own: int, other: int) -> Duel:
        """Return what it takes for a class to beat another, both by position in the classes."""
        trees, values = self.trees, self._leaf_values
        if trees.n_outputs == 1:
            sign = 1.0 if other == 1 else -1.0
            tolerance = 2 * float(self.rounding[0]) + trees.blur
            return Duel(sign * values[:, 0], sign * (trees.cut - float(trees.base[0])), tolerance)
        value = values[:, other] - values[:, own]
        if self._votes:
            # In a tie of votes the first class wins.
            return Duel(value, -0.5 if other < own else 0.5, 0.0)
        tolerance = 2 * float(self.rounding[own] + self.rounding[other]) + 2 * trees.blur
        return Duel(value, float(trees.base[own] - trees.base[other]), tolerance)


def _numbers(X: Any) -> FloatArray:
    table: Table = as_table(X)
    return np.asarray(table.numbers(np.arange(table.n_columns)), dtype=np.float64)
