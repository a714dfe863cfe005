"""Distances within which several sums of kernels stay positive, and moves to where one does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.kernels._margins import Expansion, Margin
from specreg_sklearn.certificates.kernels._nearest_zeros import nearest_zeros
from specreg_sklearn.certificates.kernels._proved_distances import MOST_MOVES, proved_distances
from specreg_sklearn.certificates.moves import LocalProof, ModelRows

# Nodes that a quadratic function costs, and how many help at most, for a row and a distance.
_NODES_PER_FORM, _MOST_FORMS = 800, 8
# How near the first distances are to the largest that one number for all second derivatives gives,
# where they are the last ones, and where they only begin a search.
_LAST, _FIRST = 1e-7, 0.1
# As far as this, relative to its farthest corner, nothing is left of a box.
_BEYOND = 1 + 1e-8
# Functions whose zeros are looked for, those that are positive in the smallest balls.
_MOST_ZEROS = 3


def proof_of_sums(
    functions: Sequence[Expansion],
    rows: ModelRows,
    box: tuple[FloatArray, FloatArray],
    max_nodes: int,
) -> LocalProof:
    """Return distances within which all functions stay positive, and short moves out of that.

    Parameters
    ----------
    functions : sequence of Expansion
        Sums of kernels.
    rows : ModelRows
        Rows; where a function is not positive already, the distance is 0.
    box : tuple of two ndarray of shape (n_rows, n_moves)
        Ends of the moves, which contain zero and may be infinite.
    max_nodes : int
        How much is searched for a row at most.
    """
    n_rows, n_moves = len(rows), rows.slope.shape[1]
    n_forms = min(max(1, max_nodes // _NODES_PER_FORM), _MOST_FORMS)
    move = np.full((n_rows, n_moves), np.nan)
    n_nodes = np.zeros(n_rows, dtype=np.int64)
    if not functions:
        return LocalProof(np.full(n_rows, np.inf), move, n_nodes)
    narrow = _FIRST if n_moves <= MOST_MOVES else _LAST
    simple = np.stack([Margin(each, rows).positive_within(narrow) for each in functions])
    if not rows.exact:
        # Moves are those of the inputs, of which nobody knows the ends.
        box = (np.full((n_rows, n_moves), -np.inf), np.full((n_rows, n_moves), np.inf))
    corner = rows.norm.length(np.maximum(-box[0], box[1])) * _BEYOND
    lower = np.minimum(corner, min(rows.farthest, rows.enough))
    # The function that seems to end first does most often, and the others are then asked once.
    order = simple.argsort(axis=0, kind="stable")
    ways = np.full((len(functions), n_rows, n_moves), np.nan)

    def look_for_zeros(left: BoolArray) -> None:
        for k, function in enumerate(functions):
            some = np.flatnonzero(left & (order[:_MOST_ZEROS] == k).any(axis=0))
            ends = box[0][some], box[1][some]
            ways[k, some] = nearest_zeros(function, rows.take(some), simple[k, some], ends)

    if np.isinf(rows.asked):
        look_for_zeros(np.ones(n_rows, dtype=bool))
    for rank in range(len(functions)):
        for k in np.unique(order[rank]).tolist():
            some = np.flatnonzero(order[rank] == k)
            ends = box[0][some], box[1][some]
            lower[some], ways[k, some], spent = proved_distances(
                functions[k],
                rows.take(some),
                ends,
                simple[k, some],
                lower[some],
                ways[k, some],
                n_forms,
            )
            n_nodes[some] += spent
    if np.isfinite(rows.asked):
        # Of a row that is proved as far as anybody asks, nobody needs a witness.
        look_for_zeros(lower <= rows.asked)
    nearest = np.full(n_rows, np.inf)
    for way in ways:
        length = rows.norm.length(np.where(np.isnan(way), np.inf, way))
        nearer = length < nearest
        nearest[nearer], move[nearer] = length[nearer], way[nearer]
    return LocalProof(lower, move, n_nodes)


def proof_by_class(
    functions: Mapping[int, Sequence[Expansion]],
    rows: ModelRows,
    own: IntArray,
    box: tuple[FloatArray, FloatArray],
    max_nodes: int,
) -> LocalProof:
    """Return the proof of rows whose class says which functions are positive.

    Parameters
    ----------
    functions : mapping
        From classes to sums of kernels.
    rows, box, max_nodes
        As for :func:`proof_of_sums`.
    own : ndarray of shape (n_rows,), int
        Classes of the rows.
    """
    n_rows = len(rows)
    lower, n_nodes = np.zeros(n_rows), np.zeros(n_rows, dtype=np.int64)
    move = np.full((n_rows, rows.slope.shape[1]), np.nan)
    for k in np.unique(own).tolist():
        some = np.flatnonzero(own == k)
        ends = box[0][some], box[1][some]
        lower[some], move[some], n_nodes[some] = proof_of_sums(
            functions[k], rows.take(some), ends, max_nodes
        )
    return LocalProof(lower, move, n_nodes)
