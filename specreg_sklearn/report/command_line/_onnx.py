"""A network or pipeline in ONNX as a classifier with predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES: dict[str, Any] = {
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


class OnnxClassifier:
    """What onnxruntime answers for rows: the labels of a classifier that was converted.

    Parameters
    ----------
    path : pathlib.Path
        The file. It has one input for all columns, as a table of numbers, or one for each column,
        and its first output holds labels: both are what converters for scikit-learn write.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    ValueError
        If the file is no ONNX model, or asks for what this onnxruntime does not know.
    """

    def __init__(self, path: Path) -> None:
        from onnxruntime import InferenceSession

        try:
            self._session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception for each of its states
            raise ValueError(_first_line(error)) from error
        self._inputs = self._session.get_inputs()
        self._label = self._session.get_outputs()[0].name
        width = self._inputs[0].shape[-1]
        if len(self._inputs) == 1 and isinstance(width, int):
            self.n_features_in_ = width

    def choose_columns(self, names: Sequence[Any]) -> None:
        """Set `feature_names_in_` to those of `names` that the inputs stand for, if there are many.

        An input without a column keeps its own name. Converters write ``_`` for signs that no
        identifier has.
        """
        if len(self._inputs) > 1:
            known = {_identifier(str(name)): name for name in names}
            inputs = [entry.name for entry in self._inputs]
            found = [known.get(_identifier(name), name) for name in inputs]
            self.feature_names_in_ = np.array(found, dtype=object)

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of rows, of shape (n_samples,).

        Raises
        ------
        ValueError
            If onnxruntime does not take the rows.
        """
        if len(self._inputs) == 1:
            (entry,) = self._inputs
            feed = {entry.name: np.asarray(X, dtype=_DTYPES.get(entry.type, np.float32))}
        else:
            feed = {
                entry.name: _column(X[name], entry.type)
                for entry, name in zip(self._inputs, self.feature_names_in_, strict=True)
            }
        try:
            return np.asarray(self._session.run([self._label], feed)[0])
        except Exception as error:  # as above
            raise ValueError(f"onnxruntime takes no such rows: {_first_line(error)}") from error


def _column(cells: Any, kind: str) -> np.ndarray:
    if kind == "tensor(string)":
        return np.asarray(cells, dtype=str).astype(object)[:, None]
    return np.asarray(cells, dtype=_DTYPES.get(kind, np.float32))[:, None]


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
