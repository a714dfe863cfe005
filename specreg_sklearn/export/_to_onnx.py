"""Fitted pipelines as ONNX models, which run without Python."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

if TYPE_CHECKING:
    from onnx import ModelProto


def to_onnx(model: BaseEstimator, X: Any, *, target_opset: int | None = None) -> ModelProto:
    """Return a fitted model as an ONNX model.

    The encoders and the probe of this library are written down layer by layer, wherever they stand
    in a pipeline; all other steps are left to skl2onnx. The ONNX model computes in single
    precision: its scores agree with those of a model that was fitted on float32 to about 1e-6, and
    rows between two such scores may get another label. What was measured or proved of `model` is
    about ``model.predict``.

    Parameters
    ----------
    model : estimator
        Fitted: one of the estimators of this library, a pipeline, column transformer or union of
        features with them, or what skl2onnx knows. Of a search its ``best_estimator_`` is taken.
    X : array or frame of shape (n_samples, n_features) or (n_samples, C, H, W)
        Rows; their columns and types are looked at, and one row is enough. An array becomes one
        input ``"X"`` of flat rows in float32, a frame one input for each column, of shape
        (n_samples, 1): floats in float32, whole numbers in int64, all else strings.
    target_opset : int, default=None
        Version of the operators; None takes the newest that skl2onnx knows.

    Returns
    -------
    onnx.ModelProto
        For a classifier with the outputs ``"label"`` and ``"probabilities"`` of shape (n_samples,
        n_classes); for a transformer with one output. ``SerializeToString()`` gives the bytes of a
        file.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    ValueError
        If a layer or label has no counterpart; the message names it.
    TypeError
        If `X` is sparse, or an estimator answers in a way of its own.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn import RobustLinearProbe
    >>> from specreg_sklearn.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), RobustLinearProbe()).fit(X, y)
    >>> onnx_model = to_onnx(model, X[:1])
    >>> [output.name for output in onnx_model.graph.output]
    ['label', 'probabilities']
    """
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError(
            "to_onnx needs skl2onnx, which is not installed: `pip install "
            '"specreg-sklearn[onnx]"` brings it, and onnxruntime to run the model.'
        ) from error
    from specreg_sklearn.export._onnx_converters import register_converters

    register_converters()
    asked = _of_search(model)
    written = _with_roles(asked, as_classifier=hasattr(asked, "predict"))
    options = {id(written): {"zipmap": False}} if is_classifier(asked) else None
    return skl2onnx.to_onnx(
        written, initial_types=_inputs(X), target_opset=target_opset, options=options
    )


def _of_search(model: BaseEstimator) -> Any:
    """Return the estimator inside searches and frozen estimators."""
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def _with_roles(model: BaseEstimator, *, as_classifier: bool) -> Any:
    """Return the model with types inside that tell skl2onnx which answer of a step is used.

    Containers are copied, and what is in them is not.
    """
    from specreg_sklearn.export._onnx_converters import with_role

    model = _of_search(model)
    if isinstance(model, Pipeline):
        last = len(model.steps) - 1
        steps = [
            (name, _with_roles(step, as_classifier=as_classifier and place == last))
            for place, (name, step) in enumerate(model.steps)
        ]
        return Pipeline(steps)
    if isinstance(model, ColumnTransformer):
        replaced = copy.copy(model)
        replaced.transformers_ = [
            (name, _with_roles(step, as_classifier=False), columns)
            for name, step, columns in model.transformers_
        ]
        return replaced
    if isinstance(model, FeatureUnion):
        replaced = copy.copy(model)
        replaced.transformer_list = [
            (name, _with_roles(step, as_classifier=False)) for name, step in model.transformer_list
        ]
        return replaced
    return with_role(model, as_classifier=as_classifier)


def _inputs(X: Any) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    if sparse.issparse(X):
        raise TypeError(
            "X is a sparse matrix; an ONNX model takes dense rows. Give X[:1].toarray()."
        )
    if not hasattr(X, "columns"):
        array = np.asarray(X)
        if array.dtype.kind not in "fiub":
            raise TypeError(
                f"X has dtype {array.dtype}; an array must hold numbers. Give a frame, whose "
                "columns have types of their own."
            )
        return [("X", FloatTensorType([None, int(np.prod(array.shape[1:]))]))]
    kinds = {"f": FloatTensorType, "i": Int64TensorType, "u": Int64TensorType, "b": Int64TensorType}
    return [
        (str(name), kinds.get(np.asarray(X[name]).dtype.kind, StringTensorType)([None, 1]))
        for name in X.columns
    ]
