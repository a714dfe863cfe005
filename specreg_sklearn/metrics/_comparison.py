"""Which of several models withstands more: differences on the same rows, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import (
    BoolArray,
    Certify,
    Classifier,
    Eps,
    IntArray,
    MaxSamples,
    RandomState,
    Scale,
)
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.metrics._moved_columns import frame_of_lines
from specreg_sklearn.metrics._robustness_result import RobustnessScore
from specreg_sklearn.metrics._robustness_score import measured_score
from specreg_sklearn.metrics.measurement import Measurement, read_eps
from specreg_sklearn.metrics.statistics import (
    Answers,
    PairedDifference,
    bootstrap_interval,
    check_confidence,
    holm,
    paired_difference,
    swap_test,
)
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, check_seed, same_labels

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RobustnessComparison:
    """Scores of several models under attack, on the same rows, and their differences.

    Made by :func:`compare_robustness`.

    Parameters
    ----------
    scores : dict of str to RobustnessScore
        What is known of each model.
    confidence : float
        Of the intervals.
    """

    scores: dict[str, RobustnessScore]
    confidence: float = 0.95

    @cached_property
    def _lines(self) -> dict[str, list[Any]]:
        heads = ("a", "b", "eps", "score_a", "score_b", "difference", "low", "high", "p_value")
        out: dict[str, list[Any]] = {head: [] for head in (*heads, "only_a", "only_b")}
        for a, b in combinations(self.scores, 2):
            one, other = self.scores[a], self.scores[b]
            for k, eps in enumerate(one.eps.tolist()):
                found = _difference(one, other, eps, self.confidence)
                line = (a, b, eps, float(one.score[k]), float(other.score[k]), *found)
                for name, cell in zip(out, line, strict=True):
                    out[name].append(cell)
        out["p_holm"] = holm(np.array(out["p_value"])).tolist()
        return out

    def to_frame(self) -> pandas.DataFrame:
        """Return a line for each pair of models and each size.

        Returns
        -------
        DataFrame
            Names `a` and `b`, `eps`, `score_a` and `score_b`; their `difference`, a less b, with
            the ends of its interval, `low` and `high`; the `p_value` of the test that the two are
            equally good; the numbers of rows, of those that the metric looks at, on which only one
            of them gives the right answer under attack, `only_a` and `only_b`; and `p_holm`, the
            p-value raised for all lines to hold at once.
        """
        return frame_of_lines(self._lines, "to_frame")

    def __repr__(self) -> str:
        first = next(iter(self.scores.values()))
        parts = [f"metric={first.metric!r}", f"norm={first.norm:g}", f"n_rows={len(first)}"]
        for line in list(zip(*self._lines.values(), strict=True))[:6]:
            a, b, eps, _, _, difference, low, high, p, *_ = line
            ends = f"[{low:+.3f}, {high:+.3f}]"
            parts.append(f"{a} - {b} = {difference:+.3f} {ends} at eps={eps:g} (p={p:.2g})")
        return f"RobustnessComparison({', '.join(parts)})"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self._lines)
        rows = ""
        for line in zip(*self._lines.values(), strict=True):
            cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in line]
            rows += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def compare_robustness(
    models: Mapping[str, Classifier],
    X: Any,
    y: Any,
    *,
    eps: Eps,
    metric: str | Callable[..., Any] = "accuracy",
    pos_label: object = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
    norm: float = 2,
    attack: str | BlackBoxAttack = "auto",
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
    certify: Certify = "auto",
    pool: ArrayLike | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> RobustnessComparison:
    """Compare models under the same attack, row by row.

    Models that are measured on the same rows differ less by chance than two scores by themselves:
    what counts is the rows on which one withstands and the other does not.

    Parameters
    ----------
    models : dict of str to classifier
        Two fitted classifiers or more, by name.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, in the columns that the models expect.
    y : array-like of shape (n_samples,)
        True labels.
    eps : float or array-like of shape (n_eps,)
        Sizes of the moves, increasing; 0 compares the models as they are.
    metric, pos_label, sample_weight
        As in :func:`robustness_score`.
    confidence : float, default=0.95
        Of the intervals.
    norm, attack, space, scale, max_samples, random_state, n_jobs, verbose, certify, pool, max_nodes
        As in :func:`robustness_score`. Differences are those of scores under this attack: to hold
        of the models, it must do equally well on both. Look at the undecided rows of each.

    Returns
    -------
    RobustnessComparison
        The result of each model, and a table of differences with intervals and tests.

    Raises
    ------
    ValueError, TypeError
        If there are fewer than two models, or a parameter is not accepted.

    Notes
    -----
    Accuracy, and recall of one class, are shares of the same rows for all models. Their difference
    has the interval of Bonett and Price and McNemar's exact test with mid-p. Other metrics have an
    interval from resampled rows (BCa) and a test that swaps the answers of two models, row by row,
    1999 times at random; McNemar's is the same test of all swaps at once. Tests hold for rows that
    are independent of each other and of the training.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn.metrics import compare_robustness
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = {
    ...     name: make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(X[::2], y[::2])
    ...     for name, C in {"plain": 100.0, "regularised": 0.01}.items()
    ... }
    >>> found = compare_robustness(models, X[1::2], y[1::2], eps=[0.0, 1.0], max_samples=60)
    >>> found.to_frame()[["eps", "score_a", "score_b", "difference", "only_a", "only_b"]].round(2)
       eps  score_a  score_b  difference  only_a  only_b
    0  0.0     0.98     0.92        0.07       4       0
    1  1.0     0.62     0.75       -0.13       3      11
    """
    if not isinstance(models, Mapping) or len(models) < 2:
        raise ValueError(
            f"models={models!r} is not accepted; give a dict from name to fitted classifier, with "
            "two of them or more."
        )
    grid, _ = read_eps(eps)
    check_confidence(confidence)
    seed = check_seed(random_state)
    measurement = Measurement(
        norm, attack, space, scale, max_samples, seed, n_jobs, pool, max_nodes
    )
    scores = {
        str(name): measured_score(
            model,
            X,
            y,
            grid,
            measurement,
            metric=metric,
            pos_label=pos_label,
            sample_weight=sample_weight,
            confidence=confidence,
            certify=certify,
            verbose=verbose,
            caller=f"compare_robustness, {name}",
            beside=list(models.values()),
        )
        for name, model in models.items()
    }
    return RobustnessComparison(scores=scores, confidence=confidence)


def _difference(
    one: RobustnessScore, other: RobustnessScore, eps: float, confidence: float
) -> PairedDifference:
    """Return the difference of two scores of the same rows at one size."""
    metric = one.label_metric
    first = Answers(one.y_true, one.predictions(eps), one.weight)
    second = first.instead(other.predictions(eps))
    rows = metric.rows_of_share(first)
    if rows is not None:
        if not rows.any():
            return PairedDifference(np.nan, np.nan, np.nan, np.nan, 0, 0)
        return paired_difference(
            first.right[rows], second.right[rows], one.weight[rows], confidence=confidence
        )

    def of_rows(some: IntArray) -> float:
        return metric.value(first.take(some)) - metric.value(second.take(some))

    def swapped(where: BoolArray) -> float:
        mine = first.instead(np.where(where, second.given, first.given))
        theirs = first.instead(np.where(where, first.given, second.given))
        return metric.value(mine) - metric.value(theirs)

    seen = metric.value(first) - metric.value(second)
    disagree = ~same_labels(first.given, second.given)
    return PairedDifference(
        seen,
        *bootstrap_interval(of_rows, len(first), confidence),
        swap_test(swapped, disagree, seen),
        int((first.right & ~second.right).sum()),
        int((~first.right & second.right).sum()),
    )
