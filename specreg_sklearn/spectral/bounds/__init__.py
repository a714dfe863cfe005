"""Norms that hold: exact to machine precision, or proved never to be too small."""

from specreg_sklearn.spectral.bounds._certified_matrix import certified_matrix_norm
from specreg_sklearn.spectral.bounds._certified_norm import (
    CertifiedBound,
    certified_bound,
    certified_norm,
)
from specreg_sklearn.spectral.bounds._dense_matrix import dense_matrix, operator_shape
from specreg_sklearn.spectral.bounds._exact_norm import matrix_norm, spectral_norm
from specreg_sklearn.spectral.bounds._lanczos import (
    gram_operator,
    start_vector,
    top_eigenvalue,
)
from specreg_sklearn.spectral.bounds._rounding import (
    UNIT_ROUNDOFF,
    above,
    frobenius,
    gamma,
    pair_distances,
    row_norms,
    scaled_above,
    times,
    times_all,
)
from specreg_sklearn.spectral.bounds._symbol import Symbol

__all__ = [
    "UNIT_ROUNDOFF",
    "CertifiedBound",
    "Symbol",
    "above",
    "certified_bound",
    "certified_matrix_norm",
    "certified_norm",
    "dense_matrix",
    "frobenius",
    "gamma",
    "gram_operator",
    "matrix_norm",
    "operator_shape",
    "pair_distances",
    "row_norms",
    "scaled_above",
    "spectral_norm",
    "start_vector",
    "times",
    "times_all",
    "top_eigenvalue",
]
