"""Classes compared by quadratic scores: Gaussian naive Bayes and quadratic discriminants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.moves import (
    LocalProof,
    ModelRows,
    largest_cube,
    nearest_in_box,
    nearest_in_l2,
)

_UNIT = 2.0**-53
# Where no class can be reached, roundings are counted within one of these.
_CAPS = (1e12, 1e8, 1e5, 1e2)


@dataclass(frozen=True, eq=False)
class QuadraticScores:
    """Scores ``constant - |(x - mean) @ root|^2 / 2``, one for each class.

    Parameters
    ----------
    mean : list of ndarray of shape (n_inputs,)
        Centres of the classes.
    root : list of ndarray of shape (n_inputs, n_directions)
        Square roots of their precision matrices.
    constant : ndarray of shape (n_classes,)
        Scores at the centres.
    diagonal : bool
        Whether all roots are diagonal.
    """

    mean: list[FloatArray]
    root: list[FloatArray]
    constant: FloatArray
    diagonal: bool

    def proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray]
    ) -> LocalProof:
        """Return the distances to where another class has a larger score.

        Parameters
        ----------
        rows : ModelRows
            The rows.
        own : ndarray of shape (n_rows,), int
            Their classes.
        box : tuple of two ndarray of shape (n_rows, n_moves)
            The moves that the space allows.
        """
        n, n_moves = len(rows), rows.slope.shape[1]
        lower, move = np.full(n, np.inf), np.full((n, n_moves), np.nan)
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            part, ends = rows.take(some), (box[0][some], box[1][some])
            pairs = [_Pair(self, part, k, other) for other in range(len(self.mean)) if other != k]
            if not pairs:
                continue
            found = [pair.distances(ends) for pair in pairs]
            first = np.min([bound for bound, _ in found], axis=0)
            # Roundings count within what is claimed: no farther than the nearest class.
            for most in _CAPS:
                radius = np.minimum(first, most)
                proved = [pair.proved(ends, radius) for pair in pairs]
                lower[some] = np.minimum(np.min(proved, axis=0), radius)
                if (lower[some] > 0).all() or (first < most).all():
                    break
            lengths = np.array([_lengths(part, step) for _, step in found])
            nearest = lengths.argmin(axis=0)
            move[some] = np.array([step for _, step in found])[nearest, np.arange(len(some))]
        return LocalProof(lower, move, np.zeros(n, dtype=np.int64))

    def difference(
        self, rows: ModelRows, j: int, k: int, radius: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the least and the greatest score of class j less that of class k.

        Parameters
        ----------
        rows : ModelRows
            The rows.
        j, k : int
            Two classes.
        radius : ndarray of shape (n_rows,)
            How far each row moves at most.
        """
        return _Pair(self, rows, j, k).ends(radius)


class _Pair:
    """The score of one class less that of another, as a quadratic function of moves."""

    def __init__(self, scores: QuadraticScores, rows: ModelRows, own: int, other: int) -> None:
        self.rows = rows
        self.diagonal = scores.diagonal and _each_alone(rows.slope)
        value, slope, form, self.sizes = [], [], [], []
        for k in (own, other):
            root = scores.root[k]
            at = (rows.values - scores.mean[k]) @ root
            per_move = root.T @ rows.slope
            value.append(scores.constant[k] - 0.5 * np.square(at).sum(axis=1))
            slope.append(-(at @ per_move))
            form.append(-0.5 * per_move.T @ per_move)
            self.sizes.append(
                (
                    np.abs(rows.values - scores.mean[k]) @ np.abs(root),
                    np.linalg.norm(np.abs(root), axis=0),
                    abs(float(scores.constant[k])),
                    float(np.linalg.norm(per_move)),
                    float(np.linalg.norm(root)),
                )
            )
        self.c, self.g, self.H = value[0] - value[1], slope[0] - slope[1], form[0] - form[1]

    def distances(self, box: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Return distances to where the other class wins, but for rounding, and moves there."""
        distance, move = self._solve(self.c, box)
        move[~(self.c > 0)] = np.nan
        return distance, move

    def proved(self, box: tuple[FloatArray, FloatArray], radius: FloatArray) -> FloatArray:
        """Return lower bounds of the distances, with roundings as they are within a radius."""
        left = self.c - self._slack(radius)
        lower = np.zeros(len(left))
        some = np.flatnonzero(left > 0)
        if len(some):
            ends = box[0][some], box[1][some]
            lower[some] = self._take(some)._solve(left[some], ends)[0]
        return lower

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
            slack = self._slack(radius)
            low = self.c - rate * radius - falls * unit * radius**2 - slack
            high = self.c + rate * radius + rises * unit * radius**2 + slack
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)

    def _take(self, some: IntArray) -> _Pair:
        out = object.__new__(_Pair)
        out.rows, out.diagonal, out.H = self.rows.take(some), self.diagonal, self.H
        out.c, out.g = self.c[some], self.g[some]
        return out

    def _solve(
        self, c: FloatArray, box: tuple[FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        order, n_moves = self.rows.norm.order, self.H.shape[0]
        c = np.maximum(c, 0.0)
        if self.diagonal:
            h, (low, high) = np.diag(self.H).copy(), box
            if not self.rows.exact:
                low, high = (np.full(self.g.shape, end) for end in (-np.inf, np.inf))
            if order == np.inf:
                return largest_cube(c, self.g, h, low, high)
            squared, move = nearest_in_box(c, self.g, h, low, high)
            return np.sqrt(squared), move
        eigenvalues, vectors = np.linalg.eigh(self.H)
        squared, turned = nearest_in_l2(c, self.g @ vectors, eigenvalues)
        lower, move = np.sqrt(squared), turned @ vectors.T
        if order == np.inf:
            worst = max(0.0, -float(eigenvalues.min(initial=0.0))) * n_moves
            straight = _first_root(c, np.abs(self.g).sum(axis=1), worst)
            return np.maximum(lower / np.sqrt(n_moves), straight), move
        if order == 1:
            falling = np.abs(self.H)
            np.fill_diagonal(falling, np.maximum(-np.diag(self.H), 0.0))
            worst = float(falling.max(initial=0.0))
            straight = _first_root(c, np.abs(self.g).max(axis=1, initial=0.0), worst)
            return np.maximum(lower, straight), move
        return lower, move

    def _slack(self, radius: FloatArray) -> FloatArray:
        """Return what rounding may add to the difference, within a radius: theirs and ours."""
        rows = self.rows
        reach = rows.stretch * radius
        drift = rows.error + rows.growth * radius
        n_inputs, n_moves = rows.slope.shape
        slack = np.zeros(len(radius))
        for at, columns, constant, per_move, root in self.sizes:
            far = at + (reach + drift)[:, None] * columns
            size = constant + np.square(far).sum(axis=1)
            slack += 8 * (n_inputs + 16) * rows.unit * size
            # The function that is minimised here is rounded, too.
            length = np.sqrt(np.square(at).sum(axis=1)) + per_move * radius
            slack += 16 * (n_inputs + n_moves + 16) * _UNIT * (constant + np.square(length))
            # The inputs that the model computes are not quite those that it is given.
            slack += drift * root * (length + root * drift)
        return slack


def _lengths(rows: ModelRows, move: FloatArray) -> FloatArray:
    """Return how long moves are; infinite where there is none."""
    missing = np.isnan(move).any(axis=1)
    return np.where(missing, np.inf, rows.norm.length(np.nan_to_num(move)))


def _each_alone(slope: FloatArray) -> bool:
    """Return whether no input follows two moves, so that diagonal forms stay diagonal."""
    return bool((np.count_nonzero(slope, axis=1) <= 1).all())


def _first_root(c: FloatArray, rate: FloatArray, curvature: float) -> FloatArray:
    """Return where ``c - rate r - curvature r^2`` falls to zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 * c / (rate + np.sqrt(rate * rate + 4 * curvature * c))
    return np.where(c > 0, np.where(np.isnan(root), np.inf, root), 0.0) * (1 - 1e-12)
