"""Pairs of classes: differences of their coefficients, and sums back to classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from specreg_sklearn._typing import FloatArray

# With more classes the table of differences is mostly zeros.
_DENSE = 24


class ClassPairs:
    """The unordered pairs of classes; for two classes one pair, whose difference is all there is.

    `coef` has shape (n_scores, n_features): one row for each class, or for two classes the
    second minus the first.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_scores = 1 if n_classes == 2 else n_classes
        self.first, self.second = np.triu_indices(n_classes, k=1)
        if n_classes == 2:
            self._difference: Any = np.ones((1, 1))
            self._adjoint: Any = self._difference
            return
        n_pairs = len(self.first)
        table = np.zeros((n_pairs, n_classes))
        table[np.arange(n_pairs), self.first] = 1
        table[np.arange(n_pairs), self.second] = -1
        self._difference = table if n_classes <= _DENSE else sparse.csr_array(table)
        self._adjoint = table.T.copy() if n_classes <= _DENSE else sparse.csr_array(table.T)

    def __len__(self) -> int:
        return len(self.first)

    def difference(self, coef: FloatArray) -> FloatArray:
        """Return the difference of every pair, of shape (n_pairs, n_features)."""
        return coef if self.n_scores == 1 else self._difference @ coef

    def adjoint(self, of_pairs: FloatArray) -> FloatArray:
        """Return what pairs do to their classes: the transpose of :meth:`difference`."""
        return of_pairs if self.n_scores == 1 else self._adjoint @ of_pairs

    def laplacian(self, weights: FloatArray) -> FloatArray:
        """Return the matrix of ``sum of weights * difference ** 2``.

        `weights` (..., n_pairs) gives matrices of shape (..., n_scores, n_scores).
        """
        if self.n_scores == 1:
            return weights[..., None]
        matrix = np.zeros((*weights.shape[:-1], self.n_scores, self.n_scores))
        matrix[..., self.first, self.second] = -weights
        matrix[..., self.second, self.first] = -weights
        diagonal = np.arange(self.n_scores)
        matrix[..., diagonal, diagonal] = -matrix.sum(axis=-1)
        return matrix

    def symmetric(self, of_pairs: FloatArray) -> FloatArray:
        """Return a symmetric table (n_classes, n_classes) with zeros on its diagonal."""
        table = np.zeros((self.n_scores, self.n_scores))
        table[self.first, self.second] = table[self.second, self.first] = of_pairs
        return table

    def both_ways(self, table: FloatArray) -> FloatArray:
        """Return ``table[j, k] + table[k, j]`` for every pair."""
        return table[self.first, self.second] + table[self.second, self.first]

    def products(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Return the scalar product of the differences of every pair, by way of a Gram table."""
        gram = one @ other.T
        if self.n_scores == 1:
            return gram[0]
        own = np.diag(gram)
        return own[self.first] + own[self.second] - self.both_ways(gram)
