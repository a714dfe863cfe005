"""What the two encoders have in common: a net that is trained, and features that it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from specreg_sklearn._sklearn_compat import CallbackSupportMixin
from specreg_sklearn.certificates import Stage, torch_stages
from specreg_sklearn.estimators._build_net import attach_callbacks, attach_rows
from specreg_sklearn.estimators._input_shape import check_row_shape, flat_rows
from specreg_sklearn.estimators._training_report import spectral_norms
from specreg_sklearn.estimators._training_rows import TrainingRows
from specreg_sklearn.modules import Network
from specreg_sklearn.training import PenalizedNet, SklearnCallbackBridge, batched, threads_for_step


class FeatureEncoderMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin):
    """A transformer that gives the features of the network inside `net_`."""

    net_: PenalizedNet

    def _train(
        self,
        net: PenalizedNet,
        rows: TrainingRows,
        seed: int,
        bridge: SklearnCallbackBridge | None,
    ) -> None:
        """Run the training loop; the net keeps nothing that only the fit needed."""
        training_data = attach_rows(net, self, rows, seed)
        attach_callbacks(net, self, bridge)
        try:
            with threads_for_step(net.batch_size, net.module_):
                net.partial_fit(training_data)
        finally:
            net.drop_fit_state()
        if net.stop_reason == "interrupted" and not len(net.history):
            raise KeyboardInterrupt  # not one epoch was finished: there is no model to keep

    def _keep(self, net: PenalizedNet, *, has_readout: bool) -> None:
        """Set the fitted attributes that a trained net gives."""
        self.net_ = net
        net.module_.eval()
        self.n_iter_ = len(net.history)
        self.loss_curve_ = [row["objective"] for row in net.history]
        self.penalty_curve_ = [row.get("penalty", 0.0) for row in net.history]
        self.spectral_norms_ = spectral_norms(net.module_, has_readout=has_readout)

    @property
    def module_(self) -> Network:
        """The network, with parts `backbone` and `head`; the one inside `net_`."""
        return self.net_.module_

    def transform(self, X: Any) -> np.ndarray:
        """Return the features of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, C, H, W)
            Rows in the units of the training rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Activations of the last hidden layer, in the dtype of the training.
        """
        X = self._validated(X)
        return self._apply(X, self.module_.features)

    def _feature_stages(self) -> list[Stage]:
        """Return what `transform` computes as stages of a proof."""
        return torch_stages(self.module_.backbone, self.module_.input_shape)

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "net_")
        X, row_shape = flat_rows(X)
        check_row_shape(row_shape, self.module_.input_shape)
        dtype = np.float64 if self.module_.dtype == torch.float64 else np.float32
        return validate_data(self, X, reset=False, dtype=dtype)

    def _apply(self, X: np.ndarray, function: Callable[[Tensor], Tensor]) -> np.ndarray:
        self.module_.eval()  # a callback may ask in the middle of training
        return batched(function, X, device=self.net_.device)

    @property
    def _n_features_out(self) -> int:
        return self.module_.n_features_out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
