"""Transfer between classes of CIFAR-10: an encoder of five of them, a readout for the others."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.loaders import load_cifar10
from benchmarks.reproduce import cifar
from benchmarks.reproduce.protocol._probing import ProbeTask, Rows, compare_encoders
from benchmarks.reproduce.protocol._report import comparison_section, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import Split, grids

# Half of the animals and half of the vehicles on each side.
SOURCE_CLASSES = (0, 1, 2, 3, 4)
N_FIT, N_VALIDATION = 2500, 1000
DATA = (
    "Source: the 5000 training images of the classes 0 to 4 that are at hand. Target: classes 5 to "
    "9, 2500 images to fit the readout on, 1000 for validation, drawn anew for each seed; all "
    "their test images. Encoder and training as in the section on CIFAR-10, then frozen. Readout: "
    "RobustLinearProbe whose epsilon is 0 or 0.4 standard deviations of the features, chosen "
    "together with the strength, for every encoder. The whole pipeline is attacked, in pixels."
)


def source(seed: int) -> Rows:
    """Return the rows that the encoder is trained on; the same for all seeds."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    chosen = np.isin(y, SOURCE_CLASSES)
    return X[chosen], y[chosen]


def target(seed: int) -> Split:
    """Return rows of the other classes."""
    X, y = load_cifar10(subset="train", return_X_y=True)
    rows = np.flatnonzero(~np.isin(y, SOURCE_CLASSES))
    rows = np.random.default_rng(seed).permutation(rows)
    fit, rest = rows[:N_FIT], rows[N_FIT : N_FIT + N_VALIDATION]
    X_test, y_test = load_cifar10(subset="test", return_X_y=True)
    test = ~np.isin(y_test, SOURCE_CLASSES)
    return Split((X[fit], y[fit]), (X[rest], y[rest]), (X_test[test], y_test[test]), refit=False)


def run(settings: Settings) -> Section:
    """Compare the regularisers by their features."""
    build: Any = partial(cifar.build, settings.scale)
    task = ProbeTask(
        "cifar_transfer",
        target,
        build,
        (0.1, 0.25),
        0.5,
        source=source,
        moves=(0.0, 0.4),
        n_rows=100 if settings.small else 300,
        n_validation=100,
        max_queries=1000 if settings.small else 5000,
        strengths=grids(squares=(1e-4, 1e-3), spectral=(1e-2, 1e-1), n=2),
        choice_seeds=1,
        test_seeds=2 if settings.small else 3,
    )
    outcome = compare_encoders(task, settings)
    section = comparison_section(
        "cifar_transfer", "Transfer between classes of CIFAR-10", DATA, task, outcome
    )
    section.remarks.append(outcome_line(outcome))
    return section
