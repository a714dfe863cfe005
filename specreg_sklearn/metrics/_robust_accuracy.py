"""Robust accuracy and adversarial distance, measured with a black-box attack."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.metrics._proved_rows import spared_rows
from specreg_sklearn.metrics.measurement import (
    check_certify,
    check_space,
    choose_attack,
    choose_space,
    read_eps,
)
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import LabelCoder, ask, check_estimator, subsample, take_rows


def robust_accuracy_score(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    eps: Any,
    norm: float = 2,
    attack: str | BlackBoxAttack = "auto",
    space: FeatureSpace | None = None,
    scale: Any = "std",
    max_samples: int | None = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
    certify: bool | str = "auto",
) -> float | np.ndarray:
    """Share of rows classified correctly for which no adversarial row within `eps` was found.

    The attack gives an upper bound of every row's adversarial distance, so the score is an upper
    bound of the true robust accuracy: a stronger attack can only lower it. It is never above the
    accuracy.

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
    norm : {2, inf}, default=2
        The norm.
    attack : str or BlackBoxAttack, default="auto"
        A name or an attack, see :func:`specreg_sklearn.attacks.resolve_attack`. "auto" is
        :class:`~specreg_sklearn.attacks.CGBA` in L2 and :class:`~specreg_sklearn.attacks.RayS` in
        Linf, with 1000 queries a row. An attack object must measure in `norm`, and keeps its own
        seed and budget.
    space : FeatureSpace or None, default=None
        What may change and in which units. None means every numeric column within the range of `X`,
        with units by `scale`.
    scale : "std", "range", None, float or array, default="std"
        Units of the distance. A `space` has its own units: with one, leave this out.
    max_samples : int or None, default=None
        Attack only so many rows, chosen once, stratified by `y`. All rows of `X` still serve as
        starts.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the choice of rows, and of an attack given by name.
    n_jobs : int or None, default=None
        Workers of joblib.
    verbose : int, default=0
        1 and more shows a progress bar.
    certify : {"auto", True, False}, default="auto"
        Whether rows that provably withstand the largest `eps`, see :func:`certified_radius`, are
        spared the attack. It changes how long a score takes, not the score. "auto" does it where
        the model has a certificate and torch is loaded already; True raises a ``TypeError`` if the
        model has none.

    Returns
    -------
    float or ndarray of shape (n_eps,)
        The score, or one per entry of `eps`. NaN, with a warning, if the attack found no start for
        any of the correctly classified rows, as with a model that predicts one class only.

    Warns
    -----
    UserWarning
        If rows are undecided because the attack failed on them. They are left out of the mean,
        above and below the fraction line, and never counted as robust. They count as correct at
        ``eps=0``, which is the accuracy.

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
    check_certify(certify)
    X_part, y_part = subsample(X, y, max_samples, random_state)
    chosen = choose_attack(attack, norm, random_state)
    positive = grid[grid > 0]
    if not positive.size:
        # Nothing can move: no attack is needed to know the answer.
        scores = np.full(grid.shape, _accuracy(estimator, X_part, y_part))
    else:
        space = choose_space(space, X, scale)
        most = float(positive.max())
        spared = spared_rows(
            certify, chosen, estimator, X_part, y_part, eps=most, space=space, pool=X
        )
        distances = np.full(len(y_part), np.inf)
        status = np.full(len(y_part), "certified", dtype="<U14")
        rows = np.flatnonzero(~spared)
        if len(rows):
            options = {"space": space, "pool": X, "n_jobs": n_jobs, "verbose": verbose}
            X_left = take_rows(X_part, rows) if spared.any() else X_part
            distances[rows], status[rows] = _attacked(
                chosen, estimator, X_left, y_part[rows], positive, options
            )
        scores = _scores(distances, status, grid)
    return scores if several else float(scores[0])


def adversarial_distances(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    norm: float = 2,
    attack: str | BlackBoxAttack = "auto",
    space: FeatureSpace | None = None,
    scale: Any = "std",
    max_samples: int | None = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> np.ndarray:
    """Distance from each row to the nearest adversarial row that the attack found.

    An upper bound of the true distance, row by row.

    Parameters
    ----------
    estimator, X, y
        As in :func:`robust_accuracy_score`.
    norm, attack, space, scale, max_samples, random_state, n_jobs, verbose
        As in :func:`robust_accuracy_score`.

    Returns
    -------
    ndarray of shape (n_samples,) or (max_samples,), float64
        Distances in the norm of ``(X_adv - X) / scale``. 0 for misclassified rows; ``inf`` for rows
        on which the attack failed, which are undecided and reported in a warning.

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
    X_part, y_part = subsample(X, y, max_samples, random_state)
    result = choose_attack(attack, norm, random_state).run(
        estimator,
        X_part,
        y_part,
        space=choose_space(space, X, scale),
        pool=X,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    return result.distances


def decided(distances: np.ndarray, what: str, status: np.ndarray | None = None) -> np.ndarray:
    """Return the mask of rows that count, and warn if they do not make a score.

    Rows on which the attack failed have distance inf. If every row that could be attacked is one of
    them, nothing is known about the model, and the mask is empty. Rows with the `status`
    "not_found" did not fail: they were searched to the end. Those with "certified" were spared.
    """
    known = np.isfinite(distances)
    if status is not None:
        known |= np.isin(status, ("not_found", "certified"))
    failed = int((~known).sum())
    attacked = int((distances > 0).sum())
    if failed and failed == attacked:
        warnings.warn(
            f"{what} is NaN: the attack found nothing on any of the {attacked} correctly "
            "classified rows, so robustness is undecided. Does the model predict one class only, "
            "or depend on immutable columns alone?",
            UserWarning,
            stacklevel=4,
        )
        return np.zeros(len(distances), dtype=bool)
    return known


def check_settings(
    attack: str | BlackBoxAttack,
    norm: float,
    random_state: Any,
    space: Any,
    scale: Any,
    *,
    distances: bool = False,
) -> None:
    """Raise unless the settings of a score are accepted, without running anything."""
    chosen = choose_attack(attack, norm, random_state)
    if distances and chosen._within_eps:
        raise ValueError(
            f"{type(chosen).__name__} looks for rows within a fixed eps and gives no distances; "
            "take CGBA (L2) or RayS (Linf)."
        )
    check_space(space, scale)


def _attacked(
    attack: BlackBoxAttack,
    estimator: Any,
    X: Any,
    y: np.ndarray,
    grid: np.ndarray,
    options: dict[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances and the status of all rows, good for every entry of the grid."""
    if attack._within_eps:
        return _at_each_eps(attack, estimator, X, y, grid, options)
    result = attack.run(estimator, X, y, eps=float(grid.min()), **options)
    return result.distances, result.status


def _at_each_eps(
    attack: BlackBoxAttack,
    estimator: Any,
    X: Any,
    y: np.ndarray,
    grid: np.ndarray,
    options: dict[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Run an attack that searches within a fixed eps once per entry of an increasing grid.

    Rows that were found within one eps are not attacked at the next. Returns the distances and the
    status of all rows.
    """
    result = attack.run(estimator, X, y, eps=float(grid[0]), **options)
    distances, status = result.distances, result.status
    for eps in grid[1:].tolist():
        rows = np.flatnonzero(distances > eps)
        if not len(rows):
            break
        result = attack.run(estimator, take_rows(X, rows), y[rows], eps=eps, **options)
        # What is known already stays known, even if this run does not find it again.
        news = rows[~np.isfinite(distances[rows]) | result.success]
        better = np.isin(rows, news)
        distances[news] = np.minimum(distances[news], result.distances[better])
        status[news] = result.status[better]
    return distances, status


def _scores(distances: np.ndarray, status: np.ndarray, grid: np.ndarray) -> np.ndarray:
    known = decided(distances, "robust_accuracy_score", status)
    distances = distances[known]
    scores = np.full(len(grid), np.nan)
    if known.any():
        scores = (distances[None, :] > grid[:, None]).mean(axis=1)
    # Without room to move every correct row is safe, the undecided ones included.
    scores[grid == 0] = np.mean(status != "already_wrong")
    return scores


def _accuracy(estimator: Any, X: Any, y: np.ndarray) -> float:
    check_estimator(estimator)
    predicted = ask(estimator.predict, X, len(y))
    coder = LabelCoder(y, predicted)
    return float(np.mean(coder.encode(predicted) == coder.encode(y)))
