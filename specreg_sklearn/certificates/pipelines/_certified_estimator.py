"""What a fitted estimator says about itself, so that proofs can follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages import Stage

Role: TypeAlias = Literal["transformer", "classifier"]
TRANSFORMER: Final = "transformer"
CLASSIFIER: Final = "classifier"


class NoCertificateError(TypeError):
    """A step has no rule, or its settings have no Lipschitz constant."""


class CertifiedEstimator(Protocol):
    """A fitted estimator that brings its own certified stages.

    Whatever defines this method can be certified: alone, in pipelines and in searches. For a class
    that is not yours there is :func:`register_certified_step`.

    Notes
    -----
    The stages are a claim on which proofs rest. A subclass that overrides `transform` (of a
    classifier, `predict` or `decision_function`) and not this method is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, TransformerMixin
    >>> from specreg_sklearn.certificates import Affine
    >>> from specreg_sklearn.metrics import lipschitz_bound
    >>> class Halve(TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         self.n_features_in_ = X.shape[1]
    ...         return self
    ...     def transform(self, X):
    ...         return X / 2
    ...     def __certified_stages__(self, role):
    ...         return [Affine(np.full(self.n_features_in_, 0.5))]
    >>> lipschitz_bound(Halve().fit(np.zeros((2, 3))))
    0.5
    """

    def __certified_stages__(self, role: Role, /) -> list[Stage]:
        """Return what the fitted estimator computes, as stages that apply one after the other.

        Parameters
        ----------
        role : {"transformer", "classifier"}
            What is asked for: `transform`, or the scores that `predict` takes the largest of.
            Scores end in one column per class, in the order of ``classes_``, or in a single column
            that is positive for ``classes_[1]``.

        Returns
        -------
        list of Stage
            On rows in float64.

        Raises
        ------
        NoCertificateError or another TypeError
            For a role or settings that the stages do not cover.
        """
        ...
