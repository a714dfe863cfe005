"""``alpha="scale"``: a strength in proportion to the log loss of rows that were held out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from skorch.callbacks import Callback

from specreg_sklearn.training._batches import TensorRows
from specreg_sklearn.training._held_out_rows import HeldOutRows
from specreg_sklearn.training._net import PenalizedNet
from specreg_sklearn.training._strength_choice import StrengthChoice, train_to_choose

# What the loss is multiplied by, and the least strength. Where labels are noisy the loss stays
# large, whatever the network: the penalty has more to hold down, and costs less accuracy.
_FACTOR, _LEAST = 0.08, 1e-3
# Shares: of the epochs of a fit, and of those the ones without a smaller loss that end it.
_EPOCHS, _PATIENCE = 0.5, 0.25


class LossWatch(Callback):
    """Note the log loss of held-out rows, and end the training once it has stopped falling.

    Parameters
    ----------
    held_out : HeldOutRows
        What the network is judged by after each epoch.
    patience : int
        Epochs without a smaller loss before training ends.

    Attributes
    ----------
    losses : list of float
        One for each epoch that was run.
    """

    def __init__(self, held_out: HeldOutRows, patience: int) -> None:
        self.held_out = held_out
        self.patience = patience
        self.losses: list[float] = []

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Look at the held-out rows."""
        self.losses.append(self.held_out.log_loss(net))
        if len(self.losses) > int(np.argmin(self.losses)) + self.patience:
            raise KeyboardInterrupt  # skorch's way to end the loop


def epochs_to_scale_by(n_epochs: int) -> int:
    """Return how many epochs a network trains without a penalty, at most.

    Parameters
    ----------
    n_epochs : int
        The most epochs of the fit.

    Returns
    -------
    int
        Half as many.
    """
    return math.ceil(_EPOCHS * n_epochs)


def scale_strength(
    net: PenalizedNet,
    training: TensorRows,
    held_out: HeldOutRows,
    n_classes: int,
    *,
    verbose: int,
) -> StrengthChoice:
    """Train a net without a penalty, and take the strength from its loss on held-out rows.

    The strength is ``0.08 * loss / (n_classes - 1)``, to two digits, and at least 0.001. The loss
    is the smallest one of any epoch, or that of a guess where even that is smaller. Penalties on
    logits add up over the classes, hence the division.

    Parameters
    ----------
    net : PenalizedNet
        Initialised, without a penalty, for as many epochs as it may train.
    training : TensorRows
        Rows to train on.
    held_out : HeldOutRows
        Rows to judge by.
    n_classes : int
        How many classes there are.
    verbose : int
        1 shows a progress bar.

    Returns
    -------
    StrengthChoice
        The strength, without a path.

    Raises
    ------
    KeyboardInterrupt
        If the training was interrupted.
    """
    watch = LossWatch(held_out, max(1, int(_PATIENCE * net.max_epochs)))
    train_to_choose(net, training, ("watch", watch), title="alpha='scale'", verbose=verbose)
    loss = min([math.log(n_classes), *watch.losses])
    return StrengthChoice(max(_LEAST, float(f"{_FACTOR * loss / (n_classes - 1):.2g}")))
