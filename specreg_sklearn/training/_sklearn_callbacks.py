"""Carry scikit-learn's callbacks (1.9 and later) through a skorch training loop."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from skorch.callbacks import Callback

from specreg_sklearn._sklearn_compat import CallbackSupportMixin
from specreg_sklearn.training._net import PenalizedNet


class SklearnCallbackBridge(Callback):
    """Tell scikit-learn's callbacks about every epoch: progress bars, monitors, early stops.

    Parameters
    ----------
    estimator : estimator
        The estimator being fitted; its callback context is opened here.
    X, y : array-like
        The training data as the user gave them, with the user's labels.
    sample_weight : array-like or None
        Passed on to callbacks that ask for metadata.
    max_epochs : int
        The most epochs that the fit can take.
    fitted : dict
        The attributes that make a copy of `estimator` ready to predict.
    """

    def __init__(
        self,
        estimator: CallbackSupportMixin,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        *,
        max_epochs: int,
        fitted: dict[str, Any],
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.task = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fitted = fitted
        self.context = estimator._init_callback_context(max_subtasks=max_epochs)

    def on_train_begin(
        self, net: PenalizedNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Open the task of the whole fit."""
        self.context.call_on_fit_task_begin(**self.task)

    def on_epoch_begin(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Open the task of one epoch."""
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.task)

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Close the task of one epoch; a callback may ask to stop here."""
        if self._end(self.epoch):
            raise KeyboardInterrupt  # skorch's way to end the loop

    def on_train_end(self, net: PenalizedNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Close the task of the whole fit."""
        self._end(self.context)

    def _end(self, context: Any) -> bool:
        return context.call_on_fit_task_end(
            reconstruction_attributes=lambda: self.fitted, **self.task
        )
