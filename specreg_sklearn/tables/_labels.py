"""Class labels as codes 0, 1, 2, ...: labels of any kind are compared as codes.

Labels may be numbers, bool, text or any hashable object. The labels that `y` and the model use must
be of one kind: numpy would turn ``[1, "1"]`` into two equal strings, and a wrong model would look
right. Numbers are compared exactly: numpy compares int64 with float64, and joins int64 and uint64,
in float64, where ``2**62`` and ``2**62 + 1`` are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from specreg_sklearn._typing import BoolArray, IntArray
from specreg_sklearn.tables.containers import as_numpy

UNKNOWN = -1
"""Code of a label that was neither in y nor among the first predictions."""

# Whole numbers below it are themselves in float64, and no other whole number is rounded to them.
_EXACT = 2**53


class LabelCoder:
    """Turns labels into codes; arrays of shape (n,) hold, together, the labels that are known."""

    def __init__(self, *labels: np.ndarray) -> None:
        kinds = {_kind(a) for a in labels}
        if len(kinds) > 1:
            raise ValueError(
                f"y and the estimator's predictions use labels of different kinds: {sorted(kinds)}."
                " Pass y with the labels the estimator was fitted on."
            )
        self._kind = kinds.pop()
        self._code: dict[object, int] | None = None
        plain = [_plain(a) for a in labels]
        self._wide = any(_is_wide(a) for a in plain)
        if self._kind == "object" or (self._wide and not _comparable(*plain)):
            # Python compares numbers of all kinds exactly.
            known = dict.fromkeys(v for a in labels for v in a.tolist())
            self._code = {label: code for code, label in enumerate(known)}
            self.n_classes = len(known)
        else:
            self._sorted = np.unique(np.concatenate(plain))
            self.n_classes = len(self._sorted)

    @property
    def are_numbers(self) -> bool:
        """Whether :meth:`decode` gives numbers, and not text or codes of other objects."""
        return self._kind == "number" and self._code is None

    @property
    def known(self) -> list[object]:
        """The labels that have codes, in the order of the codes."""
        return self._sorted.tolist() if self._code is None else list(self._code)

    def encode(self, labels: np.ndarray) -> IntArray:
        """Return codes of shape (n,), int64; :data:`UNKNOWN` for labels never seen."""
        if self._code is not None:
            return _codes_of(labels, self._code)
        if _kind(labels) != self._kind:
            return np.full(len(labels), UNKNOWN, dtype=np.int64)
        labels = _plain(labels)
        if self._wide and not _comparable(labels, self._sorted):
            return _codes_of(labels, {label: code for code, label in enumerate(self.known)})
        place = np.searchsorted(self._sorted, labels)
        place = np.minimum(place, len(self._sorted) - 1)
        return np.where(self._sorted[place] == labels, place, UNKNOWN).astype(np.int64)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return what known codes stand for, in the form that :meth:`matches` compares with."""
        return codes if self._code is not None else self._sorted[codes]

    def matches(self, labels: np.ndarray, wanted: np.ndarray) -> BoolArray:
        """Return whether each label is the wanted one, as :meth:`decode` returns it."""
        if self._code is not None:
            return self.encode(labels) == wanted
        if _kind(labels) != self._kind:
            return np.zeros(len(labels), dtype=bool)
        if self._wide and not _comparable(labels, self._sorted):
            return self.encode(labels) == self.encode(wanted)
        # Much faster than encoding, and this runs for every row that a model is asked about.
        return np.asarray(_plain(labels) == wanted)


def same_labels(one: np.ndarray, other: np.ndarray) -> BoolArray:
    """Return which rows have the same label in both arrays, whatever their dtypes."""
    coder = LabelCoder(one, other)
    return coder.encode(one) == coder.encode(other)


def as_targets(y: Any, n_rows: int) -> np.ndarray:
    """Return y as a 1-D array of class labels, after checking it."""
    labels = as_labels(y, "y")
    if len(labels) != n_rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_rows} rows, "
            f"y has {len(labels)} labels."
        )
    # Whole numbers and text are labels in any case, and looking closer takes as long as ten calls.
    whole = labels.dtype.kind == "O" and all(isinstance(v, int) for v in labels.tolist())
    if labels.dtype.kind not in "biuU" and not whole:
        check_classification_targets(labels)
    return labels


def as_labels(labels: object, what: str) -> np.ndarray:
    """Return labels as a 1-D array; text held as objects becomes a text array."""
    array = np.asarray(as_numpy(labels))
    if array.dtype.kind == "f" and not hasattr(labels, "dtype") and _is_wide(array):
        # A list of whole numbers of which some need uint64 becomes float64.
        array = np.asarray(labels, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{what} must hold one class label per row, got an array of shape {array.shape}."
        )
    if array.dtype.kind == "O":
        cells = array.tolist()
        if cells and all(isinstance(v, str) for v in cells):
            return np.array(cells, dtype=str)
        if cells and all(isinstance(v, _NUMBERS) for v in cells):
            numbers = np.array(cells)
            # Where not all of them fit into one dtype, they stay as they are.
            return array if _is_wide(numbers) and numbers.dtype.kind not in "iu" else numbers
    return array


_NUMBERS = (bool, int, float, np.number, np.bool_)


def _kind(labels: np.ndarray) -> str:
    if labels.dtype.kind in "biuf":
        return "number"
    if labels.dtype.kind == "U":
        return "text"
    numbers = len(labels) > 0 and all(isinstance(v, _NUMBERS) for v in labels.tolist())
    return "number" if numbers else "object"


def _is_wide(labels: np.ndarray) -> bool:
    """Return whether some numbers are so large that float64 may round them to others."""
    if labels.dtype.kind == "O":
        return True
    if not len(labels) or labels.dtype.kind not in "iuf":
        return False
    if labels.dtype.kind != "f" and labels.dtype.itemsize < 8:
        return False
    # As Python's numbers, which compare exactly.
    return max(abs(labels.max().item()), abs(labels.min().item())) >= _EXACT


def _comparable(*labels: np.ndarray) -> bool:
    """Return whether numpy joins and compares arrays without rounding: one kind of numbers."""
    return len({a.dtype.kind for a in labels}) == 1 and labels[0].dtype.kind != "O"


def _codes_of(labels: np.ndarray, code: dict[object, int]) -> IntArray:
    return np.array([code.get(v, UNKNOWN) for v in labels.tolist()], dtype=np.int64)


def _plain(labels: np.ndarray) -> np.ndarray:
    """Return bool as 0 and 1, so that they sort with other numbers."""
    return labels.astype(np.int64) if labels.dtype.kind == "b" else labels
