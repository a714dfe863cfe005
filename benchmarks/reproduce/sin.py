"""A sine wave as the boundary of two classes in a square."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.reproduce.protocol._comparison import compare
from benchmarks.reproduce.protocol._report import comparison_section, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import Candidate, Split, Task, grids
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.datasets import make_sin_boundary

DATA = (
    "`make_sin_boundary`: 800 training rows in [-1, 1] x [-1, 1], and 800 validation and 2000 test "
    "rows drawn afresh. Network 2-20-2, GELU, Adam, learning rate 1e-2, batch 64, {epochs} epochs, "
    "penalty from the first update. The attack stays in the square."
)
EPOCHS = {"small": 600, "full": 5000}


def split(seed: int) -> Split:
    """Return the rows of a seed."""
    train = make_sin_boundary(800, random_state=seed)
    validation = make_sin_boundary(800, random_state=1000 + seed)
    return Split(train, validation, make_sin_boundary(2000, random_state=2000 + seed), refit=False)


def build(epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return SpectrallyRegularizedEncoder(
        hidden_layer_sizes=20,
        activation="gelu",
        batch_size=64,
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
        "sin",
        split,
        partial(build, epochs),
        eps=(0.1, 0.3),
        eps_choice=0.3,
        bounds=(-1.0, 1.0),
        strengths=grids(squares=(1e-6, 1e-3), spectral=(1e-5, 1e-2), n=4),
    )
    outcome = compare(task, settings)
    data = DATA.format(epochs=epochs)
    section = comparison_section("sin", "Sine boundary", data, task, outcome)
    section.remarks.append(outcome_line(outcome))
    return section
