"""Noisy XOR: four clouds in the plane, twenty rows each, and the smallest network that fits."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.reproduce.protocol._comparison import compare
from benchmarks.reproduce.protocol._report import comparison_section, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import Candidate, Split, Task, grids
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.datasets import make_noisy_xor

DATA = (
    "`make_noisy_xor`: 80 training rows, standard deviation 0.2, and 500 validation and 2000 test "
    "rows drawn afresh. Network 2-3-2, GELU, Adam, learning rate 1e-2, batch 20, {epochs} epochs, "
    "penalty from the first update. Box [-2, 2]."
)
EPOCHS = {"small": 1000, "full": 15_000}


def split(seed: int) -> Split:
    """Return the rows of a seed."""
    X, y = make_noisy_xor(80, random_state=seed)
    validation = make_noisy_xor(500, random_state=1000 + seed)
    return Split((X, y), validation, make_noisy_xor(2000, random_state=2000 + seed), refit=False)


def build(epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return SpectrallyRegularizedEncoder(
        hidden_layer_sizes=3,
        activation="gelu",
        batch_size=20,
        learning_rate_init=1e-2,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs,
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare the regularisers."""
    epochs = EPOCHS[settings.scale]
    task = Task(
        "xor",
        split,
        partial(build, epochs),
        eps=(0.5, 0.75),
        eps_choice=0.8,
        bounds=(-2.0, 2.0),
        strengths=grids(squares=(1e-5, 1e-2), spectral=(1e-4, 1e-1), n=4),
    )
    outcome = compare(task, settings)
    data = DATA.format(epochs=epochs)
    section = comparison_section("xor", "Noisy XOR", data, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section
