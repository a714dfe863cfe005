"""Small results of diagnostics: frozen, with arrays, and readable when printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")

_SHOWN = 6


@dataclass(frozen=True, repr=False)
class Report:
    """Base of results: a frozen dataclass that prints a summary of its arrays."""

    def __repr__(self) -> str:
        lines = [f"  {field.name}: {summary(getattr(self, field.name))}" for field in fields(self)]
        return "\n".join([type(self).__name__, *lines])


def summary(value: object) -> str:
    """Describe a value in one line."""
    if isinstance(value, np.ndarray):
        if value.size <= _SHOWN or value.dtype.kind not in "iufb":
            return np.array2string(value, precision=4, separator=", ", threshold=_SHOWN)
        if value.dtype.kind == "b":
            return f"{int(value.sum())} of {value.size} true"
        low, middle, high = np.min(value), np.median(value), np.max(value)
        return f"shape {value.shape}, min {low:.4g}, median {middle:.4g}, max {high:.4g}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


class PerLayer(Mapping[str, T], Generic[T]):
    """Results by layer name, in the order in which a row meets the layers.

    Parameters
    ----------
    results : dict of str to result
        One result a layer.
    columns : tuple of str
        Numbers of a result that the printed table shows.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from specreg_sklearn.inspection import PerLayer
    >>> result = PerLayer({"hidden1": SimpleNamespace(max=2.0)}, columns=("max",))
    >>> result["hidden1"].max
    2.0
    >>> result.column("max")
    array([2.])
    """

    def __init__(self, results: dict[str, T], columns: tuple[str, ...]) -> None:
        self._results = dict(results)
        self._columns = columns

    def __getitem__(self, name: str) -> T:
        if name not in self._results:
            raise KeyError(f"{name!r}; the layers are {list(self._results)}")
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def column(self, name: str) -> np.ndarray:
        """Return one number of every layer, such as "max", in order.

        Parameters
        ----------
        name : str
            An attribute of the results.

        Returns
        -------
        ndarray of shape (n_layers,)
            The numbers.
        """
        return np.array([getattr(result, name) for result in self._results.values()])

    def __repr__(self) -> str:
        width = max([len(name) for name in self._results] + [5])
        head = "layer".ljust(width) + "".join(f"{column:>18}" for column in self._columns)
        rows = [
            name.ljust(width) + "".join(f"{_cell(getattr(r, c)):>18}" for c in self._columns)
            for name, r in self._results.items()
        ]
        return "\n".join([head, *rows])


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
