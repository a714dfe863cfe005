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
    """How large the numbers are of which a score is made, direction by direction.

    Parameters
    ----------
    at, terms : ndarray of shape (n_rows, n_directions)
        Their sizes where rows stand, and the sums of the sizes of their terms.
    rate, speed : ndarray of shape (n_directions,)
        How much both can grow with a move of length 1.
    columns : ndarray of shape (n_directions,)
        How much both can grow with inputs that are 1 off, in L2.
    root : float
        How much all directions together can.
    constant : float
        The sum of the sizes of all other terms.
    """

    at: FloatArray
    terms: FloatArray
    rate: FloatArray
    speed: FloatArray
    columns: FloatArray
    root: float
    constant: float


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
        # In L0, lengths for roundings are those in L2.
        dual = L2 if rows.norm.order == 0 else rows.norm.dual
        value, slope, form, self._sizes = [], [], [], []
        for k in (own, other):
            root = scores.root[k]
            off = rows.values - scores.mean[k]
            at = row_products(off, root)
            per_move = root.T @ rows.slope
            value.append(scores.constant[k] - 0.5 * np.square(at).sum(axis=1))
            slope.append(-row_products(at, per_move))
            form.append(-0.5 * per_move.T @ per_move)
            sizes = np.abs(root)
            self._sizes.append(
                _Sizes(
                    at=np.abs(at),
                    terms=row_products(np.abs(off), sizes),
                    rate=dual.length(per_move),
                    speed=dual.length(sizes.T @ np.abs(rows.slope)),
                    columns=np.linalg.norm(sizes, axis=0),
                    root=float(np.linalg.norm(root)),
                    constant=float(scores.constant_size[k]),
                )
            )
        self.c, self.g, self.H = value[0] - value[1], slope[0] - slope[1], form[0] - form[1]

    def slack(self, radius: FloatArray) -> FloatArray:
        """Return what rounding may add to the difference, within a radius: theirs and ours."""
        rows = self.rows
        n_inputs, n_moves = rows.slope.shape
        ours = 16 * (n_inputs + n_moves + 16) * _UNIT
        theirs = 8 * (n_inputs + 16) * rows.unit
        slack = np.zeros(len(radius))
        with np.errstate(over="ignore", invalid="ignore"):
            drift = rows.error + rows.growth * radius
            for sizes in self._sizes:
                off = drift[:, None] * sizes.columns
                far = sizes.terms + radius[:, None] * sizes.speed + off
                # The function that is minimised here is rounded, too.
                slack += (theirs + ours) * (sizes.constant + np.square(far).sum(axis=1))
                # The inputs that the model computes are not quite those that it is given.
                near = sizes.at + radius[:, None] * sizes.rate
                length = np.sqrt(np.square(near).sum(axis=1))
                slack += drift * sizes.root * (length + sizes.root * drift)
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
