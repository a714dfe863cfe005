"""The space an attack moves in: which columns may change, how far, and in which units."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray, Scale
from specreg_sklearn.space._clean_rows import CleanRows
from specreg_sklearn.space._describe import as_html, as_text, fields_of_json, records, to_json
from specreg_sklearn.space._from_data import may_move, read_fields
from specreg_sklearn.space._norms import NORMS, check_norm
from specreg_sklearn.space._relations import Formula, Relations, Rules
from specreg_sklearn.space._repair import Repair
from specreg_sklearn.space.columns import (
    EXACT_INTEGERS,
    BoundGroup,
    Bounds,
    Categories,
    Category,
    Choices,
    Columns,
    Cost,
    Group,
    Groups,
    IntegerRange,
    Kinds,
    LargeCells,
    check_cells,
    check_one_set,
    whole_ends,
)
from specreg_sklearn.tables import (
    CATEGORICAL,
    INTEGER,
    Table,
    as_table,
    check_columns,
    column_label,
)

RowRepair: TypeAlias = Callable[[Any, Any], Any]
"""``repair(X_moved, X_clean)``: both containers like the user's X, and so is what it returns."""


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
        How far each column goes for a price of 1: distances are norms of ``(X_adv - X) / scale``.
        Where the two ways cost differently it is that of the cheaper one, and `dearer` adds.
    repair : callable or None, default=None
        ``repair(X_moved, X_clean)`` returns the moved rows put right; see :meth:`from_data`.
    large : mapping of int to tuple (origin, low, high), default={}
        Columns of whole numbers beyond 2**53, by position. float64 cannot tell such neighbours
        apart, so their coordinates are counted from an origin, ``(X - origin) / scale``, and
        their bounds are whole numbers, None where open.
    directions : ndarray of shape (n_features,), int, or None, default=None
        1 for columns that may only grow, -1 for those that may only shrink, 0 for all others; None
        stands for zeros.
    units : list of str or None, default=None
        Where the unit of each column is from: "std", "range", "iqr" or "mad" of the data, "X" for
        the units of X, "given" for a number; "price" where `cost` multiplies it. None where nobody
        said.
    dearer : ndarray of shape (2, n_features), float64, or None, default=None
        How many times ``abs(X_adv - X) / scale`` steps upwards (first row) and downwards cost; at
        least 1. None where both ways cost the same.
    groups : tuple of Group, default=()
        Groups of columns of flags of which exactly one is set: positions, and the price of a swap.
    relations : Relations or None, default=None
        Rules between columns, and columns that follow from others.
    categories : tuple of Category, default=()
        Columns whose cells may take other values: positions, the values, and what each costs.

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
    >>> space
    FeatureSpace(n_features=2, real=2, mutable=2, scale=2 to 20 (range))
    """

    names: list[Any] | None
    kinds: NDArray[np.str_]
    minimum: FloatArray
    maximum: FloatArray
    mutable: BoolArray
    scale: FloatArray
    repair: RowRepair | None = None
    large: Mapping[int, IntegerRange] = field(default_factory=dict)
    directions: IntArray | None = None
    units: list[str] | None = None
    dearer: FloatArray | None = None
    groups: tuple[Group, ...] = ()
    relations: Relations | None = None
    categories: tuple[Category, ...] = ()

    @classmethod
    def from_data(
        cls,
        X: Any,
        *,
        mutable: Columns = None,
        bounds: Bounds = "data",
        types: Kinds = "auto",
        scale: Scale = "std",
        increase_only: Columns = None,
        decrease_only: Columns = None,
        cost: Cost | None = None,
        groups: Groups = (),
        categories: Categories = None,
        derived: Mapping[Hashable, Formula] | None = None,
        rules: Rules = (),
        repair: RowRepair | None = None,
    ) -> FeatureSpace:
        """Describe the space that the rows of `X` live in.

        Parameters
        ----------
        X : array-like, pandas or polars DataFrame of shape (n_samples, n_features)
            Data, usually what the model is evaluated on.
        mutable : None, list of columns, or mask of shape (n_features,), default=None
            Columns the attack may change, by name, number or mask. None means every numeric
            column. Columns of True and False move as the whole numbers 0 and 1 if they are named
            here or are "integer" in `types`, else they are immutable. Text and categories are
            immutable, unless `categories` names them, or they are named here and there is a
            `repair`, which then changes them.
        bounds : "data", None, (low, high) or dict, default="data"
            "data" takes the smallest and largest value of each column, None sets no bounds. A pair
            holds numbers or arrays of shape (n_features,), and None for an open end. A dict gives
            pairs by column; columns it leaves out are bounded by the data. Rows outside the bounds,
            here or later, keep their own values as an end of their box.
        types : "auto", list or dict by column, default="auto"
            "real", "integer" or "categorical" per column. "auto" follows the dtypes; for True and
            False it is "integer" where `mutable` names the column, else "categorical".
        scale : "std", "range", "iqr", "mad", None, float, array-like or dict, default="std"
            The unit of each column. "std" divides by the standard deviation, "range" by the range,
            "iqr" by the distance between the quartiles, as RobustScaler does, "mad" by the median
            distance from the median; None leaves the units of X. The last two do not grow with a
            few huge values; where they are 0, since most cells are equal, the standard deviation
            stands in, and the space says so when printed. A dict gives names or numbers by column;
            columns it leaves out get "std". For all names a mutable column must vary, or have
            bounds that keep it from moving.
        increase_only, decrease_only : None, list of columns, or mask, default=None
            Columns whose numbers an attack may only raise, or only lower, from row to row: an
            account does not get younger. They are mutable columns of numbers. Proved distances can
            only become larger by it. A short attack may find a row in the smaller space that it
            misses in the larger one: give its rows as `starts` of the second attack, to compare.
        cost : None or dict by column, default=None
            What one unit of a column costs: a positive factor, or a pair of one for steps upwards
            and one for steps downwards. Columns it leaves out cost 1. Distances, eps and proofs are
            then prices: ``{"income": 2.0}`` makes a change of income count twice. The L0 norm still
            counts columns, whatever they cost. The name of a group stands for the price of a swap
            of two of its flags, in every norm but L0; without it, a swap is as far as both flags.
        groups : list of lists of columns, dict of lists by name, or "dummies", default=()
            Columns of flags that encode one choice: exactly one of them is set, here and whenever
            rows are bound. They hold 0 and 1, or True and False, in any dtype, and move as whole
            numbers. "dummies" finds the flags of a frame that :func:`pandas.get_dummies` made, by
            the beginning of their names. A group in a list is named by its columns, as a tuple.
        categories : None, "swap" or dict by column, default=None
            Columns of text, of a category dtype, or of True and False (or of any type that is
            "categorical" in `types`) whose cells may take other values that `X` holds. A number is
            the price of a swap, whatever the values: in every norm but L0 a swap counts as a move
            of so many units in its column, in L0 it is one column. A dict gives prices by the value
            that a cell may become, ``{"packer": {"none": 1.0, "upx": 0.2}}``, and others are out of
            reach. "swap" is a price of 1 for all such columns, or for those of them that `mutable`
            names, if it is given. Missing cells stay missing, no cell becomes missing, and a cell
            whose own value `X` did not hold may be swapped for one that it did. Cells are written
            in the dtype of their column.
        derived : None or dict by column, default=None
            Columns that follow from others: ``formula(rows)`` gives their numbers. They are
            computed anew for every row that moves, cost nothing, and have no bounds. `rows` gives a
            column as float64 numbers by ``rows["name"]``, or by number for arrays. A row for which
            a formula has no finite number is no candidate, unless the clean row has none either.
        rules : list of str or callable, default=()
            What holds between columns: linear relations with <=, >= or == as text, such as "paid <=
            billed" or "a + 2 * b >= c + 1", where columns of arrays are x0, x1 and so on; and
            functions ``rule(rows)`` that say which rows obey, as flags. Candidates are moved to
            where relations hold; what cannot be moved, or is refused by a function, is no
            candidate. A relation holds where a cell is missing. Equations hold up to rounding, 1e-9
            of the size of their terms.
        repair : callable or None, default=None
            ``repair(X_moved, X_clean) -> X_repaired`` puts rows right that break a rule of the data
            which bounds cannot express: flags of which exactly one is set, a part that is not
            larger than the whole. See the notes.

        Returns
        -------
        FeatureSpace
            The space.

        Raises
        ------
        ValueError
            If an option names an unknown column, a categorical column is mutable without a
            `repair` and not in `categories`, bounds cross or exclude all values of a mutable
            column, a unit is not positive, `scale` gives no unit for a mutable column that does not
            vary, a column is to move one way but is not mutable or is named for both ways, a cost
            is not positive or that of a column that is not mutable, the price of a swap is not
            positive or that of a value that no row holds, a category has more than 1000 values,
            rows of `X` break a rule or do not have exactly one flag of a group set, a rule cannot
            be read, a derived column is mutable or there is a `repair` beside it, a column holds
            infinite values, or `X` is sparse and too large to be read.
        TypeError
            If `repair` cannot be called.

        Warns
        -----
        UserWarning
            If bounds exclude some of the values of a mutable column.

        Notes
        -----
        A repair is called on many rows at once, before the model is asked about them. It gets two
        containers like `X` (arrays for arrays, frames with the same columns, order, index and
        dtypes for frames): candidates inside their bounds, which it may write into, and the clean
        row of each. It returns the rows to ask about, and these are what an attack reports.

        - It may change mutable columns only, and keep numbers within the row's bounds, whole where
          the column is, and missing where the clean cell is. All this is checked. A column that the
          bounds leave no room counts as immutable.
        - Each row must be repaired by itself, without chance, and repairing a row again must change
          nothing. That is tried once, on the first rows of a run.
        - Real numbers may differ by rounding: from what a second repair gives, and from the bounds.
          Then the cells of the first one count, clipped to the bounds. Rounding is up to 1e-9 (1e-6
          for float32) of the column's unit and the number. What is measured, asked and reported is
          the same row, but a sum that the repair makes may be off by so much.
        - Distances are measured after the repair. Categorical cells add nothing to them, and a row
          of which only such cells have changed counts as not moved.
        - Rows that did not move are not repaired. Clean rows are never changed.
        - To run with several processes it must pickle, as functions of a module do.

        Examples
        --------
        Three columns are the flags of one category, and exactly one of them is set. The largest
        wins:

        >>> import numpy as np
        >>> from specreg_sklearn.attacks import FeatureSpace
        >>> def one_hot(moved, clean):
        ...     moved[:, 1:] = np.eye(3)[moved[:, 1:].argmax(axis=1)]
        ...     return moved
        >>> X = np.array([[0.5, 1, 0, 0], [0.1, 0, 1, 0], [0.9, 0, 0, 1]])
        >>> space = FeatureSpace.from_data(X, scale=None, repair=one_hot)
        >>> Z = space.to_coordinates(X) + [0.2, -0.4, 0.7, 0]
        >>> space.materialise(Z, X)
        array([[0.7, 0. , 1. , 0. ],
               [0.3, 0. , 1. , 0. ],
               [0.9, 0. , 0. , 1. ]])

        In a frame, the part must not be above the whole, and a text follows from them:

        >>> import pandas as pd
        >>> def in_order(moved, clean):
        ...     moved["part"] = moved["part"].clip(upper=moved["whole"])
        ...     moved["level"] = np.where(moved["part"] == moved["whole"], "full", "some")
        ...     return moved
        >>> frame = pd.DataFrame(
        ...     {"part": [1.0, 2.0], "whole": [4.0, 2.0], "level": ["some", "full"]}
        ... )
        >>> columns = ["part", "whole", "level"]
        >>> space = FeatureSpace.from_data(
        ...     frame, mutable=columns, bounds=(0, 9), scale=None, repair=in_order
        ... )
        >>> space.materialise(space.to_coordinates(frame) + [3.5, 0], frame)
           part  whole level
        0   4.0    4.0  full
        1   2.0    2.0  full

        Text moves without a repair where its swaps have a price. Distances add up as the norm says,
        here the price of the swap and the way of the number:

        >>> frame = pd.DataFrame({"size": [1.0, 3.0, 6.0], "packer": ["none", "upx", "none"]})
        >>> space = FeatureSpace.from_data(frame, scale=None, categories={"packer": 2.0})
        >>> moved = pd.DataFrame({"size": [2.0, 3.0, 6.0], "packer": ["upx", "upx", "upx"]})
        >>> space.distances(moved, frame, norm=1)
        array([3., 0., 2.])
        """
        space = cls(
            **read_fields(
                X,
                mutable=mutable,
                bounds=bounds,
                types=types,
                scale=scale,
                increase_only=increase_only,
                decrease_only=decrease_only,
                cost=cost,
                groups=groups,
                categories=categories,
                derived=derived,
                rules=rules,
                repair=repair,
            )
        )
        if space.relations is not None:
            # Rows that break a rule are told here, and not when somebody measures.
            space.bind(X)
        return space

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def to_frame(self) -> Any:
        """Return what the space says about each column.

        Returns
        -------
        pandas.DataFrame
            One row per column: its type, whether it moves, its bounds, where its unit is from, how
            far it goes up and down for a price of 1 in units of X, and its group with the price of
            a swap. What does not apply is missing. Rules are not in it.
        """
        import pandas as pd

        return pd.DataFrame(records(self)).set_index("column")

    def to_json(self) -> str:
        """Return the space as JSON text, for :meth:`from_json`.

        Returns
        -------
        str
            Every digit of every number is kept.

        Raises
        ------
        ValueError
            If the space holds functions: a repair, formulas of derived columns, or rules.
        """
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> FeatureSpace:
        """Return the space that :meth:`to_json` wrote.

        Parameters
        ----------
        text : str
            JSON text.

        Returns
        -------
        FeatureSpace
            The space.

        Raises
        ------
        ValueError
            If the text is not that of a feature space.

        Examples
        --------
        >>> import numpy as np
        >>> from specreg_sklearn import FeatureSpace
        >>> X = np.array([[1.0, 3.0], [2.0, 5.0]])
        >>> space = FeatureSpace.from_data(X, scale=None, rules=["x0 <= x1"], cost={0: (2.0, 1.0)})
        >>> again = FeatureSpace.from_json(space.to_json())
        >>> again.distances(X + [1, 1], X, norm=1)
        array([3., 3.])
        """
        return cls(**fields_of_json(text))

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.kinds)

    @property
    def movable(self) -> NDArray[np.intp]:
        """Positions of the columns that are mutable and whose bounds leave them room."""
        return np.flatnonzero(may_move(self.mutable, self.minimum, self.maximum, self.large))

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
        check_columns(table, self.names, self.kinds, self.mutable, parameter)
        columns = self.movable
        raw = table.numbers(columns)
        n = len(columns)
        low, high = self.minimum[columns], self.maximum[columns]
        large = {}
        for k, j in enumerate(columns.tolist()):
            limits = self._range_of(table, j, raw[:, k], parameter)
            if limits is not None:
                large[k] = LargeCells.read(table.integers(j), limits)
                raw[:, k], (low[k], high[k]) = large[k].raw, limits.ends()
        labels = columns.tolist() if self.names is None else [self.names[j] for j in columns]
        check_cells(raw, self.kinds[columns], labels)
        whole = [table.dtype(j).kind in "iub" for j in columns.tolist()]
        if parameter == "X":
            for group in self.groups:
                check_one_set(group, table, self.names)
        groups, halved = self._bound_groups(columns, raw)
        choices = self._bound_categories(table, n, parameter)
        flags = np.array([c.column for c in self.categories for _ in c.values], dtype=np.int64)
        prices = np.array([price for c in self.categories for price in c.prices])
        k = len(flags)

        def with_flags(ends: np.ndarray, flag: float | np.ndarray) -> np.ndarray:
            """Append what holds of flags to what holds of numbers, along the last axis."""
            more = np.broadcast_to(flag, (*ends.shape[:-1], k)).astype(ends.dtype)
            return np.concatenate([ends, more], axis=-1)

        if choices:
            raw = np.concatenate([raw, *(c.flags() for c in choices.values())], axis=1)
        # A column of reals may be stored as whole numbers in these very rows.
        integer = (self.kinds[columns] == INTEGER) | np.array(whole, dtype=bool)
        rows = CleanRows(
            table,
            with_flags(columns, flags),
            raw,
            low=with_flags(low, 0),
            high=with_flags(high, 1),
            integer=with_flags(integer, True),
            scale=with_flags(self.scale[columns], 1 / prices),
            repair=self._bound_repair(),
            large=large,
            directions=None if self.directions is None else with_flags(self.directions[columns], 0),
            dearer=None if self.dearer is None else with_flags(self.dearer[:, columns], 1),
            groups=groups,
            halved=None if halved is None else with_flags(halved, False),
            relations=self.relations,
            choices=choices,
        )
        if parameter == "X" and self.relations is not None:
            self.relations.check_clean(rows)
        return rows

    def to_coordinates(self, X: Any) -> FloatArray:
        """Return the scaled coordinates of the columns that can move.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_movable), float64
            ``X[:, movable] / scale``; 0 where a value is missing. Columns in `large` are counted
            from their origins.
        """
        return self.bind(X).x

    def materialise(self, Z: ArrayLike, X: Any) -> Any:
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

    def distances(self, X_adv: Any, X: Any, *, norm: float = 2) -> FloatArray:
        """Return the distance of each row of `X_adv` from the row of `X`.

        Parameters
        ----------
        X_adv, X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the same order.
        norm : {0, 1, 2, inf}, default=2
            The norm of ``(X_adv - X) / scale``, at the prices of the columns if they have some; 0
            counts the columns that changed.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Distances over the columns that can move.

        Raises
        ------
        ValueError
            If the norm is not known, or rows or columns do not fit.
        """
        norm = check_norm(norm, NORMS, "FeatureSpace.distances")
        clean, moved = self.bind(X), self.bind(X_adv, parameter="X_adv")
        if len(clean) != len(moved):
            raise ValueError(f"X_adv has {len(moved)} rows and X has {len(clean)}.")
        every = np.arange(len(clean))
        if clean.large:
            return clean.distance_to(moved.table, norm)
        return clean.distance(moved.seen_from(clean, every), every, norm)

    def _range_of(
        self, table: Table, column: int, numbers: FloatArray, parameter: str
    ) -> IntegerRange | None:
        """Return where a column is counted from, and its bounds; None if float64 holds it all."""
        limits = self.large.get(column)
        if limits is not None:
            if table.kind(column) == INTEGER:
                return limits
            raise ValueError(
                f"{parameter} holds no whole numbers in column {column_label(column, self.names)}, "
                "where the feature space has some beyond 2**53, which are not exact in float64. "
                "Convert the column to int64 or uint64."
            )
        if np.abs(numbers).max(initial=0.0, where=~np.isnan(numbers)) < EXACT_INTEGERS:
            return None
        if table.kind(column) != INTEGER or table.dtype(column).kind not in "iu":
            return None
        return IntegerRange(0, *whole_ends((self.minimum[column], self.maximum[column])))

    def _bound_groups(
        self, columns: NDArray[np.intp], raw: FloatArray
    ) -> tuple[list[BoundGroup], BoolArray | None]:
        """Return groups among the movable columns, and which of these are flags with a price."""
        groups, halved = [], np.zeros(len(columns), dtype=bool)
        for group in self.groups:
            places = np.flatnonzero(np.isin(columns, group.columns))
            if not len(places):
                continue
            is_set = raw[:, places] == 1
            hot = np.where(is_set.any(axis=1), places[is_set.argmax(axis=1)], -1)
            groups.append(BoundGroup(places, hot))
            halved[places] = group.price is not None
        return groups, halved if halved.any() else None

    def _bound_categories(self, table: Table, n_numbers: int, parameter: str) -> dict[int, Choices]:
        """Return the categories of the rows of a table; their flags stand behind the numbers."""
        choices, begin = {}, n_numbers
        for category in self.categories:
            places = np.arange(begin, begin + len(category.values))
            choices[category.column] = Choices.read(category, table, places, parameter)
            begin += len(places)
        return choices

    def _bound_repair(self) -> Repair | None:
        if self.repair is None:
            return None
        free = self.mutable & (self.kinds == CATEGORICAL)
        free[self.movable] = True
        return Repair(self.repair, np.flatnonzero(~free))


def check_room(space: FeatureSpace, table: Table) -> None:
    """Raise if no column of a table can move."""
    if len(space.movable) or any(category.values for category in space.categories):
        return
    flags = [j for j in range(table.n_columns) if table.is_flag(j)]
    hint = ""
    if flags:
        shown = ", ".join(column_label(j, table.names) for j in flags[:10])
        shown += ", ..." if len(flags) > 10 else ""
        hint = (
            f" Columns of True and False ({shown}) move as 0 and 1 where mutable or types of "
            "FeatureSpace.from_data names them."
        )
    raise ValueError(
        "The feature space has no column to move: none is mutable, or the bounds leave them no "
        f"room.{hint}"
    )
