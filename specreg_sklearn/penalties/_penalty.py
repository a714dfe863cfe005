"""The contract of a penalty, in two small classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any, NamedTuple

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from specreg_sklearn.modules import Network


class PenaltyReport(NamedTuple):
    """What is known of a penalty at the end of an epoch.

    Parameters
    ----------
    value : float
        The penalty without its strength, computed exactly.
    error : float
        The worst relative error, over the covered layers, of the estimate that training uses.
    """

    value: float
    error: float


class BoundPenalty(ABC):
    """A penalty attached to one network for one fit.

    Subclasses define :meth:`value`; the rest has a default. State, such as the warm vectors of a
    power iteration, lives here and never in the user's :class:`Penalty`.

    Attributes
    ----------
    layer_names : tuple of str
        The layers that the penalty covers, such as ``("backbone.hidden1", "head")``.
    """

    layer_names: tuple[str, ...] = ()

    # Empty, yet not abstract: a penalty on weights alone need not write it.
    def see_batch(  # noqa: B027
        self, network: Network, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Take note of the rows that the next values refer to; a penalty on weights ignores them.

        The training loop calls this once a batch, before the gradient. Compute nothing here: the
        batch also comes while the penalty waits for the end of a burn-in.

        Parameters
        ----------
        network : Network
            Maps rows to logits; ``network.features`` gives the representation.
        X : Tensor of shape (n_samples, n_features)
            The rows of the batch.
        y : Tensor of shape (n_samples,)
            Class codes 0 .. n_classes - 1.
        sample_weight : Tensor of shape (n_samples,) or None
            Weights of the rows; None means equal ones.
        """

    @abstractmethod
    def value(self) -> Tensor:
        """Return the penalty without its strength: a scalar tensor that carries a gradient."""

    def add_gradient(self, strength: float) -> None:
        """Add the gradient of ``strength * value()`` to the parameters' ``grad``.

        The training loop calls this after the backward pass of the loss. Override it where a
        closed form is cheaper than automatic differentiation.

        Parameters
        ----------
        strength : float
            The user's `alpha`.
        """
        (strength * self.value()).backward()

    def report(self) -> PenaltyReport:
        """Return the exact value and the error of the estimate; called once an epoch.

        Returns
        -------
        PenaltyReport
            Here the value itself and no error; estimates override this.
        """
        with torch.no_grad():
            return PenaltyReport(value=float(self.value()), error=0.0)


class Penalty(BaseEstimator, ABC):
    """Settings of a penalty; the object that users write and searches set.

    ``get_params`` and ``set_params`` come from scikit-learn, so ``penalty__n_vectors`` can be
    searched. An instance is never changed by a fit.

    Attributes
    ----------
    needs_readout : bool
        Whether the penalty looks at the readout or at logits, which a self-supervised encoder does
        not have. Others may ask for ``head.in_features``, the number of features, and no more.
    """

    @property
    def needs_readout(self) -> bool:
        """Whether the penalty cannot do without one; most subclasses set a class attribute."""
        return False

    @abstractmethod
    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to a network.

        A penalty whose layers act on images may add a keyword ``input_shape=None``: training then
        gives it the shape of one row as the backbone wants it, a tuple of int.

        Parameters
        ----------
        backbone : torch.nn.Module
            Maps rows to features.
        head : torch.nn.Module
            The linear readout.
        generator : torch.Generator
            A CPU generator for whatever the penalty draws; never use the global one.

        Returns
        -------
        BoundPenalty
            The stateful part.

        Raises
        ------
        ValueError
            If the network holds a layer that the penalty cannot handle; the message names it.
        """


def bind_penalty(
    penalty: Penalty,
    backbone: nn.Module,
    head: nn.Module,
    *,
    generator: torch.Generator,
    input_shape: tuple[int, ...],
) -> BoundPenalty:
    """Bind a penalty, and tell it the shape of a row if its `bind` asks for `input_shape`.

    Parameters
    ----------
    penalty : Penalty
        The settings.
    backbone, head, generator
        As :meth:`Penalty.bind` takes them.
    input_shape : tuple of int
        Shape of one row as the backbone wants it.

    Returns
    -------
    BoundPenalty
        The stateful part.
    """
    parameters = signature(penalty.bind).parameters.values()
    asks = any(p.name == "input_shape" or p.kind is Parameter.VAR_KEYWORD for p in parameters)
    shape: dict[str, Any] = {"input_shape": input_shape} if asks else {}
    return penalty.bind(backbone, head, generator=generator, **shape)


def weighted_layers(backbone: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a backbone that hold parameters of their own, with qualified names."""
    for name, layer in backbone.named_modules(prefix="backbone"):
        if next(layer.parameters(recurse=False), None) is not None:
            yield name, layer
