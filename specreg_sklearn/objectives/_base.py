"""The contract of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from specreg_sklearn._registry import available, resolve


class Objective(BaseEstimator, ABC):
    """Settings of what a batch is scored on; ``objective__name`` can be searched."""

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
            Class codes 0 .. n_classes - 1.

        Returns
        -------
        Tensor of shape (n_samples,)
            One loss a row, so that sample weights can act.
        """


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
