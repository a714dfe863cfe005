"""Arrays of other libraries, such as torch, while scikit-learn dispatches to them.

Under ``sklearn.config_context(array_api_dispatch=True)`` a model that was fitted on arrays of a
library answers for such arrays alone. This package computes in numpy: rows are read as numpy
arrays, and handed to the model as what they were.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn import get_config

from specreg_sklearn.tables.containers._arrays import ArrayTable


def as_numpy(values: object) -> Any:
    """Return an array of another library as a numpy array; everything else as it is."""
    if not _is_foreign(values):
        return values
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def in_library_of(X: Any, values: Any) -> Any:
    """Return numbers as an array of the library of `X`, if scikit-learn dispatches to it.

    What such a library cannot hold, as text, stays a numpy array.
    """
    if not dispatches_to(X) or np.asarray(values).dtype.kind not in "biuf":
        return values
    return _namespace(X).asarray(values, device=X.device)


def dispatches_to(X: Any) -> bool:
    """Return whether `X` is an array of another library, and scikit-learn hands such ones on."""
    return bool(get_config().get("array_api_dispatch")) and _is_foreign(X)


class ForeignTable(ArrayTable):
    """A 2-D array of another library: computed in numpy, handed back as what it was.

    Parameters
    ----------
    data : ndarray of shape (n_rows, n_columns)
        Its numbers.
    like : array
        An array of the library, on the device of the rows.
    """

    def __init__(self, data: np.ndarray, like: Any) -> None:
        super().__init__(data)
        self.like = like

    def take(self, rows: np.ndarray | slice) -> ForeignTable:
        """Return the table of some rows."""
        return ForeignTable(self.data[rows], self.like)

    def _container(self, written: np.ndarray) -> Any:
        return _namespace(self.like).asarray(written, device=self.like.device)


def _is_foreign(values: object) -> bool:
    if isinstance(values, (np.ndarray, np.generic, list, tuple)):
        return False
    torch = sys.modules.get("torch")
    is_tensor = torch is not None and isinstance(values, torch.Tensor)
    return is_tensor or hasattr(values, "__array_namespace__")


def _namespace(values: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        return torch
    return values.__array_namespace__()
