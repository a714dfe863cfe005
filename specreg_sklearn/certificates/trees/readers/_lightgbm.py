"""Trees of LightGBM, read from the model's own description; lightgbm is not imported here."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn.certificates.trees.readers._coded_cells import CodedCells, categories_of
from specreg_sklearn.certificates.trees.readers._refused_setting import refused_setting
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import NUMERIC, Nodes, TreeSum
from specreg_sklearn.tables import Table

# It reads every number as near to zero as this as 0.
_ZERO = float(np.float32(1e-35))
# Scores nearer to each other than this may have equal probabilities in float64.
_LINK_BLUR = 2.0**-48


@register_tree_reader("lightgbm.sklearn.LGBMClassifier")
def _lightgbm(estimator: Any) -> TreeSum:
    if callable(estimator.objective):
        name = getattr(estimator.objective, "__name__", "callable")
        raise refused_setting(
            estimator, f"objective={name}", "its own objective says nothing of labels"
        )
    model = estimator.booster_.dump_model()
    objective = str(model.get("objective", "")).split(" ")[0]
    if objective not in ("binary", "multiclass"):
        raise refused_setting(
            estimator, f"objective={objective!r}", "accepted are binary, multiclass"
        )
    if model.get("average_output"):
        raise refused_setting(estimator, "boosting_type='rf'", "its trees are averaged")
    n_outputs = int(model["num_tree_per_iteration"])
    trees = [
        _nodes(estimator, tree["tree_structure"], k % n_outputs, n_outputs)
        for k, tree in enumerate(model["tree_info"])
    ]
    nodes = Nodes.joined(trees)
    categorical = np.zeros(int(model["max_feature_idx"]) + 1, dtype=bool)
    categorical[nodes.column[nodes.category_set != NUMERIC]] = True
    known = estimator.booster_.pandas_categorical
    return TreeSum(
        name=type(estimator).__name__,
        nodes=nodes,
        base=np.zeros(n_outputs),
        classes=np.asarray(estimator.classes_),
        n_columns=int(model["max_feature_idx"]) + 1,
        blur=_LINK_BLUR,
        categorical=categorical if categorical.any() else None,
        encode=CodedCells(partial(_by_order, known)) if known else None,
        scores=lambda X: estimator.predict(X, raw_score=True),
    )


def _nodes(estimator: object, root: dict[str, Any], output: int, n_outputs: int) -> Nodes:
    listed, children, stack = [root], [], [0]
    while stack:
        at = stack.pop()
        if "split_feature" not in listed[at]:
            continue
        pair = len(listed), len(listed) + 1
        listed += [listed[at]["left_child"], listed[at]["right_child"]]
        children.append((at, *pair))
        stack += pair
    n = len(listed)
    left, right = np.full(n, -1), np.full(n, -1)
    for at, low, high in children:
        left[at], right[at] = low, high
    column, missing_left = np.full(n, -1), np.zeros(n, dtype=bool)
    threshold, value = np.zeros(n), np.zeros((n, n_outputs))
    category_set = np.full(n, NUMERIC)
    listed_codes: list[list[int]] = []
    for at, node in enumerate(listed):
        if "split_feature" not in node:
            if node.get("leaf_const") is not None or "leaf_coeff" in node:
                raise refused_setting(estimator, "linear_tree=True", "leaves hold linear functions")
            value[at, output] = node["leaf_value"]
            continue
        if node["decision_type"] == "==":
            # A missing category, and one that is not listed, goes right.
            column[at], category_set[at] = node["split_feature"], len(listed_codes)
            listed_codes.append([int(code) for code in str(node["threshold"]).split("||")])
            continue
        if node["missing_type"] == "Zero":
            raise refused_setting(estimator, "zero_as_missing=True", "a move may end at 0")
        column[at] = node["split_feature"]
        threshold[at] = _beside_zero(float(node["threshold"]))
        # Without a missing type NaN is read as 0.
        missing_left[at] = (
            node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        )
    n_codes = 1 + max((max(codes) for codes in listed_codes), default=-1)
    goes_left = np.zeros((len(listed_codes), n_codes), dtype=bool)
    for flags, codes in zip(goes_left, listed_codes, strict=True):
        flags[codes] = True
    return Nodes(column, threshold, left, right, missing_left, value, category_set, goes_left)


def _by_order(known: list[list[Any]], table: Table) -> dict[int, list[Any]]:
    """Return the categories of the columns of a frame that have any, as the model has seen them."""
    columns = [j for j in range(table.n_columns) if categories_of(table, j) is not None]
    return dict(zip(columns, known, strict=False))


def _beside_zero(threshold: float) -> float:
    """Return the threshold as it works, given that tiny numbers are read as 0."""
    if not abs(threshold) <= _ZERO:
        return threshold
    return _ZERO if threshold >= 0 else float(np.nextafter(-_ZERO, -np.inf))
