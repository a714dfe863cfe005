"""The space an attack moves in: which columns may change, how far, and in which units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specreg_sklearn.attacks._rows import CleanRows
from specreg_sklearn.attacks._space_options import (
    column_label,
    read_bounds,
    read_mutable,
    read_scale,
    read_types,
)
from specreg_sklearn.attacks._tables import CATEGORICAL, INTEGER, Table, as_table


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """What an attack may change in a row, and the unit in which the change is measured.

    Build one with :meth:`from_data`. A space is plain data: it pickles, and it can be used for any
    number of rows of the same columns.

    Parameters
    ----------
    names : list or None
        Column names, None for arrays.
    kinds : ndarray of shape (n_features,), str
        "real", "integer" or "categorical". Integer columns are rounded whenever a row is built.
    minimum, maximum : ndarray of shape (n_features,), float64
        The box, in the units of X; 0 for categorical columns.
    mutable : ndarray of shape (n_features,), bool
        Columns an attack may change. The others keep their cells bit by bit.
    scale : ndarray of shape (n_features,), float64
        The unit of each column: distances are norms of ``(X_adv - X) / scale``.

    Notes
    -----
    A row that lies outside the box may keep its own values: its box is widened to contain it.
    A missing value (NaN or null) never changes.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.attacks import FeatureSpace
    >>> X = np.array([[0.0, 10.0], [2.0, 30.0]])
    >>> space = FeatureSpace.from_data(X, scale="range")
    >>> space.scale
    array([ 2., 20.])
    >>> Z = space.to_coordinates(X)
    >>> Z
    array([[0. , 0.5],
           [1. , 1.5]])
    >>> space.materialise(Z + 0.25, X)
    array([[ 0.5, 15. ],
           [ 2. , 30. ]])
    """

    names: list[Any] | None
    kinds: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    mutable: np.ndarray
    scale: np.ndarray

    @classmethod
    def from_data(
        cls,
        X: Any,
        *,
        mutable: Any = None,
        bounds: Any = "data",
        types: Any = "auto",
        scale: Any = "std",
    ) -> FeatureSpace:
        """Describe the space that the rows of `X` live in.

        Parameters
        ----------
        X : array-like, pandas or polars DataFrame of shape (n_samples, n_features)
            Data, usually what the model is evaluated on.
        mutable : None, list of columns, or mask of shape (n_features,), default=None
            Columns the attack may change, by name, number or mask. None means every numeric
            column. Text, categories and bool are immutable.
        bounds : "data", None, (low, high) or dict, default="data"
            "data" takes the smallest and largest value of each column, None sets no bounds. A pair
            holds numbers or arrays of shape (n_features,), and None for an open end. A dict gives
            pairs by column; columns it leaves out are bounded by the data.
        types : "auto", list or dict by column, default="auto"
            "real", "integer" or "categorical" per column. "auto" follows the dtypes.
        scale : "std", "range", None, float or array of shape (n_features,), default="std"
            The unit of each column. "std" divides by the standard deviation, "range" by the range,
            None leaves the units of X. A column that does not vary has the unit 1.

        Returns
        -------
        FeatureSpace
            The space.

        Raises
        ------
        ValueError
            If an option names an unknown column, bounds cross, a unit is not positive, or a mutable
            column holds infinite values.
        TypeError
            If `X` is sparse.
        """
        table = as_table(X)
        names, n = table.names, table.n_columns
        kinds = read_types(types, table)
        numeric = np.flatnonzero(kinds != CATEGORICAL)
        numbers = np.full((table.n_rows, n), np.nan)
        numbers[:, numeric] = table.numbers(numeric)
        check_cells(numbers, kinds, names)
        low, high = _range(numbers)
        flags = read_mutable(mutable, kinds, names)
        lo, hi = read_bounds(bounds, low, high, kinds, names)
        unit = read_scale(scale, numbers, low, high, names)
        return cls(names, kinds, lo, hi, flags, unit)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.kinds)

    @property
    def movable(self) -> np.ndarray:
        """Positions of the columns that are mutable and whose bounds leave them room."""
        with np.errstate(invalid="ignore"):
            return np.flatnonzero(self.mutable & (self.maximum > self.minimum))

    def bind(self, X: Any, *, parameter: str = "X") -> CleanRows:
        """Read the rows of `X` in this space, after checking that its columns are the space's.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        parameter : str, default="X"
            How messages call `X`.

        Returns
        -------
        CleanRows
            The rows' coordinates, their boxes, and the way back to the container of `X`.

        Raises
        ------
        ValueError
            If columns are missing, unknown, reordered, or no longer hold numbers.
        """
        table = as_table(X, parameter=parameter)
        self._check_columns(table, parameter)
        columns = self.movable
        raw = table.numbers(columns)
        labels = columns.tolist() if self.names is None else [self.names[j] for j in columns]
        check_cells(raw, self.kinds[columns], labels)
        return CleanRows(
            table,
            columns,
            raw,
            low=self.minimum[columns],
            high=self.maximum[columns],
            integer=self.kinds[columns] == INTEGER,
            scale=self.scale[columns],
        )

    def to_coordinates(self, X: Any) -> np.ndarray:
        """Return the scaled coordinates of the columns that can move.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_movable), float64
            ``X[:, movable] / scale``; 0 where a value is missing.
        """
        return self.bind(X).x

    def materialise(self, Z: np.ndarray, X: Any) -> Any:
        """Turn coordinates back into rows, each one a change of a clean row.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_movable)
            Scaled coordinates.
        X : array-like or DataFrame of shape (n_samples, n_features)
            The clean rows: they lend the container, the dtypes and the immutable cells.

        Returns
        -------
        container like X
            Rows inside the box; whole numbers in integer columns, unmoved cells bit-equal.

        Raises
        ------
        ValueError
            If `Z` does not have one row per row of `X` and one column per movable column.
        """
        rows = self.bind(X)
        Z = np.asarray(Z, dtype=np.float64)
        if Z.shape != rows.x.shape:
            raise ValueError(f"Z has shape {Z.shape}; X has the coordinates {rows.x.shape}.")
        owner = np.arange(len(rows))
        return rows.build(rows.snap(Z, owner), owner)

    def distances(self, X_adv: Any, X: Any, *, norm: float = 2) -> np.ndarray:
        """Return the distance of each row of `X_adv` from the row of `X`.

        Parameters
        ----------
        X_adv, X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the same order.
        norm : {2, inf}, default=2
            The norm of ``(X_adv - X) / scale``.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Distances over the columns that can move.
        """
        clean, moved = self.bind(X), self.bind(X_adv, parameter="X_adv")
        if len(clean) != len(moved):
            raise ValueError(f"X_adv has {len(moved)} rows and X has {len(clean)}.")
        return clean.distance(moved.raw, np.arange(len(clean)), norm)

    def _check_columns(self, table: Table, parameter: str) -> None:
        if table.n_columns != self.n_features and (table.names is None or self.names is None):
            raise ValueError(
                f"{parameter} has {table.n_columns} columns, but the feature space was built for "
                f"{self.n_features}."
            )
        if self.names is not None and table.names is not None:
            check_names(table.names, self.names, parameter, "the feature space was built for")
        for j in np.flatnonzero(self.mutable).tolist():
            if table.kind(j) == CATEGORICAL:
                raise ValueError(
                    f"{parameter} holds no numbers in column {column_label(j, self.names)}, which "
                    "the feature space declares mutable."
                )


def check_names(given: list[Any], wanted: list[Any], parameter: str, whose: str) -> None:
    """Raise if two lists of column names differ, and name the columns."""
    if given == wanted:
        return
    missing = [c for c in wanted if c not in given]
    extra = [c for c in given if c not in wanted]
    if missing or extra:
        raise ValueError(
            f"{parameter} does not have the columns {whose}: missing {missing}, unknown {extra}."
        )
    swapped = [c for c, w in zip(given, wanted, strict=True) if c != w]
    raise ValueError(
        f"{parameter} has its columns in another order than {whose}: {swapped} are out of place. "
        f"Expected {wanted}."
    )


def check_cells(numbers: np.ndarray, kinds: np.ndarray, names: list[Any] | None) -> None:
    """Raise on infinite numbers, and on fractions in integer columns."""
    infinite = np.flatnonzero(np.isinf(numbers).any(axis=0))
    if infinite.size:
        raise ValueError(f"X holds infinite values in column {column_label(infinite[0], names)}.")
    whole = kinds == INTEGER
    fraction = np.flatnonzero(whole & (np.nan_to_num(np.mod(numbers, 1)) != 0).any(axis=0))
    if fraction.size:
        raise ValueError(
            f"Column {column_label(fraction[0], names)} is of type 'integer' but holds fractions."
        )


def _range(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest number of each column, 0 where there is none."""
    missing = np.isnan(numbers)
    low = np.where(missing, np.inf, numbers).min(axis=0)
    high = np.where(missing, -np.inf, numbers).max(axis=0)
    empty = missing.all(axis=0)
    low[empty], high[empty] = 0.0, 0.0
    return low, high
