"""Lipschitz constants of feed-forward networks that know how their layers fit together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn.spectral._certified_matrix import certified_matrix_norm
from specreg_sklearn.spectral._rounding import UNIT_ROUNDOFF, gamma
from specreg_sklearn.spectral._upward import above, frobenius, pair_distances, row_norms


class HiddenLayer(NamedTuple):
    """An affine layer and the activation behind it, of slopes in [0, slope].

    The true weight is within `weight_error` of `weight` in the spectral norm.
    """

    weight: np.ndarray
    weight_error: float
    slope: float


class Reach:
    """How far the hidden layers can carry a unit step of the input, direction by direction.

    A step of the input of length one moves the last hidden values ``z`` such that, for every
    vector ``w``, the value ``w . z`` moves by at most ``scale * ||root.T @ w||``.

    Parameters
    ----------
    layers : list of HiddenLayer
        At least one.

    Attributes
    ----------
    scale : float
        Also a Lipschitz constant of the map to ``z`` by itself.

    Raises
    ------
    ArithmeticError
        If a layer is so large that rounding leaves no proof.

    Notes
    -----
    ECLipsE-Fast is a feasible point of the semidefinite program LipSDP in closed form. With
    ``P`` the matrix of the step so far, a layer takes ``S = W P W.T`` and any
    ``lam >= lambda_max(S)`` to ``P' = lam (2 I - S / lam)^-1``; the matrix that is inverted has a
    condition number of at most 2. Every ``P`` may be replaced by a larger one, which is how the
    rounding of each product, of the inverse and of the Cholesky factor enters. That the matrix is
    positive definite and its inverse good enough is checked, not assumed.

    References
    ----------
    Xu, Sivaranjani, "ECLipsE: Efficient compositional Lipschitz constant estimation for deep
    neural networks", NeurIPS 2024. Fazlyab et al., "Efficient and accurate estimation of
    Lipschitz constants for deep neural networks", NeurIPS 2019.
    """

    def __init__(self, layers: list[HiddenLayer]) -> None:
        self.root: np.ndarray | None = None  # None for the identity
        self.scale = 1.0
        for layer in layers:
            self._push(layer)

    def _push(self, layer: HiddenLayer) -> None:
        images, error = self._images(layer.weight, layer.weight_error)
        size = certified_matrix_norm(images)
        if size == 0.0 and error == 0.0:  # nothing gets through
            self.scale, self.root = 0.0, None
            return
        # Any lam will do; this one is lambda_max(S) up to rounding. The power of two keeps it, and
        # the square of the images, inside the range of float64.
        exponent = int(np.frexp(size + error)[1])
        unit, unit_error = np.ldexp(images, -exponent), float(np.ldexp(error, -exponent))
        unit_size = above(float(np.ldexp(size, -exponent)) + unit_error, 1)
        lam = unit_size**2
        rounding = gamma(unit.shape[1] + 1) * frobenius(unit) ** 2
        slack = above(rounding + unit_error * (2 * unit_size + unit_error), 4) / lam
        gap = -(unit @ unit.T) / lam
        gap.flat[:: len(gap) + 1] += 2.0
        gap = (gap + gap.T) / 2
        # Entries of the gap went through a division and two additions.
        slack = above(slack + 8 * UNIT_ROUNDOFF * frobenius(gap), 2)
        self.root = _root_of_inverse(gap, slack)
        self.scale = above(self.scale * float(np.ldexp(unit_size, exponent)) * layer.slope, 8)

    def _images(self, weight: np.ndarray, weight_error: float) -> tuple[np.ndarray, float]:
        """Return ``weight @ root`` and a bound of its error in the spectral norm."""
        if self.root is None:
            return weight, weight_error
        spread = frobenius(self.root)
        error = (gamma(len(self.root) + 1) * frobenius(weight) + weight_error) * spread
        return weight @ self.root, above(error, 4)

    def norm(self, weight: np.ndarray, weight_error: float = 0.0) -> float:
        """Return the constant of the map to ``weight @ z``."""
        if self.scale == 0.0:
            return 0.0
        images, error = self._images(weight, weight_error)
        return above((certified_matrix_norm(images) + error) * self.scale, 3)

    def pairs(self, weight: np.ndarray, weight_error: float = 0.0) -> np.ndarray:
        """Return the constants of ``(weight[j] - weight[k]) . z`` for all pairs of rows."""
        n_rows = len(weight)
        if self.scale == 0.0:
            return np.zeros((n_rows, n_rows))
        if self.root is None:
            images, errors = weight, np.zeros(n_rows)
        else:
            images = weight @ self.root
            errors = gamma(len(self.root) + 1) * row_norms(weight) * frobenius(self.root)
        if weight_error:
            errors = errors + weight_error * (1.0 if self.root is None else frobenius(self.root))
        constants = (pair_distances(images) + errors[:, None] + errors[None, :]) * self.scale
        constants = above(constants, 6)
        np.fill_diagonal(constants, 0.0)
        return constants


def _root_of_inverse(matrix: np.ndarray, error: float) -> np.ndarray:
    """Return R with ``R @ R.T`` above the inverse of every matrix within `error` of `matrix`.

    The matrix is symmetric with eigenvalues near [1, 2]; `error` is in the spectral norm.
    """
    side = len(matrix)
    inverse = np.linalg.inv(matrix)
    inverse = (inverse + inverse.T) / 2
    residual = -(inverse @ matrix)
    residual.flat[:: side + 1] += 1.0
    size = frobenius(inverse)
    # Distance of inverse @ true from the identity; its computation rounds, too.
    defect = frobenius(residual) + gamma(side + 2) * size * frobenius(matrix) + size * error
    defect = above(defect + 2 * UNIT_ROUNDOFF * side, 6)
    if not defect < 0.5:
        raise ArithmeticError("The inverse of a layer's Gram matrix is not accurate enough.")
    # true^-1 = (I - D)^-1 inverse with ||D|| <= defect.
    shift = above(defect / (1 - defect) * size, 6)
    # A Cholesky factor is exact for a matrix within gamma * trace of the one it was given.
    shift = above(shift + 2 * gamma(side + 4) * (float(np.trace(inverse)) + side * shift), 6)
    inverse.flat[:: side + 1] += shift
    # inverse > 0 and ||I - inverse @ true|| < 1 prove that every true matrix is positive, too.
    return np.linalg.cholesky(inverse)
