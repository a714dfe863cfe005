"""Nothing is reported that the model does not repeat.

A boundary point may flip back when it is asked in another batch shape: matrix products round
differently for one row and for a thousand. So the very array that the user will get is asked as a
whole, and once more in small blocks of one fixed shape. A row that flips is pushed outwards a
little and asked again.
"""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions._oracle import Oracle

PUSHES = (0.0, 1e-3)
"""How far beyond the boundary point a row is moved, as shares of its distance."""

BLOCK_ROWS = 64
_BLOCK = 2**20
VERIFY_QUERIES = 2 * (len(PUSHES) + 1)
"""The most that verification asks about one row."""


def verify(
    oracle: Oracle, near: FloatArray, far: FloatArray, attacked: IntArray
) -> tuple[FloatArray, BoolArray]:
    """Find, for each attacked row, the nearest point whose label the model repeats.

    `near` are the boundary points and `far` the untouched starts, to fall back on when no push
    helps, both of shape (n, d); `attacked` are the rows that have one. Returns the verified cells,
    of shape (n, d), which are the clean cells elsewhere, and where they are adversarial.
    """
    rows, raw = oracle.rows, oracle.rows.raw.copy()
    verified = np.zeros(len(rows), dtype=bool)
    if not len(attacked):
        return raw, verified
    pending = attacked
    held_in_block = np.zeros(len(rows), dtype=bool)
    for push in (*PUSHES, None):
        # A few rows at a time: intermediate results would each be as large as the data.
        for some in np.array_split(pending, -(-len(pending) * raw.shape[1] // _BLOCK)):
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


def _ask_in_blocks(oracle: Oracle, raw: FloatArray, owner: IntArray) -> BoolArray:
    """Ask in blocks of exactly BLOCK_ROWS rows; the last one is filled up with clean rows."""
    answers = []
    for begin in range(0, len(owner), BLOCK_ROWS):
        some = owner[begin : begin + BLOCK_ROWS]
        padded = np.concatenate([some, np.zeros(BLOCK_ROWS - len(some), dtype=np.int64)])
        cells = np.concatenate([raw[some], oracle.rows.raw[padded[len(some) :]]])
        answers.append(oracle.fooled_by(cells, padded, counted=some)[: len(some)])
    return np.concatenate(answers)
