"""What a fitted estimator says about itself, so that an attack can follow its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Role: TypeAlias = Literal["transformer", "classifier"]

METHOD = "__differentiable__"
"""The name of the method; see :class:`DifferentiableEstimator`."""


class DifferentiableEstimator(Protocol):
    """A fitted estimator that can be computed in torch, with gradients.

    Whatever defines this method can be attacked by :class:`GradientAttack`, alone and at the end of
    a pipeline. It is no claim on which a result rests: each row that is found is shown to
    ``predict``.
    """

    def __differentiable__(self, role: Role, /) -> Callable[[Tensor], Tensor]:
        """Return what the fitted estimator computes, as a function of tensors.

        Parameters
        ----------
        role : {"transformer", "classifier"}
            What is asked for: `transform`, or logits with one column per class, in the order of
            ``classes_``.

        Returns
        -------
        callable
            From rows (m, n_features_in_), of any float type, on the CPU.

        Raises
        ------
        TypeError
            For a role that the estimator does not have.
        """
        ...
