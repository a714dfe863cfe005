"""What holds between the columns of a row: linear relations, any other rule, and derived columns.

Rules and formulas see candidate rows through :class:`RowView`, one column at a time.

Everything is computed column by column, on many candidate rows at once, so that what a row becomes
does not depend on the others. A candidate that cannot be brought to obey becomes the clean row:
then it is no question, costs nothing and fools nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space._linear_rules import LinearRule, balance, project, read_rule
from specreg_sklearn.space.columns import column_index
from specreg_sklearn.tables import CATEGORICAL, Table, column_label

if TYPE_CHECKING:
    from specreg_sklearn.space._clean_rows import CleanRows

Formula: TypeAlias = Callable[["RowView"], Any]


class RowView:
    """Rows of which single columns can be read: ``view["age"]`` are float64 numbers, shape (m,).

    This is what functions in `rules` and `derived` of :meth:`FeatureSpace.from_data` get. Columns
    are named as there, by name or by number. Missing cells are NaN, True and False are 1 and 0, and
    derived columns hold their new values. Columns named in `categories` hold their cells, as Python
    objects, None where missing, unless these are True and False. The arrays are copies.
    """

    def __init__(
        self,
        rows: CleanRows,
        raw: FloatArray,
        owner: IntArray,
        derived: Mapping[int, Formula],
    ) -> None:
        self._rows, self._raw, self._owner, self._derived = rows, raw, owner, derived
        self._known: dict[int, FloatArray] = {}
        self._open: list[int] = []

    def __len__(self) -> int:
        return len(self._owner)

    def __getitem__(self, column: Hashable) -> FloatArray:
        table = self._rows.table
        return self.column(column_index(column, table.names, table.n_columns, "A rule")).copy()

    def column(self, j: int) -> FloatArray:
        """Return the column at position `j`, which must not be written to."""
        if j in self._derived:
            return self._computed(j)
        rows, owner = self._rows, self._owner
        if j in rows.choices:
            return rows.choices[j].objects(self._raw, owner)
        k = rows.place_of(j)
        if k is None:
            return rows.numbers(j)[owner]
        if k in rows.large:
            return rows.large[k].written(self._raw[:, k], owner).astype(np.float64)
        cells = self._raw[:, k]
        return np.where(rows.missing[owner, k], np.nan, cells) if rows.gaps else cells

    def _computed(self, j: int) -> FloatArray:
        if j in self._known:
            return self._known[j]
        names = self._rows.table.names
        label = column_label(j, names)
        if j in self._open:
            raise ValueError(f"derived column {label} depends on itself.")
        self._open.append(j)
        try:
            with np.errstate(all="ignore"):
                found = self._derived[j](self)
        except Exception as error:
            error.add_note(f"This happened in the formula of the derived column {label}.")
            raise
        finally:
            self._open.pop()
        numbers = np.asarray(found, dtype=np.float64)
        if numbers.shape != (len(self),):
            raise ValueError(
                f"The formula of derived column {label} returned an array of shape "
                f"{numbers.shape} for {len(self)} rows; accepted: one number per row."
            )
        self._known[j] = self._rows.as_held(j, numbers)
        return self._known[j]


Rule: TypeAlias = str | Callable[[RowView], Any]
Rules: TypeAlias = Iterable[Rule]
"""Relations as text, or functions of the rows that say which ones obey."""
# So often all relations are gone through: bringing one to hold may break another.
_ROUNDS = 4


@dataclass(frozen=True)
class Relations:
    """Rules that rows obey, and columns that follow from others.

    Parameters
    ----------
    linear : tuple of LinearRule
        Relations that candidates are moved to obey.
    others : tuple of callables
        ``rule(view)`` says which rows obey, as flags of shape (m,).
    derived : dict of int to callable
        ``formula(view)`` gives the numbers (m,) of a column, by its position.
    """

    linear: tuple[LinearRule, ...] = ()
    others: tuple[Callable[[RowView], Any], ...] = ()
    derived: Mapping[int, Formula] | None = None

    def view(self, rows: CleanRows, raw: FloatArray, owner: IntArray) -> RowView:
        """Return rows as rules see them."""
        return RowView(rows, raw, owner, self.derived or {})

    def settle(self, rows: CleanRows, raw: FloatArray, owner: IntArray) -> None:
        """Make candidates obey, in place; the others become clean rows."""
        may_move = np.ones(raw.shape[1], dtype=bool)
        for group in rows.groups:
            may_move[group.columns] = False
        some = np.arange(len(raw))
        for _ in range(_ROUNDS):
            broke = np.zeros(len(some), dtype=bool)
            for rule in self.linear:
                # All of them, in the first round, need no copy.
                these = (raw, owner) if len(some) == len(raw) else (raw[some], owner[some])
                view = self.view(rows, *these)
                excess = rule.excess(view)
                bad = np.flatnonzero(excess)
                if not len(bad):
                    continue
                broke[bad] = True
                at, whose = some[bad], owner[some[bad]]
                to_go = (excess + np.copysign(rule.margin(view), excess))[bad]
                project(rule, rows, raw, at, whose, to_go, may_move)
                if rule.sign == "==":
                    moved = raw[at]
                    view = self.view(rows, moved, whose)
                    raw[at] = balance(rule, rows, moved, whose, view, may_move)
            some = some[broke]
            if not len(some):
                break
        obeys = self.obeyed(rows, raw, owner, some)
        raw[~obeys] = rows.raw[owner[~obeys]]

    def obeyed(
        self, rows: CleanRows, raw: FloatArray, owner: IntArray, doubtful: IntArray
    ) -> BoolArray:
        """Return which rows obey; linear relations are only checked for those that are doubtful."""
        obeys = np.ones(len(raw), dtype=bool)
        if len(doubtful):
            view = self.view(rows, raw[doubtful], owner[doubtful])
            for rule in self.linear:
                obeys[doubtful] &= rule.excess(view) == 0
        if not self.others and not self.derived:
            return obeys
        view = self.view(rows, raw, owner)
        for function in self.others:
            obeys &= _answers(function, view)
        for j in self.derived or ():
            # A formula that has a value for the clean row must have one for the candidate.
            obeys &= np.isfinite(view.column(j)) | ~np.isfinite(rows.derived_of(j)[owner])
        if self.derived and obeys.all():
            # These rows are usually built next.
            rows.seen = raw, owner, view
        return obeys

    def with_derived(
        self, rows: CleanRows, raw: FloatArray, owner: IntArray
    ) -> tuple[IntArray, FloatArray, BoolArray]:
        """Return columns, cells, and which of the derived ones changed: the last ones of them.

        A derived cell whose formula gives what it gives for the clean row stays bit by bit.
        """
        seen, whose, view = rows.seen
        if view is None or seen is not raw or whose is not owner:
            view = self.view(rows, raw, owner)
        rows.seen = None, None, None
        places = list(self.derived or ())
        m, d = len(raw), rows.n_numbers
        cells, changed = np.empty((m, d + len(places))), np.empty((m, len(places)), dtype=bool)
        cells[:, :d] = raw[:, :d]
        for k, j in enumerate(places):
            new = view.column(j)
            changed[:, k] = (new != rows.derived_of(j)[owner]) & np.isfinite(new)
            cells[:, d + k] = np.where(changed[:, k], new, rows.numbers(j)[owner])
        return np.append(rows.columns[:d], places).astype(np.int64), cells, changed

    def check_clean(self, rows: CleanRows) -> None:
        """Raise if clean rows break a rule, and tell how many do."""
        view = self.view(rows, rows.raw, np.arange(len(rows)))
        for j in self.derived or ():
            view.column(j)  # says what is wrong with a formula
        found = [(repr(rule.text), rule.excess(view) != 0) for rule in self.linear]
        found += [(_name(rule), ~_answers(rule, view)) for rule in self.others]
        for name, broken in found:
            if broken.any():
                raise ValueError(
                    f"{int(broken.sum())} of {len(broken)} rows of X break the rule {name}; the "
                    f"first one is row {int(np.argmax(broken))}. Attacks begin at rows that obey: "
                    "leave these rows out, or say the rule as the data has it."
                )


def _name(function: Callable[[RowView], Any]) -> str:
    return str(getattr(function, "__name__", repr(function)))


def _answers(function: Callable[[RowView], Any], view: RowView) -> BoolArray:
    """Return which rows a rule given as a function accepts."""
    name = _name(function)
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(function(view))
    except Exception as error:
        error.add_note(f"This happened in the rule {name} of the feature space.")
        raise
    if found.shape != (len(view),) or found.dtype != bool:
        raise ValueError(
            f"The rule {name} returned an array of shape {found.shape} and dtype {found.dtype} for "
            f"{len(view)} rows; accepted: True or False for each row."
        )
    return found


def read_relations(
    rules: Rules, derived: Mapping[Hashable, Formula] | None, table: Table, mutable: BoolArray
) -> Relations | None:
    """Read rules and derived columns; None if there are none."""
    if isinstance(rules, (str, bytes)) or not isinstance(rules, Iterable):
        raise ValueError(f"rules={rules!r} must be a list of rules: rules=[{rules!r}].")
    names, n = table.names, table.n_columns
    linear, others = [], []
    for rule in rules:
        if isinstance(rule, str):
            linear.append(read_rule(rule, names, n))
        elif callable(rule):
            others.append(rule)
        else:
            raise ValueError(
                f"rules holds {rule!r}; accepted: text such as 'paid <= billed', and functions."
            )
    formulas = {}
    for column, formula in (derived or {}).items():
        j = column_index(column, names, n, "derived")
        if not callable(formula):
            raise ValueError(
                f"derived of column {column_label(j, names)} is {formula!r}; accepted: a function "
                "of the rows, such as lambda f: f['balance'] / f['limit']."
            )
        if mutable[j]:
            raise ValueError(
                f"Column {column_label(j, names)} is derived from others, and mutable as well. It "
                "follows the others; leave it out of mutable."
            )
        formulas[j] = formula
    for relation in linear:
        for j in relation.columns:
            if table.kind(j) == CATEGORICAL and not table.is_flag(j):
                raise ValueError(
                    f"The rule {relation.text!r} names column {column_label(j, names)}, which "
                    "holds no numbers."
                )
    if not linear and not others and not formulas:
        return None
    return Relations(tuple(linear), tuple(others), formulas)
