"""CIFAR-10: a small convolutional network; with full settings a ResNet-18."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.model_selection import train_test_split

from benchmarks.loaders import load_cifar10
from benchmarks.reproduce.protocol._comparison import compare
from benchmarks.reproduce.protocol._report import comparison_section, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import Candidate, Split, Task, grids
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.modules import ConvNet

DATA = (
    "{n:,} of CIFAR-10's training images, drawn anew for each seed, {validation} of them for "
    "validation, and its test images; pixels in [0, 1], no augmentation. {net} Adam, learning rate "
    "1e-3, batch 128, {epochs} epochs, penalty from the first update."
)
NETS = {
    "small": "`ConvNet`: two 3 x 3 convolutions of stride 2 with 32 and 64 channels, 128 features.",
    "full": "`ResNet18`, batch norms folded into the penalty.",
}
ROWS, EPOCHS = {"small": 5000, "full": 10_000}, {"small": 8, "full": 30}
VALIDATION = 1000


def split(n: int, seed: int) -> Split:
    """Return the rows of a seed."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    if n < len(X):
        X, _, y, _ = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=VALIDATION, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), load_cifar10(subset="test", return_X_y=True))


def build(scale: str, candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return SpectrallyRegularizedEncoder(
        module=ConvNet(channels=(32, 64), n_features=128) if scale == "small" else "resnet18",
        input_shape=(3, 32, 32),
        batch_size=128,
        max_iter=EPOCHS[scale],
        tol=0,
        n_iter_no_change=EPOCHS[scale],
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare the regularisers."""
    scale = settings.scale
    task = Task(
        "cifar",
        partial(split, ROWS[scale]),
        partial(build, scale),
        eps=(0.1, 0.25),
        eps_choice=0.5,
        n_rows=100 if settings.small else 200,
        n_validation=100,
        max_queries=1000 if settings.small else 5000,
        strengths=grids(squares=(1e-4, 1e-3), spectral=(3e-3, 1e-2), n=2),
        quantile=0.75,
        choice_seeds=1,
        test_seeds=2 if settings.small else 3,
    )
    outcome = compare(task, settings)
    data = DATA.format(n=ROWS[scale], validation=VALIDATION, net=NETS[scale], epochs=EPOCHS[scale])
    section = comparison_section("cifar", "CIFAR-10", data, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section
