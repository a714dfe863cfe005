"""Fingerprints: whether data and models are those that a report is about.

A fingerprint is the SHA-256 of a canonical form, so that it does not depend on the container, on
the byte order of the machine or on versions of packages:

- *Data*: for each column its name, whether it holds real numbers, whole numbers or anything else,
  the dtype of its numbers, and its cells: real numbers as little-endian float64, whole numbers as
  text, other cells as text, missing cells marked. A list of lists, an array and a frame without
  text agree if names, dtypes and cells do.
- *Model*: the labels that it predicts, beside its class and its parameters. Two models that answer
  alike are the same model here. The hash of its pickle is kept as information only: pickles of one
  model differ between versions of Python and of packages.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from specreg_sklearn.tables import CATEGORICAL, INTEGER, Table, as_table, column_cells

MOST_PREDICTED = 20_000
"""Rows whose predictions are part of a model's fingerprint, from the first on."""


def data_fingerprint(X: Any) -> str:
    """Return the SHA-256 of a table in canonical form."""
    table = as_table(X)
    digest = hashlib.sha256(f"table {table.n_rows} {table.n_columns}".encode())
    for j in range(table.n_columns):
        name = j if table.names is None else table.names[j]
        kind = table.kind(j)
        dtype = "" if kind == CATEGORICAL else table.dtype(j).newbyteorder("=").name
        digest.update(json.dumps([str(name), kind, dtype]).encode())
        digest.update(_cells(table, j, kind))
    return digest.hexdigest()


def _cells(table: Table, column: int, kind: str) -> bytes:
    if kind == INTEGER:
        whole, missing = table.integers(column)
        return _text(
            "" if gone else str(v) for v, gone in zip(whole.tolist(), missing, strict=True)
        )
    if kind == CATEGORICAL:
        return _text(column_cells(table.data, column))
    numbers = table.numbers(np.array([column]))[:, 0].astype("<f8")
    numbers[np.isnan(numbers)] = np.nan  # one of many ways to write it
    return numbers.tobytes()


def labels_fingerprint(labels: np.ndarray) -> str:
    """Return the SHA-256 of labels, in order; True and 1 are the same label."""
    plain = [plain_label(label) for label in labels.tolist()]
    return hashlib.sha256(_text(json.dumps(label) for label in plain)).hexdigest()


def class_counts(labels: np.ndarray, places: Sequence[int]) -> list[dict[str, Any]]:
    """Return how many rows each class has, and how many of them are at some places."""
    plain = [plain_label(label) for label in labels.tolist()]
    everywhere = Counter(plain)
    there = Counter(plain[place] for place in places)
    order = sorted(everywhere, key=lambda label: (isinstance(label, str), label))
    return [
        {"label": label, "n_rows": everywhere[label], "n_measured": there[label]} for label in order
    ]


def plain_label(label: object) -> Any:
    """Return a label as JSON has it: numbers that are whole as whole numbers, others as text."""
    if isinstance(label, (bool, int)):
        return int(label)
    if isinstance(label, float):
        return int(label) if label.is_integer() else label
    return str(label)


def _text(cells: Iterable[object]) -> bytes:
    # JSON quotes what is in a cell, so that no two columns look alike.
    texts = (json.dumps(cell if cell is None else str(cell)) for cell in cells)
    return "\n".join(texts).encode()


def class_name(model: object) -> str:
    """Return where the class of a model is defined."""
    return f"{type(model).__module__}.{type(model).__qualname__}"


def parameters_of(model: Any) -> dict[str, str]:
    """Return the parameters of a model as text, those of its parts included.

    Objects whose text would hold an address in memory are named by their class.
    """
    if not hasattr(model, "get_params"):
        return {}
    found = {}
    for name, value in sorted(model.get_params(deep=True).items()):
        text = repr(value)
        parts = hasattr(value, "get_params") or " at 0x" in text or isinstance(value, (list, tuple))
        if callable(value) and hasattr(value, "__qualname__"):
            text = f"{value.__module__}.{value.__qualname__}"
        elif parts:
            text = type(value).__name__
        found[name] = text if len(text) <= 200 else f"{text[:200]} ..."
    return found


def pickle_fingerprint(model: object) -> str | None:
    """Return the SHA-256 of a model's pickle, None where it has none."""
    try:
        return hashlib.sha256(pickle.dumps(model)).hexdigest()
    except Exception:  # whatever a model's own code raises, the hash is information only
        return None
