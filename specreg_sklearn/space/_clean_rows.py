"""Clean rows seen from a feature space: coordinates out, real rows back in.

A row is seen in three ways:

- the user's cells (a row of a frame, with its dtypes);
- `raw`: the movable cells as float64 numbers, always exactly representable in the column's dtype;
- coordinates: ``raw / scale``, the float64 space in which attacks compute.

A coordinate row always belongs to a clean row, its *owner*: the owner lends the cells that do not
move, and the box. Columns of whole numbers beyond 2**53 are counted from an origin, since float64
cannot tell their neighbours apart; see :class:`LargeCells`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn.space._norms import as_norm
from specreg_sklearn.space._row_boxes import RowBoxes
from specreg_sklearn.space.columns import (
    BoundGroup,
    Choices,
    LargeCells,
    cheapest_swaps,
)
from specreg_sklearn.tables import INTEGER, Table, as_table, column_label

if TYPE_CHECKING:
    from specreg_sklearn.space._relations import Relations, RowView
    from specreg_sklearn.space._repair import Repair

# Numbers held at once where a computation has intermediate results as large as the data.
_BLOCK = 2**20


class CleanRows:
    """Rows bound to a feature space (made by ``FeatureSpace.bind``).

    `columns`, of shape (d,), are the positions of the movable columns, and `raw`, of shape (n, d),
    their cells: NaN where missing. The array is taken over and may be changed. `low`, `high` and
    `scale`, of shape (d,), are the box, with infinite ends where open, and the units; `integer`
    marks columns of whole numbers. `repair` is applied to built rows before the model sees them.
    `large` holds columns of large whole numbers by their place among `columns`; their part of `raw`
    and of the box is counted from their origins. `directions`, of shape (d,), is 1 where cells may
    only grow, -1 where they may only shrink, and 0 elsewhere. `dearer`, of shape (2, d), says how
    many times its length in units a step upwards and downwards costs, at least once; None if once.
    `groups` are the groups of flags among the columns, `halved`, (d,), marks flags whose swap has a
    price of its own, and `relations` are the rules between columns. `choices` are the categories,
    by the position of their column. Each of their values is a column of its own here, behind those
    of numbers: a flag, 0 in the clean row, and missing where the clean row has the value.

    Attributes
    ----------
    n_numbers : int
        How many of the columns hold numbers; the others are the flags of categories.
    missing : ndarray of shape (n, d), bool
        Missing cells: they never move.
    unit : bool
        Whether coordinates are cells: all units are 1.
    narrow : list of (dtype, ndarray of int)
        Columns of shorter floats than float64, by dtype.
    exact : bool
        Whether any number inside the box can be a cell as it is.
    gaps : bool
        Whether any cell is missing.
    seen : tuple (raw, owner, view)
        The last candidates whose derived columns were computed, for who builds just these.
    are_cells : bool
        Whether an array of cells is a container such as the user's just as it is.
    """

    def __init__(
        self,
        table: Table,
        columns: np.ndarray,
        raw: np.ndarray,
        *,
        low: np.ndarray,
        high: np.ndarray,
        integer: np.ndarray,
        scale: np.ndarray,
        repair: Repair | None = None,
        large: Mapping[int, LargeCells] = MappingProxyType({}),
        directions: np.ndarray | None = None,
        dearer: np.ndarray | None = None,
        groups: Sequence[BoundGroup] = (),
        halved: np.ndarray | None = None,
        relations: Relations | None = None,
        choices: Mapping[int, Choices] = MappingProxyType({}),
    ) -> None:
        self.large, self._dearer, self._halved = large, dearer, halved
        self.choices = choices
        self.n_numbers = len(columns) - sum(len(choice.places) for choice in choices.values())
        self.groups, self.relations = tuple(groups), relations
        self.table, self.columns, self.scale, self.integer = table, columns, scale, integer
        self.low, self.high, self.repair = low, high, repair
        self._settled: tuple[Any, Any, Any, Any] = None, None, None, None
        self.missing = np.isnan(raw)
        # C order: sums over a row must not depend on how many rows there are.
        self.raw = np.ascontiguousarray(raw)
        self.gaps = bool(self.missing.any())
        if self.gaps:
            self.raw[self.missing] = 0.0
        else:
            # One cell stands for all: ten thousand images would hold ten million flags.
            self.missing = np.broadcast_to(np.array(False), raw.shape)
        ways = np.zeros(len(columns), dtype=np.int64) if directions is None else directions
        self.directions = ways
        dtypes = [table.dtype(c) for c in columns[: self.n_numbers].tolist()]
        self._boxes = RowBoxes(
            self.raw, self.missing, dtypes, low, high, integer, large=large, directions=ways
        )
        self.narrow, self.exact = self._boxes.narrow, self._boxes.exact
        self.unit = bool((scale == 1).all())
        self._writes_all = (
            table.plain and not self.missing.any() and not self.derives and not choices
        )
        self._numbers: dict[int, np.ndarray] = {}
        self._derived: dict[int, np.ndarray] = {}
        self.seen: tuple[Any, Any, RowView | None] = None, None, None
        self._places = {j: k for k, j in enumerate(columns[: self.n_numbers].tolist())}
        # Whether an array of cells is a container such as the user's just as it is.
        self.are_cells = self._writes_all and table.bare and len(columns) == table.n_columns

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        """Axes of a row as the user has it; None for rows of a table."""
        return getattr(self.table, "row_shape", None)

    @cached_property
    def x(self) -> np.ndarray:
        """Coordinates of the clean rows, shape (n, d); 0 where a cell is missing."""
        return self.raw if self.unit else self.raw / self.scale

    @property
    def lo(self) -> np.ndarray:
        """Lower ends of the boxes in coordinates, shape (n, d); a box contains its clean row."""
        return self.box(np.arange(len(self)))[0] / self.scale + np.zeros(self.raw.shape)

    @property
    def hi(self) -> np.ndarray:
        """Upper ends of the boxes in coordinates."""
        return self.box(np.arange(len(self)))[1] / self.scale + np.zeros(self.raw.shape)

    def take(self, rows: np.ndarray) -> CleanRows:
        """Return some of the rows, for example those that one worker attacks."""
        raw = self.raw[rows]
        raw[self.missing[rows]] = np.nan
        table = self.table.take(rows)
        return CleanRows(
            table,
            self.columns,
            raw,
            low=self.low,
            high=self.high,
            integer=self.integer,
            scale=self.scale,
            repair=self.repair,
            large={k: cells.take(rows) for k, cells in self.large.items()},
            directions=self.directions,
            dearer=self._dearer,
            groups=[group.take(rows) for group in self.groups],
            halved=self._halved,
            relations=self.relations,
            choices={j: choice.take(rows, table) for j, choice in self.choices.items()},
        )

    @property
    def settles(self) -> bool:
        """Whether cells that fit the boxes may still be changed, by a rule or a repair."""
        return self.moves_others or bool(self.groups) or bool(self.choices)

    @property
    def moves_others(self) -> bool:
        """Whether the move of one column may change others, beyond a flag of its group."""
        return self.repair is not None or self.relations is not None

    @property
    def derives(self) -> bool:
        """Whether columns follow from others, at no cost."""
        return self.relations is not None and bool(self.relations.derived)

    def without_rules(self) -> CleanRows:
        """Return the rows in the larger space that has no groups and no relations."""
        return CleanRows(
            self.table,
            self.columns,
            np.where(self.missing, np.nan, self.raw),
            low=self.low,
            high=self.high,
            integer=self.integer,
            scale=self.scale,
            repair=self.repair,
            large=self.large,
            directions=self.directions,
            dearer=self._dearer,
            halved=self._halved,
            choices=self.choices,
        )

    def chosen(self, raw: np.ndarray, owner: np.ndarray) -> CleanRows:
        """Return rows, (m, d) settled cells, as clean rows of which only numbers move further."""
        d = self.n_numbers
        missing = self.missing[owner, :d]
        return CleanRows(
            as_table(self.write(raw, owner)),
            self.columns[:d],
            np.where(missing, np.nan, raw[:, :d]),
            low=self.low[:d],
            high=self.high[:d],
            integer=self.integer[:d],
            scale=self.scale[:d],
            repair=self.repair,
            large={k: cells.take(owner) for k, cells in self.large.items()},
            directions=self.directions[:d],
            dearer=None if self._dearer is None else self._dearer[:, :d],
            groups=[group.take(owner) for group in self.groups],
            halved=None if self._halved is None else self._halved[:d],
            relations=self.relations,
        )

    def completed(self, table: Table, rows: np.ndarray, moving: np.ndarray) -> CleanRows:
        """Return some of the rows as they stand in a table of their own, without rules.

        Only the movable columns at the places `moving` move; there none of these rows has a gap.
        """
        return CleanRows(
            table,
            self.columns[moving],
            self.raw[np.ix_(rows, moving)],
            low=self.low[moving],
            high=self.high[moving],
            integer=self.integer[moving],
            scale=self.scale[moving],
            directions=self.directions[moving],
            dearer=None if self._dearer is None else self._dearer[:, moving],
            halved=None if self._halved is None else self._halved[moving],
        )

    def finite_box(self, reach: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows' boxes with open ends closed at `reach`, in coordinates.

        Searches need a finite box to draw noise from; `reach` (two arrays of shape (d,)) says how
        far to go where the space itself sets no bound.
        """
        open_below, open_above = np.isinf(self.low), np.isinf(self.high)
        open_below[self.directions > 0], open_above[self.directions < 0] = False, False
        lo = np.where(open_below, np.minimum(reach[0], self.x), self.lo)
        hi = np.where(open_above, np.maximum(reach[1], self.x), self.hi)
        return np.where(self.missing, self.x, lo), np.where(self.missing, self.x, hi)

    def cells(self, Z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return coordinates in the units of X, before clipping and rounding."""
        if self.unit:
            return Z.copy()
        # Adding the scaled step to the clean cell keeps cells that did not move free of rounding.
        clean = self.raw[owner]
        return clean + (Z - clean / self.scale) * self.scale

    def fit(self, raw: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """Round, cast and clip cells in place: what is left is what a row can really hold.

        `raw` has shape (..., d); the ends of the box broadcast to it.
        """
        return self._boxes.fit(raw, lo, hi)

    def snap(self, Z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return the cells (m, d) that coordinates really stand for: rounded, cast and clipped.

        They are in the units of X, and exactly representable in the columns' dtypes.
        """
        return self.settle(self.fit(self.cells(Z, owner), *self.box(owner)), owner)

    def settle(self, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return cells as the rules and the repair leave them; without any, `raw` itself.

        `raw`, of shape (m, d), holds cells that fit the columns' dtypes and boxes. Rows that did
        not move stay. What a repair leaves is read-only.
        """
        if not self.settles:
            return raw
        ruled = self._ruled(raw, owner)
        return ruled if self.repair is None else self._repaired(self.repair, ruled, owner)

    def _ruled(self, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return cells that obey the rules; a row that cannot be made to is the clean row."""
        if not self.groups and self.relations is None and not self.choices:
            return raw
        raw = raw.copy()
        for group in self.groups:
            group.settle(raw, self.raw, owner)
        for choice in self.choices.values():
            choice.settle(raw)
        if self.relations is not None:
            self.relations.settle(self, raw, owner)
        return raw

    def _repaired(self, repair: Repair, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
        settled, moved, built = repair.settle(self, raw, owner)
        broken = (self._ruled(settled, owner) != settled).any(axis=1)
        if broken.any():
            # The repair undid what the rules ask for: such a row is no candidate.
            settled[broken] = self.raw[owner[broken]]
            moved, built = moved[:0], None
        settled.flags.writeable = False
        # The model is usually asked about just these rows next: do not repair them again.
        self._settled = settled, owner, moved, built
        return settled

    def those(
        self, raw: np.ndarray, owner: np.ndarray, some: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return some of the cells that :meth:`snap` gave, and their owners, for :meth:`build`.

        Rows of which the repair is known are not repaired again, if these are all that moved.
        """
        part, whose = raw[some], owner[some]
        settled, before, moved, built = self._settled
        if built is not None and raw is settled and owner is before:
            known = np.array_equal(moved, some)
            self._settled = part, whose, np.arange(len(some)), built if known else None
        return part, whose

    def box(self, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes of rows in the units of X; shape (1, d) or (1, 1) if all share one."""
        return self._boxes.of(owner)

    def clip(self, Z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return coordinates moved into the boxes of their rows."""
        lo, hi = self.box(owner)
        if not self.unit:
            lo, hi = lo / self.scale, hi / self.scale
        return np.minimum(np.maximum(Z, lo), hi)

    def build(self, raw: np.ndarray, owner: np.ndarray) -> Any:
        """Return m rows in the user's container, with `raw`, from `snap`, in the cells that moved.

        They share no memory with `raw`. With a repair, these are the rows that it returned.
        """
        if self.repair is not None:
            settled, whose, moved, built = self._settled
            self._settled = None, None, None, None
            if built is not None and raw is settled and owner is whose and len(moved) == len(raw):
                return built
            return self.repair.build(self, raw, owner)
        if self._writes_all:
            return self.table.write(owner, self.columns, raw, None)
        return self.write(raw, owner)

    def write(self, raw: np.ndarray, owner: np.ndarray) -> Any:
        """Do as :meth:`build`, but leave the repair out."""
        exact = {k: cells.written(raw[:, k], owner) for k, cells in self.large.items()}
        replaced = {j: c.cells[c.index(raw, owner)] for j, c in self.choices.items()}
        columns = self.columns[: self.n_numbers]
        moved = raw[:, : self.n_numbers] != self.raw[owner, : self.n_numbers]
        if self.relations is not None and self.derives:
            columns, raw, changed = self.relations.with_derived(self, raw, owner)
            if self.table.plain and not self.gaps and not replaced:
                order = np.argsort(columns)  # all columns at once are written as they stand
                return self.table.write(owner, columns[order], raw[:, order], None)
            moved = np.concatenate([moved, changed], axis=1)
        else:
            raw = raw[:, : self.n_numbers]
        return self.table.write(owner, columns, raw, moved, exact, replaced)

    def read(self, table: Table, owner: np.ndarray) -> np.ndarray:
        """Return the movable cells (m, d) of a table of changed rows; NaN where missing."""
        raw = np.empty((len(owner), len(self.columns)))
        raw[:, : self.n_numbers] = table.numbers(self.columns[: self.n_numbers])
        for choice in self.choices.values():
            raw[:, choice.places] = choice.moved_to(table, owner)
        for k, cells in self.large.items():
            column = int(self.columns[k])
            if table.kind(column) != INTEGER:
                raise ValueError(
                    f"Column {column_label(column, table.names)} holds whole numbers beyond 2**53 "
                    "in X, but other numbers in X_adv, which are not exact in float64. Convert it "
                    "to int64 or uint64."
                )
            whole, missing = table.integers(column)
            raw[:, k] = np.where(missing, np.nan, cells.read_again(whole, owner))
        return raw

    def distance_to(self, table: Table, norm: float) -> np.ndarray:
        """Return how far the rows of a table are from the clean rows, in scaled units."""
        owner = np.arange(len(self))
        steps = np.nan_to_num(self.read(table, owner)) - self.raw
        for k, cells in self.large.items():
            whole, missing = table.integers(int(self.columns[k]))
            steps[:, k] = np.where(missing | self.missing[:, k], 0.0, cells.steps_to(whole))
        scaled = steps / self.scale if norm else steps
        return self._kept(self.length(scaled, norm), steps, norm)

    def dearer(self, norm: float) -> np.ndarray | None:
        """Return how many times its length a step costs, (2, d): upwards, and downwards.

        It is never less than once; None if it is once everywhere. A swap of two flags that has a
        price costs it in every norm but L0, and each flag a half of it in units.
        """
        if self._halved is None or norm < 1:
            return self._dearer
        flags = np.where(self._halved, 2.0 ** (1 - 1 / norm), 1.0)
        return np.ones((2, 1)) * flags if self._dearer is None else self._dearer * flags

    def length(self, steps: np.ndarray, norm: float) -> np.ndarray:
        """Return what steps in coordinates, (m, d), cost: their length, at the columns' prices."""
        dearer = self.dearer(norm)
        if dearer is not None:
            steps = steps * np.where(steps > 0, *dearer)
        return as_norm(norm).length(steps)

    def _kept(self, length: np.ndarray, steps: np.ndarray, norm: float) -> np.ndarray:
        """Return lengths (m,) of steps in the columns' own units, 0 only for those that are none.

        A threshold at 0 is passed by the smallest number there is, of which a unit leaves nothing;
        but a row at distance 0 counts as one that did not move.
        """
        lost = np.flatnonzero((length == 0) & (steps != 0).any(axis=1))
        if len(lost):
            peak = np.abs(steps[lost]).max(axis=1)
            exact = self.length(steps[lost] / peak[:, None] / self.scale, norm) * peak
            length[lost] = np.maximum(exact, np.finfo(np.float64).smallest_subnormal)
        return length

    def goals(self) -> tuple[np.ndarray, np.ndarray]:
        """Return cells (n, d) that other rows may be moved to, and which of them are missing.

        They are `raw`, and of categories the flags that other rows raise to become as these are.
        """
        if not self.choices:
            return self.raw, self.missing
        raw, missing = self.raw.copy(), self.missing.copy()
        for choice in self.choices.values():
            goals = choice.goals()
            missing[:, choice.places] = np.isnan(goals)
            raw[:, choice.places] = np.nan_to_num(goals)
        return raw, missing

    def swaps_of(self, row: int, norm: float, most: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the cheapest sets of swaps of a row; see :func:`cheapest_swaps`."""
        n_flags = len(self.columns) - self.n_numbers
        return cheapest_swaps(tuple(self.choices.values()), row, norm, most, n_flags)

    def seen_from(self, clean: CleanRows, owner: np.ndarray) -> np.ndarray:
        """Return the cells (m, d) of these rows as moves of the clean rows that own them.

        Both are bound to one space. Without categories it is `raw`, whoever owns it.
        """
        if not self.choices:
            return self.raw
        raw = self.raw.copy()
        for choice in clean.choices.values():
            raw[:, choice.places] = np.nan_to_num(choice.moved_to(self.table, owner))
        return raw

    def numbers(self, column: int) -> np.ndarray:
        """Return the clean cells (n,) of any column of the table; NaN where missing."""
        if column not in self._numbers:
            try:
                self._numbers[column] = self.table.numbers(np.array([column]))[:, 0]
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"Column {column_label(column, self.table.names)} holds no numbers, but a rule "
                    "or a formula of the feature space reads it."
                ) from error
        return self._numbers[column]

    def derived_of(self, column: int) -> np.ndarray:
        """Return what the formula of a derived column gives for the clean rows, (n,)."""
        if column not in self._derived and self.relations is not None:
            view = self.relations.view(self, self.raw, np.arange(len(self)))
            self._derived[column] = view.column(column)
        return self._derived[column]

    def place_of(self, column: int) -> int | None:
        """Return the place of a column of the table among the movable ones; None if it stays."""
        return self._places.get(column)

    def as_held(self, column: int, numbers: np.ndarray) -> np.ndarray:
        """Return numbers as a column of the table holds them: whole, or of a shorter float."""
        dtype = self.table.dtype(column)
        if dtype.kind in "iub":
            return np.rint(numbers)
        with np.errstate(over="ignore"):
            return numbers.astype(dtype).astype(np.float64) if dtype.kind == "f" else numbers

    def distance(self, raw: np.ndarray, owner: np.ndarray, norm: float) -> np.ndarray:
        """Return how far rows are from their owners, in scaled units."""
        if raw.size <= _BLOCK:
            steps = raw - self.raw[owner]
            if norm and not self.unit:
                steps /= self.scale
            length = self.length(steps, norm)
            return length if length.all() else self._kept(length, raw - self.raw[owner], norm)
        step = max(1, _BLOCK // raw.shape[1])
        parts = [slice(begin, begin + step) for begin in range(0, len(raw), step)]
        return np.concatenate([self.distance(raw[p], owner[p], norm) for p in parts])

    def moved(self, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return which rows differ from their owners."""
        step = max(1, _BLOCK // max(raw.shape[1], 1))
        out = np.zeros(len(raw), dtype=bool)
        for begin in range(0, len(raw), step):
            part = slice(begin, begin + step)
            out[part] = (raw[part] != self.raw[owner[part]]).any(axis=1)
        return out
