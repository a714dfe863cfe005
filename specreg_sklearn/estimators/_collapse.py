"""Features that tell rows no longer apart."""

from __future__ import annotations

import numpy as np

# Features this much flatter than the rows themselves have collapsed.
_FLATTER = 1e-2
# Enough rows to see a collapse, which concerns all of them.
_ENOUGH_ROWS = 4096


def find_collapse(X: np.ndarray, features: np.ndarray) -> str | None:
    """Say how features have collapsed, if they have.

    Two shares are compared with those of the rows: the spread of the features in units of their
    root mean square, which is zero for constant features, and their second principal spread in
    units of the first, which is zero where they lie on one line. What the rows do not have, the
    features cannot keep: rows on a line have not collapsed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    features : ndarray of shape (n_samples, n_features_out)
        What the backbone makes of them.

    Returns
    -------
    str or None
        None if the rows are told apart.
    """
    step = -(-len(X) // _ENOUGH_ROWS)
    spread, second = _shares(features[::step])
    spread_of_rows, second_of_rows = _shares(X[::step])
    if spread < _FLATTER * spread_of_rows:
        return f"all rows have nearly the same features, whose spread is {spread:.1g} of their size"
    if features.shape[1] > 1 and second < _FLATTER * second_of_rows:
        return (
            "all features lie on nearly one line, beside which their spread is "
            f"{second:.1g} of that along it"
        )
    return None


def _shares(rows: np.ndarray) -> tuple[float, float]:
    """Return total spread in units of the size, and second principal spread in units of the first.

    Both are 0 for rows that are all the same.
    """
    largest = float(np.abs(rows).max())
    if largest == 0:
        return 0.0, 0.0
    rows = rows.astype(np.float64) / largest
    centred = rows - rows.mean(axis=0)
    size = np.linalg.norm(rows)
    spread = np.linalg.norm(centred)
    if spread <= np.finfo(np.float64).eps * size * len(rows):
        return 0.0, 0.0
    if min(centred.shape) < 2:
        return spread / size, 0.0
    n_rows, n_columns = centred.shape
    gram = centred.T @ centred if n_columns <= n_rows else centred @ centred.T
    second, first = np.sqrt(np.linalg.eigvalsh(gram)[-2:].clip(0))
    return spread / size, second / first
