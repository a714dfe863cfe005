"""Asking about a few points of each chain, several times over, with little to do beside asking."""

from __future__ import annotations

import numpy as np

from specreg_sklearn.attacks.questions._oracle import Oracle


class Asker:
    """Asks as ``oracle.decide`` does, but what fools the model may not be remembered.

    Show the nearest point of each chain to ``oracle.remember`` at the end.

    Parameters
    ----------
    oracle : Oracle
        Where to ask.
    owner : ndarray of shape (m,), int
        The clean row of each chain.
    k : int
        Points of a chain in one call.
    n_calls : int
        How many calls will be made at most.
    """

    def __init__(self, oracle: Oracle, owner: np.ndarray, k: int, n_calls: int) -> None:
        self._oracle, self._owner, self._k = oracle, owner, k
        rows = oracle.rows
        self._asked = k * np.bincount(owner, minlength=len(rows))
        covered = (n_calls * self._asked <= oracle.limit - oracle.n_queries).all()
        # Where cells are rounded, a point may be built as the clean row itself.
        self._plain = bool(
            rows.exact and rows.repair is None and len(owner) * k <= oracle.batch_rows and covered
        )
        lo, hi = rows.box(owner)
        self._box = lo[:, None], hi[:, None]
        self._wanted = np.repeat(oracle.wanted[owner], k)

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return, of shape (m, k), where the model is fooled.

        `Z` holds coordinates of shape (m, k, d). They may be clipped in place, and shown to the
        model as they are.
        """
        m, k, d = Z.shape
        oracle, owner = self._oracle, self._owner
        if not self._plain:
            return oracle.decide(Z.reshape(-1, d), np.repeat(owner, k)).reshape(m, k)
        cells = oracle.rows.fit(oracle.rows.cells_of_each(Z, owner), *self._box)
        fooled = oracle.ask(cells, owner, lend=True, wanted=self._wanted)
        oracle.n_queries += self._asked
        return fooled

    def remember(self, Z: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Let the oracle remember some of the points asked about, which fooled the model.

        Returns the points, of shape (m, d), moved into the boxes, and their distances.
        """
        rows = self._oracle.rows
        # Where coordinates are cells, asking has clipped them already.
        built = self._plain and rows._unit
        Z = Z if built else rows.clip(Z, owner)
        return Z, self._oracle.remember(Z, owner, Z if built else None)
