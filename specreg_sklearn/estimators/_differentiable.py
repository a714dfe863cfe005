"""A network as a function of arrays that takes gradients back, for attacks that know no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.modules import Network, predicting

WithPullback = Callable[[FloatArray], tuple[FloatArray, Callable[[FloatArray], FloatArray]]]


def with_pullback(
    network: Network, function: Callable[[Tensor], Tensor], device: str | torch.device
) -> WithPullback:
    """Return a function of rows that gives what `function`, of `network`, computes.

    Beside it comes a function from gradients by the output to gradients by the rows.
    """

    def compute(x: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
        # A search may run where the user has switched gradients off.
        with predicting(network), torch.inference_mode(False), torch.enable_grad():
            rows = torch.tensor(x, dtype=network.dtype, device=device, requires_grad=True)
            output = function(rows.clone())  # a first layer may work in place

        def pull_back(slope: FloatArray) -> FloatArray:
            given = torch.tensor(slope, dtype=output.dtype, device=output.device)
            (found,) = torch.autograd.grad(output, rows, given)
            return np.asarray(found.to("cpu", torch.float64).numpy())

        return np.asarray(output.detach().to("cpu", torch.float64).numpy()), pull_back

    return compute
