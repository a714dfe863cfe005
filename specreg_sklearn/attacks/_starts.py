"""Where a search begins: adversarial points taken from data, and from noise if there are none.

Noise alone is a poor start on tables. On the breast cancer data it fails for about half of the
rows, at any budget, and each failure looks like robustness. Rows of real data that the model puts
into another class are nearly always available, and taking one of *every* other class keeps the
search out of the basin of a single wrong class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specreg_sklearn.attacks._bisection import Decide
from specreg_sklearn.attacks._rows import CleanRows

NOISE_TRIES = 100
_NOISE_BLOCK = 10


class StartPool:
    """Rows of data that may serve as starts, sorted by content.

    Sorting makes the choice independent of the order of the pool: ties in distance are broken by
    what a row holds.

    Parameters
    ----------
    rows : CleanRows
        The pool in the attack's feature space.
    codes : ndarray of shape (p,), int
        What the model predicts for them.
    """

    def __init__(self, rows: CleanRows, codes: np.ndarray) -> None:
        order = np.lexsort((codes, *rows.x.T))
        self.x, self.missing, self.codes = rows.x[order], rows.missing[order], codes[order]
        self._any_missing = bool(self.missing.any())
        self._members = {int(c): np.flatnonzero(self.codes == c) for c in np.unique(codes)}

    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how far to search where a space has no bounds: the pool's range, three times."""
        low = np.where(self.missing, np.inf, self.x).min(axis=0)
        high = np.where(self.missing, -np.inf, self.x).max(axis=0)
        empty = ~(low <= high)
        low[empty], high[empty] = 0.0, 0.0
        width = np.where(high > low, high - low, 1.0)
        return low - width, high + width

    def nearest(
        self, x: np.ndarray, missing: np.ndarray, label: int, n_starts: int, norm: float
    ) -> np.ndarray:
        """Return up to `n_starts` candidates for one clean row.

        The nearest row of every other predicted class comes first, then the second nearest of every
        class, and so on.

        Parameters
        ----------
        x, missing : ndarray of shape (d,)
            The clean coordinates, and which cells are missing (they do not move).
        label : int
            The row's true label code.
        n_starts : int
            How many candidates to return at most.
        norm : {2, inf}
            The distance that "nearest" refers to.

        Returns
        -------
        ndarray of shape (k, d)
            Candidates, with the clean row's value where either cell is missing.
        """
        points = self.x
        if self._any_missing or missing.any():
            points = np.where(self.missing | missing, x, points)
        # No matrix product here: its rounding could depend on the size of the pool.
        steps = points - x
        if norm == np.inf:
            distance = np.abs(steps).max(axis=1, initial=0.0)
        else:
            distance = np.einsum("ij,ij->i", steps, steps)
        chosen, rank = [], []
        for code, members in self._members.items():
            if code == label:
                continue
            # The whole class is sorted: partial sorts settle ties by memory layout.
            best = members[np.argsort(distance[members], kind="stable")[:n_starts]]
            chosen.append(best)
            rank.append(np.arange(len(best)))
        if not chosen:
            return np.empty((0, x.shape[0]))
        index, place = np.concatenate(chosen), np.concatenate(rank)
        order = np.lexsort((index, distance[index], place))
        return points[index[order][:n_starts]]


def data_starts(
    decide: Decide,
    rows: CleanRows,
    labels: np.ndarray,
    pool: StartPool,
    attacked: np.ndarray,
    *,
    n_starts: int,
    norm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return adversarial starts taken from the pool, as (points, owners).

    Candidates are clipped to each row's box, take over its immutable cells and are asked again;
    only those the model still gets wrong are kept.
    """
    points = [pool.nearest(rows.x[i], rows.missing[i], labels[i], n_starts, norm) for i in attacked]
    owner = np.repeat(attacked, [len(p) for p in points])
    Z = np.concatenate([np.empty((0, rows.x.shape[1])), *points])
    Z = np.clip(Z, rows.lo[owner], rows.hi[owner])
    fooled = decide(Z, owner)
    return Z[fooled], owner[fooled]


def noise_starts(
    decide: Decide,
    lo: np.ndarray,
    hi: np.ndarray,
    attacked: np.ndarray,
    rng: Callable[[int], np.random.Generator],
) -> tuple[np.ndarray, np.ndarray]:
    """Return adversarial starts drawn evenly from each row's box, as (points, owners).

    All rows share the same draws, and a row stops asking as soon as one of its blocks holds a
    success.
    """
    points, owners = [np.empty((0, lo.shape[1]))], [np.empty(0, dtype=np.int64)]
    for block in range(NOISE_TRIES // _NOISE_BLOCK):
        if not len(attacked):
            break
        share = rng(block).random((_NOISE_BLOCK, lo.shape[1]))
        owner = np.repeat(attacked, _NOISE_BLOCK)
        width = (hi - lo)[owner]
        Z = lo[owner] + np.tile(share, (len(attacked), 1)) * width
        fooled = decide(Z, owner)
        points.append(Z[fooled])
        owners.append(owner[fooled])
        attacked = np.setdiff1d(attacked, owner[fooled])
    return np.concatenate(points), np.concatenate(owners)
