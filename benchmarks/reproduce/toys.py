"""Toy problems in the plane: four noisy clouds (XOR), and a sine wave as the boundary."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.reproduce.protocol import (
    Section,
    Settings,
    Split,
    Task,
    compare,
    comparison_section,
    grids,
    network,
    outcome_line,
)
from specreg_sklearn.datasets import make_noisy_xor, make_sin_boundary

TRAINING = (
    "GELU, Adam, learning rate 1e-2, batch {batch}, {epochs} epochs, penalty from the first update."
)
XOR = (
    "`make_noisy_xor`: 80 training rows, standard deviation 0.2, and 500 validation and 2000 test "
    "rows drawn afresh. Network 2-3-2, {training} Box [-2, 2]."
)
SIN = (
    "`make_sin_boundary`: 800 training rows in [-1, 1] x [-1, 1], and 800 validation and 2000 test "
    "rows drawn afresh. Network 2-20-2, {training} The attack stays in the square."
)
XOR_EPOCHS = {"small": 1000, "full": 15_000}
SIN_EPOCHS = {"small": 600, "full": 5000}


def split(
    make: Callable[..., tuple[np.ndarray, np.ndarray]], n_train: int, n_validation: int, seed: int
) -> Split:
    """Return rows of a seed, drawn by `make`."""
    sizes = (n_train, n_validation, 2000)
    rows = [make(n, random_state=1000 * i + seed) for i, n in enumerate(sizes)]
    return Split(*rows, refit=False)


def run_xor(settings: Settings) -> Section:
    """Compare the regularisers on twenty rows a cloud, with the smallest network that fits."""
    epochs = XOR_EPOCHS[settings.scale]
    task = Task(
        "xor",
        partial(split, make_noisy_xor, 80, 500),
        _build(epochs, hidden_layer_sizes=3, batch_size=20),
        eps=(0.5, 0.75),
        eps_choice=0.8,
        bounds=(-2.0, 2.0),
        strengths=grids(squares=(1e-5, 1e-2), spectral=(1e-4, 1e-1), n=4),
    )
    training = TRAINING.format(batch=20, epochs=epochs)
    return _compared(task, "Noisy XOR", XOR.format(training=training), settings)


def run_sin(settings: Settings) -> Section:
    """Compare the regularisers on a sine wave in a square."""
    epochs = SIN_EPOCHS[settings.scale]
    task = Task(
        "sin",
        partial(split, make_sin_boundary, 800, 800),
        _build(epochs, hidden_layer_sizes=20, batch_size=64),
        eps=(0.1, 0.3),
        eps_choice=0.3,
        bounds=(-1.0, 1.0),
        strengths=grids(squares=(1e-6, 1e-3), spectral=(1e-5, 1e-2), n=4),
    )
    training = TRAINING.format(batch=64, epochs=epochs)
    return _compared(task, "Sine boundary", SIN.format(training=training), settings)


def _build(epochs: int, **settings: int) -> partial:
    return partial(network, epochs=epochs, activation="gelu", learning_rate_init=1e-2, **settings)


def _compared(task: Task, title: str, data: str, settings: Settings) -> Section:
    outcome = compare(task, settings)
    section = comparison_section(task.name, title, data, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section
