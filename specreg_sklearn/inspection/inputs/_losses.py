"""The loss of every row as a function of the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from specreg_sklearn.inspection.model import ModelView

RowLoss = Callable[[Tensor, Tensor], Tensor]


def row_loss(loss: Any) -> RowLoss:
    """Return the loss that a user asked for: from logits and class codes to one number a row."""
    if isinstance(loss, str) and loss == "cross_entropy":
        return lambda logits, codes: cross_entropy(logits, codes, reduction="none")
    if isinstance(loss, str) or not callable(loss):
        raise ValueError(
            f"loss={loss!r} is not accepted; give 'cross_entropy' or a function of logits and "
            "class codes that returns one loss a row."
        )
    return loss


class LossOfRows:
    """The loss of a model at rows with fixed labels.

    Parameters
    ----------
    view : ModelView
        The model.
    loss : callable
        As :func:`row_loss` returns it.
    codes : ndarray of shape (n_samples,)
        Class codes.
    """

    def __init__(self, view: ModelView, loss: RowLoss, codes: np.ndarray) -> None:
        self.view, self.loss, self.codes = view, loss, torch.from_numpy(codes)

    def __call__(self, rows: Tensor) -> Tensor:
        values = self.loss(self.view.logits(rows), self.codes)
        if values.shape != (len(rows),):
            raise ValueError(
                f"loss must return one number a row: it gave shape {tuple(values.shape)} for "
                f"{len(rows)} rows."
            )
        return values
