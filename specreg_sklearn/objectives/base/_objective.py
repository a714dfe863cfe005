"""The contract of an objective, in two small classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn._registry import available, is_known, resolve


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

    # Empty, yet not abstract: an objective that is the same in all epochs need not write it.
    def begin_epoch(self, epoch: int) -> None:  # noqa: B027
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
    uses_labels : bool
        Whether rows are scored by their labels, which is for classifiers. Without, the objective
        is one of self-supervision, for :class:`~specreg_sklearn.SelfSupervisedEncoder`.
    uses_unlabelled : bool
        Whether rows labelled -1 are unlabelled ones, which the objective can use. Without it -1
        is a class like any other.
    least_rows : int
        The fewest rows that a batch must have: 2 where the rows of a batch are compared.
    """

    uses_labels: ClassVar[bool] = True
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

        An objective that looks at all rows beforehand may add a keyword ``X=None``: training then
        gives it the rows, an ndarray of shape (n_samples, n_features).

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
    X: np.ndarray | None = None,
) -> BoundObjective | Objective:
    """Bind an objective, and give it all rows if its `bind` asks for `X`.

    An object that only has a `per_sample_loss` stands for itself.

    Parameters
    ----------
    objective : Objective
        The settings.
    network, generator, n_epochs, labelled_share
        As :meth:`Objective.bind` takes them.
    X : ndarray of shape (n_samples, n_features), default=None
        All rows of the fit.

    Returns
    -------
    BoundObjective or Objective
        What the training loop asks for losses.
    """
    if not hasattr(objective, "bind"):
        return objective
    rows: dict[str, Any] = {"X": X} if "X" in signature(objective.bind).parameters else {}
    return objective.bind(
        network, generator=generator, n_epochs=n_epochs, labelled_share=labelled_share, **rows
    )


def resolve_objective(objective: str | Objective, *, uses_labels: bool | None = None) -> Objective:
    """Turn the user's `objective` parameter into an objective.

    Parameters
    ----------
    objective : str or Objective
        A registered name or an object with a `per_sample_loss` method.
    uses_labels : bool, default=None
        Accept only objectives that score rows by their labels (True), or only those that do not
        (False). None accepts both.

    Returns
    -------
    Objective
        The object.

    Raises
    ------
    ValueError
        If the name is unknown, or the objective is of the other kind; the message lists the valid
        names.
    TypeError
        If it is neither a name nor an object with a `per_sample_loss` method.
    """
    if isinstance(objective, str):
        if not is_known("objectives", objective):
            raise ValueError(
                f"objective={objective!r} is not known. Valid names: {_names(uses_labels)}."
            )
        resolved = resolve("objectives", objective)()
    elif isinstance(objective, type) or not hasattr(objective, "per_sample_loss"):
        example = "BarlowTwins()" if uses_labels is False else "CrossEntropy()"
        raise TypeError(
            f"objective={objective!r} must be one of {_names(uses_labels)} or an instance with a "
            f"`per_sample_loss` method, such as {example}."
        )
    else:
        resolved = objective
    if uses_labels is not None and _uses_labels(resolved) != uses_labels:
        kind, asker, other = (
            ("needs no labels", "SpectrallyRegularizedEncoder", "SelfSupervisedEncoder")
            if uses_labels
            else ("needs labels", "SelfSupervisedEncoder", "SpectrallyRegularizedEncoder")
        )
        raise ValueError(
            f"objective={objective!r} {kind} and belongs into {other}. {asker} accepts "
            f"{_names(uses_labels)} and objects of their kind."
        )
    return resolved


def _uses_labels(objective: object) -> bool:
    return getattr(objective, "uses_labels", True)


def _names(uses_labels: bool | None) -> list[str]:
    """Return the names of the objectives of one kind; of both for None."""
    names = available("objectives")
    if uses_labels is None:
        return names
    return [name for name in names if _uses_labels(resolve("objectives", name)) == uses_labels]
