"""Groups of flags of which exactly one is set: a category that was encoded as one column a value.

A group moves as one choice: one flag is raised, and the one that was set falls. Candidates are put
right by one rule, whatever made them. The flag that a candidate raises most is the choice, if it is
raised by more than a half; else the clean one stays. So a search that knows nothing of groups finds
a swap by raising a single flag.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns._options import column_index
from specreg_sklearn.tables import CATEGORICAL, INTEGER, Table, column_label

Groups: TypeAlias = (
    str | Mapping[Hashable, Sequence[Hashable]] | Sequence[Sequence[Hashable]] | tuple[()]
)
"""Groups of columns: lists of them, a dict of lists by name, or "dummies"."""
_ACCEPTED = (
    "a list of lists of columns, a dict of such lists by name, or 'dummies' for the flags that "
    "pandas.get_dummies makes"
)
# pandas.get_dummies writes the column, this, and the value.
_SEPARATOR = "_"


@dataclass(frozen=True)
class Group:
    """Columns of flags, by position, of which one is set; `price` is that of a swap.

    None as a price stands for the distance of the two flags in the units of their columns.
    """

    name: Hashable
    columns: tuple[int, ...]
    price: float | None = None


@dataclass(frozen=True)
class BoundGroup:
    """The movable flags of a group among rows: `columns` are their places among movable columns.

    `hot`, (n,), is the place of the flag that is set in each clean row, -1 where it cannot fall.
    """

    columns: IntArray
    hot: IntArray

    def settle(self, raw: FloatArray, clean: FloatArray, owner: IntArray) -> None:
        """Leave one flag set in each row of `raw`, in place; `clean` are the cells of all rows."""
        hot = self.hot[owner]
        block = raw[:, self.columns]
        block[self.columns == hot[:, None]] = 0.0
        chosen = block.argmax(axis=1)
        swapped = np.flatnonzero((hot >= 0) & (block.max(axis=1) > 0.5))
        block = clean[owner[:, None], self.columns]
        block[swapped] = 0.0
        block[swapped, chosen[swapped]] = 1.0
        raw[:, self.columns] = block

    def take(self, rows: IntArray) -> BoundGroup:
        """Return the group of some of the rows."""
        return BoundGroup(self.columns, self.hot[rows])


def read_groups(groups: Groups, table: Table) -> list[Group]:
    """Return groups of columns, after checking that no column is in two of them."""
    named: dict[Hashable, Sequence[Hashable]]
    if isinstance(groups, str):
        if groups != "dummies":
            raise ValueError(f"groups={groups!r} is not {_ACCEPTED}.")
        named = dummies_of(table)
    elif isinstance(groups, Mapping):
        named = dict(groups)
    else:
        try:
            named = {tuple(columns): columns for columns in _lists(groups)}
        except TypeError as error:
            raise ValueError(f"groups={groups!r} is not {_ACCEPTED}.") from error
    found, seen = [], dict[int, Hashable]()
    for name, columns in named.items():
        places = tuple(
            column_index(c, table.names, table.n_columns, "groups") for c in _listed(columns)
        )
        if len(places) < 2:
            raise ValueError(f"groups holds {columns!r}; a group has at least two columns.")
        for j in places:
            if j in seen:
                raise ValueError(
                    f"groups names column {column_label(j, table.names)} twice; a column is in one "
                    "group at most."
                )
            seen[j] = name
        found.append(Group(name, places))
    return found


def _lists(groups: Iterable[Any]) -> Iterable[Sequence[Hashable]]:
    for columns in groups:
        yield _listed(columns)


def _listed(columns: object) -> Sequence[Hashable]:
    if isinstance(columns, (str, bytes)) or not isinstance(columns, Iterable):
        raise ValueError(f"groups holds {columns!r}, which is not a list of columns: {_ACCEPTED}.")
    return list(columns)


def dummies_of(table: Table) -> dict[Hashable, Sequence[Hashable]]:
    """Return the groups of flags whose names begin alike, up to an underscore.

    A name may hold several underscores. The longest beginning is taken whose columns are all flags,
    at least two, and of which exactly one is set in every row.
    """
    names = table.names
    if names is None:
        raise ValueError("groups='dummies' looks for names of columns, but X has none: give lists.")
    flags = [j for j in range(table.n_columns) if _holds_flags(table, j)]
    begins: dict[str, list[int]] = {}
    for j in flags:
        parts = str(names[j]).split(_SEPARATOR)
        for k in range(1, len(parts)):
            begins.setdefault(_SEPARATOR.join(parts[:k]), []).append(j)
    found, taken = dict[Hashable, Sequence[Hashable]](), set[int]()
    for name in sorted(begins, key=len, reverse=True):
        columns = begins[name]
        if len(columns) < 2 or taken & set(columns):
            continue
        if (table.numbers(np.array(columns)).sum(axis=1) == 1).all():
            found[name] = [names[j] for j in columns]
            taken |= set(columns)
    if not found:
        raise ValueError(
            "groups='dummies' finds no columns of flags whose names begin alike and of which "
            "exactly one is set in every row; give groups as lists of columns."
        )
    return dict(sorted(found.items(), key=lambda item: names.index(item[1][0])))


def _holds_flags(table: Table, column: int) -> bool:
    if table.kind(column) == CATEGORICAL and not table.is_flag(column):
        return False
    cells = table.numbers(np.array([column]))[:, 0]
    return bool(np.isin(cells, (0.0, 1.0)).all())


def encode_flags(groups: list[Group], kinds: np.ndarray, table: Table, *, all_move: bool) -> None:
    """Let the columns of groups move as whole numbers, in place; those of True and False if all do.

    Flags that do not move because the user says so stay categorical.
    """
    for j in (j for group in groups for j in group.columns):
        if table.kind(j) == CATEGORICAL and not table.is_flag(j):
            raise ValueError(
                f"groups names column {column_label(j, table.names)}, which does not hold flags; "
                "accepted: 0 and 1, or True and False."
            )
        if table.kind(j) != CATEGORICAL or all_move:
            kinds[j] = INTEGER


def check_one_set(
    group: Group, table: Table, names: list[Any] | None, parameter: str = "X"
) -> None:
    """Raise unless exactly one flag of a group is set in every row, and tell in how many not."""
    cells = table.numbers(np.array(group.columns))
    n_set = np.where((cells == 0) | (cells == 1), cells, np.nan).sum(axis=1)
    bad = np.flatnonzero(n_set != 1)
    if not bad.size:
        return
    shown = ", ".join(column_label(j, names) for j in group.columns[:10])
    several = int((n_set > 1).sum())
    none, odd = int((n_set == 0).sum()), int(np.isnan(n_set).sum())
    raise ValueError(
        f"In {len(bad)} of {len(n_set)} rows of {parameter} the group of columns {shown} does not "
        f"have exactly one flag set: {several} have several, {none} have none, {odd} hold "
        f"something else than 0 and 1 or a missing value; the first one is row {int(bad[0])}. "
        "Leave these rows out, or the group; a column for 'none of them' makes it whole."
    )


def check_group_moves(
    group: Group, mutable: BoolArray, directions: IntArray, names: list[Any] | None
) -> bool:
    """Return whether a group moves; raise if some of its columns may and others may not."""
    columns = list(group.columns)
    if not mutable[columns].any():
        return False
    stuck = [column_label(j, names) for j in columns if not mutable[j]]
    if stuck:
        raise ValueError(
            f"groups has columns that are mutable and columns that are not in one group; not "
            f"mutable: {', '.join(stuck)}. A group moves as a whole: name all of them or none."
        )
    one_way = [column_label(j, names) for j in columns if directions[j]]
    if one_way:
        raise ValueError(
            f"increase_only or decrease_only names {', '.join(one_way)}, a flag of a group: "
            "another one that is raised makes it fall. Leave it out there, or out of groups."
        )
    return True
