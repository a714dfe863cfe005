"""Architectures with settings of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator
from torch import nn


class ModuleFactory(BaseEstimator, ABC):
    """Settings of an architecture; calling the object builds a backbone with fresh weights.

    Any callable ``(input_shape) -> torch.nn.Module`` is a factory. One that derives from this class
    also has ``get_params`` and ``set_params``, so that ``module__name`` can be searched.
    """

    @abstractmethod
    def __call__(self, input_shape: tuple[int, ...], *, activation: str = "relu") -> nn.Module:
        """Build a backbone.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one sample.
        activation : str, default="relu"
            A key of ``specreg_sklearn.modules.ACTIVATIONS``.

        Returns
        -------
        torch.nn.Module
            Maps (n_samples, *input_shape) to features (n_samples, n_features_out).
        """
