"""The contract of views: two random versions of the same rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

DrawView: TypeAlias = Callable[[Tensor], Tensor]


class Views(BaseEstimator, ABC):
    """Settings of how a row is changed without becoming another; not for direct use.

    Subclasses define :meth:`bind`. An instance is never changed by a fit.
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
            If a setting is not accepted; the message names it.
        """

    @abstractmethod
    def bind(
        self, X: np.ndarray, *, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> DrawView:
        """Prepare to draw views for one fit.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            All rows of the fit.
        input_shape : tuple of int
            Shape of one row as the backbone wants it.
        generator : torch.Generator
            A CPU generator, the only source of randomness; draw there, then move.

        Returns
        -------
        callable
            Maps a batch of rows to one random view of each of them. Calls draw anew.
        """
