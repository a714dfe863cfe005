"""Class scores as a loss: how far a model is from giving a row another label.

Most attacks see labels only. One that may see scores learns from every query, so it asks here. The
queries count against the same budgets as those for labels.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.attacks.questions._classes import classes_of, columns_of_labels
from specreg_sklearn.attacks.questions._oracle import Oracle, listed
from specreg_sklearn.tables import rank_within

METHODS = ("decision_function", "predict_proba")
ScoreMethod: TypeAlias = Literal["auto", "decision_function", "predict_proba"]
# Probabilities of 0 and infinite scores have to be subtracted from each other.
_SMALLEST, _LARGEST = 1e-300, 1e300
_TINY = 1e-12


def check_scores(scores: object) -> None:
    """Raise ValueError unless `scores` says where scores come from."""
    if not isinstance(scores, str) or scores not in ("auto", *METHODS):
        raise ValueError(f"scores={scores!r} is not one of {['auto', *METHODS]}.")


class ScoredPredict:
    """A callable that gives labels, like ``estimator.predict``, and can be asked for scores too.

    With "auto", scores come from the first of `METHODS` that the estimator has and that gives one
    score per class. `needed_by` is the class that error messages name.
    """

    def __init__(self, estimator: Classifier, scores: ScoreMethod, *, needed_by: str) -> None:
        self.estimator = estimator
        self.method = _method(estimator, scores, needed_by)

    def __call__(self, X: Any) -> Any:
        """Return labels."""
        return self.estimator.predict(X)

    @property
    def classes(self) -> np.ndarray:
        """The label that each column of the scores stands for."""
        return classes_of(self.estimator, self.method)

    def scores(self, X: Any, n_rows: int) -> FloatArray:
        """Return scores of shape (n_rows, n_classes), float64, freshly made.

        Probabilities come as logarithms: their differences still tell rows apart where the
        probabilities themselves are 1 within rounding.
        """
        values = np.array(getattr(self.estimator, self.method)(X), dtype=np.float64)
        n_classes = len(self.classes)
        if values.ndim == 2 and values.shape[1] == 1 and n_classes == 2:
            values = values[:, 0]
        if values.ndim == 1 and n_classes == 2:
            values = np.column_stack([-values, values])
        if values.shape != (n_rows, n_classes):
            raise ValueError(
                f"{type(self.estimator).__name__}.{self.method} returned an array of shape "
                f"{values.shape} for {n_rows} rows and {n_classes} classes."
            )
        if np.isnan(values).any():
            raise ValueError(
                f"{type(self.estimator).__name__}.{self.method} returned NaN for "
                f"{int(np.isnan(values).any(axis=1).sum())} of {n_rows} rows."
            )
        if self.method == "predict_proba":
            return np.log(np.maximum(values, _SMALLEST))
        return np.clip(values, -_LARGEST, _LARGEST)


class Margins:
    """Asks for margins: negative where the scores say that the model is fooled.

    The margin of a row is the score of its label minus the largest score of another class; with
    targets, the largest score of another class minus that of the wanted one. The oracle's `predict`
    is a :class:`ScoredPredict`.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        assert isinstance(oracle.predict, ScoredPredict)
        self.source = oracle.predict
        classes = self.source.classes
        self.n_classes = len(classes)
        self.column = columns_of_labels(oracle, classes)
        if not oracle.targeted and (self.column < 0).any():
            raise ValueError(
                f"{type(self.source.estimator).__name__}.classes_={classes.tolist()} "
                "does not hold every label that its predict returns."
            )

        # The smallest margin that predict did not confirm, such as 0 in a draw of votes.
        self._refused = np.full(len(oracle.labels), np.inf)

    @property
    def possible(self) -> BoolArray:
        """Whether the label of each row has a score: a wanted label may be unknown to the model."""
        return self.column >= 0

    def ask(
        self, Z: FloatArray, owner: IntArray, rival: IntArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return what a search makes smaller, and the margins, both of shape (m,); one query each.

        Points `Z` outside the box are clipped first. The loss looks at the classes in the columns
        `rival`, or at the nearest other class: it is then the margin. The caller sees to the
        budgets.
        """
        scores = self._scores(Z, owner)
        every, own = np.arange(len(owner)), self.column[owner]
        mine = scores[every, own]
        scores[every, own] = -np.inf
        margin = mine - scores.max(axis=1)
        if self.oracle.targeted:
            margin = -margin
        return margin if rival is None else mine - scores[every, rival], margin

    def measure(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return the margins of points, shape (m,), and let the oracle know the nearest hits.

        The margin is ``inf`` where the budget of a row does not cover a point, and where a point is
        built as the clean row itself, which is no question. ``predict`` has the last word: it is
        asked about points that the scores put into a wrong class, if they are the nearest of their
        row. From then on margins of the row are counted from one that it did not confirm.
        """
        oracle, margins = self.oracle, np.full(len(owner), np.inf)
        distance = oracle.rows.distance(oracle.rows.snap(Z, owner), owner, oracle.norm)
        asked = np.flatnonzero((distance > 0) & self.possible[owner])
        asked = asked[rank_within((owner[asked],)) < oracle.left(owner[asked])]
        if not len(asked):
            return margins
        margins[asked] = self.ask(Z[asked], owner[asked])[1]
        nearer = (margins <= 0) & (distance < oracle.best_distance[owner])
        hopeful = np.flatnonzero(nearer & (margins < self._refused[owner]))
        nearest = hopeful[rank_within((owner[hopeful],), distance[hopeful]) == 0]
        nearest = nearest[oracle.left(owner[nearest]) > 0]
        wrong = nearest[~oracle.decide(Z[nearest], owner[nearest])]
        self._refused[owner[wrong]] = margins[wrong]
        refused = self._refused[owner]
        beyond = np.isfinite(margins) & (margins >= refused)
        margins[beyond] += _TINY - refused[beyond]
        return margins

    def rivals(self, owner: IntArray) -> IntArray:
        """Ask about clean rows and return the columns of all other classes, the nearest first."""
        scores = self._scores(self.oracle.rows.x[owner], owner)
        scores[np.arange(len(owner)), self.column[owner]] = -np.inf
        return np.argsort(-scores, axis=1, kind="stable")[:, :-1]

    def _scores(self, Z: FloatArray, owner: IntArray) -> np.ndarray:
        oracle, out = self.oracle, np.empty((len(owner), self.n_classes))
        for begin in range(0, len(owner), oracle.batch_rows):
            part = slice(begin, begin + oracle.batch_rows)
            mine = owner[part]
            raw = oracle.rows.snap(Z[part], mine)
            try:
                # The mean of the repeats; with one, the very scores.
                out[part] = self.source.scores(oracle.rows.build(raw, mine), len(mine))
                for k in range(1, oracle.n_repeats):
                    more = self.source.scores(oracle.rows.build(raw, mine), len(mine))
                    out[part] += (more - out[part]) / (k + 1)
            except Exception as error:
                rows = listed(oracle.names[mine])
                error.add_note(f"This happened while changes of {rows} were scored.")
                raise
        oracle.count(owner)
        return out


def _method(estimator: Classifier, scores: ScoreMethod, needed_by: str) -> str:
    name = type(estimator).__name__
    wanted = METHODS if scores == "auto" else (scores,)
    present = [m for m in wanted if callable(getattr(estimator, m, None))]
    if not present:
        what = " nor ".join(wanted)
        raise TypeError(
            f"estimator={name} has {'neither' if len(wanted) > 1 else 'no'} {what}, and "
            f"{needed_by} needs scores. CGBA (L2) and RayS (Linf) need labels only."
        )
    if present[0] == "decision_function" and _compares_pairs(estimator):
        if len(present) == 1:
            raise ValueError(
                f"{name}.decision_function compares pairs of classes "
                "(decision_function_shape='ovo'); a score per class is needed. Fit it with "
                "decision_function_shape='ovr'."
            )
        return present[1]
    return present[0]


def _compares_pairs(estimator: object) -> bool:
    """Return whether the scores belong to pairs of classes: with three, their shape cannot tell."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            break
    pairs = getattr(estimator, "decision_function_shape", None) == "ovo"
    return pairs and len(getattr(estimator, "classes_", ())) > 2
