"""SimCLR: a view finds its twin among the views of all other rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from specreg_sklearn.objectives.base import check_number
from specreg_sklearn.objectives.self_supervised._self_supervised_objective import (
    SelfSupervisedObjective,
)
from specreg_sklearn.objectives.self_supervised._views import Views


class SimCLR(SelfSupervisedObjective):
    """Every view should pick its twin out of all views of the batch (NT-Xent).

    The loss of a view is the log loss of a softmax over the other ``2 n - 1`` views, with logits
    ``cosine similarity / temperature`` and the twin as the right answer; the loss of a row is the
    mean of its two views. Larger batches make the task harder and the features better.

    Parameters
    ----------
    temperature : float, default=0.5
        Small ones look at the nearest views alone.
    views : "auto" or Views, default="auto"
        How the views are made: :class:`ImageViews` where the backbone takes images, else
        :class:`TableViews`.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual
    Representations", arXiv:2002.05709.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.objectives import SimCLR
    >>> SimCLR().losses(torch.ones(3, 4), torch.ones(3, 4))  # log 5: a guess among the others
    tensor([1.6094, 1.6094, 1.6094])
    """

    against_collapse = (("lower", "temperature"),)

    def __init__(self, temperature: float = 0.5, *, views: str | Views = "auto") -> None:
        self.temperature = temperature
        self.views = views

    def _check_settings(self) -> None:
        check_number("temperature", self.temperature, 0, allow_low=False)

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of every row; see :meth:`SelfSupervisedObjective.losses`."""
        n_rows = len(first)
        directions = normalize(torch.cat([first, second]))
        logits = directions @ directions.T / self.temperature
        logits.fill_diagonal_(-torch.inf)  # no view is its own twin
        twins = torch.arange(2 * n_rows, device=first.device).roll(n_rows)
        return cross_entropy(logits, twins, reduction="none").view(2, n_rows).mean(dim=0)
