"""What a fitted estimator says about itself, so that an attack can follow its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from specreg_sklearn._typing import FloatArray

Role: TypeAlias = Literal["transformer", "classifier"]

WithPullback: TypeAlias = Callable[
    [FloatArray], tuple[FloatArray, Callable[[FloatArray], FloatArray]]
]
"""Rows in; out come what is computed, and a function that takes gradients by it back to rows."""

METHOD = "__differentiable__"
"""The name of the method; see :class:`DifferentiableEstimator`."""


class DifferentiableEstimator(Protocol):
    """A fitted estimator that can be computed with gradients.

    Whatever defines this method can be attacked by :class:`GradientAttack`, alone and at the end of
    a pipeline. It is no claim on which a result rests: each row that is found is shown to
    ``predict``.
    """

    def __differentiable__(self, role: Role, /) -> WithPullback:
        """Return what the fitted estimator computes, as a function that takes gradients back.

        Parameters
        ----------
        role : {"transformer", "classifier"}
            What is asked for: `transform`, or logits with one column per class, in the order of
            ``classes_``.

        Returns
        -------
        callable
            ``output, pull_back = function(rows)`` with arrays of float64: rows of shape
            (m, n_features_in_), their output (m, k), and ``pull_back(slope)``, which turns the
            gradients of something by the output, (m, k), into its gradients by the rows.

        Raises
        ------
        TypeError
            For a role that the estimator does not have.
        """
        ...
