"""The labels of a classifier made of trees, at less cost for few rows than by its own `predict`.

A forest spends milliseconds on a call, whatever the rows are, and an attack asks it a hundred times
about a few. The trees that were read say the same. Where rounding decides, it has to be that of the
classifier: its sums are repeated to the last bit, or it is asked itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn.certificates.trees._against_predict import is_close
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.tables import as_table, take_rows

# So many rows in so many trees, and the classifier's own loops are no slower.
_MOST_LEAVES = 2**13


class TreeLabels:
    """A classifier with the labels of another one, which is made of trees.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The classifier, and its trees as they were read.
    """

    def __init__(self, ensemble: TreeEnsemble) -> None:
        self._ensemble = ensemble

    def __getattr__(self, name: str) -> Any:
        # Pickle asks before anything is set.
        if name.startswith("__") or name == "_ensemble":
            raise AttributeError(name)
        return getattr(self._ensemble.estimator, name)

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels that the classifier predicts."""
        ensemble = self._ensemble
        trees, estimator = ensemble.trees, ensemble.estimator
        if as_table(X).n_rows * len(trees.nodes.roots) > _MOST_LEAVES:
            return np.asarray(estimator.predict(X))
        numbers = ensemble.numbers(X)
        scores = trees.evaluate(numbers)
        labels = ensemble.classes[trees.predicted(scores)]
        doubtful = np.flatnonzero(is_close(trees, scores, ensemble.rounding))
        if not len(doubtful):
            return labels
        if ensemble.same_means:
            labels[doubtful] = ensemble.classes[trees.means(numbers[doubtful]).argmax(axis=1)]
        else:
            labels[doubtful] = np.asarray(estimator.predict(take_rows(X, doubtful))).ravel()
        return labels
