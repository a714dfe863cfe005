"""Linear relations between columns, such as ``"paid <= billed"``: read, checked, and kept.

A candidate that breaks a relation is moved back to where it holds: along the relation's slope, each
column by its unit, and no column out of its box. Numbers that are whole, or shorter floats, are
rounded to the side where the relation holds.

The text is read by Python's own parser, and only sums and products with numbers are understood;
nothing of it is executed.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns import column_index

if TYPE_CHECKING:
    from specreg_sklearn.space._clean_rows import CleanRows
    from specreg_sklearn.space._relations import RowView

_SIGNS = {ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "=="}
_ACCEPTED = (
    "sums of columns times numbers on both sides of <=, >= or ==, such as 'paid <= billed' or "
    "'2 * a - b >= 1'; names that are not Python names stand in backticks, and columns of arrays "
    "are x0, x1, ..."
)
# How far two sides of an equation may be apart by rounding, and what rounding costs an inequality,
# as shares of the sizes of all terms.
_EQUAL, _MARGIN = 1e-9, 2.0**-50


@dataclass(frozen=True)
class LinearRule:
    """``left sign right``, each side a sum of terms (column, factor) and a number."""

    text: str
    sign: str
    left: tuple[tuple[int, float], ...]
    right: tuple[tuple[int, float], ...]
    constants: tuple[float, float]

    @property
    def columns(self) -> list[int]:
        """Positions of the columns of both sides."""
        return sorted({j for j, _ in self.left + self.right})

    def slope(self) -> dict[int, float]:
        """Return the factors of ``left - right`` by column, turned so that it must not exceed 0."""
        out = dict.fromkeys(self.columns, 0.0)
        turn = -1.0 if self.sign == ">=" else 1.0
        for terms, side in ((self.left, turn), (self.right, -turn)):
            for j, factor in terms:
                out[j] += side * factor
        return out

    def sides(self, view: RowView) -> list[FloatArray]:
        """Return both sides, each (m,)."""
        sides: list[FloatArray] = []
        for terms, constant in zip((self.left, self.right), self.constants, strict=True):
            total = np.full(len(view), constant)
            for n, (j, factor) in enumerate(terms):
                term = view.column(j) if factor == 1 else factor * view.column(j)
                # The first term alone, so that a single column is compared bit by bit.
                total = term if n == 0 and constant == 0 else total + term
            sides.append(total)
        return sides

    def size(self, view: RowView) -> FloatArray:
        """Return the sum of the sizes of all terms, (m,)."""
        size = np.full(len(view), sum(abs(c) for c in self.constants))
        for j, factor in self.left + self.right:
            size += np.abs(factor * view.column(j))
        return size

    def excess(self, view: RowView) -> FloatArray:
        """Return by how much the relation is broken, (m,), 0 where it holds.

        It holds where a cell is missing. Of an equation the excess has a sign.
        """
        left, right = self.sides(view)
        with np.errstate(invalid="ignore"):
            gap = right - left if self.sign == ">=" else left - right
            if self.sign == "==":
                broken = np.abs(gap) > _EQUAL * self.size(view)
            else:
                broken = (right > left) if self.sign == ">=" else (left > right)
        return np.where(broken, gap, 0.0)

    def margin(self, view: RowView) -> FloatArray:
        """Return what rounding may cost, (m,): so much beyond the boundary a relation holds."""
        return np.zeros(len(view)) if self.sign == "==" else _MARGIN * self.size(view)


def read_rule(text: str, names: list[Any] | None, n_columns: int) -> LinearRule:
    """Read a relation, or raise a message that says what is accepted."""
    quoted: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        quoted.append(match[1])
        return f"quoted_name_{len(quoted) - 1}"

    try:
        tree = ast.parse(re.sub(r"`([^`]*)`", stand_in, text).strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"rules holds {text!r}, which cannot be read; accepted: {_ACCEPTED}."
        ) from (error)

    def column_of(name: str) -> int:
        match = re.fullmatch(r"quoted_name_(\d+)", name)
        if match and int(match[1]) < len(quoted):
            name = quoted[int(match[1])]
        if names is None and re.fullmatch(r"x\d+", name):
            return column_index(int(name[1:]), None, n_columns, f"The rule {text!r}")
        return column_index(name, names, n_columns, f"The rule {text!r}")

    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _SIGNS:
        hint = ""
        if isinstance(tree, ast.Compare) and any(
            isinstance(op, (ast.Lt, ast.Gt)) for op in tree.ops
        ):
            hint = " < and > have no nearest row: use <= and >=, of whole numbers with a 1 added."
        elif isinstance(tree, ast.Compare) and len(tree.ops) > 1:
            hint = " Write 'a <= b <= c' as two rules."
        raise ValueError(f"rules holds {text!r}; accepted: {_ACCEPTED}.{hint}")
    sides = [_linear(node, column_of, text) for node in (tree.left, tree.comparators[0])]
    terms = [tuple((j, f) for j, f in side.items() if j >= 0) for side in sides]
    rule = LinearRule(
        text,
        _SIGNS[type(tree.ops[0])],
        terms[0],
        terms[1],
        (sides[0].get(-1, 0.0), sides[1].get(-1, 0.0)),
    )
    if not rule.columns:
        raise ValueError(f"rules holds {text!r}, which names no column; accepted: {_ACCEPTED}.")
    return rule


def _linear(node: ast.expr, column_of: Any, text: str) -> dict[int, float]:
    """Return the factors of an expression by column; that of -1 is the constant."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number) if np.isfinite(number):
            return {-1: float(number)}
        case ast.Name(id=name):
            return {column_of(name): 1.0}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=inner):
            factor = -1.0 if isinstance(op, ast.USub) else 1.0
            return {j: factor * f for j, f in _linear(inner, column_of, text).items()}
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            out = dict(_linear(left, column_of, text))
            factor = -1.0 if isinstance(op, ast.Sub) else 1.0
            for j, f in _linear(right, column_of, text).items():
                out[j] = out.get(j, 0.0) + factor * f
            return out
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            a, b = _linear(left, column_of, text), _linear(right, column_of, text)
            if isinstance(op, ast.Mult) and set(a) == {-1}:
                a, b = b, a
            by = b.get(-1, 0.0)
            if set(b) == {-1} and (isinstance(op, ast.Mult) or by):
                by = by if isinstance(op, ast.Mult) else 1 / by
                return {j: f * by for j, f in a.items()}
    raise ValueError(
        f"rules holds {text!r}, whose part {ast.unparse(node)!r} is not linear; accepted: "
        f"{_ACCEPTED}. Anything else can be a function of the rows."
    )


def project(
    rule: LinearRule,
    rows: CleanRows,
    raw: FloatArray,
    at: IntArray,
    owner: IntArray,
    to_go: FloatArray,
    may_move: BoolArray,
) -> None:
    """Move rows `at` of the cells `raw`, (m, d), to where a relation holds, in place.

    They go as far as their boxes allow. `to_go` says how far, in units of the relation, with the
    sign of the excess; `owner` are their clean rows. Columns not in `may_move`, (d,), stay.
    """
    slope = rule.slope()
    moving = [(k, slope[j]) for j in rule.columns if (k := rows.place_of(j)) is not None]
    moving = [(k, a) for k, a in moving if a and may_move[k]]
    if not moving:
        return
    columns = np.array([k for k, _ in moving])
    a = np.array([a for _, a in moving])
    # A box may be one interval for all columns, or one row for all rows.
    ends = (np.broadcast_to(end, (len(end), raw.shape[1])) for end in rows.box(owner))
    lo, hi = (end[:, columns] for end in ends)
    x = given = raw[at[:, None], columns]
    # Which way each column leads back, and how fast per unit of what is asked of it.
    side = np.where(to_go < 0, 1.0, -1.0)[:, None] * np.sign(a)
    end, factor, to_go = np.where(side > 0, hi, lo), np.abs(a), np.abs(to_go)
    speed = factor * rows.scale[columns] ** 2
    if rows.gaps:
        speed = np.where(rows.missing[owner[:, None], columns], 0.0, speed)
    for _ in range(len(columns)):
        free = np.where(x == end, 0.0, speed)
        total = (free * factor).sum(axis=1)
        share = to_go / np.where(total > 0, total, np.inf)
        moved = np.clip(x + share[:, None] * free * side, lo, hi)
        to_go = np.maximum(to_go - (np.abs(moved - x) * factor).sum(axis=1), 0.0)
        x = moved
        if not to_go.any():
            break
    whole = rows.integer[columns]
    if whole.any():
        inside = np.where(side > 0, np.ceil(x), np.floor(x))
        x = np.where((x != given) & whole, np.rint(x) if rule.sign == "==" else inside, x)
    for dtype, some in rows.narrow:
        short = np.isin(columns, some)
        if short.any():
            x[:, short] = _held(x[:, short], dtype, side[:, short], given[:, short])
    raw[at[:, None], columns] = np.clip(x, lo, hi)


def balance(
    rule: LinearRule,
    rows: CleanRows,
    raw: FloatArray,
    owner: IntArray,
    view: RowView,
    may: BoolArray,
) -> FloatArray:
    """Return cells of an equation between whole numbers with what rounding left put into one."""
    gap = rule.excess(view)
    slope, out = rule.slope(), raw.copy()
    lo, hi = (np.broadcast_to(end, raw.shape) for end in rows.box(owner))
    for j in rule.columns:
        k = rows.place_of(j)
        if k is None or not may[k] or abs(slope[j]) != 1:
            continue
        wanted = out[:, k] - gap / slope[j]
        fits = (gap != 0) & (wanted >= lo[:, k]) & (wanted <= hi[:, k]) & ~rows.missing[owner, k]
        out[fits, k] = np.rint(wanted[fits]) if rows.integer[k] else wanted[fits]
        gap = np.where(fits, 0.0, gap)
    return out


def _held(x: FloatArray, dtype: np.dtype, side: FloatArray, given: FloatArray) -> FloatArray:
    """Return the next numbers that short floats can hold, upwards where `side` is positive."""
    with np.errstate(over="ignore"):
        cast = x.astype(dtype)
    short = ((cast.astype(np.float64) - x) * side < 0) & (x != given)
    onwards = np.nextafter(cast, np.where(side > 0, np.inf, -np.inf).astype(dtype))
    return np.where(short, onwards, cast).astype(np.float64)
