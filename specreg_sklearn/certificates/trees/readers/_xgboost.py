"""Trees of XGBoost, read from the model's own description; xgboost is not imported here."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees.readers._float_tests import below_after_rounding
from specreg_sklearn.certificates.trees.readers._registry import register_tree_reader
from specreg_sklearn.certificates.trees.readers._tree_sum import Nodes, TreeSum

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
        raise _refused(estimator, f"booster={kind!r}", "its trees are not a plain sum")
    if callable(estimator.objective):
        name = getattr(estimator.objective, "__name__", "callable")
        raise _refused(estimator, f"objective={name}", "its own objective says nothing of labels")
    if objective not in (*_BINARY, *_SEVERAL):
        accepted = ", ".join((*_BINARY, *_SEVERAL))
        raise _refused(estimator, f"objective={objective!r}", f"accepted are {accepted}")
    if not (estimator.missing is None or math.isnan(estimator.missing)):
        raise _refused(estimator, f"missing={estimator.missing!r}", "mark missing cells with NaN")
    model, param = learner["gradient_booster"]["model"], learner["learner_model_param"]
    n_outputs = 1 if objective in _BINARY else int(param["num_class"])
    per_round = n_outputs * int(model["gbtree_model_param"].get("num_parallel_tree", 1))
    trees = []
    for description, output in zip(model["trees"], model["tree_info"], strict=True):
        if any(description["split_type"]):
            raise _refused(estimator, "enable_categorical=True", "its splits are of categories")
        if int(description["tree_param"].get("size_leaf_vector", 1)) > 1:
            raise _refused(estimator, "multi_strategy='multi_output_tree'", "leaves are vectors")
        trees.append(_nodes(description, output, n_outputs))
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
        scores=lambda X: estimator.predict(X, output_margin=True),
    )


def _nodes(tree: dict[str, Any], output: int, n_outputs: int) -> Nodes:
    left = np.array(tree["left_children"], dtype=np.int64)
    inner = left >= 0
    number = np.array(tree["split_conditions"], dtype=np.float32)
    value = np.zeros((len(left), n_outputs))
    value[:, output] = np.where(inner, 0.0, number.astype(np.float64))
    return Nodes(
        column=np.where(inner, np.array(tree["split_indices"], dtype=np.int64), -1),
        threshold=np.where(inner, below_after_rounding(number), 0.0),
        left=left,
        right=np.array(tree["right_children"], dtype=np.int64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        value=value,
        category_set=np.full(len(left), -1),
    )


def _refused(estimator: object, setting: str, reason: str) -> NoCertificateError:
    return NoCertificateError(
        f"{type(estimator).__name__}({setting}) has no certificate: {reason}."
    )
