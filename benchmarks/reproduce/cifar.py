"""CIFAR-10: a small convolutional network, with full settings a ResNet-18; and between classes.

In the transfer an encoder of five classes is frozen and read by a probe for the five others.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.loaders import load_cifar10
from benchmarks.reproduce.protocol import (
    Candidate,
    ProbeTask,
    Rows,
    Section,
    Settings,
    Split,
    Task,
    compare,
    compare_encoders,
    comparison_section,
    grids,
    network,
    outcome_line,
)
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
TRANSFER = (
    "Source: the 5000 training images of the classes 0 to 4 that are at hand. Target: classes 5 to "
    "9, 2500 images to fit the readout on, 1000 for validation, drawn anew for each seed; all "
    "their test images. Encoder and training as in the section on CIFAR-10, then frozen. Readout: "
    "RobustLinearProbe whose epsilon is 0 or 0.4 standard deviations of the features, chosen "
    "together with the strength, for every encoder. The whole pipeline is attacked, in pixels."
)
# Half of the animals and half of the vehicles on each side.
SOURCE_CLASSES = (0, 1, 2, 3, 4)
N_FIT = 2500


def split(n: int, seed: int) -> Split:
    """Return the rows of a seed."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    if n < len(X):
        X, _, y, _ = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=VALIDATION, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), load_cifar10(subset="test", return_X_y=True))


def source(seed: int) -> Rows:
    """Return the rows that the encoder of a transfer is trained on; the same for all seeds."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    chosen = np.isin(y, SOURCE_CLASSES)
    return X[chosen], y[chosen]


def target(seed: int) -> Split:
    """Return rows of the other classes."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    rows = np.flatnonzero(~np.isin(y, SOURCE_CLASSES))
    rows = np.random.default_rng(seed).permutation(rows)
    fit, rest = rows[:N_FIT], rows[N_FIT : N_FIT + VALIDATION]
    X_test, y_test = load_cifar10(subset="test", return_X_y=True)
    test = ~np.isin(y_test, SOURCE_CLASSES)
    return Split((X[fit], y[fit]), (X[rest], y[rest]), (X_test[test], y_test[test]), refit=False)


def build(scale: str, candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    module = ConvNet(channels=(32, 64), n_features=128) if scale == "small" else "resnet18"
    epochs = EPOCHS[scale]
    return network(candidate, seed, epochs=epochs, module=module, input_shape=(3, 32, 32))


def run(settings: Settings) -> Section:
    """Compare the regularisers."""
    scale = settings.scale
    task = Task(
        "cifar",
        partial(split, ROWS[scale]),
        partial(build, scale),
        eps_choice=0.5,
        n_rows=100 if settings.small else 200,
        strengths=grids(squares=(1e-4, 1e-3), spectral=(3e-3, 1e-2), n=2),
        quantile=0.75,
        **_common(settings),
    )
    outcome = compare(task, settings)
    data = DATA.format(n=ROWS[scale], validation=VALIDATION, net=NETS[scale], epochs=EPOCHS[scale])
    section = comparison_section("cifar", "CIFAR-10", data, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section


def run_transfer(settings: Settings) -> Section:
    """Compare the regularisers by their features, for the classes that they have not seen."""
    task = ProbeTask(
        "cifar_transfer",
        target,
        partial(build, settings.scale),
        eps_choice=0.5,
        source=source,
        moves=(0.0, 0.4),
        n_rows=100 if settings.small else 300,
        strengths=grids(squares=(1e-4, 1e-3), spectral=(1e-2, 1e-1), n=2),
        **_common(settings),
    )
    outcome = compare_encoders(task, settings)
    title = "Transfer between classes of CIFAR-10"
    section = comparison_section("cifar_transfer", title, TRANSFER, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "eps": (0.1, 0.25),
        "n_validation": 100,
        "max_queries": 1000 if settings.small else 5000,
        "choice_seeds": 1,
        "test_seeds": 2 if settings.small else 3,
    }
