"""The attack on models whose decision boundaries are thresholds on single columns."""

from __future__ import annotations

from typing import ClassVar

from specreg_sklearn.attacks.boundary import follow_priced_slopes
from specreg_sklearn.attacks.boxes import BoxSearch, is_oblique, trade_columns
from specreg_sklearn.attacks.frame import BlackBoxAttack
from specreg_sklearn.attacks.integers import FlipSearch, turns_of_swaps
from specreg_sklearn.attacks.questions import SearchTask

# In L1 rows are tested for a slope once they have sent so many queries.
_TESTED_AT = 400


class ThresholdSearch(BlackBoxAttack):
    """Search for models that compare one column at a time with thresholds, in L2, L1 and L0.

    Trees, their ensembles, rules and binned columns cut the space into boxes. The attack looks
    into cubes of all sizes around a row, with many columns moved at once. Of a point that fools the
    model it takes home the columns that are not needed, and moves the others up to their
    thresholds. Then it goes on for the rest of the budget: it leaves one column of the best point
    out, or moves it less far, and looks for cheap moves of other columns that make up for it.

    In L2 :class:`CGBA` does the same for rows that it finds at a threshold. Use this attack where
    a model is known to be of this kind, and in L1 and L0, where it is the default.

    Parameters
    ----------
    norm : {2, 1, 0}, default=2
        The norm in which distances are measured; 0 counts the columns that change.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. The first queries of a larger budget
        are those of a smaller one, so more of them never lead to a farther row. None ends a row
        that no longer gains.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`.

    Examples
    --------
    The nearest row of another leaf of a single tree is known:

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from specreg_sklearn.attacks import FeatureSpace, ThresholdSearch
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    >>> rows = np.flatnonzero(tree.predict(X) == y)[:20]
    >>> space = FeatureSpace.from_data(X)
    >>> found = ThresholdSearch(norm=1).run(tree, X[rows], y[rows], space=space, pool=X)
    >>> column = tree.tree_.feature[0]
    >>> exact = np.abs(X[rows, column] - tree.tree_.threshold[0]) / space.scale[column]
    >>> bool(np.allclose(found.distances, exact, rtol=1e-2))
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (0, 1, 2)
    _from_boundary: ClassVar[bool] = False
    _last_bisection: ClassVar[bool] = False

    def _search(self, task: SearchTask) -> None:
        if FlipSearch.applies(task):
            FlipSearch(task).search(task.active())
            return
        boxes = BoxSearch(task)
        for until in turns_of_swaps(task):
            boxes.search(task.active(), until)
        if task.oracle.norm == 1:
            rows = boxes.search(task.active(), _TESTED_AT)
            rows = rows[is_oblique(task, rows, 0)]
            follow_priced_slopes(task, rows)
            trade_columns(task, rows)
        boxes.search(task.active(), task.oracle.limit)
