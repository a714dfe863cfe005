"""A fitted model and the rows of it that attacks are compared on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.common._white_box import floor, layers_of
from specreg_sklearn import FeatureSpace


@dataclass(eq=False)
class Problem:
    """A fitted model, the rows to attack, and what every attack is given.

    Parameters
    ----------
    data, kind : str
        Names of the data and of the model.
    model : classifier
        Fitted; its labels are 0, 1, ...
    X : ndarray of shape (n, d) or (n, channels, height, width)
        Rows to attack, all classified correctly, in the units that distances are measured in.
    y : ndarray of shape (n,), int
        Their labels.
    pool : ndarray of shape (n_pool, ...)
        Rows that attacks may start from: the whole test part.
    lo, hi : float or ndarray of shape (d,)
        The box: the same for every column, or one range each.
    """

    data: str
    kind: str
    model: Any
    X: np.ndarray
    y: np.ndarray
    pool: np.ndarray
    lo: Any
    hi: Any

    @classmethod
    def of_right_rows(
        cls,
        data: str,
        kind: str,
        model: Any,
        X_test: np.ndarray,
        y_test: np.ndarray,
        lo: Any,
        hi: Any,
        n_rows: int,
    ) -> Problem:
        """Attack the first test rows that a fitted model gets right; all of them are the pool."""
        right = np.flatnonzero(model.predict(X_test) == y_test)[:n_rows]
        return cls(data, kind, model, X_test[right], y_test[right], X_test, lo, hi)

    @property
    def name(self) -> str:
        """How tables of results call it."""
        return f"{self.data}, {self.kind}"

    @cached_property
    def space(self) -> FeatureSpace:
        """The box in the units of X, for our attacks."""
        return FeatureSpace.from_data(self.pool, bounds=(self.lo, self.hi), scale=None)

    @cached_property
    def pool_labels(self) -> np.ndarray:
        """What the model predicts for the pool."""
        return self.model.predict(self.pool)

    @cached_property
    def nearest(self) -> np.ndarray:
        """The nearest row of the pool with another prediction: where the other libraries start."""
        apart = np.linalg.norm(self.X[:, None, :] - self.pool, axis=2)
        apart[self.y[:, None] == self.pool_labels] = np.inf
        return self.pool[apart.argmin(axis=1)]

    @cached_property
    def floor(self) -> np.ndarray | None:
        """Distances that a white-box attack finds, None for models without gradients."""
        layers = layers_of(self.model)
        if layers is None:
            return None
        return floor(layers, self.model, self.X, self.y, self.pool, self.lo, self.hi)

    def fooled(self, Z: np.ndarray) -> np.ndarray:
        """Return where the model gets float64 rows wrong."""
        return self.model.predict(np.asarray(Z, dtype=np.float64)) != self.y

    def first(self, n_rows: int) -> Problem:
        """Return the problem of the first rows."""
        return replace(self, X=self.X[:n_rows], y=self.y[:n_rows])
