"""Robust accuracy and adversarial distance, measured with a black-box attack."""

from __future__ import annotations

from typing import Any, Unpack, overload

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
from specreg_sklearn.metrics._certified import CertifiedOptions
from specreg_sklearn.metrics.measurement import (
    Measurement,
    nearest_rows_found,
    read_eps,
    robust_shares,
)
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES


class RobustOptions(CertifiedOptions, total=False):
    """Settings of a score under attack."""

    attack: str | BlackBoxAttack
    pool: Any
    verbose: int
    certify: Certify


@overload
def robust_accuracy_score(
    estimator: Classifier, X: Any, y: Any, *, eps: float, **options: Unpack[RobustOptions]
) -> float: ...


@overload
def robust_accuracy_score(
    estimator: Classifier, X: Any, y: Any, *, eps: Sizes, **options: Unpack[RobustOptions]
) -> FloatArray: ...


def robust_accuracy_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    sample_weight: ArrayLike | None = None,
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
) -> float | FloatArray:
    """Share of rows classified correctly for which no adversarial row within `eps` was found.

    The attack gives an upper bound of every row's adversarial distance, so the score is an upper
    bound of the true robust accuracy: a stronger attack can only lower it. A row that the attack
    could not decide counts as withstanding, and a warning counts such rows. The score is never
    above the accuracy on the same rows: 100 of `X`, unless `max_samples` says otherwise.

    Parameters
    ----------
    estimator : object with a method predict
        A fitted classifier, pipeline or search.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, in the columns that the estimator expects.
    y : array-like of shape (n_samples,)
        True labels.
    eps : float or array-like of shape (n_eps,)
        Size of the attack, in the norm of ``(X_adv - X) / scale``. Several values, in increasing
        order, give a curve from one run; from one run for each value with an attack that works at a
        fixed size, such as "square".
    sample_weight : array-like of shape (n_samples,), default=None
        What each row counts.
    norm : {0, 1, 2, inf}, default=2
        The norm, one that the attack knows; 0 counts the columns that change.
    attack : str or BlackBoxAttack, default="auto"
        A name or an attack, see :func:`specreg_sklearn.attacks.resolve_attack`. "auto" is
        :class:`~specreg_sklearn.attacks.CGBA` in L2, :class:`~specreg_sklearn.attacks.RayS` in Linf
        and :class:`~specreg_sklearn.attacks.ThresholdSearch` in L1 and L0, with 1000 queries a row;
        it asks for labels only. "strongest" adds scores and gradients where the model has them: the
        number to publish. An attack object must measure in `norm`, and keeps its own seed and
        budget.
    space : FeatureSpace or None, default=None
        What may change and in which units. None means every numeric column within the range of
        `pool`, or of `X` without one, with units by `scale`.
    scale : "std", "range", None, float or array, default="std"
        Units of the distance. A `space` has its own units: with one, leave this out.
    max_samples : int, "all" or None, default=100
        Measure only so many rows, chosen once; "all", or None, takes every row. Each class has its
        share of them. A rare one has more, at least 10 rows, if it has as many and that takes no
        more than half of all; its rows count less for it, so that the score is an unbiased estimate
        of that of all rows. The standard error of a share of 100 rows is about 0.05 at most. Rows
        of `X` that are not measured still serve as starts, unless there is a `pool`.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the choice of rows, and of an attack given by name.
    n_jobs : int or None, default=None
        Workers of joblib.
    verbose : int, default=0
        1 and more shows a progress bar.
    certify : {"auto", True, False}, default="auto"
        Whether rows that a proof decides, see :func:`certified_radius`, are not attacked: those
        that provably withstand `eps`, and those for which an exact search found a row within it. It
        changes how long a score takes and which rows are undecided; a search can lower the score,
        nearer to the truth, and nothing raises it. "auto" does it where the model has a proof, with
        a short search. True searches `max_nodes`, and raises a ``TypeError`` if the model has no
        proof.
    pool : array-like or DataFrame of shape (n_pool, n_features), default=None
        Rows that the attack starts from, with the columns of `X`; training rows, for example. None
        means `X` itself. Needed where the model gives all of `X` one label, as where only the
        malicious rows are measured.
    max_nodes : int, default=5000
        How many nodes the search of a proof looks at for a row; with ``certify="auto"`` 1000 at
        most.

    Returns
    -------
    float or ndarray of shape (n_eps,)
        The score, or one per entry of `eps`. At ``eps=0`` it is the accuracy on the
        measured rows.

    Warns
    -----
    UserWarning
        If correctly classified rows are undecided: the attack found no row to start from, or the
        model did not repeat its answer on what was found. They count as withstanding at every
        `eps`. Of a model that predicts one class only all rows are, so that its score is its
        accuracy.

    Raises
    ------
    ValueError, TypeError
        If a parameter, or the pair of X and y, is not accepted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.metrics import robust_accuracy_score
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> curve = robust_accuracy_score(model, X, y, eps=[0.0, 0.3, 3.0], max_samples=20)
    >>> bool(curve[0] > curve[1] > curve[2])
    True
    """
    grid, several = read_eps(eps)
    measurement = Measurement(
        norm, attack, space, scale, max_samples, random_state, n_jobs, pool, max_nodes
    )
    scores = robust_shares(
        estimator,
        X,
        y,
        grid,
        measurement,
        certify=certify,
        sample_weight=sample_weight,
        verbose=verbose,
    )
    return scores if several else float(scores[0])


def adversarial_distances(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    norm: float = 2,
    attack: str | BlackBoxAttack = "auto",
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_samples: MaxSamples = "all",
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
    certify: Certify = "auto",
    pool: ArrayLike | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> FloatArray:
    """Distance from each row to the nearest adversarial row that is known.

    An upper bound of the true distance, row by row: what the attack found or, for trees, the search
    of a proof. Where that search closes, the distance is exact and there is no attack;
    :func:`adversarial_band` says which rows these are.

    Parameters
    ----------
    estimator, X, y, norm, attack, space, scale
        As in :func:`robust_accuracy_score`.
    max_samples : int, "all" or None, default="all"
        Measure only so many rows, with the shares of the classes in `y` kept. By default every row
        gets its distance, so that they stand beside those of :func:`certified_radius`.
    random_state, n_jobs, verbose
        As in :func:`robust_accuracy_score`.
    certify : {"auto", True, False}, default="auto"
        Whether to search first, where a proof of the model is a search: "auto" for a short while,
        True with `max_nodes`, which raises a ``TypeError`` if the model has no proof. False only
        attacks.
    pool, max_nodes
        As in :func:`robust_accuracy_score`.

    Returns
    -------
    ndarray of shape (n_samples,) or (max_samples,), float64
        Distances in the norm of ``(X_adv - X) / scale``. 0 for misclassified rows; ``inf`` for
        undecided rows, on which the attack failed. A warning counts them. As an upper bound
        ``inf`` is true, and says nothing; to leave such rows out of a mean or a median would make
        the model look less robust than it may be.

    Examples
    --------
    On a linear model the distance is known: the margin over the norm of the weights.

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.metrics import adversarial_distances
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y = X[:100], y[:100]
    >>> model = LogisticRegression().fit(X, y)
    >>> found = adversarial_distances(model, X, y, scale=None, max_samples=10)
    >>> exact = np.abs(model.decision_function(X)) / np.linalg.norm(model.coef_)
    >>> bool(found.min() >= exact.min())
    True
    """
    measurement = Measurement(
        norm, attack, space, scale, max_samples, random_state, n_jobs, pool, max_nodes
    )
    found = nearest_rows_found(estimator, X, y, measurement, certify=certify, verbose=verbose)
    return found.distances
