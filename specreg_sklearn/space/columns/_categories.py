"""Columns of text, categories or True and False whose cells may take other values of the data.

A swap is one move at one price. Attacks see a column as one flag for each value: all are 0 in the
clean row, and raising the flag of another value takes it in place of the clean one. The flag of the
clean value is not there, as if it were missing, so that a swap moves exactly one coordinate, by the
price: it adds to the other moves as the norm says, whatever the norm.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns._groups import Group
from specreg_sklearn.space.columns._options import column_index
from specreg_sklearn.tables import CATEGORICAL, Table, column_label

Prices: TypeAlias = float | Mapping[Any, float]
"""The price of any swap in a column, or that of a swap to each value."""
Categories: TypeAlias = str | Mapping[Hashable, Prices] | None
"""Prices by column, or "swap" for a price of 1 in all columns that hold no numbers."""
MAX_VALUES = 1000
"""A column of more values than this is no category: every one is a move of its own."""
_ACCEPTED = (
    "'swap', or a dict of prices by column, where a price is a positive number, or a dict of them "
    "by the value that a cell may become"
)


@dataclass(frozen=True)
class Category:
    """A column, by position, whose cells may become one of `values`, each at its price."""

    column: int
    values: tuple[Any, ...]
    prices: tuple[float, ...]


@dataclass(frozen=True)
class Choices:
    """The cells of a category among rows.

    Parameters
    ----------
    category : Category
        What they may become.
    places : ndarray of shape (n_values,), int
        Where the flags of the values are among the coordinates of rows.
    own : ndarray of shape (n,), int
        The number of the clean value among them; -1 for other values.
    unseen : list of (row, value)
        Clean values that are not among them.
    missing : ndarray of shape (n,), bool
        Missing cells: they never change.
    cells : column of the table
        The clean cells, and behind them one of each value.
    """

    category: Category
    places: IntArray
    own: IntArray
    unseen: Mapping[int, Any]
    missing: BoolArray
    cells: Any

    @classmethod
    def read(cls, category: Category, table: Table, places: IntArray, parameter: str) -> Choices:
        """Read the cells of a table."""
        objects = table.objects(category.column)
        own, missing, unseen = _codes(objects, category.values)
        try:
            cells = table.extended(category.column, category.values)
        except ValueError as error:
            label = column_label(category.column, table.names)
            raise ValueError(
                f"{parameter} has {error} in column {label}, which cannot hold all of the values "
                f"that categories lets it take: {_shown(category.values)}. Convert the column to "
                "the dtype that it had in FeatureSpace.from_data."
            ) from error
        return cls(category, places, own, unseen, missing, cells)

    def take(self, rows: IntArray, table: Table) -> Choices:
        """Return the cells of some rows; `table` holds these."""
        unseen = {k: self.unseen[i] for k, i in enumerate(rows.tolist()) if i in self.unseen}
        cells = table.extended(self.category.column, self.category.values)
        return Choices(
            self.category, self.places, self.own[rows], unseen, self.missing[rows], cells
        )

    def flags(self) -> FloatArray:
        """Return the flags of the clean rows, (n, n_values): 0, or NaN where there is none."""
        flags = np.zeros((len(self.own), len(self.category.values)))
        flags[self.missing] = np.nan
        known = np.flatnonzero(self.own >= 0)
        flags[known, self.own[known]] = np.nan
        return flags

    def goals(self) -> FloatArray:
        """Return what flags other rows raise to take the clean values; NaN where missing."""
        goals = np.zeros((len(self.own), len(self.category.values)))
        goals[self.missing] = np.nan
        known = np.flatnonzero(self.own >= 0)
        goals[known, self.own[known]] = 1.0
        return goals

    def settle(self, raw: FloatArray) -> None:
        """Leave one flag raised at most in each row of `raw`, in place: the one that is highest."""
        block = raw[:, self.places]
        chosen, raised = block.argmax(axis=1), block.max(axis=1) > 0.5
        block[:] = 0.0
        block[np.flatnonzero(raised), chosen[raised]] = 1.0
        raw[:, self.places] = block

    def index(self, raw: FloatArray, owner: IntArray) -> IntArray:
        """Return which of `cells` rows hold, given settled coordinates."""
        block = raw[:, self.places]
        raised = block.max(axis=1) > 0.5
        return np.asarray(np.where(raised, len(self.own) + block.argmax(axis=1), owner))

    def objects(self, raw: FloatArray, owner: IntArray) -> np.ndarray:
        """Return the values (m,) of rows as Python objects, or as numbers if they are flags."""
        values = np.array([None, *self.category.values], dtype=object)[1:]
        clean = np.full(len(self.own), None, dtype=object)
        clean[self.own >= 0] = values[self.own[self.own >= 0]]
        for i, value in self.unseen.items():
            clean[i] = value
        index = self.index(raw, owner)
        out = np.concatenate([clean, values])[index]
        if all(isinstance(value, bool) for value in values):
            return np.array([np.nan if v is None else float(v) for v in out], dtype=np.float64)
        return out

    def moved_to(self, table: Table, owner: IntArray) -> FloatArray:
        """Return the flags (m, n_values) that make the values of `table` out of the owners'.

        Raises ValueError where no flags do.
        """
        objects = table.objects(self.category.column)
        own, missing, unseen = _codes(objects, self.category.values)
        flags = self.flags()[owner]
        swaps = np.flatnonzero((own >= 0) & (own != self.own[owner]))
        flags[swaps, own[swaps]] = np.where(self.missing[owner[swaps]], np.nan, 1.0)
        stray = missing != self.missing[owner]
        for i, value in unseen.items():
            stray[i] |= self.unseen.get(int(owner[i])) != value
        if stray.any():
            i = int(np.argmax(stray))
            raise ValueError(
                f"Column {column_label(self.category.column, table.names)} holds {objects[i]!r} in "
                f"row {i}, which its clean cell cannot become; accepted: "
                f"{_shown(self.category.values)}, or the clean cell, and no missing value is "
                "filled or made."
            )
        return flags


def read_categories(
    categories: Categories,
    kinds: np.ndarray,
    table: Table,
    *,
    mutable: BoolArray | None,
    taken: Mapping[int, str],
) -> list[Category]:
    """Return the categories that are asked for, by column.

    `mutable` is the mask of the user, None if there is none: with "swap" only these columns move.
    `taken` says of columns which other option they are named in.
    """
    if categories is None:
        return []
    names, n = table.names, table.n_columns
    asked: dict[int, Any]
    if isinstance(categories, str):
        if categories != "swap":
            raise ValueError(f"categories={categories!r} is not {_ACCEPTED}.")
        words = np.flatnonzero(kinds == CATEGORICAL).tolist()
        asked = {j: 1.0 for j in words if j not in taken and (mutable is None or mutable[j])}
    elif isinstance(categories, Mapping):
        asked = {column_index(c, names, n, "categories"): p for c, p in categories.items()}
    else:
        raise ValueError(f"categories={categories!r} is not {_ACCEPTED}.")
    found = []
    for j in sorted(asked):
        label = column_label(j, names)
        if j in taken:
            raise ValueError(
                f"categories names column {label}, which is in {taken[j]} as well; a column is in "
                "one of them at most."
            )
        if kinds[j] != CATEGORICAL:
            raise ValueError(
                f"categories names column {label}, which moves as a number. For numbers that are "
                "names of things, say types={column: 'categorical'}; True and False that are "
                "named in mutable move as 0 and 1."
            )
        values = _values(table.objects(j), label)
        found.append(_priced(j, values, asked[j], label))
    return found


def check_swaps(
    categories: Sequence[Category], cost: object, directions: IntArray, names: list[Any] | None
) -> None:
    """Raise if columns whose cells are swapped have a direction, or a price as numbers have."""
    priced = set[int]()
    if isinstance(cost, Mapping):
        known = range(len(directions)) if names is None else names
        priced = {j for j, name in enumerate(known) if name in cost}
    for category in categories:
        label = column_label(category.column, names)
        if category.column in priced:
            raise ValueError(
                f"cost names column {label}, whose cells are swapped; give its price in categories."
            )
        if directions[category.column]:
            raise ValueError(
                f"increase_only or decrease_only names column {label}, whose cells are swapped: "
                "give the values that they may become in categories, {column: {value: price}}."
            )


def columns_in(groups: Sequence[Group], derived: Sequence[int]) -> dict[int, str]:
    """Return in which option columns are that no category may hold."""
    return {j: "groups" for group in groups for j in group.columns} | dict.fromkeys(
        derived, "derived"
    )


def _values(objects: list[Any], label: str) -> list[Any]:
    """Return the different values of a column, in an order that does not depend on the rows."""
    try:
        found = {_key(value): value for value in objects if value is not None}
    except TypeError as error:
        raise ValueError(
            f"Column {label} holds cells that cannot be compared: {error}; accepted in categories: "
            "text, categories, True and False, and numbers."
        ) from error
    try:
        return sorted(found.values())
    except TypeError:
        return sorted(found.values(), key=lambda value: (type(value).__name__, str(value)))


def _priced(column: int, values: list[Any], prices: Any, label: str) -> Category:
    if isinstance(prices, Mapping):
        known = {_key(value) for value in values}
        for value, price in prices.items():
            if _key(_plain(value)) not in known:
                raise ValueError(
                    f"categories gives a price for {value!r} in column {label}, where no row of X "
                    f"holds it; X has {_shown(values)}."
                )
            _check_price(price, f"a swap to {value!r} in column {label}")
        asked = {_key(_plain(value)): float(price) for value, price in prices.items()}
        values = [value for value in values if _key(value) in asked]
        return Category(column, tuple(values), tuple(asked[_key(value)] for value in values))
    _check_price(prices, f"a swap in column {label}")
    if len(values) > MAX_VALUES:
        raise ValueError(
            f"Column {label} holds {len(values)} different values; accepted in categories: up to "
            f"{MAX_VALUES}. Leave it out, or name the values that its cells may become: "
            "{column: {value: price}}."
        )
    return Category(column, tuple(values), (float(prices),) * len(values))


def _check_price(price: Any, what: str) -> None:
    number = isinstance(price, Real) and not isinstance(price, (bool, np.bool_))
    if not number or not 0 < float(price) < np.inf:
        raise ValueError(
            f"categories gives the price {price!r} for {what}; accepted: a positive number. "
            "What may not change at all is left out."
        )


def _codes(objects: list[Any], values: Sequence[Any]) -> tuple[IntArray, BoolArray, dict[int, Any]]:
    """Return the numbers of cells among values, -1 elsewhere; which are missing; and the rest."""
    place = {_key(value): k for k, value in enumerate(values)}
    own = np.array([-1 if v is None else place.get(_key(v), -1) for v in objects], dtype=np.int64)
    missing = np.array([value is None for value in objects], dtype=bool)
    unseen = {int(i): objects[i] for i in np.flatnonzero((own < 0) & ~missing).tolist()}
    return own, missing, unseen


def _key(value: Any) -> tuple[bool, Any]:
    # True is 1 to Python, yet another value to the user.
    return isinstance(value, bool), value


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _shown(values: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, values[:10]))
    return f"{shown}, ..." if len(values) > 10 else shown


def cheapest_swaps(
    choices: Sequence[Choices], row: int, norm: float, most: int, n_flags: int
) -> tuple[FloatArray, FloatArray, float]:
    """Return the cheapest sets of swaps of a row, the empty one first.

    Parameters
    ----------
    choices : sequence of Choices
        The categories of a row; a set swaps each of them at most once.
    row : int
        Which row.
    norm : float
        How prices add up.
    most : int
        So many sets at most.
    n_flags : int
        How many flags there are, which stand at the end of the coordinates.

    Returns
    -------
    prices : ndarray of shape (n_sets,)
        What the sets cost, in increasing order; in L2 the squares of it.
    flags : ndarray of shape (n_sets, n_flags)
        Which flags they raise.
    rest : float
        No set that is left out costs less; infinite if none is.
    """
    prices, flags, rest = np.zeros(1), np.zeros((1, n_flags)), np.inf
    begin = min((int(c.places[0]) for c in choices if len(c.places)), default=0)
    for choice in choices:
        if choice.missing[row] or not len(choice.places):
            continue
        able = np.flatnonzero(np.arange(len(choice.places)) != choice.own[row])
        each = np.array(choice.category.prices)[able]
        each = each**norm if 0 < norm < np.inf else (each if norm else np.ones(len(each)))
        raised = np.zeros((len(able) + 1, n_flags))
        raised[np.arange(1, len(able) + 1), choice.places[able] - begin] = 1.0
        each = np.append(0.0, each)
        total = np.maximum(prices[:, None], each) if norm == np.inf else prices[:, None] + each
        total = total.ravel()
        order = np.argsort(total, kind="stable")
        if len(order) > most:
            rest = min(rest, float(total[order[most]]))
        order = order[:most]
        flags = flags[order // len(each)] + raised[order % len(each)]
        prices = total[order]
    return prices, flags, rest
