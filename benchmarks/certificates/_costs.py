"""What spectral penalties cost per training step, and how closely their estimates follow."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common._timing import cpu_seconds
from specreg_sklearn.penalties import RepSpectral
from specreg_sklearn.spectral import (
    BlockPowerIteration,
    Convolution,
    convolution_norm,
    follow_convolution,
    matrix_norm,
    used_layers,
)

_STRENGTH = 0.01
_BATCH = 32
_IMAGE = (3, 32, 32)


class StepCost(NamedTuple):
    """CPU milliseconds of a training step without and with the penalty."""

    threads: int
    plain: float
    penalised: float

    @property
    def ratio(self) -> float:
        """Cost of the penalised step over that of the plain one."""
        return self.penalised / self.plain


class Tracking(NamedTuple):
    """Relative distance of the estimate that training used from the exact norm, over steps."""

    layer: str
    median: float
    worst: float
    worst_step: int
    above: float


class ResNetCost(NamedTuple):
    """CPU seconds of one evaluation with gradient for all convolutions of a ResNet-18."""

    ours: float
    blocks: float

    @property
    def ratio(self) -> float:
        """How many times cheaper ours is."""
        return self.blocks / self.ours


def conv_backbone(seed: int = 0) -> nn.Module:
    """Build 3-64-64-128, the last with stride 2, for images of 32 x 32."""
    with _seeded(seed):
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
    with _seeded(seed):
        return nn.Sequential(nn.Linear(784, 2000), nn.ReLU())


def images_in_classes(noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw ten smooth patterns and 512 noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (512,), generator=generator)
    patterns = torch.randn(10, 3, 8, 8, generator=generator)
    patterns = F.interpolate(patterns, size=32, mode="bilinear")
    return patterns[y] + noise * torch.randn(512, *_IMAGE, generator=generator), y


def rows_in_classes(noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw ten points in 784 dimensions and 4096 noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (4096,), generator=generator)
    centres = torch.randn(10, 784, generator=generator)
    return centres[y] + noise * torch.randn(4096, 784, generator=generator), y


def step_cost(threads: int, *, n_steps: int = 40, method: str = "auto") -> StepCost:
    """Time steps of the convolutional network in turn, without and with the penalty."""
    X, y = images_in_classes(noise=1.0)
    X, y = X[:_BATCH], y[:_BATCH]
    with _threads(threads):
        steps = {}
        for name in ("plain", "penalised"):
            backbone, head = conv_backbone(), _head(128)
            penalty = RepSpectral(method=method).bind(
                backbone, head, generator=torch.Generator().manual_seed(0), input_shape=_IMAGE
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
                    penalty.add_gradient(_STRENGTH)
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


def track_convolutions(
    *, n_steps: int = 200, noise: float = 0.5, seed: int = 0, method: str = "auto"
) -> list[Tracking]:
    """Train the convolutional network with the penalty, and compare with the exact norms."""
    backbone, head = conv_backbone(seed), _head(128, seed)
    layers = used_layers(backbone, _IMAGE)
    operators = [Convolution.from_layer(x.module, x.input_shape) for x in layers]
    generator = torch.Generator().manual_seed(seed)
    iterations = [follow_convolution(x, method=method, generator=generator) for x in operators]

    def penalise(index: int, weight: Tensor) -> float:
        top = iterations[index].update(weight)
        assert weight.grad is not None
        weight.grad.add_(top.gradient, alpha=_STRENGTH)
        return top.value**0.5

    def exact(index: int, weight: Tensor) -> float:
        return convolution_norm(operators[index].with_weight(weight), tol=1e-3)

    weights = [layer.module.weight for layer in layers]
    rows = images_in_classes(noise, seed)
    errors = _train(nn.Sequential(backbone, head), rows, weights, penalise, exact, n_steps)
    return [_summary(f"conv {i + 1}", row) for i, row in enumerate(errors)]


def track_linear(*, n_steps: int = 200, noise: float = 1.0, seed: int = 0) -> list[Tracking]:
    """Train 784-2000-10 with the penalty, and compare with the exact norm."""
    backbone, head = linear_backbone(seed), _head(2000, seed)
    weight = next(backbone.parameters())
    iteration = BlockPowerIteration(weight.detach(), generator=torch.Generator().manual_seed(seed))

    def penalise(index: int, weight: Tensor) -> float:
        top = iteration.update(weight)
        assert weight.grad is not None
        weight.grad.addmm_(top.images.T, top.mixing @ top.directions, alpha=2 * _STRENGTH)
        return top.squared_norm**0.5

    rows = rows_in_classes(noise, seed)
    errors = _train(
        nn.Sequential(backbone, head),
        rows,
        [weight],
        penalise,
        lambda index, weight: matrix_norm(weight, double=False),
        n_steps,
    )
    return [_summary("linear", errors[0])]


def resnet_cost(*, threads: int = 1, repeats: int = 5) -> ResNetCost:
    """Compare with FFT and eigenvalues of every block, for the layers of a ResNet-18 on 32 x 32.

    The blocks of each distinct shape are computed once, and counted as often as it occurs.
    """
    with _threads(threads), _seeded(0):
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


def _train(
    model: nn.Module,
    rows: tuple[Tensor, Tensor],
    weights: list[Any],
    penalise: Callable[[int, Tensor], float],
    exact: Callable[[int, Tensor], float],
    n_steps: int,
) -> list[list[float]]:
    """Return the signed relative error of every estimate, per layer and step."""
    X, y = rows
    optimizer = torch.optim.Adam(model.parameters())
    generator = torch.Generator().manual_seed(7)
    errors: list[list[float]] = [[] for _ in weights]
    for _ in range(n_steps):
        batch = torch.randint(0, len(X), (_BATCH,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        with torch.no_grad():
            for index, weight in enumerate(weights):
                true = exact(index, weight)
                errors[index].append(penalise(index, weight) / true - 1)
        optimizer.step()
    return errors


def _summary(name: str, errors: list[float]) -> Tracking:
    sizes = [abs(error) for error in errors]
    worst = max(sizes)
    return Tracking(name, statistics.median(sizes), worst, sizes.index(worst), max(errors))


def _head(n_features: int, seed: int = 0) -> nn.Linear:
    with _seeded(seed + 1):
        return nn.Linear(n_features, 10)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main() -> None:
    """Print every figure."""
    start = time.perf_counter()
    for threads in (1, 2):
        for method in ("auto", "operator"):
            cost = step_cost(threads, method=method)
            print(
                f"conv net, {threads} thread(s), {method}: {cost.ratio:.3f}   "
                f"{cost.plain:.1f} -> {cost.penalised:.1f} ms",
                flush=True,
            )
    resnet = resnet_cost()
    print(
        f"ResNet-18 shapes: {resnet.ratio:.0f} times cheaper than all blocks   "
        f"{resnet.ours * 1e3:.0f} ms, {resnet.blocks:.1f} s",
        flush=True,
    )
    for noise in (0.5, 1.5):
        for row in [*track_linear(noise=noise), *track_convolutions(noise=noise)]:
            print(
                f"noise {noise}, {row.layer}: median {row.median:.2%}, worst {row.worst:.2%} at "
                f"step {row.worst_step}, highest {row.above:+.2%}",
                flush=True,
            )
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
