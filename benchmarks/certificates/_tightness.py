"""Certified norms of trained layers next to the norm itself, from LAPACK or ARPACK."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.linalg
import torch
from scipy.sparse.linalg import LinearOperator, svds
from torch import nn
from torch.nn import functional as F

from benchmarks.certificates._trained import (
    IMAGE,
    conv_backbone,
    images_in_classes,
    rows_in_classes,
    seeded,
    train,
)
from specreg_sklearn.spectral import certified_bound

N_STEPS = 60


class Tightness(NamedTuple):
    """A certified norm, the norm, and what the certificate took."""

    layer: str
    certified: float
    exact: float
    method: str
    seconds: float

    @property
    def ratio(self) -> float:
        """How much too large the certified norm is."""
        return self.certified / self.exact


def linear_layers() -> Iterator[Tightness]:
    """Compare the layers of 784-2000-2000-10, before and after training."""
    with seeded(0):
        network = nn.Sequential(
            nn.Linear(784, 2000), nn.ReLU(), nn.Linear(2000, 2000), nn.ReLU(), nn.Linear(2000, 10)
        )
    for state in ("at start", "trained"):
        if state == "trained":
            train(network, rows_in_classes(noise=1.0), N_STEPS, seed=0)
        for position in (0, 2):
            weight = network[position].weight.detach()
            matrix = weight.double().numpy()
            exact = float(scipy.linalg.svdvals(matrix)[0])
            shape = f"{weight.shape[1]} x {weight.shape[0]}"
            yield _compared(f"Linear {shape}, {state}", network[position], None, exact)


def convolutions() -> Iterator[Tightness]:
    """Compare 3-64-64-128 (stride 2), 3 x 3 with zero padding, before and after training."""
    backbone = conv_backbone()
    network = nn.Sequential(backbone, nn.utils.skip_init(nn.Linear, 128, 10))
    with seeded(0):
        network[1].reset_parameters()
    for state in ("at start", "trained"):
        if state == "trained":
            train(network, images_in_classes(noise=0.5), N_STEPS, seed=0)
        shape = IMAGE
        for layer in backbone:
            if isinstance(layer, nn.Conv2d):
                stride = f", stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
                name = f"Conv2d {layer.in_channels}-{layer.out_channels}{stride}, {state}"
                yield _compared(name, layer, shape, _norm_of_convolution(layer, shape))
                side = shape[1] // layer.stride[0]
                shape = (layer.out_channels, side, side)


def _compared(
    name: str, layer: nn.Module, input_shape: tuple[int, ...] | None, exact: float
) -> Tightness:
    start = time.perf_counter()
    bound = certified_bound(layer, input_shape)
    return Tightness(name, bound.value, exact, bound.method, time.perf_counter() - start)


def _norm_of_convolution(layer: nn.Conv2d, input_shape: tuple[int, ...]) -> float:
    """Return the largest singular value, from torch's own convolution and its derivative."""
    weight = layer.weight.detach().double()
    settings = {"stride": layer.stride, "padding": layer.padding}
    with torch.no_grad():
        rows = torch.zeros(1, *input_shape, dtype=torch.float64)
        output_shape = F.conv2d(rows, weight, **settings).shape

    def forward(x: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(x.reshape(1, *input_shape))
        return F.conv2d(image, weight, **settings).numpy().ravel()

    def backward(y: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(y.reshape(output_shape))
        return torch.nn.grad.conv2d_input(rows.shape, weight, image, **settings).numpy().ravel()

    operator = LinearOperator(
        (output_shape.numel(), rows.numel()), matvec=forward, rmatvec=backward, dtype=np.float64
    )
    start = np.random.default_rng(0).normal(size=min(operator.shape))
    return float(svds(operator, k=3, ncv=30, tol=1e-9, v0=start, return_singular_vectors=False)[-1])
