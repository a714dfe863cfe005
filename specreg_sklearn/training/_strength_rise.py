"""One fit in which the strength of the penalty rises from epoch to epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from skorch.callbacks import Callback

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.training._held_out_rows import HeldOutLook, HeldOutRows
from specreg_sklearn.training._net import PenalizedNet

# The rise ends where the average accuracy of some epochs lies this far below the best one: three
# points, or two standard errors where few rows are held out.
_AVERAGED, _LOST, _ERRORS = 3, 0.03, 2.0


class StrengthRise(Callback):
    """Set a strength for every epoch, and note what the network makes of held-out rows.

    Parameters
    ----------
    strengths : ndarray of shape (n_epochs,)
        Increasing; the first is that of the next epoch.
    held_out : HeldOutRows
        What the network is judged by after each epoch.

    Attributes
    ----------
    looks : list of HeldOutLook
        One for each epoch that was run.
    """

    def __init__(self, strengths: FloatArray, held_out: HeldOutRows) -> None:
        self.strengths = strengths
        self.held_out = held_out
        self.looks: list[HeldOutLook] = []

    def on_epoch_begin(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Set the strength of the epoch."""
        net.strength = float(self.strengths[len(self.looks)])

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Look at the held-out rows; end the rise where accuracy is lost beyond return."""
        self.looks.append(self.held_out.look(net))
        accuracy = [look.accuracy for look in self.looks]
        best, recent = max(accuracy), accuracy[-_AVERAGED:]
        error = math.sqrt(best * (1 - best) / len(self.held_out.codes))
        if len(recent) == _AVERAGED and np.mean(recent) < best - max(_LOST, _ERRORS * error):
            raise KeyboardInterrupt  # skorch's way to end the loop
