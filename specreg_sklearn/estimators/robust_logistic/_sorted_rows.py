"""The rows of a fit, centred and sorted by class, and products with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn._typing import FloatArray, IntArray

# Axes are turned to principal ones where the eigenvectors cost less than they save.
_MOST_AXES, _MOST_AXES_PER_CLASS = 300, 20
# Beyond this ratio of scales a rotation would drown small columns in the rounding of large ones.
_ALIKE = 1e3


@dataclass(frozen=True)
class SortedRows:
    """Rows sorted by class, so that sums over a class are sums over a slice.

    `X` is dense, and centred already, or sparse, and then the products subtract the centre.
    Scores and whatever else belongs to a row have shape (n_scores, n_samples): what is summed over
    classes then lies in long runs.

    `weights` sum to one; rows of class k start at ``starts[k]``. `spread` holds the standard
    deviation of every column, 1 for constant ones. `basis`, if any, has the axes of `X` as its
    rows, in the user's coordinates.
    """

    X: Any
    starts: IntArray
    weights: FloatArray
    centre: FloatArray
    spread: FloatArray
    squares: Any = None
    basis: FloatArray | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """Number of columns, or of axes where the rows were turned."""
        return self.X.shape[1]

    @property
    def slices(self) -> list[slice]:
        """The rows of each class."""
        ends = [*self.starts[1:], self.n_samples]
        return [slice(*bounds) for bounds in zip(self.starts, ends, strict=True)]

    def times(self, coef: FloatArray) -> FloatArray:
        """Return ``coef @ X.T`` of the centred rows, of shape (n_scores, n_samples)."""
        if not sparse.issparse(self.X):
            return coef @ self.X.T
        scores = np.ascontiguousarray((self.X @ coef.T).T)
        scores -= (coef @ self.centre)[:, None]
        return scores

    def gather(self, scores: FloatArray) -> FloatArray:
        """Return ``scores @ X`` of the centred rows, of shape (n_scores, n_features)."""
        if not sparse.issparse(self.X):
            return scores @ self.X
        return (self.X.T @ scores.T).T - np.outer(scores.sum(axis=1), self.centre)

    def mean_squares(self, weights: FloatArray) -> FloatArray:
        """Return the weighted mean of the squares of each centred column."""
        total = weights.sum()
        if not sparse.issparse(self.X):  # in units of the spread: float32 holds them
            squares = (weights / total).astype(np.float32) @ self.squares
            return squares.astype(np.float64) * self.spread**2
        share = weights / total
        squares = share @ self.squares - 2 * self.centre * (share @ self.X) + self.centre**2
        return np.maximum(squares, 0)

    def subset(self, n_samples: int) -> SortedRows:
        """Return every few rows of each class, about `n_samples` in all, with the same centre."""
        step = max(1, self.n_samples // n_samples)
        parts = [np.arange(rows.start, rows.stop, step) for rows in self.slices]
        chosen = np.concatenate(parts)
        starts = np.cumsum([0, *map(len, parts[:-1])])
        weights = self.weights[chosen]
        squares = None if self.squares is None else self.squares[chosen]
        return replace(
            self, X=self.X[chosen], squares=squares, starts=starts, weights=weights / weights.sum()
        )


def sorted_rows(
    X: Any, codes: IntArray, weights: FloatArray, *, centred: bool, rotated: bool
) -> SortedRows:
    """Sort rows by class and centre them.

    `rotated` allows other axes, for an objective that no rotation changes: the row space where
    there are more columns than rows, principal axes where there are few columns.
    """
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    weights = weights[order].astype(np.float64)
    weights /= weights.sum()
    X = X[order].astype(np.float64)
    is_sparse = sparse.issparse(X)
    # Without an intercept a shift of the columns would change the model.
    centre = np.asarray(weights @ X).ravel() if centred else np.zeros(X.shape[1])
    if is_sparse:
        squares = X.multiply(X).tocsr()
        spread = np.sqrt(np.maximum(weights @ squares - centre**2, 0))
    else:
        X -= centre
        squares = None
        spread = np.sqrt(weights @ X**2)
    constant = spread <= (1e-7 if is_sparse else 1e-14) * np.abs(centre)
    if not is_sparse and constant.any():
        X[:, constant] = 0  # what is left there is rounding
    spread[constant | (spread == 0)] = 1.0
    rows = SortedRows(X, starts, weights, centre, spread, squares)
    if is_sparse:
        return rows
    if rotated:
        rows = _turned(rows)
    return replace(rows, squares=np.square(rows.X / rows.spread, dtype=np.float32))


def _turned(rows: SortedRows) -> SortedRows:
    X, n_classes = rows.X, len(rows.starts)
    if rows.spread.max() > _ALIKE * rows.spread.min():
        return rows
    if rows.n_features > rows.n_samples:
        axes, triangle = np.linalg.qr(X.T)
        turned, basis = np.ascontiguousarray(triangle.T), axes.T
    elif rows.n_features <= min(_MOST_AXES, _MOST_AXES_PER_CLASS * n_classes):
        _, axes = np.linalg.eigh(X.T @ (X * rows.weights[:, None]))
        turned, basis = X @ axes, np.ascontiguousarray(axes.T)
    else:
        return rows
    spread = np.sqrt(rows.weights @ turned**2)
    spread[spread <= 1e-14 * spread.max()] = 1.0
    return replace(rows, X=turned, spread=spread, basis=basis)
