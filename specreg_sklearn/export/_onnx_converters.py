"""What skl2onnx needs to know of the estimators of this library."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.estimators import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    is_only_backbone_and_head,
)
from specreg_sklearn.export._onnx_layers import Graph, add_network

if TYPE_CHECKING:
    from skl2onnx.common._container import ModelComponentContainer as Container
    from skl2onnx.common._topology import Operator, Scope

_WITH_NETWORK = (SpectrallyRegularizedEncoder, SelfSupervisedEncoder)


class Features(TransformerMixin, BaseEstimator):
    """An encoder where its features are wanted: skl2onnx tells a transformer by its type."""

    def __init__(self, encoder: BaseEstimator) -> None:
        self.encoder = encoder


class Labels(ClassifierMixin, BaseEstimator):
    """An encoder or probe where its labels and probabilities are wanted."""

    def __init__(self, model: BaseEstimator) -> None:
        self.model = model
        self.classes_ = model.classes_


def with_role(model: BaseEstimator, *, as_classifier: bool) -> Any:
    """Return an estimator of this library inside the type that stands for its role.

    Parameters
    ----------
    model : object
        Fitted; estimators of others are returned as they are.
    as_classifier : bool
        Whether labels are wanted of it, or features.

    Raises
    ------
    TypeError
        If it cannot play the role, or a subclass answers in its own way.
    """
    if isinstance(model, RobustLinearProbe):
        homes: tuple[type, ...] = (RobustLinearProbe,)
    elif isinstance(model, _WITH_NETWORK):
        homes = _WITH_NETWORK
    else:
        return model
    check_is_fitted(model)
    home = next(kind for kind in homes if isinstance(model, kind))
    wanted = "predict" if as_classifier else "transform"
    if not hasattr(model, wanted):
        raise TypeError(f"to_onnx needs {wanted} of {type(model).__name__}, which has none.")
    role: Role = "classifier" if as_classifier else "transformer"
    if home is RobustLinearProbe:
        plain = type(model) is RobustLinearProbe
    else:
        plain = is_only_backbone_and_head(model, home, role)
    if not plain:
        raise TypeError(
            f"to_onnx writes down what {home.__name__} computes, and {type(model).__name__} "
            "computes something else: it overrides a method, or its network has hooks. Export an "
            f"unchanged {home.__name__}, or give skl2onnx a converter of your own."
        )
    if as_classifier:
        _check_labels(model.classes_, type(model).__name__)
        return Labels(model)
    return Features(model)


@cache
def register_converters() -> None:
    """Tell skl2onnx of the types above, once."""
    from skl2onnx import update_registered_converter

    update_registered_converter(
        Features, "SpecregFeatures", _features_shape, _convert_features, overwrite=True
    )
    update_registered_converter(
        Labels,
        "SpecregLabels",
        _labels_shape,
        _convert_labels,
        overwrite=True,
        options={
            "zipmap": [True, False, "columns"],
            "nocl": [True, False],
            "output_class_labels": [False, True],
            "raw_scores": [True, False],
        },
    )


def _check_labels(classes: np.ndarray, owner: str) -> None:
    strings = all(isinstance(label, str) for label in classes.tolist())
    if classes.dtype.kind not in "iub" and not strings:
        raise ValueError(
            f"classes_ of {owner} hold {classes.tolist()}, of dtype {classes.dtype}; labels in "
            "ONNX are whole numbers or strings. Fit with such labels."
        )


def _features_shape(operator: Operator) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    width = operator.raw_operator.encoder.module_.n_features_out
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), width])


def _labels_shape(operator: Operator) -> None:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    classes = operator.raw_operator.classes_
    n_rows = operator.inputs[0].get_first_dimension()
    kind = Int64TensorType if classes.dtype.kind in "iub" else StringTensorType
    operator.outputs[0].type = kind([n_rows])
    operator.outputs[1].type = FloatTensorType([n_rows, len(classes)])


def _convert_features(scope: Scope, operator: Operator, container: Container) -> None:
    graph = Graph(scope, container)
    rows = _rows(graph, operator)
    features = add_network(graph, rows, operator.raw_operator.encoder.module_, with_head=False)
    graph.add("Identity", [features], operator.outputs[0].full_name)


def _convert_labels(scope: Scope, operator: Operator, container: Container) -> None:
    graph = Graph(scope, container)
    model = operator.raw_operator.model
    rows = _rows(graph, operator)
    if isinstance(model, RobustLinearProbe):
        layer = model.module_
        weights = [layer.weight, layer.bias]
        inputs = [rows, *(graph.constant(w.detach().numpy()) for w in weights)]
        logits = graph.add("Gemm", inputs, transB=1)
    else:
        logits = add_network(graph, rows, model.module_, with_head=True)
    label, probabilities = (output.full_name for output in operator.outputs)
    options = container.get_options(operator.raw_operator, {"raw_scores": False}, fail=False)
    if options.get("raw_scores"):
        graph.add("Identity", [logits], probabilities)
    else:
        graph.add("Softmax", [logits], probabilities, axis=1)
    places = graph.add("ArgMax", [logits], axis=1, keepdims=0)
    graph.add("Gather", [graph.constant(model.classes_), places], label, axis=0)


def _rows(graph: Graph, operator: Operator) -> str:
    """Return the name of the rows as one table in single precision."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import FloatTensorType

    tables = [
        variable.full_name
        if isinstance(variable.type, FloatTensorType)
        else graph.add("Cast", [variable.full_name], to=TensorProto.FLOAT)
        for variable in operator.inputs
    ]
    return tables[0] if len(tables) == 1 else graph.add("Concat", tables, axis=1)
