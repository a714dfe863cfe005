"""Handwritten digits of 8 x 8 pixels: what each regulariser is worth on a small network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.reproduce.protocol._comparison import Comparison, compare, fit_and_measure, measured
from benchmarks.reproduce.protocol._report import comparison_section, gain_bars, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import RECIPE, Candidate, Split, Task, grids
from specreg_sklearn import SpectrallyRegularizedEncoder

EPOCHS, FEWER_EPOCHS = 300, 100
DATA = (
    "scikit-learn's `load_digits`: 1797 images of 8 x 8 pixels, scaled to [0, 1]; 540 test rows, "
    "the same for all seeds, and 300 validation rows, drawn anew for each. Network 64-128-10, "
    "ReLU, Adam, learning rate 1e-3, batch 128, 300 epochs, penalty from the first update."
)


def split(seed: int) -> Split:
    """Return the rows of a seed."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype("float32")
    X, X_test, y, y_test = train_test_split(X, y, test_size=540, stratify=y, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, test_size=300, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), (X_test, y_test))


def build(candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return _network(candidate, seed, EPOCHS)


def build_sooner(candidate: Candidate, seed: int) -> Any:
    """Return the same with a third of the epochs."""
    return _network(candidate, seed, FEWER_EPOCHS)


def _network(candidate: Candidate, seed: int, epochs: int) -> Any:
    return SpectrallyRegularizedEncoder(
        hidden_layer_sizes=128,
        batch_size=128,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs,
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare the regularisers."""
    task = Task(
        "digits",
        split,
        build,
        eps=(0.5, 0.75),
        eps_choice=0.7,
        strengths=grids(squares=(1e-4, 1e-2), spectral=(1e-2, 1.0), n=7),
        n_rows=200 if settings.small else 500,
        max_queries=1000 if settings.small else 5000,
    )
    outcome = compare(task, settings)
    section = comparison_section("digits", "Digits, one hidden layer", DATA, task, outcome)
    gain_bars(section, outcome, gain=45, regularisers=("rep_spectral", RECIPE))
    _fewer_epochs(section, task, outcome, settings)
    return section


def _fewer_epochs(section: Section, task: Task, outcome: Comparison, settings: Settings) -> None:
    """Add what the gain is when training ends sooner, before the plain network has lost much."""
    sooner = measured(
        fit_and_measure, replace(task, build=build_sooner), {}, outcome.chosen, settings
    )
    section.cpu_seconds += sooner.cpu_seconds
    section.remarks.append(
        f"The gain depends on the length of training. After {FEWER_EPOCHS} epochs, with the same "
        f"strengths: {outcome_line(sooner)}"
    )
