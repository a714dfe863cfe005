"""MNIST with 10,000 training rows: what each regulariser is worth on one wide hidden layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.loaders import load_mnist
from benchmarks.reproduce.protocol._comparison import compare
from benchmarks.reproduce.protocol._report import comparison_section, gain_bars
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import RECIPE, Candidate, Split, Task
from specreg_sklearn import SpectrallyRegularizedEncoder

EPOCHS = 20
DATA = (
    "{n:,} rows of MNIST's training set, drawn anew for each seed, {validation} others for "
    "validation, and its 10,000 test rows; pixels in [0, 1]. Network 784-512-10, ReLU, Adam, "
    "learning rate 1e-3, batch 128, 20 epochs, penalty from the first update."
)
ROWS, VALIDATION = {"small": 10_000, "full": 56_000}, 4000


def small_split(seed: int) -> Split:
    """Return the rows of a seed, 10,000 for training."""
    return _split(seed, ROWS["small"])


def full_split(seed: int) -> Split:
    """Return the rows of a seed, 56,000 for training."""
    return _split(seed, ROWS["full"])


def _split(seed: int, n: int) -> Split:
    X, y = load_mnist(subset="train", return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(X))
    fit, rest = rows[:n], rows[n : n + VALIDATION]
    test = load_mnist(subset="test", return_X_y=True)
    return Split((X[fit], y[fit]), (X[rest], y[rest]), test, refit=False)


def build(candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return SpectrallyRegularizedEncoder(
        hidden_layer_sizes=512,
        batch_size=128,
        max_iter=EPOCHS,
        tol=0,
        n_iter_no_change=EPOCHS,
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare the regularisers."""
    task = Task(
        "mnist",
        small_split if settings.small else full_split,
        build,
        eps=(0.75, 1.25),
        eps_choice=1.0,
        chosen_by="gradient",
        max_queries=2000 if settings.small else 10_000,
        n_rows=200 if settings.small else 500,
        choice_seeds=1 if settings.small else 5,
    )
    outcome = compare(task, settings)
    data = DATA.format(n=ROWS[settings.scale], validation=VALIDATION)
    title = f"MNIST, {ROWS[settings.scale]:,} rows, one hidden layer"
    section = comparison_section("mnist", title, data, task, outcome)
    gain_bars(section, outcome, gain=45, regularisers=("rep_spectral", RECIPE))
    return section
