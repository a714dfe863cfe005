"""Lipschitz constants of feed-forward networks that know how their layers fit together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dtrtri

from specreg_sklearn.spectral.bounds import (
    UNIT_ROUNDOFF,
    above,
    certified_matrix_norm,
    frobenius,
    gamma,
    pair_distances,
    row_norms,
    scaled_above,
    times,
    times_all,
)

# Beyond this power of two, errors of squares and of products leave the range of float64.
_FAR = 400
_SMALLEST = float(np.finfo(np.float64).tiny)


class HiddenLayer(NamedTuple):
    """An affine layer and the activation behind it, of slopes in [0, slope].

    The true weight is within `weight_error` of `weight` in the spectral norm.
    """

    weight: np.ndarray
    weight_error: float
    slope: float


class LayerPoint(NamedTuple):
    """What one layer of a feasible point is made of.

    The roots of the multipliers are ``rows * 2 ** exponent``, one per unit of the layer, in the
    units that the exponents of the layers before it leave; `root` is the matrix behind the layer.
    """

    rows: np.ndarray
    exponent: int
    root: np.ndarray


class FeasiblePoint:
    """A feasible point of LipSDP: how far a unit step of the input moves the hidden values.

    A step of the input of length one moves the last hidden values ``z`` such that, for every
    vector ``w``, the value ``w . z`` moves by at most ``scale * ||root.T @ w||``.

    Parameters
    ----------
    layers : list of HiddenLayer
        At least one.
    multipliers : list of (rows, exponent), default=None
        One multiplier per hidden unit, as in `LayerPoint`. None takes those of ECLipsE-Fast.

    Attributes
    ----------
    constant : float
        A Lipschitz constant of the map to ``z`` by itself; infinite with given multipliers.
    layer_points : list of LayerPoint
        One per layer; fewer if a layer lets nothing through.

    Raises
    ------
    ArithmeticError
        If the multipliers are not feasible, or so close to that edge, or a layer so large, that
        rounding leaves no proof.

    Notes
    -----
    Each choice of positive multipliers ``E`` (a diagonal matrix) is a feasible point of the
    semidefinite program LipSDP as long as every ``2 E - S`` is positive definite. With ``P`` the
    matrix of the step so far, a layer takes ``S = W P W.T`` to ``P' = E (2 E - S)^-1 E``.
    ECLipsE-Fast is ``E = lambda_max(S) I``. Every ``P`` may be replaced by a larger one, which is
    how the rounding of each product and of the inverse enters. That the matrix is positive
    definite and its inverse good enough is checked, not assumed.

    References
    ----------
    Xu, Sivaranjani, "ECLipsE: Efficient compositional Lipschitz constant estimation for deep
    neural networks", NeurIPS 2024. Fazlyab et al., "Efficient and accurate estimation of
    Lipschitz constants for deep neural networks", NeurIPS 2019.
    """

    def __init__(
        self, layers: list[HiddenLayer], multipliers: list[tuple[np.ndarray, int]] | None = None
    ) -> None:
        self.root: np.ndarray | None = None  # None for the identity
        self.scale = self.constant = 1.0
        self.layer_points: list[LayerPoint] = []
        for position, layer in enumerate(layers):
            self._push(layer, None if multipliers is None else multipliers[position])

    def _push(self, layer: HiddenLayer, multipliers: tuple[np.ndarray, int] | None) -> None:
        layer = _within_range(layer)
        images, error = self._images(layer.weight, layer.weight_error)
        if multipliers is None:
            size = certified_matrix_norm(images)
            if size == 0.0 and error == 0.0:  # nothing gets through
                self.scale, self.constant, self.root = 0.0, 0.0, None
                return
            # The power of two keeps the square of the images inside the range of float64.
            exponent = int(np.frexp(size + error)[1])
            unit_size = float(np.ldexp(size, -exponent)) + float(np.ldexp(error, -exponent))
            unit_size = above(unit_size, 1)
            # Any factor will do; this one is the root of lambda_max(S) up to rounding.
            rows = np.full(len(images), unit_size)
            self.constant = above(self.scale * float(np.ldexp(unit_size, exponent)), 4)
            self.constant = max(above(self.constant * layer.slope, 2), _SMALLEST)
            norm = 1.0
        else:
            rows, exponent = multipliers
            # No matter how large the images are: above this, the proof below does not succeed.
            self.constant, norm = np.inf, 2.0
        unit = np.ldexp(images, -exponent) / rows[:, None]
        unit_error = float(np.ldexp(error, -exponent)) / float(rows.min())
        spread = frobenius(unit)
        unit_error = above(unit_error + 2 * UNIT_ROUNDOFF * spread, 4)
        gap = -(unit @ unit.T)
        gap.flat[:: len(gap) + 1] += 2.0
        # Of the gap, whose entries went through two roundings, only the lower triangle counts.
        slack = gamma(unit.shape[1] + 1) * spread**2 + unit_error * (2 * norm + unit_error)
        slack = above(slack + 4 * UNIT_ROUNDOFF * frobenius(gap), 6)
        inverse_root, excess = _root_of_inverse(gap, slack)
        self.root = rows[:, None] * inverse_root
        grown = self.scale * float(np.ldexp(layer.slope, exponent)) * excess
        # A scale of zero would say that nothing gets through.
        self.scale = max(above(grown, 4), _SMALLEST)
        self.layer_points.append(LayerPoint(rows, exponent, self.root))

    def _images(self, weight: np.ndarray, weight_error: float) -> tuple[np.ndarray, float]:
        """Return ``weight @ root`` and a bound of its error in the spectral norm."""
        if self.root is None:
            return weight, weight_error
        spread = frobenius(self.root)
        # One rounding more than the product's: that of the entries of the root.
        error = (gamma(len(self.root) + 2) * frobenius(weight) + weight_error) * spread
        return weight @ self.root, above(error, 4)

    def norm(self, weight: np.ndarray, weight_error: float = 0.0) -> float:
        """Return the constant of the map to ``weight @ z``."""
        if self.scale == 0.0:
            return 0.0
        weight, weight_error, back = _within_range(HiddenLayer(weight, weight_error, 1.0))
        images, error = self._images(weight, weight_error)
        norm = above((certified_matrix_norm(images) + error) * self.scale, 3)
        return times(norm, back)

    def pairs(self, weight: np.ndarray, weight_error: float = 0.0) -> np.ndarray:
        """Return the constants of ``(weight[j] - weight[k]) . z`` for all pairs of rows."""
        n_rows = len(weight)
        weight, weight_error, back = _within_range(HiddenLayer(weight, weight_error, 1.0))
        if self.scale == 0.0:
            return np.zeros((n_rows, n_rows))
        if self.root is None:
            images, errors = weight, np.zeros(n_rows)
        else:
            images = weight @ self.root
            errors = gamma(len(self.root) + 2) * row_norms(weight) * frobenius(self.root)
        if weight_error:
            errors = errors + weight_error * (1.0 if self.root is None else frobenius(self.root))
        constants = pair_distances(images) + errors[:, None] + errors[None, :]
        constants = times_all(constants, self.scale, 6)
        if back != 1.0:
            constants = times_all(constants, back)
        np.fill_diagonal(constants, 0.0)
        return constants


def _within_range(layer: HiddenLayer) -> HiddenLayer:
    """Move a power of two from tiny or huge weights into the slope, which may have any size."""
    exponent = int(np.frexp(np.abs(layer.weight).max(initial=0.0))[1])
    if abs(exponent) <= _FAR:
        return layer
    error = scaled_above(layer.weight_error, -exponent)
    if exponent > 0:  # entries far below the largest may have lost bits
        error = above(error + layer.weight.size * _SMALLEST, 2)
    weight = np.ldexp(layer.weight, -exponent)
    return HiddenLayer(weight, error, scaled_above(layer.slope, exponent))


def _root_of_inverse(matrix: np.ndarray, error: float) -> tuple[np.ndarray, float]:
    """Return R and c with ``c**2 * R @ R.T`` above the inverse of every matrix near `matrix`.

    Near means symmetric and within `error` in the spectral norm.
    """
    side = len(matrix)
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError as failure:
        raise ArithmeticError("The multipliers of a layer are not feasible.") from failure
    upper = factor.T  # in the order that LAPACK likes
    root, _ = dtrtri(upper)  # checked, not trusted
    product = dtrmm(1.0, upper, root)
    product[np.diag_indices(side)] -= 1.0
    size, spread = frobenius(root), frobenius(upper)
    # upper @ root = I + D, ||D|| <= defect; the product and the difference round.
    defect = frobenius(product) + gamma(side + 2) * size * spread + 2 * UNIT_ROUNDOFF * side
    # factor @ factor.T is within gamma * spread**2 of the matrix, as for every Cholesky
    # factorisation that runs through.
    error = error + gamma(side + 2) * spread**2
    # The norm of the root is at most its Frobenius norm, and at most the square root of its
    # largest row sum times its largest column sum.
    entries = np.abs(root)
    sums = float(entries.sum(axis=0).max()) * float(entries.sum(axis=1).max())
    squared = min(size**2, sums * (1 + 2 * gamma(2 * side + 2)))
    # root.T @ true @ root is the Gram matrix of I + D, and root.T @ E @ root with ||E|| <= error.
    missing = above(2 * defect + squared * error, 8)
    if not missing < 0.5:
        raise ArithmeticError("The inverse of a layer's Gram matrix is not accurate enough.")
    # It is at least 1 - missing > 0: every true matrix is positive, and its inverse at most
    # root @ root.T / (1 - missing).
    return root, above(1.0 / float(np.sqrt(1.0 - missing)), 4)
