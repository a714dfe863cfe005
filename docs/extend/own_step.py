"""Two pipeline steps that certificates can follow: one of one's own, and one of somebody else."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import FastICA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from specreg_sklearn.certificates import Affine, Stage, register_certified_step


class Arcsinh(Stage):
    """The function of every cell, with what a proof needs."""

    def lipschitz(self) -> float:
        """Return a bound of the constant: the slope is 1 at zero and smaller elsewhere."""
        return 1.0

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply the function; an error does not grow, and numpy's own rounding comes on top."""
        Y = np.arcsinh(X)
        return Y, (error + 2.0**-50 * np.abs(Y)) * (1 + 2.0**-50)


class SoftClip(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Centre the columns, bring them to one size, and draw in outliers by ``arcsinh``."""

    def fit(self, X, y=None):
        """Learn the centre and the size of every column."""
        X = validate_data(self, X, dtype=np.float64)
        low, self.center_, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
        self.factor_ = 1 / np.where(high > low, high - low, 1.0)
        return self

    def transform(self, X):
        """Return the rows, drawn in."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.arcsinh((X - self.center_) * self.factor_)

    def __certified_stages__(self, role: str) -> list[Stage]:
        """Write `transform` down, operation by operation."""
        if role != "transformer":
            raise TypeError("SoftClip has no scores.")
        return [Affine(np.ones_like(self.center_), -self.center_), Affine(self.factor_), Arcsinh()]


@register_certified_step(FastICA)
def fast_ica_stages(step: FastICA) -> list[Stage]:
    """Write `transform` down for a class that is not ours."""
    if not step.whiten:
        raise TypeError("FastICA(whiten=False) is not covered.")
    return [Affine(np.ones_like(step.mean_), -step.mean_), Affine(step.components_)]


model = make_pipeline(SoftClip(), LogisticRegression(max_iter=500))
