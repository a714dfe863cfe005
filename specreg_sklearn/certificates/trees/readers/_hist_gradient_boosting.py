"""Trees of HistGradientBoostingClassifier, with its missing values and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import Nodes, TreeSum

if TYPE_CHECKING:
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor


@register_tree_reader(HistGradientBoostingClassifier)
def _hist_gradient_boosting(estimator: HistGradientBoostingClassifier) -> TreeSum:
    n_columns, n_outputs = estimator.n_features_in_, estimator.n_trees_per_iteration_
    categorical = estimator.is_categorical_
    place = _places(categorical, n_columns)
    trees = []
    for stage in estimator._predictors:
        for k, tree in enumerate(stage):
            trees.append(_nodes(tree, place, k, n_outputs))
    base = np.ravel(estimator._baseline_prediction).astype(np.float64)
    return TreeSum(
        name="HistGradientBoostingClassifier",
        nodes=Nodes.joined(trees),
        base=np.broadcast_to(base, (n_outputs,)).copy(),
        classes=estimator.classes_,
        n_columns=n_columns,
        categorical=categorical,
        encode=None if estimator._preprocessor is None else _Encoder(estimator, place),
        scores=estimator.decision_function,
    )


def _places(categorical: BoolArray | None, n_columns: int) -> IntArray:
    """Return the user's column that each column of the trees is: categories come first there."""
    every = np.arange(n_columns)
    if categorical is None:
        return every
    return np.concatenate([every[categorical], every[~categorical]])


class _Encoder:
    """From the user's rows to numbers, by the model's own preprocessor."""

    def __init__(self, estimator: HistGradientBoostingClassifier, place: IntArray) -> None:
        self.estimator, self.place = estimator, place

    def __call__(self, X: Any) -> FloatArray:
        inside = np.asarray(self.estimator._preprocess_X(X, reset=False), dtype=np.float64)
        out = np.empty_like(inside)
        out[:, self.place] = inside
        return out


def _nodes(tree: TreePredictor, place: IntArray, output: int, n_outputs: int) -> Nodes:
    nodes, n = tree.nodes, len(tree.nodes)
    inner = nodes["is_leaf"] == 0
    value = np.zeros((n, n_outputs))
    value[:, output] = nodes["value"]
    by_category = inner & (nodes["is_categorical"] != 0)
    return Nodes(
        column=np.where(inner, place[np.where(inner, nodes["feature_idx"], 0)], -1),
        threshold=np.where(inner & ~by_category, nodes["num_threshold"], 0.0),
        left=np.where(inner, nodes["left"].astype(np.int64), -1),
        right=np.where(inner, nodes["right"].astype(np.int64), -1),
        missing_left=nodes["missing_go_to_left"] != 0,
        value=value,
        category_set=np.where(by_category, nodes["bitset_idx"].astype(np.int64), -1),
        goes_left=_unpacked(tree.raw_left_cat_bitsets),
    )


def _unpacked(bitsets: np.ndarray) -> BoolArray:
    """Return sets of codes below 256, eight words of 32 bits each, as flags."""
    if not len(bitsets):
        return np.zeros((0, 0), dtype=bool)
    words = np.asarray(bitsets, dtype=np.uint32)
    bits = (words[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.asarray(bits.reshape(len(words), -1) != 0)
