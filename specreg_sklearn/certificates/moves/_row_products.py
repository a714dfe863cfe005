"""Products of rows with a matrix that do not depend on how many rows there are."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray


def row_products(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return ``rows @ matrix``, with sums in the same order for each row in any company.

    Products by BLAS, and by einsum, round by the shape of the whole.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n)
        The rows.
    matrix : ndarray of shape (n, m)
        The matrix.
    """
    out = np.zeros((len(rows), matrix.shape[1]))
    for j, line in enumerate(matrix):
        out += rows[:, j, None] * line
    return out
