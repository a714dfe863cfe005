"""How far rising functions of single cells lead, for moves of up to a radius.

Nothing is known of a function but that it rises. Its values at distances that grow by a small
factor then say how far it leads between two of them: no farther than at the larger one. So
``|f(x + z) - f(x)| <= slack + slope * |z|`` for all moves within the radius, where the slack is
what the shortest distance makes. For a smooth function the slope is that of the steepest secant, up
to that factor; a jump counts by its size over its distance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Table, as_table

# Distances within a radius, relative to it: the shortest one, and by what factor they grow.
_SHORTEST, _FACTOR = 1e-4, 1.02
DISTANCES = np.append(
    _SHORTEST * _FACTOR ** np.arange(int(np.log(1 / _SHORTEST) / np.log(_FACTOR)) + 1), 1.0
)
"""Distances at which functions are asked, relative to the radius."""
# Cells in one block of rows that go through the steps.
_BLOCK = 2**21
# Roundings of a function, in units of the last place of its values, and how far above what is seen
# of them they may be.
_ROUNDINGS, _UNSEEN = 64, 8
_TINY = 1e-290


class Secants(NamedTuple):
    """Bounds of functions around rows, for moves within a radius of each.

    Parameters
    ----------
    slope : ndarray of shape (n_rows, 2, n_outputs)
        How far outputs move at most for each unit of a move upwards, and of one downwards.
    slack : ndarray of shape (n_rows, n_outputs)
        How many units longer moves have to be taken for that to hold.
    low, high : ndarray of shape (n_rows, n_outputs)
        Between which numbers they stay.
    far : ndarray of shape (n_rows, n_distances, 2, n_outputs)
        How far outputs move at most, upwards and downwards, for moves up to the `DISTANCES`.
    moves : ndarray of shape (n_rows, n_outputs), bool
        Whether outputs move at all: what is equal at both ends and between them stays, as a bin.
    finite : ndarray of shape (n_rows,), bool
        Whether all of that is known: the functions have numbers everywhere within the radius.
    """

    slope: FloatArray
    slack: FloatArray
    low: FloatArray
    high: FloatArray
    far: FloatArray
    moves: BoolArray
    finite: BoolArray


def secants(
    functions: Callable[[object], object],
    rows: CleanRows,
    some: IntArray,
    radius: FloatArray,
    places: IntArray,
    outputs: IntArray,
    unit: float,
) -> Secants:
    """Return how far functions lead around some of the rows.

    Parameters
    ----------
    functions : callable
        From rows in the user's container to what is made of them.
    rows : CleanRows
        The rows.
    some : ndarray of shape (m,), int
        Which of them.
    radius : ndarray of shape (m,)
        How far each cell may move, in units of the space.
    places : ndarray of shape (n_outputs,), int
        Of which movable column each output is a rising function.
    outputs : ndarray of shape (n_outputs,), int
        Where the outputs stand among what is made.
    unit : float
        Unit roundoff of the functions.
    """
    n_points = 2 * len(DISTANCES) + 1
    parts = []
    step = max(1, _BLOCK // (n_points * max(1, rows.table.n_columns)))
    for begin in range(0, len(some), step):
        part = slice(begin, begin + step)
        parts.append(_of_block(functions, rows, some[part], radius[part], places, outputs, unit))
    return Secants(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _of_block(
    functions: Callable[[object], object],
    rows: CleanRows,
    some: IntArray,
    radius: FloatArray,
    places: IntArray,
    outputs: IntArray,
    unit: float,
) -> Secants:
    share = np.concatenate([-DISTANCES[::-1], [0.0], DISTANCES])
    owner = np.repeat(some, len(share))
    moves = (radius[:, None] * share).reshape(-1, 1)
    raw = rows.fit(rows.raw[owner] + moves * rows.scale, *rows.box(owner))
    raw = np.where(rows.missing[owner], rows.raw[owner], raw)
    made: Table = as_table(functions(rows.write(raw, owner)))
    values = made.numbers(outputs).reshape(len(some), len(share), len(outputs))
    finite = np.isfinite(values).all(axis=(1, 2))
    values[~finite] = 0.0
    middle = len(DISTANCES)
    clean = values[:, middle : middle + 1]
    # Upwards, then downwards: (n_rows, n_distances, 2, n_outputs).
    far = np.stack([values[:, middle + 1 :], values[:, :middle][:, ::-1]], axis=2)
    far = np.maximum.accumulate(np.abs(far - clean[:, :, None]), axis=1)
    falls = np.maximum(-np.diff(values, axis=1), 0.0).max(axis=1)
    low, high = values.min(axis=1), values.max(axis=1)
    size = np.maximum(np.abs(low), np.abs(high))
    moves = (values != clean).any(axis=1)
    blur = np.where(moves, _ROUNDINGS * unit * size + _UNSEEN * falls, 0.0) + _TINY
    far += blur[:, None, None]
    length = radius[:, None, None, None] * DISTANCES[:, None, None]
    slope = (far[:, 1:] / length[:, :-1]).max(axis=1)
    # Where a function is flat, roundings are all there is.
    slope = np.maximum(slope, blur[:, None] / length[:, 0])
    slack = (far[:, 0] / slope).max(axis=1)
    return Secants(slope, slack, low - blur, high + blur, far, moves, finite)
