"""The score of one class less that of another, as a quadratic function of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.moves import ModelRows, row_products
from specreg_sklearn.space import L2

if TYPE_CHECKING:
    from specreg_sklearn.certificates.quadratic._quadratic_scores import QuadraticScores

_UNIT = 2.0**-53


class _Sizes(NamedTuple):
    """How large the numbers are of which a score is made."""

    at: FloatArray
    columns: FloatArray
    constant: float
    per_move: float
    root: float


class ScorePair:
    """The lead of one class over another, ``c + g @ t + t @ H @ t`` for moves t of each row.

    Parameters
    ----------
    scores : QuadraticScores
        All scores.
    rows : ModelRows
        The rows.
    own, other : int
        The classes.

    Attributes
    ----------
    c : ndarray of shape (n_rows,)
        The lead where rows stand.
    g : ndarray of shape (n_rows, n_moves)
        Its slopes.
    H : ndarray of shape (n_moves, n_moves)
        Its form.
    alone : bool
        Whether the form is diagonal: what each column adds does not depend on the others.
    """

    def __init__(self, scores: QuadraticScores, rows: ModelRows, own: int, other: int) -> None:
        self.rows = rows
        self.alone = scores.diagonal and _each_alone(rows.slope)
        value, slope, form, self._sizes = [], [], [], []
        for k in (own, other):
            root = scores.root[k]
            off = rows.values - scores.mean[k]
            at = row_products(off, root)
            per_move = root.T @ rows.slope
            value.append(scores.constant[k] - 0.5 * np.square(at).sum(axis=1))
            slope.append(-row_products(at, per_move))
            form.append(-0.5 * per_move.T @ per_move)
            self._sizes.append(
                _Sizes(
                    row_products(np.abs(off), np.abs(root)),
                    np.linalg.norm(np.abs(root), axis=0),
                    float(scores.constant_size[k]),
                    float(np.linalg.norm(per_move)),
                    float(np.linalg.norm(root)),
                )
            )
        self.c, self.g, self.H = value[0] - value[1], slope[0] - slope[1], form[0] - form[1]

    def slack(self, radius: FloatArray) -> FloatArray:
        """Return what rounding may add to the difference, within a radius: theirs and ours."""
        rows = self.rows
        # In L0, lengths for roundings are those in L2.
        stretch = (rows.in_norm(L2.order) if rows.norm.order == 0 else rows).stretch
        n_inputs, n_moves = rows.slope.shape
        slack = np.zeros(len(radius))
        with np.errstate(over="ignore", invalid="ignore"):
            reach, drift = stretch * radius, rows.error + rows.growth * radius
            for at, columns, constant, per_move, root in self._sizes:
                far = at + (reach + drift)[:, None] * columns
                size = constant + np.square(far).sum(axis=1)
                slack += 8 * (n_inputs + 16) * rows.unit * size
                # The function that is minimised here is rounded, too.
                length = np.sqrt(np.square(at).sum(axis=1)) + per_move * radius
                slack += 16 * (n_inputs + n_moves + 16) * _UNIT * (constant + np.square(length))
                # The inputs that the model computes are not quite those that it is given.
                slack += drift * root * (length + root * drift)
        return np.where(np.isnan(slack), np.inf, slack)

    def ends(self, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest value within distances."""
        rows = self.rows
        rate = rows.norm.dual.length(self.g)
        n_moves = self.H.shape[0]
        # A move of length 1 in another norm may be longer in L2, and each unit of that bends twice.
        unit = float(rows.norm.from_l2(np.ones(1), max(n_moves, 1))[0]) ** 2
        eigenvalues = np.linalg.eigvalsh(self.H) if n_moves else np.zeros(1)
        falls, rises = max(0.0, -float(eigenvalues[0])), max(0.0, float(eigenvalues[-1]))
        with np.errstate(over="ignore", invalid="ignore"):
            slack = self.slack(radius)
            low = self.c - rate * radius - falls * unit * radius**2 - slack
            high = self.c + rate * radius + rises * unit * radius**2 + slack
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _each_alone(slope: FloatArray) -> bool:
    """Return whether no input follows two moves, so that diagonal forms stay diagonal."""
    return bool((np.count_nonzero(slope, axis=1) <= 1).all())
