"""The only place that asks the model: coordinates in, "is it fooled?" out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specreg_sklearn.attacks._labels import LabelCoder, as_labels
from specreg_sklearn.attacks._rows import CleanRows

Predict = Callable[[Any], Any]


def ask(predict: Predict, X: Any, n_rows: int) -> np.ndarray:
    """Return the labels a model predicts for X, one per row."""
    labels = as_labels(predict(X), "the output of estimator.predict")
    if len(labels) != n_rows:
        raise ValueError(f"estimator.predict returned {len(labels)} labels for {n_rows} rows.")
    return labels


class Oracle:
    """Answers for a set of clean rows, with a count of what was asked.

    The model always sees rows as the user would get them: clipped, rounded, cast, in the user's
    container. The oracle also remembers, for each clean row, the nearest point the model got wrong.
    An attack therefore never loses a good point, even one that its own algorithm steps away from.

    Parameters
    ----------
    predict : callable
        ``estimator.predict``.
    rows : CleanRows
        The clean rows.
    labels : ndarray of shape (n,), int
        Codes of their true labels.
    coder : LabelCoder
        Turns predictions into codes.
    norm : {2, inf}
        The norm in which "nearest" is meant.
    batch_rows : int
        Largest number of rows in one call of `predict`.

    Attributes
    ----------
    n_queries : ndarray of shape (n,), int64
        Rows sent to the model on behalf of each clean row.
    best : ndarray of shape (n, d), float64
        Coordinates of the nearest adversarial point asked so far; meaningless where
        `best_distance` is infinite.
    best_distance : ndarray of shape (n,), float64
        Its distance, measured on the row as built; ``inf`` where there is none.
    """

    def __init__(
        self,
        predict: Predict,
        rows: CleanRows,
        labels: np.ndarray,
        coder: LabelCoder,
        *,
        norm: float = 2,
        batch_rows: int = 16384,
    ) -> None:
        self.predict, self.rows, self.labels, self.coder = predict, rows, labels, coder
        self.norm, self.batch_rows = norm, batch_rows
        self.n_queries = np.zeros(len(rows), dtype=np.int64)
        self.best = rows.x.copy()
        self.best_distance = np.full(len(rows), np.inf)

    def decide(self, Z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Ask whether the model gives points another label than their owners' true one.

        Parameters
        ----------
        Z : ndarray of shape (m, d), float64
            Coordinates; points outside the box are clipped first.
        owner : ndarray of shape (m,), int
            The clean row each point belongs to.

        Returns
        -------
        ndarray of shape (m,), bool
            True where the model is fooled. A point that is built as the clean row itself is never
            adversarial.
        """
        fooled = np.zeros(len(Z), dtype=bool)
        for begin in range(0, len(Z), self.batch_rows):
            part = slice(begin, begin + self.batch_rows)
            raw = self.rows.snap(Z[part], owner[part])
            fooled[part] = self.fooled_by(raw, owner[part])
            self._remember(Z[part], raw, owner[part], fooled[part])
        return fooled

    def fooled_by(self, raw: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Ask about rows given as raw cells, in one call of the model."""
        labels = ask(self.predict, self.rows.build(raw, owner), len(raw))
        np.add.at(self.n_queries, owner, 1)
        moved = (raw != self.rows.raw[owner]).any(axis=1)
        return (self.coder.encode(labels) != self.labels[owner]) & moved

    def _remember(
        self, Z: np.ndarray, raw: np.ndarray, owner: np.ndarray, fooled: np.ndarray
    ) -> None:
        hits = np.flatnonzero(fooled)
        distance = self.rows.distance(raw[hits], owner[hits], self.norm)
        nearer = distance < self.best_distance[owner[hits]]
        hits, distance = hits[nearer], distance[nearer]
        # Nearest first within each owner; the stable sort lets the point asked first win a tie.
        order = np.lexsort((distance, owner[hits]))
        hits, distance = hits[order], distance[order]
        owners, first = np.unique(owner[hits], return_index=True)
        self.best[owners] = Z[hits[first]]
        self.best_distance[owners] = distance[first]
