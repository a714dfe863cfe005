"""Tree ensembles of four libraries, read into one form: sums of leaves behind exact splits.

An independent reading: nothing here is shared with the certificates of the library. What was read
is held against the margins that the model itself gives.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)


@dataclass(frozen=True)
class Tree:
    """One tree; a node with ``left < 0`` is a leaf.

    Parameters
    ----------
    feature, left, right : ndarray of int, shape (n_nodes,)
    below, above : ndarray of float64, shape (n_nodes,)
        The largest float64 that goes to the left, and the smallest that goes to the right: with the
        cast to float32 that a library makes, and with "<" or "<=".
    value : ndarray of float64, shape (n_nodes,)
        What a leaf adds to the margin.
    """

    feature: np.ndarray
    below: np.ndarray
    above: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the value of the leaf of every row."""
        node = np.zeros(len(X), dtype=int)
        while (self.left[node] >= 0).any():
            inner = self.left[node] >= 0
            goes_left = X[np.arange(len(X)), self.feature[node]] <= self.below[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        return self.value[node]


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves are added; the label is 1 where the margin is above 0."""

    trees: list[Tree]
    start: float

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Return the sums that decide."""
        return self.start + sum(tree(X) for tree in self.trees)


def read(model: Any, X: np.ndarray) -> Ensemble:
    """Return the trees of a fitted binary model, after a check on the rows `X`.

    Raises
    ------
    ValueError
        If what was read does not give the margins of the model.
    """
    kind = type(model).__name__
    if isinstance(model, RandomForestClassifier):
        trees = [_of_sklearn(t.tree_, _forest_leaves(t.tree_)) for t in model.estimators_]
        share = model.predict_proba(X)
        margin = len(trees) * (share[:, 1] - share[:, 0])
    elif isinstance(model, GradientBoostingClassifier):
        trees = [
            _of_sklearn(t.tree_, model.learning_rate * t.tree_.value[:, 0, 0])
            for t in model.estimators_[:, 0]
        ]
        margin = model.decision_function(X)
    elif isinstance(model, HistGradientBoostingClassifier):
        trees = [_of_histogram(stage[0].nodes) for stage in model._predictors]
        margin = model.decision_function(X)
    elif kind == "XGBClassifier":
        stored = json.loads(model.get_booster().save_raw("json"))
        found = stored["learner"]["gradient_booster"]["model"]["trees"]
        trees = [_of_xgboost(tree) for tree in found]
        margin = model.predict(X, output_margin=True).astype(float)
    elif kind == "LGBMClassifier":
        trees = [
            _of_lightgbm(tree["tree_structure"])
            for tree in model.booster_.dump_model()["tree_info"]
        ]
        margin = model.predict(X, raw_score=True)
    else:
        raise ValueError(f"{kind} is not read here.")
    sums = sum(tree(X) for tree in trees)
    start = float(np.median(margin - sums))
    worst = float(np.abs(margin - sums - start).max())
    if worst > 1e-5 * max(1.0, float(np.abs(margin).max())):
        raise ValueError(f"{kind} was misread: its margins differ by up to {worst:g}.")
    return Ensemble(trees, start)


def _between_float32(threshold: np.ndarray, strict: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbouring float64 that a cast to float32 sends to the left and to the right.

    To the left goes what is ``<= threshold`` after the cast, or ``< threshold`` if `strict`.
    """
    threshold = np.asarray(threshold, dtype=np.float64)
    low = threshold.astype(np.float32)
    over = low >= threshold if strict else low > threshold
    low = np.where(over, np.nextafter(low, np.float32(-np.inf)), low)
    high = np.nextafter(low, np.float32(np.inf))
    middle = (low.astype(np.float64) + high.astype(np.float64)) / 2  # exact in float64
    to_low = middle.astype(np.float32) == low
    below = np.where(to_low, middle, np.nextafter(middle, -np.inf))
    return below, np.nextafter(below, np.inf)


def _forest_leaves(tree: Any) -> np.ndarray:
    share = tree.value[:, 0, :]
    share = share / share.sum(axis=1, keepdims=True)
    return share[:, 1] - share[:, 0]


def _of_sklearn(tree: Any, value: np.ndarray) -> Tree:
    below, above = _between_float32(tree.threshold, strict=False)
    left, right = tree.children_left, tree.children_right
    return Tree(np.maximum(tree.feature, 0), below, above, left, right, np.asarray(value, float))


def _of_histogram(nodes: np.ndarray) -> Tree:
    below = nodes["num_threshold"].astype(np.float64)
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(int)) for side in ("left", "right"))
    feature = nodes["feature_idx"].astype(int)
    return Tree(feature, below, np.nextafter(below, np.inf), left, right, nodes["value"])


def _of_xgboost(tree: dict[str, Any]) -> Tree:
    # A leaf keeps its value where others keep the condition.
    condition = np.array(tree["split_conditions"], dtype=np.float64)
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    below, above = _between_float32(condition.astype(np.float32), strict=True)
    return Tree(np.array(tree["split_indices"]), below, above, left, right, condition)


def _of_lightgbm(root: dict[str, Any]) -> Tree:
    rows: list[list[float]] = []

    def add(node: dict[str, Any]) -> int:
        number = len(rows)
        rows.append([0, 0.0, -1, -1, node.get("leaf_value", 0.0)])
        if "split_feature" in node:
            if node["decision_type"] != "<=":
                raise ValueError("Only splits of numbers are read.")
            rows[number][:2] = node["split_feature"], node["threshold"]
            rows[number][2] = add(node["left_child"])
            rows[number][3] = add(node["right_child"])
        return number

    add(root)
    feature, below, left, right, value = np.array(rows, dtype=np.float64).T
    f, lo, hi = feature.astype(int), left.astype(int), right.astype(int)
    # LightGBM reads numbers below 1e-35 as 0, which lies between two thresholds of that size.
    above, tiny = np.nextafter(below, np.inf), (np.abs(below) < 1e-30) & (lo >= 0)
    below, above = (
        np.where(tiny, np.where(below > 0, 0.0, -1e-30), below),
        np.where(tiny, np.where(below > 0, 1e-30, 0.0), above),
    )
    return Tree(f, below, above, lo, hi, value)
