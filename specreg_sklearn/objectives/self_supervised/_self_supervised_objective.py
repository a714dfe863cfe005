"""Objectives that need no labels: two views of a row should look alike to the network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from specreg_sklearn.objectives.base import BoundObjective, Objective
from specreg_sklearn.objectives.self_supervised._image_views import ImageViews
from specreg_sklearn.objectives.self_supervised._table_views import TableViews
from specreg_sklearn.objectives.self_supervised._views import DrawView, Views


class SelfSupervisedObjective(Objective):
    """What the objectives without labels share; not for direct use.

    Subclasses have the parameter `views`, define :meth:`losses`, and ``_check_settings`` for
    their other parameters.

    Attributes
    ----------
    least_rows : int
        Rows that a batch must have: the others are what a row is compared with.
    against_collapse : tuple of (str, str)
        "raise" or "lower", and the setting that then keeps the features apart.
    """

    uses_labels: ClassVar[bool] = False
    least_rows: ClassVar[int] = 2
    against_collapse: ClassVar[tuple[tuple[str, str], ...]] = ()

    views: Views | Literal["auto"]

    @abstractmethod
    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Score the projections of two views of the same rows.

        Parameters
        ----------
        first, second : Tensor of shape (n_samples, n_projections)
            What the network makes of either view; at least two rows.

        Returns
        -------
        Tensor of shape (n_samples,)
            One loss a row. A loss of the whole batch is repeated, so that its mean is that loss.
        """

    def _check_settings(self) -> None:
        """Raise if a setting other than the views is not accepted."""

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if a setting is not accepted; see :meth:`Objective.check_rows`."""
        views: object = self.views
        automatic = isinstance(views, str) and views == "auto"
        if not automatic and (isinstance(views, type) or not hasattr(views, "bind")):
            raise ValueError(
                f"views={views!r} must be 'auto' or an instance with a `bind` method, such as "
                "TableViews() or ImageViews()."
            )
        check_rows = getattr(views, "check_rows", None)
        if check_rows is not None:
            check_rows(X)
        self._check_settings()

    def bind(
        self,
        network: nn.Module,
        *,
        generator: torch.Generator,
        n_epochs: int = 1,
        labelled_share: float = 1.0,
        X: np.ndarray | None = None,
    ) -> BoundSelfSupervised:
        """Attach the objective to a network for one fit; see :meth:`Objective.bind`.

        Here all rows `X` must be given: they tell the views the range of the values. All views are
        drawn from `generator`; the number of epochs and the share of labelled rows play no part.
        """
        if X is None:
            raise TypeError(
                f"{type(self).__name__}.bind needs the rows of the fit: bind(..., X=X)."
            )
        self.check_rows(X)
        shape: Any = getattr(network, "input_shape", X.shape[1:])
        views = self.views
        if isinstance(views, str):  # "auto"
            views = ImageViews() if len(shape) == 3 else TableViews()
        return BoundSelfSupervised(self, views.bind(X, input_shape=shape, generator=generator))

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score rows, with views drawn from a generator seeded with 0; `y` is not used.

        See :meth:`Objective.per_sample_loss`. A fit scores its batches through :meth:`bind`.
        """
        generator = torch.Generator().manual_seed(0)
        bound = self.bind(network, generator=generator, X=X.detach().cpu().numpy())
        return bound.per_sample_loss(network, X, y)


class BoundSelfSupervised(BoundObjective):
    """The stateful part: the random draws of the views.

    Parameters
    ----------
    settings : SelfSupervisedObjective
        The user's object; it is only read.
    draw : callable
        Maps a batch of rows to one random view of each.
    """

    def __init__(self, settings: SelfSupervisedObjective, draw: DrawView) -> None:
        self.settings = settings
        self.draw = draw

    def per_sample_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score two views of every row; labels are not looked at."""
        least = self.settings.least_rows
        if len(X) < least:
            raise ValueError(
                f"{type(self.settings).__name__} compares the rows of a batch: it needs at least "
                f"{least}; this batch has {len(X)}."
            )
        # One pass for both views: on small networks it costs hardly more than a pass for one.
        both = network(torch.cat([self.draw(X), self.draw(X)]))
        return self.settings.losses(*both.chunk(2))

    def held_out_loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        """Score held-out rows as the others: there is no log loss without labels."""
        return self.per_sample_loss(network, X, y)
