"""What happens at the end of an epoch: records, safety copies, stopping, progress."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping
from skorch.utils import noop
from torch import Tensor
from tqdm import tqdm

from specreg_sklearn.penalties import SumReport
from specreg_sklearn.training._net import PenalizedNet


class EpochKeeper(Callback):
    """Record the penalised loss, and keep the weights of the last finished, finite epoch.

    When a fit is interrupted inside an epoch or the loss stops being finite, the weights go back
    to that copy and `net.stop_reason` says why.
    """

    def on_train_begin(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Keep the start weights."""
        net.stop_reason = None
        self._inside_epoch = False
        self._live: list[Tensor] = list(net.module_.state_dict().values())
        self._kept = _flat(self._live)

    def on_epoch_begin(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Note that the weights are about to move."""
        self._inside_epoch = True

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Record the epoch, or undo it when its loss is not finite."""
        objective = net.history[-1]["train_loss"] + net.weight_decay * _sum_of_squares(net)
        # The loss was taken before the last step; the step itself may have been the fatal one.
        reached = _flat(self._live)
        largest, subnormal = _largest_and_subnormal(reached)
        if not math.isfinite(largest):
            objective = math.nan
        if math.isfinite(objective) and net.penalty is not None:
            report = net.penalty.report()
            net.history.record("penalty", report.value)
            if isinstance(report, SumReport):
                parts = {name: part.value for name, part in report.parts.items()}
                net.history.record("penalty_parts", parts)
            if net.penalty_is_on:
                net.history.record("penalty_error", report.error)
                objective += net.strength * report.value
        if not math.isfinite(objective):
            self._undo_epoch(net, "diverged")
            net.optimizer_.state.clear()  # its moments are not finite either
            raise KeyboardInterrupt  # skorch's way to end the loop
        net.history.record("objective", objective)
        if subnormal:
            self._clear_subnormals(reached)
        self._kept = reached
        self._inside_epoch = False

    def on_train_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Undo an epoch that an interruption has cut short."""
        if self._inside_epoch:
            self._undo_epoch(net, "interrupted")

    def _clear_subnormals(self, reached: Tensor) -> None:
        """Set weights to zero that have sunk below the smallest normal number.

        Weight decay gets the weights of columns there that are always zero, such as the margins of
        images. They add nothing, and a CPU takes several times as long for products with them.
        """
        reached[reached.abs() < torch.finfo(reached.dtype).tiny] = 0
        self._restore(reached)

    @torch.no_grad()
    def _restore(self, kept: Tensor) -> None:
        sizes = [value.numel() for value in self._live]
        for value, old in zip(self._live, kept.split(sizes), strict=True):
            value.copy_(old.view_as(value))

    def _undo_epoch(self, net: PenalizedNet, reason: str) -> None:
        net.stop_reason = reason
        self._restore(self._kept)
        net.history.pop()
        self._inside_epoch = False


class Patience(EarlyStopping):
    """Early stopping of skorch: silent, and off while penalty and objective gain strength.

    The objective jumps when the penalty starts, and rises while the objective's own strength
    grows, so later epochs cannot be compared with earlier ones.

    Parameters
    ----------
    monitor : str
        The column of the history to watch.
    patience : int
        Epochs without improvement before training stops.
    threshold : float
        The least absolute change that counts as an improvement.
    lower_is_better : bool
        Whether the column should fall. If not, the weights of the best epoch are restored.
    """

    def __init__(
        self, monitor: str, *, patience: int, threshold: float, lower_is_better: bool
    ) -> None:
        super().__init__(
            monitor=monitor,
            patience=patience,
            threshold=threshold,
            threshold_mode="abs",
            lower_is_better=lower_is_better,
            load_best=not lower_is_better,  # held-out scores have a best epoch worth keeping
            sink=noop,
        )

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Compare the epoch with the best one so far."""
        if len(net.history) > net.n_settling_epochs:
            super().on_epoch_end(net, **kwargs)


class EpochBar(Callback):
    """A progress bar over epochs that shows the loss and the penalty.

    Parameters
    ----------
    n_epochs : int
        The most epochs; the bar's length.
    title : str
        The bar's description.
    """

    def __init__(self, n_epochs: int, title: str) -> None:
        self.n_epochs = n_epochs
        self.title = title

    def on_train_begin(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Open the bar."""
        self._bar = tqdm(total=self.n_epochs, desc=self.title, unit="epoch")

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Move the bar and show the epoch's figures."""
        row = net.history[-1]
        shown = {"loss": row["train_loss"], "penalty": row.get("penalty")}
        shown["held-out accuracy"] = row.get("valid_accuracy")
        self._bar.set_postfix({k: f"{v:.4g}" for k, v in shown.items() if v is not None})
        self._bar.update()

    def on_train_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Close the bar."""
        self._bar.close()


@torch.no_grad()
def _sum_of_squares(net: PenalizedNet) -> float:
    if net.weight_decay == 0:
        return 0.0
    weights = [p for p in net.module_.parameters() if p.ndim > 1]
    return sum(float(weight.square().sum()) for weight in weights)


@torch.no_grad()
def _flat(values: list[Tensor]) -> Tensor:
    """Copy parameters and buffers into one vector, which one call can check."""
    return torch.cat([value.flatten() for value in values])


def _largest_and_subnormal(values: Tensor) -> tuple[float, bool]:
    """Return the largest size, NaN if one is, and whether a number is subnormal."""
    tiny = torch.finfo(values.dtype).tiny
    if values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64):
        # On small networks calls of torch take several times as long.
        size = np.abs(values.numpy())
        small = size < tiny
        return float(size.max(initial=0)), bool(small.any() and size[small].any())
    magnitude = values.abs()
    return float(magnitude.max()), bool((magnitude[magnitude < tiny] != 0).any())
