"""Features that tell rows no longer apart."""

from __future__ import annotations

import numpy as np

# Images this much flatter than the rows themselves have collapsed.
_FLATTER = 1e-2
# Squares in between cost half of the digits.
_ROUNDING = 1e-6


def find_collapse(X: np.ndarray, images: np.ndarray) -> str | None:
    """Say how what a network makes of rows has collapsed; None if it tells them apart.

    Two shares are compared with those of the rows: the spread in units of the root mean square,
    which is zero where all rows have the same image, and the second principal spread in units of
    the first, which is zero where the images lie on one line. What the rows do not have, a network
    cannot keep: rows on a line have not collapsed. `images` (n_samples, n_columns) are the features
    or the projections of the rows `X`.
    """
    spread, second = _shares(images)
    spread_of_rows, second_of_rows = _shares(X)
    if spread < _FLATTER * spread_of_rows:
        return f"are nearly the same for all rows, with a spread of {spread:.1g} of their size"
    if images.shape[1] > 1 and second < _FLATTER * second_of_rows:
        return f"lie on nearly one line, with a spread beside it of {second:.1g} of that along it"
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
    size, spread = float(np.linalg.norm(rows)), float(np.linalg.norm(centred))
    if spread <= np.finfo(np.float64).eps * size * len(rows):
        return 0.0, 0.0
    if min(centred.shape) < 2:
        return spread / size, 0.0
    n_rows, n_columns = centred.shape
    gram = centred.T @ centred if n_columns <= n_rows else centred @ centred.T
    second, first = np.sqrt(np.linalg.eigvalsh(gram)[-2:].clip(0))
    share = float(second / first)
    return spread / size, share if share > _ROUNDING else 0.0
