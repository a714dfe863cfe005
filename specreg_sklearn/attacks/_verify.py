"""Nothing is reported that the model does not repeat.

A boundary point may flip back when it is asked in another batch shape: matrix products round
differently for one row and for a thousand. So the very array that the user will get is asked as a
whole, and once more in small blocks of one fixed shape. A row that flips is pushed outwards a
little and asked again.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks._oracle import Oracle

PUSHES = (0.0, 1e-4, 1e-2)
"""How far beyond the boundary point a row is moved, as shares of its distance."""

BLOCK_ROWS = 64
VERIFY_QUERIES = 2 * (len(PUSHES) + 1)
"""The most that verification asks about one row."""


def verify(
    oracle: Oracle, near: np.ndarray, far: np.ndarray, attacked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find, for each attacked row, the nearest point whose label the model repeats.

    Parameters
    ----------
    oracle : Oracle
        The oracle of all rows the user passed.
    near : ndarray of shape (n, d)
        Boundary points.
    far : ndarray of shape (n, d)
        Points to fall back on when no push helps: the untouched starts.
    attacked : ndarray of shape (k,), int
        The rows that have a boundary point. The others stay clean.

    Returns
    -------
    raw : ndarray of shape (n, d), float64
        Verified cells; the clean cells elsewhere.
    verified : ndarray of shape (n,), bool
        Where `raw` holds an adversarial row.
    """
    rows, raw = oracle.rows, oracle.rows.raw.copy()
    verified = np.zeros(len(rows), dtype=bool)
    if not len(attacked):
        return raw, verified
    pending = attacked
    held_in_block = np.zeros(len(rows), dtype=bool)
    for push in (*PUSHES, None):
        for some in np.array_split(pending, -(-len(pending) // oracle.batch_rows)):
            x = rows.raw[some] / rows.scale
            target = far[some] if push is None else x + (1 + push) * (near[some] - x)
            raw[some] = rows.snap(target, some)
        held_in_block[pending] = _ask_in_blocks(oracle, raw, pending)
        # All rows go again, not just the pending ones: this is the array the user will ask on.
        held = oracle.fooled_by(raw, np.arange(len(rows)), counted=attacked) & held_in_block
        pending = attacked[~held[attacked]]
        if not len(pending):
            break
    verified[attacked] = True
    verified[pending] = False
    raw[pending] = rows.raw[pending]
    return raw, verified


def _ask_in_blocks(oracle: Oracle, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Ask in blocks of exactly BLOCK_ROWS rows; the last one is filled up with clean rows."""
    padded = np.concatenate([owner, np.zeros(-len(owner) % BLOCK_ROWS, dtype=np.int64)])
    cells = np.concatenate([raw[owner], oracle.rows.raw[padded[len(owner) :]]])
    answers = []
    for begin in range(0, len(padded), BLOCK_ROWS):
        part = slice(begin, begin + BLOCK_ROWS)
        answers.append(oracle.fooled_by(cells[part], padded[part], counted=owner[part]))
    return np.concatenate(answers)[: len(owner)]
