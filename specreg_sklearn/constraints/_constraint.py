"""The contract of a constraint, in two small classes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from sklearn.base import BaseEstimator
from torch import nn

from specreg_sklearn._registry import available, resolve


class BoundConstraint(ABC):
    """A constraint attached to one network for one fit.

    Subclasses define :meth:`project`. State, such as the warm vectors of a power iteration, lives
    here and never in the user's :class:`Constraint`.

    Attributes
    ----------
    layer_names : tuple of str
        The layers that the constraint holds, such as ``("backbone.hidden1", "head")``.
    """

    layer_names: tuple[str, ...] = ()

    @abstractmethod
    def project(self) -> None:
        """Move the weights towards the constraint, in place; called after every step.

        It must be cheap. An estimate will do here, since :meth:`settle` follows.
        """

    # Empty, yet not abstract: a constraint that lets gradients be need not write it.
    def project_gradient(self) -> None:  # noqa: B027
        """Change the gradients of the weights before a step, in place; by default not at all.

        For a constraint that knows which part of a gradient :meth:`project` would undo: an
        optimizer that scales every entry by its size had better not see that part.
        """

    def settle(self) -> None:
        """Make the weights keep the constraint exactly, in place.

        Called before the first step and after the last one of every epoch, so that no epoch is
        scored, kept or restored with weights that break the promise. By default the same as
        :meth:`project`.
        """
        self.project()


class Constraint(BaseEstimator, ABC):
    """Settings of a constraint; the object that users write and searches set.

    ``get_params`` and ``set_params`` come from scikit-learn, so ``constraint__max_norm`` can be
    searched. An instance is never changed by a fit.
    """

    @abstractmethod
    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundConstraint:
        """Attach the constraint to a network, without changing the weights yet.

        Parameters
        ----------
        backbone : torch.nn.Module
            Maps rows to features.
        head : torch.nn.Module
            The linear readout.
        generator : torch.Generator
            A CPU generator for whatever the constraint draws; never use the global one.
        input_shape : tuple of int, default=None
            Shape of one row as the backbone wants it, for layers whose operator depends on the
            size of an image. Training always gives it.

        Returns
        -------
        BoundConstraint
            The stateful part.

        Raises
        ------
        ValueError
            If the network holds a layer that the constraint cannot handle; the message names it.
        """


def resolve_constraint(constraint: str | Constraint | None) -> Constraint | None:
    """Turn the user's `constraint` parameter into a constraint object.

    Parameters
    ----------
    constraint : str, Constraint or None
        A registered name, an object with a `bind` method, or None.

    Returns
    -------
    Constraint or None
        The object; None for no constraint.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the valid ones.
    TypeError
        If it is neither a name nor an object with a `bind` method.

    Examples
    --------
    >>> from specreg_sklearn.constraints import resolve_constraint
    >>> resolve_constraint("spectral_norm")
    SpectralNorm()
    """
    if constraint is None:
        return None
    if isinstance(constraint, str):
        return resolve("constraints", constraint)()
    if isinstance(constraint, type) or not hasattr(constraint, "bind"):
        raise TypeError(
            f"constraint={constraint!r} must be None, one of {available('constraints')}, or an "
            "instance with a `bind` method, such as SpectralNorm()."
        )
    return constraint
