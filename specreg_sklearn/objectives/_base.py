"""The contract of an objective, in two small classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn._registry import available, resolve


class BoundObjective(ABC):
    """An objective attached to one network for one fit.

    Subclasses define :meth:`per_sample_loss`; the rest has a default. State, such as a random
    generator or a strength that grows, lives here and never in the user's :class:`Objective`.

    Attributes
    ----------
    n_warm_up_epochs : int
        Epochs before the objective has its full strength. No fit is stopped, and no epoch is
        taken for the best one, before they are over.
    """

    n_warm_up_epochs: int = 0

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027  a default, not a gap: most do not change
        """Take note that an epoch of training begins; the training loop calls this.

        Parameters
        ----------
        epoch : int
            Finished epochs, over all warm starts; 0 at the very start.
        """

    @abstractmethod
    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score a batch of training rows; see :meth:`Objective.per_sample_loss`."""

    def held_out_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score held-out rows, which are as they are and have labels: the log loss.

        Parameters
        ----------
        network : torch.nn.Module
            Maps rows to logits, in evaluation mode; gradients are off.
        X : Tensor of shape (n_samples, n_features)
            The rows.
        y : Tensor of shape (n_samples,)
            Class codes.

        Returns
        -------
        Tensor of shape (n_samples,)
            One loss a row.
        """
        return cross_entropy(network(X), y, reduction="none")


class Objective(BaseEstimator, ABC):
    """Settings of what a batch is scored on; ``objective__name`` can be searched.

    An objective without state defines :meth:`per_sample_loss` and nothing else. One that draws
    random numbers, keeps vectors from batch to batch or changes over the epochs also defines
    :meth:`bind`, and is never changed by a fit.

    Attributes
    ----------
    uses_unlabelled : bool
        Whether rows labelled -1 are unlabelled ones, which the objective can use. Without it -1
        is a class like any other.
    least_rows : int
        The fewest rows that a batch must have: 2 where the rows of a batch are compared.
    """

    uses_unlabelled: ClassVar[bool] = False
    least_rows: ClassVar[int] = 1

    @abstractmethod
    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score a batch.

        Parameters
        ----------
        network : torch.nn.Module
            Maps rows to logits; ``network.features`` gives the representation.
        X : Tensor of shape (n_samples, n_features)
            The rows of the batch.
        y : Tensor of shape (n_samples,)
            Class codes 0 .. n_classes - 1; -1 for unlabelled rows, where they are used.

        Returns
        -------
        Tensor of shape (n_samples,)
            One loss a row, so that sample weights can act.
        """

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if the settings are not accepted, or do not fit the rows; called by `fit` first.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            All rows of the fit.

        Raises
        ------
        ValueError
            If a setting is not accepted or does not fit `X`; the message names it.
        """

    def bind(
        self,
        network: nn.Module,
        *,
        generator: torch.Generator,
        n_epochs: int = 1,
        labelled_share: float = 1.0,
    ) -> BoundObjective | Objective:
        """Attach the objective to a network for one fit.

        Parameters
        ----------
        network : torch.nn.Module
            Maps rows to logits; it has the parts `backbone` and `head`.
        generator : torch.Generator
            A CPU generator for whatever the objective draws; never use the global one.
        n_epochs : int, default=1
            The most epochs of the fit.
        labelled_share : float, default=1.0
            Share of the weight of all rows that lies on labelled ones. A loss on labelled rows
            alone is divided by it, so that its mean does not sink with every unlabelled row.

        Returns
        -------
        BoundObjective or Objective
            The stateful part; here the objective itself, which has no state.
        """
        return self


def bind_objective(
    objective: Objective,
    network: nn.Module,
    *,
    generator: torch.Generator,
    n_epochs: int = 1,
    labelled_share: float = 1.0,
) -> BoundObjective | Objective:
    """Bind an objective; an object that only has a `per_sample_loss` stands for itself.

    Parameters
    ----------
    objective : Objective
        The settings.
    network, generator, n_epochs, labelled_share
        As :meth:`Objective.bind` takes them.

    Returns
    -------
    BoundObjective or Objective
        What the training loop asks for losses.
    """
    if not hasattr(objective, "bind"):
        return objective
    return objective.bind(
        network, generator=generator, n_epochs=n_epochs, labelled_share=labelled_share
    )


def resolve_objective(objective: str | Objective) -> Objective:
    """Turn the user's `objective` parameter into an objective.

    Parameters
    ----------
    objective : str or Objective
        A registered name or an object with a `per_sample_loss` method.

    Returns
    -------
    Objective
        The object.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the valid ones.
    TypeError
        If it is neither a name nor an object with a `per_sample_loss` method.
    """
    if isinstance(objective, str):
        return resolve("objectives", objective)()
    if isinstance(objective, type) or not hasattr(objective, "per_sample_loss"):
        raise TypeError(
            f"objective={objective!r} must be one of {available('objectives')} or an instance "
            "with a `per_sample_loss` method, such as CrossEntropy()."
        )
    return objective
