"""Networks on noisy copies of a few patterns, and their training: what norms are measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRENGTH = 0.01
BATCH = 32
IMAGE = (3, 32, 32)


def conv_backbone(seed: int = 0) -> nn.Module:
    """Build 3-64-64-128, the last with stride 2, for images of 32 x 32."""
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def linear_backbone(seed: int = 0) -> nn.Module:
    """Build 784-2000."""
    with seeded(seed):
        return nn.Sequential(nn.Linear(784, 2000), nn.ReLU())


def images_in_classes(noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw ten smooth patterns and 512 noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (512,), generator=generator)
    patterns = torch.randn(10, 3, 8, 8, generator=generator)
    patterns = F.interpolate(patterns, size=32, mode="bilinear")
    return patterns[y] + noise * torch.randn(512, *IMAGE, generator=generator), y


def rows_in_classes(noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw ten points in 784 dimensions and 4096 noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (4096,), generator=generator)
    centres = torch.randn(10, 784, generator=generator)
    return centres[y] + noise * torch.randn(4096, 784, generator=generator), y


def readout(n_features: int, seed: int = 0) -> nn.Linear:
    """Build the last layer, of ten classes."""
    with seeded(seed + 1):
        return nn.Linear(n_features, 10)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a generator of its own, and leave torch's alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def train(
    model: nn.Module,
    rows: tuple[Tensor, Tensor],
    n_steps: int,
    *,
    seed: int,
    before_update: Callable[[], None] | None = None,
) -> None:
    """Train with Adam, and call `before_update` when the gradient of each step is there."""
    X, y = rows
    optimizer = torch.optim.Adam(model.parameters())
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        batch = torch.randint(0, len(X), (BATCH,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        if before_update is not None:
            before_update()
        optimizer.step()
