"""The labels of a classifier made of trees, at less cost for few rows than by its own `predict`.

A forest spends milliseconds on a call, whatever the rows are, and an attack asks it a hundred times
about a few. The trees that were read say the same. Where rounding decides, it has to be that of the
classifier: its sums are repeated to the last bit, or it is asked itself.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.trees._against_predict import is_close
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees.readers import Nodes
from specreg_sklearn.certificates.trees.search import counted_work, leaf_loops
from specreg_sklearn.tables import as_table, take_rows

# For so many rows in so many trees the own loops of the classifier are no slower than ours.
_MOST_LEAVES, _MOST_COMPILED = 2**13, 2**16


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
        loops = None if trees.nodes.goes_left.size else leaf_loops()
        most = _MOST_LEAVES if loops is None else _MOST_COMPILED
        if as_table(X).n_rows * len(trees.nodes.roots) > most:
            return np.asarray(estimator.predict(X))
        with counted_work():
            leaves = _leaves(trees.nodes, ensemble.numbers(X), loops)
        scores = trees.added(leaves)
        labels = ensemble.classes[trees.predicted(scores)]
        doubtful = np.flatnonzero(is_close(trees, scores, ensemble.rounding))
        if not len(doubtful):
            return labels
        if ensemble.same_means:
            labels[doubtful] = ensemble.classes[trees.means(leaves[doubtful]).argmax(axis=1)]
        else:
            labels[doubtful] = np.asarray(estimator.predict(take_rows(X, doubtful))).ravel()
        return labels


def _leaves(nodes: Nodes, rows: FloatArray, loops: ModuleType | None) -> IntArray:
    """Return the leaf (n_rows, n_trees) that each row reaches in each tree."""
    if loops is None:
        return nodes.leaves(rows)
    leaves = np.empty((len(rows), len(nodes.roots)), dtype=np.int64)
    loops.reached(
        rows, nodes.column, nodes.threshold, nodes.left, nodes.right, nodes.missing_left,
        nodes.roots, leaves,
    )  # fmt: skip
    return leaves
