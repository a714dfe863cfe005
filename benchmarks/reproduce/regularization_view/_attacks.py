"""Gradients against predictions, on the same rows and within the same box."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.objectives.perturbations import Ascent, Ball

N_STEPS = 40


def withstands_pgd(
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    eps: float,
    norm: float,
    box: tuple[float, float] | None,
    seed: int,
) -> np.ndarray:
    """Return which rows are right and stay so under projected gradient ascent.

    Forty steps on the logit margin, in float64, from the row itself and from a random point of the
    ball; the worst row seen on the way counts.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    network = copy.deepcopy(model.module_).double().eval()
    rows = torch.as_tensor(X, dtype=torch.float64)
    codes = torch.as_tensor(np.searchsorted(model.classes_, y))

    def lead(moved: Tensor) -> Tensor:
        logits = network(moved)
        own = logits.gather(1, codes[:, None])[:, 0]
        return logits.scatter(1, codes[:, None], -torch.inf).amax(dim=1) - own

    generator = torch.Generator().manual_seed(seed)
    search = Ascent(n_steps=N_STEPS, start_share=0.0, n_restarts=2)
    worst = search.worst(lead, Ball(rows, norm, eps, box), generator)
    with torch.no_grad():
        return ((lead(rows) < 0) & (lead(worst) < 0)).numpy()


@dataclass(frozen=True)
class Agreement:
    """Which rows withstand gradients and which predictions, in L2.

    Parameters
    ----------
    by_gradients, by_predictions : ndarray of shape (n,), bool
        Which rows are right and withstand the attack.
    decided : ndarray of shape (n,), bool
        Rows on which the attack by predictions did not fail: only they are compared.
    """

    by_gradients: np.ndarray
    by_predictions: np.ndarray
    decided: np.ndarray

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy under gradients and under predictions."""
        return (
            float(self.by_gradients[self.decided].mean()),
            float(self.by_predictions[self.decided].mean()),
        )

    @property
    def difference(self) -> float:
        """Accuracy under predictions minus that under gradients."""
        gradients, predictions = self.accuracies
        return predictions - gradients

    @property
    def noise(self) -> float:
        """Two standard errors of an accuracy on so many rows."""
        p = sum(self.accuracies) / 2
        return float(2 * np.sqrt(p * (1 - p) / self.decided.sum()))

    @property
    def holds(self) -> bool:
        """Whether the two accuracies differ by no more than the noise."""
        return abs(self.difference) <= self.noise

    @property
    def only_predictions(self) -> int:
        """Rows that the attack by predictions fools, and gradients do not."""
        return int(np.sum(self.decided & self.by_gradients & ~self.by_predictions))

    @property
    def only_gradients(self) -> int:
        """Rows that gradients fool, and the attack by predictions does not."""
        return int(np.sum(self.decided & ~self.by_gradients & self.by_predictions))


def pooled(seeds: Sequence[Agreement]) -> Agreement:
    """Return the comparison on the rows of all seeds together."""
    return Agreement(
        np.concatenate([seed.by_gradients for seed in seeds]),
        np.concatenate([seed.by_predictions for seed in seeds]),
        np.concatenate([seed.decided for seed in seeds]),
    )
