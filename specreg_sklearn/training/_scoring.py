"""What skorch's scoring callbacks need: labels, predictions, and batches as skorch has them.

Labels are the positions of classes in `classes_` of the estimator. Scores count rows alike,
whatever their weights.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import BatchScoring, Callback, EpochScoring, LRScheduler
from torch import Tensor, nn

from specreg_sklearn.training._batches import Batch

_SCORES = (EpochScoring, BatchScoring)

Plain: TypeAlias = tuple[Tensor, Tensor]


class ScoredNet(ClassifierMixin, NeuralNet):
    """A skorch net that scorers of scikit-learn take for a classifier of the codes 0, 1, 2, ..."""

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The codes of the classes."""
        head = getattr(self.module_, "head", None)
        if not getattr(self.criterion_, "uses_labels", True) or not isinstance(head, nn.Linear):
            raise TypeError(
                "The network was trained without labels and predicts none: give a scoring callback "
                "a function (net, X, y) that looks at net.module_ itself."
            )
        return np.arange(head.out_features)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the code of the most likely class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def listens_to_batches(callback: Callback) -> bool:
    """Whether a callback may want batches: in a hook, or later in the history. Ours do not."""
    return not type(callback).__module__.startswith("specreg_sklearn.")


def wants_training_outputs(callback: Callback) -> bool:
    """Whether a callback may look at the outputs of training batches, which take a forward pass."""
    if type(callback).on_batch_end is Callback.on_batch_end or isinstance(callback, LRScheduler):
        return False
    return bool(callback.on_train) if isinstance(callback, _SCORES) else True


def plain(batch: Batch) -> Plain:
    """Return rows and codes of a batch, without weights: as skorch knows batches."""
    X, (y, _) = batch
    return X, y


def tell_batch_end(net: NeuralNet, batch: Plain, *, training: bool, **step: Any) -> None:
    """Notify the callbacks of a batch; scores are told of its labelled rows alone."""
    X, y = batch
    labelled = y >= 0
    told = {"batch": batch, "training": training, **step}
    if bool(labelled.all()):
        net.notify("on_batch_end", **told)
        return
    outputs = step["y_pred"]
    scored = {**told, "batch": (X[labelled], y[labelled])}
    scored["y_pred"] = None if outputs is None else outputs[labelled]
    net.on_batch_end(net, **told)
    for _, callback in net.callbacks_:
        if not isinstance(callback, _SCORES):
            callback.on_batch_end(net, **told)
        elif bool(labelled.any()):
            callback.on_batch_end(net, **scored)


@torch.no_grad()
def outputs_of(net: NeuralNet, X: Tensor) -> Tensor:
    """Return what the network gives for rows in the middle of training, as it would predict."""
    net.module_.eval()  # no dropout, and running statistics stay as they are
    outputs = net.module_(X)
    net._set_training(True)
    return outputs
