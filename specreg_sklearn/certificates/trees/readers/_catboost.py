"""Trees of CatBoost, read from the model's own description; catboost is not imported here."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn.certificates.trees.readers._float_tests import at_most_after_rounding
from specreg_sklearn.certificates.trees.readers._refused_setting import refused_setting
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import LEAF, NUMERIC, Nodes, TreeSum

_BINARY = ("Logloss", "CrossEntropy")
_SEVERAL = ("MultiClass", "MultiClassOneVsAll")
# How messages call columns that are no numbers, by their names in the description.
_NOT_NUMBERS = {
    "categorical_features": "cat_features",
    "text_features": "text_features",
    "embedding_features": "embedding_features",
}


@register_tree_reader("catboost.core.CatBoostClassifier")
def _catboost(estimator: Any) -> TreeSum:
    model = _described(estimator)
    features = model["features_info"]
    for kind, parameter in _NOT_NUMBERS.items():
        if features.get(kind):
            raise refused_setting(
                estimator,
                parameter,
                "it hashes what is no number; encode these columns by a step in front of it",
            )
    loss = str(model["model_info"]["params"]["loss_function"]["type"])
    if loss not in (*_BINARY, *_SEVERAL):
        accepted = ", ".join((*_BINARY, *_SEVERAL))
        raise refused_setting(estimator, f"loss_function={loss!r}", f"accepted are {accepted}")
    columns = features["float_features"]
    scale, base = model["scale_and_bias"]
    n_outputs = len(base)
    reader = _Reader(
        np.array([feature["flat_feature_index"] for feature in columns], dtype=np.int64),
        np.array([feature["nan_value_treatment"] != "AsTrue" for feature in columns], dtype=bool),
        n_outputs,
    )
    trees = [reader.symmetric(tree) for tree in model.get("oblivious_trees", ())]
    trees += [reader.nested(tree) for tree in model.get("trees", ())]
    nodes = Nodes.joined(trees)
    nodes.value[...] *= scale
    least = float(estimator.get_probability_threshold() or 0.5) if n_outputs == 1 else 0.5
    return TreeSum(
        name=type(estimator).__name__,
        nodes=nodes,
        base=np.asarray(base, dtype=np.float64),
        classes=np.asarray(estimator.classes_),
        n_columns=int(estimator.n_features_in_),
        cut=math.log(least / (1 - least)),
        scores=lambda X: estimator.predict(X, prediction_type="RawFormulaVal"),
    )


def _described(estimator: Any) -> dict[str, Any]:
    """Return what the model writes into a file of JSON; it hands it out in no other way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        described: dict[str, Any] = json.loads(path.read_bytes())
    return described


class _Split(NamedTuple):
    """A test: rows go left where the cell, rounded to float32, is at most `border`."""

    feature: int
    border: float


class _Reader:
    """Writes down trees whose features stand in some columns of the rows."""

    def __init__(self, columns: np.ndarray, missing_left: np.ndarray, n_outputs: int) -> None:
        self.columns, self.missing_left, self.n_outputs = columns, missing_left, n_outputs

    def symmetric(self, tree: dict[str, Any]) -> Nodes:
        """Return the nodes of a tree that asks the same on all branches of a level."""
        splits = [_Split(s["float_feature_index"], s["border"]) for s in tree["splits"]]
        values = np.reshape(tree["leaf_values"], (1 << len(splits), self.n_outputs))

        def grow(level: int, leaf: int, ends: dict[int, tuple[float, float]]) -> Any:
            """Return a leaf, or a split with its branches; `ends` are known of features."""
            if level == len(splits):
                return values[leaf]
            feature, border = split = splits[level]
            low, high = ends.get(feature, (-math.inf, math.inf))
            # What the branch knows already is not asked: the other side would hold no row.
            if border <= low:
                return grow(level + 1, leaf | 1 << level, ends)
            if border >= high:
                return grow(level + 1, leaf, ends)
            left = grow(level + 1, leaf, {**ends, feature: (low, border)})
            right = grow(level + 1, leaf | 1 << level, {**ends, feature: (border, high)})
            return split, left, right

        return self._nodes(grow(0, 0, {}))

    def nested(self, tree: dict[str, Any]) -> Nodes:
        """Return the nodes of a tree whose branches ask what they like."""

        def grow(node: dict[str, Any]) -> Any:
            if "split" not in node:
                return np.reshape(node["value"], self.n_outputs)
            split = node["split"]
            asked = _Split(split["float_feature_index"], split["border"])
            return asked, grow(node["left"]), grow(node["right"])

        return self._nodes(grow(tree))

    def _nodes(self, root: Any) -> Nodes:
        """Return the nodes of a tree that is given as leaves and (split, left, right)."""
        listed, children = [root], {}
        # The list grows while it is read.
        for at, node in enumerate(listed):
            if isinstance(node, tuple):
                children[at] = len(listed), len(listed) + 1
                listed += node[1:]
        n = len(listed)
        column, missing_left = np.full(n, LEAF), np.zeros(n, dtype=bool)
        border, value = np.zeros(n), np.zeros((n, self.n_outputs))
        left, right = np.full(n, -1), np.full(n, -1)
        for at, node in enumerate(listed):
            if at not in children:
                value[at] = node
                continue
            left[at], right[at] = children[at]
            column[at] = self.columns[node[0].feature]
            missing_left[at] = self.missing_left[node[0].feature]
            border[at] = node[0].border
        threshold = np.where(column == LEAF, 0.0, at_most_after_rounding(border))
        return Nodes(column, threshold, left, right, missing_left, value, np.full(n, NUMERIC))
