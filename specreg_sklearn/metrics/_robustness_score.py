"""Any score of predictions while an attacker moves the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import (
    Certify,
    Classifier,
    Eps,
    FloatArray,
    MaxSamples,
    RandomState,
    Scale,
    Sizes,
)
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.metrics._robust_accuracy import RobustOptions
from specreg_sklearn.metrics._robustness_result import RobustnessScore
from specreg_sklearn.metrics._row_groups import row_groups
from specreg_sklearn.metrics.measurement import (
    Measurement,
    Sample,
    attacked_rows,
    read_eps,
    warn_of_undecided,
)
from specreg_sklearn.metrics.statistics import (
    LabelMetric,
    check_confidence,
    check_metric,
    metric_name,
    resolve_metric,
    takes_weights,
)
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import (
    DEFAULT_MAX_SAMPLES,
    LabelCoder,
    as_labels,
    as_table,
    as_targets,
    check_flag,
)


class _Options(RobustOptions, total=False):
    metric: str | Callable[..., Any]
    pos_label: object


@overload
def robustness_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: float,
    by: None = None,
    as_frame: Literal[False] = False,
    **options: Unpack[_Options],
) -> float: ...


@overload
def robustness_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Sizes,
    by: None = None,
    as_frame: Literal[False] = False,
    **options: Unpack[_Options],
) -> FloatArray: ...


@overload
def robustness_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    by: object = None,
    as_frame: bool,
    confidence: float = 0.95,
    **options: Unpack[_Options],
) -> RobustnessScore: ...


@overload
def robustness_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    by: object,
    confidence: float = 0.95,
    **options: Unpack[_Options],
) -> RobustnessScore: ...


def robustness_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    metric: str | Callable[..., Any] = "accuracy",
    pos_label: object = None,
    by: object = None,
    sample_weight: ArrayLike | None = None,
    as_frame: bool = False,
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
) -> float | FloatArray | RobustnessScore:
    """Score the predictions that an attacker brings about who may move each row by `eps`.

    With the default metric it is :func:`robust_accuracy_score`. The attacker wants a wrong label
    for every row that is classified right, and takes the nearest wrong one that is found within
    `eps`. So the score is an upper bound of the truth for every metric:
    :class:`RobustnessScore` says more of what bounds what.

    Parameters
    ----------
    estimator : object with a method predict
        A fitted classifier, pipeline or search.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, in the columns that the estimator expects.
    y : array-like of shape (n_samples,)
        True labels.
    eps : float or array-like of shape (n_eps,)
        Size of the attack, in the norm of ``(X_adv - X) / scale``; several, in increasing order,
        give a curve from one run.
    metric : str or callable, default="accuracy"
        "accuracy", "balanced_accuracy", "recall", "precision", "f1", or a function
        ``(y_true, y_pred) -> float``, greater being better. A function that has a parameter
        ``sample_weight`` gets it, as those of scikit-learn do.
    pos_label : object, default=None
        The class of recall, precision and f1. None takes the class 1 of two, and of more the mean
        over the classes in `y` ("macro").
    by : "class", column of X, or array-like of shape (n_samples,), default=None
        Groups of rows that the table has lines for: by true label, by the values of a column, or
        by labels of your own. Columns of more than 10 different numbers are cut at their quartiles.
    sample_weight : array-like of shape (n_samples,), default=None
        What each row counts.
    as_frame : bool, default=False
        Whether to return all that is known, a :class:`RobustnessScore`; so it is with `by`.
    confidence : float, default=0.95
        Of the intervals in it.
    norm, attack, space, scale, max_samples, random_state, n_jobs, verbose, certify, pool, max_nodes
        As in :func:`robust_accuracy_score`.

    Returns
    -------
    float, ndarray of shape (n_eps,) or RobustnessScore
        The score, one per entry of `eps`, or with `as_frame` or `by` the whole result, which
        prints itself as a table.

    Raises
    ------
    ValueError, TypeError
        If a parameter, or the pair of X and y, is not accepted.

    Warns
    -----
    UserWarning
        If correctly classified rows are undecided; they count as withstanding.

    See Also
    --------
    compare_robustness : Several models on the same rows.
    adversarial_band : Distances from both sides.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn.metrics import robustness_score
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[::2], y[::2])
    >>> options = {"eps": [0.2, 0.5], "max_samples": 60, "pool": X[::2]}
    >>> recall = robustness_score(model, X[1::2], y[1::2], metric="recall", **options)
    >>> bool(recall[0] >= recall[1])
    True
    >>> result = robustness_score(model, X[1::2], y[1::2], by="class", **options)
    >>> result.to_frame()[["group", "eps", "n_rows"]]
      group  eps  n_rows
    0     0  0.2      24
    1     0  0.5      24
    2     1  0.2      36
    3     1  0.5      36
    4   all  0.2      60
    5   all  0.5      60
    """
    grid, several = read_eps(eps)
    check_flag("as_frame", as_frame)
    check_confidence(confidence)
    result = measured_score(
        estimator,
        X,
        y,
        grid,
        Measurement(norm, attack, space, scale, max_samples, random_state, n_jobs, pool, max_nodes),
        metric=metric,
        pos_label=pos_label,
        by=by,
        sample_weight=sample_weight,
        confidence=confidence,
        certify=certify,
        verbose=verbose,
        caller="robustness_score",
    )
    if as_frame or by is not None:
        return result
    return result.score if several else float(result.score[0])


def measured_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    grid: FloatArray,
    measurement: Measurement,
    *,
    metric: str | Callable[..., Any] = "accuracy",
    pos_label: object = None,
    by: object = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
    certify: Certify = "auto",
    verbose: int = 0,
    caller: str,
    beside: Sequence[Classifier] | None = None,
) -> RobustnessScore:
    """Attack the rows that are measured, and return all that is known.

    `caller` is named in warnings. `beside` are all models that are compared, itself included: what
    they know as labels decides what the metric is.
    """
    check_metric(metric, pos_label)
    if sample_weight is not None and not takes_weights(metric):
        raise ValueError(
            f"sample_weight is given, but metric={metric_name(metric)} has no parameter "
            "sample_weight. Leave it out, or take a metric that weighs rows."
        )
    n_total = as_table(X).n_rows
    # Rows of rare classes that count less are of no use to a function that cannot weigh rows.
    proportional = not takes_weights(metric)
    sample = measurement.sample(X, y, sample_weight, proportional=proportional)
    groups = None if by is None else row_groups(by, sample, n_total)
    models = [estimator] if beside is None else beside
    labels = as_targets(y, n_total)
    label_metric = _metric_of(models, labels, sample, metric, pos_label)
    rows = attacked_rows(estimator, X, sample, grid, measurement, certify=certify, verbose=verbose)
    if grid[-1] > 0:
        warn_of_undecided(
            rows.found.distances, caller, rows.found.status, counts="withstanding at every eps"
        )
    return RobustnessScore(
        eps=grid,
        metric=metric_name(metric),
        norm=measurement.norm,
        y_true=sample.y,
        y_pred=rows.given,
        y_adv=rows.given_adv,
        found=rows.found,
        radii=rows.lower,
        places=sample.places,
        weight=sample.weight,
        all_labels=labels,
        unproved=rows.unproved,
        seconds=rows.seconds,
        groups=groups,
        confidence=confidence,
        label_metric=label_metric,
    )


def _metric_of(
    estimators: Sequence[Classifier],
    y: np.ndarray,
    sample: Sample,
    metric: str | Callable[..., Any],
    pos_label: object,
) -> LabelMetric:
    known = [y]
    for estimator in estimators:
        if hasattr(estimator, "classes_"):
            known.append(as_labels(estimator.classes_, "estimator.classes_"))
    labels = as_labels(LabelCoder(*known).known, "labels")
    return resolve_metric(metric, sample.y, labels, pos_label)
