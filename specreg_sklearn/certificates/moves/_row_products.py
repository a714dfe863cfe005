"""Products of rows with a matrix that do not depend on how many rows there are."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import FloatArray


def row_products(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return ``rows @ matrix``, each row rounded as if it were alone.

    A product of two matrices rounds by the shape of the whole; one of a single row does not.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n)
        The rows.
    matrix : ndarray of shape (n, m)
        The matrix.
    """
    return np.asarray(np.matmul(rows[:, None, :], matrix)[:, 0])
