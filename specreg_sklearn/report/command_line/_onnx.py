"""A network or pipeline in ONNX as a classifier with predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class OnnxClassifier:
    """What onnxruntime answers for rows: the labels of a classifier that was converted.

    Parameters
    ----------
    path : pathlib.Path
        The file. Its first input takes all columns as one table of numbers, and its first output
        holds labels, as converters for scikit-learn write it.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        from onnxruntime import InferenceSession

        self._session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._label = self._session.get_outputs()[0].name
        width = self._input.shape[-1]
        if isinstance(width, int):
            self.n_features_in_ = width

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of rows, of shape (n_samples,)."""
        dtype = np.float64 if "double" in self._input.type else np.float32
        rows = np.asarray(X, dtype=dtype)
        return np.asarray(self._session.run([self._label], {self._input.name: rows})[0])
