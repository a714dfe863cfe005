"""What spectral penalties cost per training step."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.certificates._trained import (
    BATCH,
    IMAGE,
    STRENGTH,
    conv_backbone,
    images_in_classes,
    readout,
    seeded,
)
from benchmarks.common import cpu_seconds
from specreg_sklearn.penalties import RepSpectral
from specreg_sklearn.spectral import Convolution, follow_convolution


class StepCost(NamedTuple):
    """CPU milliseconds of a training step without and with the penalty."""

    threads: int
    plain: float
    penalised: float

    @property
    def ratio(self) -> float:
        """Cost of the penalised step over that of the plain one."""
        return self.penalised / self.plain


class ResNetCost(NamedTuple):
    """CPU seconds of one evaluation with gradient for all convolutions of a ResNet-18."""

    ours: float
    blocks: float

    @property
    def ratio(self) -> float:
        """How many times cheaper ours is."""
        return self.blocks / self.ours


def step_cost(threads: int, *, n_steps: int = 40, method: str = "auto") -> StepCost:
    """Time steps of the convolutional network in turn, without and with the penalty."""
    X, y = images_in_classes(noise=1.0)
    X, y = X[:BATCH], y[:BATCH]
    with _threads(threads):
        steps = {}
        for name in ("plain", "penalised"):
            backbone, head = conv_backbone(), readout(128)
            penalty = RepSpectral(method=method).bind(
                backbone, head, generator=torch.Generator().manual_seed(0), input_shape=IMAGE
            )
            optimizer = torch.optim.Adam([*backbone.parameters(), *head.parameters()])

            def step(
                backbone: Any = backbone,
                head: Any = head,
                optimizer: Any = optimizer,
                penalty: Any = penalty if name == "penalised" else None,
            ) -> None:
                optimizer.zero_grad()
                F.cross_entropy(head(backbone(X)), y).backward()
                if penalty is not None:
                    penalty.add_gradient(STRENGTH)
                optimizer.step()

            steps[name] = step
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for count in range(n_steps + 3):
            for name, step in steps.items():
                spent = cpu_seconds(step)
                if count >= 3:  # the first steps pay for caches
                    seconds[name].append(spent)
    medians = {name: 1e3 * statistics.median(spent) for name, spent in seconds.items()}
    return StepCost(threads, medians["plain"], medians["penalised"])


def resnet_cost(*, threads: int = 1, repeats: int = 5) -> ResNetCost:
    """Compare with FFT and eigenvalues of every block, for the layers of a ResNet-18 on 32 x 32.

    The blocks of each distinct shape are computed once, and counted as often as it occurs.
    """
    with _threads(threads), seeded(0):
        layers = {
            shape: nn.Conv2d(*shape[:2], shape[3], stride=shape[4], padding=shape[3] // 2)
            for shape in _RESNET
        }
        followed = []
        for shape, count in _RESNET.items():
            for _ in range(count):
                operator = Convolution.from_layer(layers[shape], (shape[0], shape[2], shape[2]))
                generator = torch.Generator().manual_seed(0)
                followed.append((follow_convolution(operator, generator=generator), shape))

        def ours() -> None:
            for iteration, shape in followed:
                iteration.update(layers[shape].weight)

        seconds = []
        for _ in range(repeats):
            with torch.no_grad():  # training moves the weights: a converged start would be cheaper
                for layer in layers.values():
                    layer.weight.mul_(1.001)
            seconds.append(cpu_seconds(ours))
        blocks = 0.0
        for shape, count in _RESNET.items():
            blocks += count * cpu_seconds(lambda s=shape: _eigenvalues(layers[s], s[2]))
    return ResNetCost(statistics.median(seconds), blocks)


# (in, out, side, kernel, stride): how many; the stem of the CIFAR variant, and 1 x 1 shortcuts
_RESNET = {
    (3, 64, 32, 3, 1): 1,
    (64, 64, 32, 3, 1): 4,
    (64, 128, 32, 3, 2): 1,
    (64, 128, 32, 1, 2): 1,
    (128, 128, 16, 3, 1): 3,
    (128, 256, 16, 3, 2): 1,
    (128, 256, 16, 1, 2): 1,
    (256, 256, 8, 3, 1): 3,
    (256, 512, 8, 3, 2): 1,
    (256, 512, 8, 1, 2): 1,
    (512, 512, 4, 3, 1): 3,
}


def _eigenvalues(layer: nn.Conv2d, side: int) -> None:
    """Square the norm on circular images through the FFT, with gradient."""
    stride, kernel = layer.stride[0], layer.kernel_size[0]
    taps = torch.zeros(*layer.weight.shape[:2], side, side)
    taps = F.pad(layer.weight, (0, side - kernel, 0, side - kernel))
    phases = [
        taps[..., row::stride, column::stride]
        for row, column in itertools.product(range(stride), repeat=2)
    ]
    blocks = torch.fft.fft2(torch.cat(phases, 1)).permute(2, 3, 0, 1)
    if blocks.shape[-2] > blocks.shape[-1]:
        blocks = blocks.mT
    torch.linalg.eigvalsh(blocks @ blocks.mH).amax().backward()
    layer.zero_grad()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
