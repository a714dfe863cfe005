"""Naive Bayes on flags and categories: one small tree for each column, and constant classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import LEAF, Nodes, TreeSum
from specreg_sklearn.tables import Table, as_table

# Scores are products and differences of what the leaves hold, which round a few times more.
_UNIT = 2.0**-51


def _steps_of_column(column: int, cuts: FloatArray, value: FloatArray) -> Nodes:
    """Return a tree that tests one column against rising cuts, with a leaf between any two.

    `value`, of shape (n_cuts + 1, n_outputs), is what the leaves hold.
    """
    n = len(cuts)
    # Test, leaf, test, leaf, ..., and the last leaf.
    inner = np.arange(2 * n + 1) % 2 == 0
    inner[-1] = False
    place = np.arange(2 * n + 1)
    held = np.zeros((2 * n + 1, value.shape[1]))
    held[np.append(np.arange(1, 2 * n, 2), 2 * n)] = value
    threshold = np.zeros(2 * n + 1)
    threshold[inner] = cuts
    return Nodes(
        column=np.where(inner, column, LEAF),
        threshold=threshold,
        left=np.where(inner, place + 1, LEAF),
        right=np.where(inner, place + 2, LEAF),
        missing_left=np.zeros(2 * n + 1, dtype=bool),
        value=held,
        category_set=np.full(2 * n + 1, -1),
    )


@register_tree_reader(BernoulliNB)
def _bernoulli(estimator: BernoulliNB) -> TreeSum:
    cut = estimator.binarize
    if cut is None:
        raise NoCertificateError(
            "BernoulliNB(binarize=None) is no ensemble of trees: it is linear in X."
        )
    with_flag = np.asarray(estimator.feature_log_prob_, dtype=np.float64)
    without = np.log(1 - np.exp(with_flag))
    cuts = np.array([float(cut)])
    trees = [
        _steps_of_column(j, cuts, np.stack([without[:, j], with_flag[:, j]]))
        for j in range(with_flag.shape[1])
    ]
    return TreeSum(
        name="BernoulliNB",
        nodes=Nodes.joined(trees),
        base=np.asarray(estimator.class_log_prior_, dtype=np.float64),
        classes=estimator.classes_,
        n_columns=with_flag.shape[1],
        unit=_UNIT,
        encode=_numbers_if_exact(float(cut)),
        scores=estimator.predict_joint_log_proba,
    )


def _numbers_if_exact(cut: float) -> Callable[[Any], FloatArray]:
    """Return how rows become numbers, unless the cut is another number in their type."""

    def numbers(X: Any) -> FloatArray:
        table: Table = as_table(X)
        every = np.arange(table.n_columns)
        for j in every.tolist():
            dtype = table.dtype(j)
            if dtype.kind == "f" and float(np.array(cut, dtype=dtype)) != cut:
                raise NoCertificateError(
                    f"BernoulliNB(binarize={cut!r}) has no certificate for {dtype} cells: it "
                    "rounds the number to their type first. Give X in float64."
                )
        return np.asarray(table.numbers(every), dtype=np.float64)

    return numbers


@register_tree_reader(CategoricalNB)
def _categorical(estimator: CategoricalNB) -> TreeSum:
    trees = []
    for j, held in enumerate(estimator.feature_log_prob_):
        # A cell is cut off to a whole number: category k ends before k + 1.
        cuts = np.nextafter(np.arange(1.0, held.shape[1]), -np.inf)
        trees.append(_steps_of_column(j, cuts, np.asarray(held.T, dtype=np.float64)))
    return TreeSum(
        name="CategoricalNB",
        nodes=Nodes.joined(trees),
        base=np.asarray(estimator.class_log_prior_, dtype=np.float64),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        unit=_UNIT,
        scores=estimator.predict_joint_log_proba,
    )


@register_tree_reader(DummyClassifier)
def _constant(estimator: DummyClassifier) -> TreeSum:
    if estimator._strategy not in ("most_frequent", "prior", "constant"):
        raise NoCertificateError(
            f"DummyClassifier(strategy={estimator.strategy!r}) has no certificate: its labels are "
            "drawn at random."
        )
    if estimator.n_outputs_ != 1:
        raise NoCertificateError(
            "DummyClassifier has no certificate: it was fitted on several outputs per row."
        )
    n_columns = estimator.n_features_in_
    label = np.ravel(estimator.predict(np.zeros((1, n_columns))))[0]
    value = (np.asarray(estimator.classes_) == label).astype(np.float64)
    return TreeSum(
        name="DummyClassifier",
        nodes=_steps_of_column(0, np.zeros(0), value[None]),
        base=np.zeros(len(value)),
        classes=np.asarray(estimator.classes_),
        n_columns=n_columns,
    )
