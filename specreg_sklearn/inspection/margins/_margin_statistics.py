"""Numbers that sum up a distribution of margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Eps
from specreg_sklearn.inspection.model import check_numbers, check_positive_grid


def boundary_mass(margins: ArrayLike, threshold: Eps) -> float | np.ndarray:
    """Share of rows within a distance of the decision boundary.

    Parameters
    ----------
    margins : array-like of shape (n_samples,)
        Margins of any kind, signed or not.
    threshold : float or array-like of shape (n_thresholds,)
        Largest size of a margin that counts, in the units of the margins. Several values, in
        increasing order, give a curve.

    Returns
    -------
    float or ndarray of shape (n_thresholds,)
        ``P(|margin| <= threshold)``.

    Raises
    ------
    ValueError
        If margins are NaN, or thresholds not positive or not increasing.

    Examples
    --------
    >>> from specreg_sklearn.inspection import boundary_mass
    >>> boundary_mass([-0.5, 0.2, 2.0, 3.0], threshold=1.0)
    0.5
    """
    sizes = np.abs(check_numbers(margins, "margins"))
    grid, several = check_positive_grid(threshold, "threshold")
    shares = np.array([np.mean(sizes <= level) for level in grid])
    return shares if several else float(shares[0])


def margin_concentration(margins: ArrayLike) -> float:
    """Median over standard deviation: large where margins are alike.

    It does not change with the scale of the margins, which a median alone does.

    Parameters
    ----------
    margins : array-like of shape (n_samples,)
        Finite margins.

    Returns
    -------
    float
        The ratio; ``inf``, with the sign of the median, if all margins are the same.

    Raises
    ------
    ValueError
        If margins are NaN or infinite.

    Examples
    --------
    >>> from specreg_sklearn.inspection import margin_concentration
    >>> margin_concentration([1.0, 3.0])
    2.0
    """
    values = check_numbers(margins, "margins")
    if not np.isfinite(values).all():
        raise ValueError("margins holds infinite values; their spread is not defined.")
    middle, spread = float(np.median(values)), float(np.std(values))
    if np.ptp(values) == 0:  # equal values: their computed spread is a rounding error
        return float(np.copysign(np.inf, middle)) if middle else 0.0
    return middle / spread


def ramp_risk(margins: ArrayLike, gamma: Eps) -> float | np.ndarray:
    """Mean ramp loss of margins: between the error and the share of margins up to `gamma`.

    The loss of a row is 1 where its margin is negative, 0 where it is above `gamma`, and falls on a
    line between: ``1 - margin / gamma``.

    Parameters
    ----------
    margins : array-like of shape (n_samples,)
        Margins of the true labels, such as ``logit_margins(estimator, X, y)``.
    gamma : float or array-like of shape (n_gammas,)
        Width of the ramp, positive, in the units of the margins. Several values, in increasing
        order, give a curve.

    Returns
    -------
    float or ndarray of shape (n_gammas,)
        The mean loss, in [0, 1]. It grows with `gamma`; as `gamma` falls to 0 it becomes the error,
        ties counting as wrong.

    Raises
    ------
    ValueError
        If margins are NaN, or `gamma` is not positive or not increasing.

    Examples
    --------
    >>> from specreg_sklearn.inspection import ramp_risk
    >>> ramp_risk([-1.0, 0.5, 4.0], gamma=2.0)  # (1 + 0.75 + 0) / 3
    0.5833333333333334
    """
    values = check_numbers(margins, "margins")
    grid, several = check_positive_grid(gamma, "gamma")
    risks = np.array([np.mean(np.clip(1 - values / width, 0.0, 1.0)) for width in grid])
    return risks if several else float(risks[0])
