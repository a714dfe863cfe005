"""What each of scikit-learn's transformers computes, as stages of a proof.

A step is written down operation by operation, as its `transform` carries it out: a scaler is a
shift and then a division. Consecutive affine stages are folded into one where constants are
computed, and kept apart where values are, so that a large mean does not blur the rounding bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._registry import register_certified_step
from specreg_sklearn.certificates.pipelines._stated_lipschitz import StatedLipschitz
from specreg_sklearn.certificates.stages import Affine, Elementwise, Stage, StatedFunction
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

# What a stated function is trusted to round by, in units of its value: numpy's elementary
# functions stay below 4.
_FUNCTION_ERROR = 16 * UNIT_ROUNDOFF


def shift(offset: ArrayLike) -> Affine:
    """Return the stage ``X - offset``."""
    offset = np.atleast_1d(np.asarray(offset, dtype=np.float64))
    return Affine(np.ones(len(offset)), -offset)


def linear(weight: np.ndarray | sparse.spmatrix, intercept: np.ndarray | None = None) -> Affine:
    """Return the stage ``X @ weight.T + intercept``."""
    return Affine(weight if isinstance(weight, np.ndarray) else weight.toarray(), intercept)


def divide(divisors: ArrayLike) -> Affine:
    """Return the stage ``X / divisors``, column by column."""
    return Affine(1.0 / np.asarray(divisors, dtype=np.float64), entry_error=UNIT_ROUNDOFF)


def clip(low: float, high: float) -> Elementwise:
    """Return the stage that clips every cell; its slope is 0 or 1."""
    return Elementwise("hardtanh", min_val=float(low), max_val=float(high))


def select(columns: np.ndarray, n_columns: int) -> Affine:
    """Return the stage ``X[:, columns]``."""
    return Affine(np.eye(n_columns)[columns])


@register_certified_step(StandardScaler)
def _standard_scaler(step: StandardScaler) -> list[Stage]:
    stages: list[Stage] = [shift(step.mean_)] if step.with_mean else []
    return [*stages, divide(step.scale_)] if step.with_std else stages


@register_certified_step(RobustScaler)
def _robust_scaler(step: RobustScaler) -> list[Stage]:
    stages: list[Stage] = [shift(step.center_)] if step.with_centering else []
    return [*stages, divide(step.scale_)] if step.with_scaling else stages


@register_certified_step(MinMaxScaler)
def _min_max_scaler(step: MinMaxScaler) -> list[Stage]:
    stages: list[Stage] = [Affine(step.scale_, step.min_)]
    return [*stages, clip(*step.feature_range)] if step.clip else stages


@register_certified_step(MaxAbsScaler)
def _max_abs_scaler(step: MaxAbsScaler) -> list[Stage]:
    stages: list[Stage] = [divide(step.scale_)]
    # Older versions of scikit-learn have no such parameter.
    return [*stages, clip(-1.0, 1.0)] if getattr(step, "clip", False) else stages


@register_certified_step(Normalizer)
def _normalizer(step: Normalizer) -> list[Stage]:
    raise NoCertificateError(
        "Normalizer has no certificate: it stretches small rows without limit, so it has no "
        "Lipschitz constant. Scale the columns instead, for instance with StandardScaler."
    )


@register_certified_step(PCA, IncrementalPCA)
def _pca(step: PCA) -> list[Stage]:
    # transform projects first and centres then, which rounds as rows far from zero do.
    project = linear(step.components_)
    centre, error = project.forward(
        np.asarray(step.mean_, dtype=np.float64)[None], np.zeros((1, 1))
    )
    stages: list[Stage] = [
        project,
        Affine(np.ones(len(centre[0])), -centre[0], bias_error=error[0]),
    ]
    if step.whiten:
        spread = np.sqrt(step.explained_variance_)
        # PCA itself divides by no less than this.
        stages.append(divide(np.maximum(spread, np.finfo(spread.dtype).eps)))
    return stages


@register_certified_step(TruncatedSVD, GaussianRandomProjection, SparseRandomProjection)
def _projection(
    step: TruncatedSVD | GaussianRandomProjection | SparseRandomProjection,
) -> list[Stage]:
    return [linear(step.components_)]


@register_certified_step(LinearDiscriminantAnalysis)
def _discriminant_directions(step: LinearDiscriminantAnalysis) -> list[Stage]:
    if step.solver == "lsqr":
        raise NoCertificateError(
            "LinearDiscriminantAnalysis(solver='lsqr') has no transform; take 'svd' or 'eigen'."
        )
    directions = linear(step.scalings_[:, : step._max_components].T)
    return [shift(step.xbar_), directions] if step.solver == "svd" else [directions]


@register_certified_step(SelectorMixin)
def _selector(step: SelectorMixin) -> list[Stage]:
    kept = step.get_support()
    return [select(np.flatnonzero(kept), len(kept))]


@register_certified_step(SimpleImputer)
def _imputer(step: SimpleImputer) -> list[Stage]:
    """Pass rows on: certificates are for rows without gaps, and no move makes one.

    Flags of gaps are 0 then.
    """
    missing = step.missing_values
    if not (missing is None or missing != missing or type(missing).__name__ == "NAType"):
        raise NoCertificateError(
            f"SimpleImputer(missing_values={missing!r}) has no certificate: it replaces a number, "
            "which a row can move on to. Mark missing cells with NaN."
        )
    statistics = np.asarray(step.statistics_, dtype=np.float64)
    # Columns that were empty in fit are dropped.
    kept = np.flatnonzero(~np.isnan(statistics) | bool(step.keep_empty_features))
    n_flags = len(step.indicator_.features_) if step.add_indicator else 0
    if n_flags and len(kept) < len(statistics):
        raise NoCertificateError(
            "SimpleImputer(add_indicator=True) has no certificate where it drops columns that were "
            "empty in fit: their flags are not known of rows. Leave these columns out."
        )
    if len(kept) == len(statistics) and not n_flags:
        return []
    passed = np.eye(len(statistics))[kept]
    return [Affine(np.vstack([passed, np.zeros((n_flags, len(statistics)))]))]


@register_certified_step(FunctionTransformer)
def _function(step: FunctionTransformer) -> list[Stage]:
    if step.func is None:
        return []
    if not isinstance(step.func, StatedLipschitz):
        name = getattr(step.func, "__name__", repr(step.func))
        raise NoCertificateError(
            f"FunctionTransformer(func={name}) has no certificate: its Lipschitz "
            "constant is not known. State it: FunctionTransformer(StatedLipschitz(func, constant))."
        )
    return [
        StatedFunction(
            _rows_to_rows(step.func, step.kw_args or {}),
            step.func.constant,
            rounding=_FUNCTION_ERROR,
            n_inputs=getattr(step, "n_features_in_", None),
        )
    ]


def _rows_to_rows(
    function: StatedLipschitz, kw_args: dict[str, Any]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function of arrays, which refuses to drop rows."""

    def values(X: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            Y = np.asarray(function(X.copy(), **kw_args), dtype=np.float64)
        if Y.ndim != 2 or len(Y) != len(X):
            raise ValueError(
                f"{function!r} maps an array of shape {X.shape} to one of shape {Y.shape}; "
                "rows must map to rows."
            )
        return Y

    return values
