"""Trees of scikit-learn's tree module: alone, in forests, in boosting and in bagging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees.readers._float_tests import at_most_after_rounding
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import Nodes, TreeSum

if TYPE_CHECKING:
    from sklearn.tree._tree import Tree

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)


def _nodes(tree: Tree, value: FloatArray, columns: IntArray | None = None) -> Nodes:
    """Return the nodes of a fitted ``tree_``; `columns` says which column each of its own is."""
    inner = tree.children_left >= 0
    column = np.where(inner, tree.feature, 0)
    column = column if columns is None else np.asarray(columns)[column]
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return Nodes(
        column=np.where(inner, column, -1).astype(np.int64),
        threshold=at_most_after_rounding(tree.threshold),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=np.asarray(missing, dtype=bool),
        value=value,
        category_set=np.full(tree.node_count, -1),
    )


def _probabilities(estimator: DecisionTreeClassifier) -> FloatArray:
    """Return the class probabilities (n_nodes, n_classes) that a fitted tree gives."""
    return np.asarray(estimator.tree_.value[:, 0, :], dtype=np.float64)


def _check_one_output(
    estimator: DecisionTreeClassifier | RandomForestClassifier | ExtraTreesClassifier,
) -> None:
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise NoCertificateError(
            f"{type(estimator).__name__} has no certificate: it was fitted on "
            f"{estimator.n_outputs_} outputs per row. Fit one model for each."
        )


@register_tree_reader(*_TREES)
def _tree(estimator: DecisionTreeClassifier) -> TreeSum:
    _check_one_output(estimator)
    return TreeSum(
        name=type(estimator).__name__,
        nodes=_nodes(estimator.tree_, _probabilities(estimator)),
        base=np.zeros(len(estimator.classes_)),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        scores=estimator.predict_proba,
        averaged=True,
    )


@register_tree_reader(RandomForestClassifier, ExtraTreesClassifier)
def _forest(estimator: RandomForestClassifier | ExtraTreesClassifier) -> TreeSum:
    _check_one_output(estimator)
    # Sums in place of means: a division by one number keeps the order of scores.
    trees = [_nodes(tree.tree_, _probabilities(tree)) for tree in estimator.estimators_]
    return TreeSum(
        name=type(estimator).__name__,
        nodes=Nodes.joined(trees),
        base=np.zeros(len(estimator.classes_)),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        scores=lambda X: estimator.predict_proba(X) * len(trees),
        averaged=True,
    )


@register_tree_reader(GradientBoostingClassifier)
def _gradient_boosting(estimator: GradientBoostingClassifier) -> TreeSum:
    n_outputs = estimator.estimators_.shape[1]
    if not (estimator.init_ == "zero" or isinstance(estimator.init_, DummyClassifier)):
        raise NoCertificateError(
            f"GradientBoostingClassifier(init={estimator.init!r}) has no certificate: its scores "
            "start from those of another model. Take init=None or 'zero'."
        )
    base = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), dtype=np.float32))
    trees = []
    for stage in estimator.estimators_:
        for k, tree in enumerate(stage):
            value = np.zeros((tree.tree_.node_count, n_outputs))
            value[:, k] = estimator.learning_rate * tree.tree_.value[:, 0, 0]
            trees.append(_nodes(tree.tree_, value))
    return TreeSum(
        name="GradientBoostingClassifier",
        nodes=Nodes.joined(trees),
        base=np.asarray(base[0], dtype=np.float64),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        tie_takes_second=True,
        scores=estimator.decision_function,
    )


@register_tree_reader(AdaBoostClassifier)
def _ada_boost(estimator: AdaBoostClassifier) -> TreeSum:
    classes, trees = estimator.classes_, []
    lost = 1 / max(len(classes) - 1, 1)
    for member, weight in zip(estimator.estimators_, estimator.estimator_weights_, strict=False):
        _check_member(estimator, member)
        label = member.classes_[_probabilities(member).argmax(axis=1)]
        voted = label[:, None] == classes
        trees.append(_nodes(member.tree_, np.where(voted, weight, -lost * weight)))
    total = estimator.estimator_weights_.sum()

    def scores(X: Any) -> FloatArray:
        own = np.asarray(estimator.decision_function(X)) * total
        # With two classes it shows the second score minus the first one.
        return own if own.ndim == 2 else np.column_stack([-own / 2, own / 2])

    return TreeSum(
        name="AdaBoostClassifier",
        nodes=Nodes.joined(trees),
        base=np.zeros(len(classes)),
        classes=classes,
        n_columns=estimator.n_features_in_,
        scores=scores,
    )


@register_tree_reader(BaggingClassifier)
def _bagging(estimator: BaggingClassifier) -> TreeSum:
    trees = []
    for member, columns in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        _check_member(estimator, member)
        inside = _probabilities(member)
        value = np.zeros((len(inside), estimator.n_classes_))
        # Members are fitted on the positions of the classes, and may not have seen all of them.
        value[:, np.asarray(member.classes_, dtype=np.int64)] = inside
        trees.append(_nodes(member.tree_, value, np.asarray(columns)))
    return TreeSum(
        name="BaggingClassifier",
        nodes=Nodes.joined(trees),
        base=np.zeros(estimator.n_classes_),
        classes=estimator.classes_,
        n_columns=estimator.n_features_in_,
        scores=lambda X: estimator.predict_proba(X) * len(trees),
        averaged=True,
    )


def _check_member(estimator: object, member: object) -> None:
    if type(member) not in _TREES:
        raise NoCertificateError(
            f"{type(estimator).__name__} over {type(member).__name__} has no certificate; members "
            "must be DecisionTreeClassifier or ExtraTreeClassifier."
        )
