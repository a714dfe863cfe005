"""Objectives with a strength `epsilon` that may grow over the first epochs, and a search in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn.objectives.base._objective import BoundObjective, Objective
from specreg_sklearn.objectives.base._perturbation_settings import (
    check_feature_range,
    check_norm,
    check_rows_in_range,
)
from specreg_sklearn.objectives.perturbations import Ascent, Ball, FeatureRange
from specreg_sklearn.spectral.layers import evaluated
from specreg_sklearn.tables import check_choice, check_count, check_flag, check_number, check_share

Schedule: TypeAlias = Literal["constant", "linear"]


def epsilon_at(epoch: int, epsilon: float, n_warm_up_epochs: int) -> float:
    """Return ``epsilon * min(1, epoch / n_warm_up_epochs)``; `epoch` counts finished epochs.

    After the warm-up it is `epsilon` to the last bit; the first epoch of it sees clean rows.
    """
    return epsilon if epoch >= n_warm_up_epochs else epsilon * (epoch / n_warm_up_epochs)


class EpsilonObjective(Objective):
    """What the objectives with a strength `epsilon` share; not for direct use.

    Subclasses have the parameters `epsilon`, `epsilon_schedule` and `warm_up`, define
    ``_check_settings`` for the others, and name the class of their stateful part.
    """

    _bound_kind: type[EpsilonBound]

    epsilon: float
    epsilon_schedule: Schedule
    warm_up: float

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if a setting is not accepted; see :meth:`Objective.check_rows`."""
        check_number("epsilon", self.epsilon, 0)
        check_choice("epsilon_schedule", self.epsilon_schedule, get_args(Schedule))
        check_share("warm_up", self.warm_up)
        self._check_settings()

    @abstractmethod
    def _check_settings(self) -> None:
        """Raise if a setting other than the strength and its schedule is not accepted."""

    def bind(
        self,
        network: nn.Module,
        *,
        generator: torch.Generator,
        n_epochs: int = 1,
        labelled_share: float = 1.0,
    ) -> EpsilonBound:
        """Attach the objective to a network for one fit; see :meth:`Objective.bind`."""
        EpsilonObjective.check_rows(self, np.empty((0, 0)))
        n_warm_up = 0
        if self.epsilon_schedule == "linear" and self.epsilon > 0:
            n_warm_up = int(self.warm_up * n_epochs)
        return self._bound_kind(self, network, generator, n_warm_up, labelled_share)

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score rows at full strength, with random draws from a generator seeded with 0.

        See :meth:`Objective.per_sample_loss`. A fit scores its batches through :meth:`bind`.
        """
        bound = self.bind(network, generator=torch.Generator().manual_seed(0))
        return bound.per_sample_loss(network, X, y)


class SearchObjective(EpsilonObjective):
    """What the objectives that look for the worst rows by gradient steps share.

    Subclasses also have the parameters of the search and of the ball that it stays in.
    """

    norm: float
    n_steps: int
    step_size: float | Literal["auto"]
    n_restarts: int
    use_best: bool
    feature_range: FeatureRange | None

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if a setting is not accepted, or rows leave `feature_range`."""
        super().check_rows(X)
        check_rows_in_range(X, self.feature_range)

    def _check_settings(self) -> None:
        check_norm(self.norm)
        check_count("n_steps", self.n_steps)
        if not (isinstance(self.step_size, str) and self.step_size == "auto"):
            accepted = "'auto' or a finite number above 0"
            check_number("step_size", self.step_size, 0, closed="neither", accepted=accepted)
        check_count("n_restarts", self.n_restarts)
        check_flag("use_best", self.use_best)
        check_feature_range(self.feature_range)


class EpsilonBound(BoundObjective):
    """The stateful part: the strength of the current epoch, and the random draws."""

    def __init__(
        self,
        settings: EpsilonObjective,
        network: nn.Module,
        generator: torch.Generator,
        n_warm_up_epochs: int,
        labelled_share: float,
    ) -> None:
        self.settings = settings
        self.generator = generator
        self.n_warm_up_epochs = n_warm_up_epochs
        self.labelled_share = labelled_share
        self.epsilon = epsilon_at(0, float(settings.epsilon), n_warm_up_epochs)
        self._attach(network)

    def _attach(self, network: nn.Module) -> None:
        """Set up what the objective keeps of the network."""

    def begin_epoch(self, epoch: int) -> None:
        """Take the strength of the epoch."""
        self.epsilon = epsilon_at(epoch, float(self.settings.epsilon), self.n_warm_up_epochs)

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score a batch; without strength exactly as the log loss does."""
        if self.epsilon == 0:
            return self._label_loss(network(X), y)
        return self._loss(network, X, y)

    @abstractmethod
    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score a batch with a strength above zero."""

    def _label_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the log loss; the objectives that use unlabelled rows have their own."""
        return cross_entropy(logits, y, reduction="none")


class SearchBound(EpsilonBound):
    """The stateful part of an objective that looks for the worst rows."""

    settings: SearchObjective

    def _worst(
        self,
        network: nn.Module,
        X: Tensor,
        target: Tensor,
        *,
        start_share: float,
        sees_clean: bool = True,
    ) -> Tensor:
        """Return the rows nearby with the largest cross-entropy to `target`, as far as found."""
        settings = self.settings
        search = Ascent(
            n_steps=settings.n_steps,
            step_size=settings.step_size,
            start_share=start_share,
            n_restarts=settings.n_restarts,
            use_best=settings.use_best,
            sees_clean=sees_clean,
        )
        ball = Ball(X, settings.norm, self.epsilon, settings.feature_range)
        with evaluated(network):
            return search.worst(
                lambda rows: cross_entropy(network(rows), target, reduction="none"),
                ball,
                self.generator,
            )
