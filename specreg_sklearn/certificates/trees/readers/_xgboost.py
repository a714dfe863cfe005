"""Trees of XGBoost, read from the model's own description; xgboost is not imported here."""

from __future__ import annotations

import json
import math
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from specreg_sklearn.certificates.trees.readers._coded_cells import CodedCells, categories_of
from specreg_sklearn.certificates.trees.readers._float_tests import below_after_rounding
from specreg_sklearn.certificates.trees.readers._refused_setting import refused_setting
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import NUMERIC, Nodes, TreeSum
from specreg_sklearn.tables import Table

_BINARY = ("binary:logistic",)
_SEVERAL = ("multi:softprob", "multi:softmax")
# Scores nearer to each other than this may have equal probabilities in float32.
_LINK_BLUR = 2.0**-20


@register_tree_reader("xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRFClassifier")
def _xgboost(estimator: Any) -> TreeSum:
    booster = estimator.get_booster()
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise refused_setting(estimator, f"booster={kind!r}", "its trees are not a plain sum")
    if callable(estimator.objective):
        name = getattr(estimator.objective, "__name__", "callable")
        raise refused_setting(
            estimator, f"objective={name}", "its own objective says nothing of labels"
        )
    if objective not in (*_BINARY, *_SEVERAL):
        accepted = ", ".join((*_BINARY, *_SEVERAL))
        raise refused_setting(estimator, f"objective={objective!r}", f"accepted are {accepted}")
    if not (estimator.missing is None or math.isnan(estimator.missing)):
        raise refused_setting(
            estimator, f"missing={estimator.missing!r}", "mark missing cells with NaN"
        )
    model, param = learner["gradient_booster"]["model"], learner["learner_model_param"]
    n_outputs = 1 if objective in _BINARY else int(param["num_class"])
    per_round = n_outputs * int(model["gbtree_model_param"].get("num_parallel_tree", 1))
    is_category = np.array([kind == "c" for kind in learner.get("feature_types", [])], dtype=bool)
    known = _categories(estimator, model)
    n_codes = _n_codes(model, known)
    trees = []
    for description, output in zip(model["trees"], model["tree_info"], strict=True):
        if int(description["tree_param"].get("size_leaf_vector", 1)) > 1:
            raise refused_setting(
                estimator, "multi_strategy='multi_output_tree'", "leaves are vectors"
            )
        trees.append(_nodes(description, output, n_outputs, n_codes))
    # predict leaves out what was added after the best round of an early stopping.
    best = getattr(booster, "best_iteration", None) if estimator.early_stopping_rounds else None
    trees = trees if best is None else trees[: (best + 1) * per_round]
    scale = np.float32(json.loads("[" + param["base_score"].strip("[]") + "]"))
    base = np.broadcast_to(np.asarray(scale, dtype=np.float64), (n_outputs,)).copy()
    if objective in _BINARY:
        base = -np.log(1 / base - 1)
    return TreeSum(
        name=type(estimator).__name__,
        nodes=Nodes.joined(trees),
        base=base,
        classes=np.asarray(estimator.classes_),
        n_columns=int(param["num_feature"]),
        unit=2.0**-24,
        blur=_LINK_BLUR,
        categorical=is_category if is_category.any() else None,
        encode=CodedCells(partial(_of_columns, known)) if is_category.any() else None,
        scores=lambda X: estimator.predict(X, output_margin=True),
    )


def _categories(estimator: object, model: dict[str, Any]) -> dict[int, list[Any]]:
    """Return the categories of columns that were fitted on a frame, in the order of their codes."""
    out: dict[int, list[Any]] = {}
    for j, found in enumerate(model.get("cats", {}).get("enc", [])):
        values = found["values"]
        if "offsets" in found:
            if any(byte < 0 for byte in values):
                raise refused_setting(
                    estimator,
                    "enable_categorical=True",
                    "it stores names of categories that are not ASCII cut off; rename them",
                )
            text = bytes(values).decode("ascii")
            values = [text[a:b] for a, b in pairwise(found["offsets"])]
        if values:
            out[j] = list(values)
    return out


def _n_codes(model: dict[str, Any], known: dict[int, list[Any]]) -> int:
    """Return how many codes a column of categories has at most."""
    listed = [max(tree["categories"], default=-1) + 1 for tree in model["trees"]]
    return max([*listed, *(len(values) for values in known.values())], default=0) + 1


def _of_columns(known: dict[int, list[Any]], table: Table) -> dict[int, list[Any]]:
    """Return the categories of those columns of a table that hold no codes."""
    of_cells = {j: categories_of(table, j) for j in range(table.n_columns)}
    return {j: known.get(j, own) for j, own in of_cells.items() if own is not None}


def _nodes(tree: dict[str, Any], output: int, n_outputs: int, n_codes: int) -> Nodes:
    left = np.array(tree["left_children"], dtype=np.int64)
    inner = left >= 0
    by_category = np.array(tree["split_type"], dtype=bool) & inner
    category_set = np.full(len(left), NUMERIC)
    category_set[tree["categories_nodes"]] = np.arange(len(tree["categories_nodes"]))
    # What is listed goes right, whatever else is there left.
    goes_left = np.ones((len(tree["categories_nodes"]), n_codes), dtype=bool)
    spans = zip(tree["categories_segments"], tree["categories_sizes"], strict=True)
    for flags, (begin, size) in zip(goes_left, spans, strict=True):
        flags[tree["categories"][begin : begin + size]] = False
    number = np.array(tree["split_conditions"], dtype=np.float32)
    value = np.zeros((len(left), n_outputs))
    value[:, output] = np.where(inner, 0.0, number.astype(np.float64))
    return Nodes(
        column=np.where(inner, np.array(tree["split_indices"], dtype=np.int64), -1),
        threshold=np.where(inner & ~by_category, below_after_rounding(number), 0.0),
        left=left,
        right=np.array(tree["right_children"], dtype=np.int64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        value=value,
        category_set=category_set,
        goes_left=goes_left,
    )
