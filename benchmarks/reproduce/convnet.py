"""Convolutional networks on digits and MNIST: trained, attacked and certified."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.reproduce import images as digits
from benchmarks.reproduce import mnist
from benchmarks.reproduce.protocol._comparison import Comparison, compare
from benchmarks.reproduce.protocol._report import comparison_section, outcome_line
from benchmarks.reproduce.protocol._section import Section, Settings
from benchmarks.reproduce.protocol._task import RECIPE, Candidate, Task, grids
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.modules import ConvNet

DATA = (
    "The rows of the sections before. `ConvNet`: two 3 x 3 convolutions of stride 2 with 16 and 32 "
    "channels and a dense layer of 64 features, ReLU, no batch norm. Adam, learning rate 1e-3, "
    "batch 128, {digits} epochs on digits and {mnist} on MNIST, penalty from the first update. The "
    "penalty is on the operator norms, strides and padding included."
)
EPOCHS = {"digits": 100, "mnist": 6}


def build(shape: tuple[int, int, int], epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the network of a candidate."""
    return SpectrallyRegularizedEncoder(
        module=ConvNet(channels=(16, 32), n_features=64),
        input_shape=shape,
        batch_size=128,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs,
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare the regularisers on both sets."""
    whole = Section(
        "Convolutional networks",
        settings=DATA.format(**EPOCHS),
        name="convnet",
    )
    seconds = 0.0
    for task in _tasks(settings):
        try:
            task.split(0)
        except FileNotFoundError as error:
            whole.remarks.append(f"{task.name}: skipped: {error}")
            continue
        outcome = compare(task, settings)
        part = comparison_section("convnet", task.name, "", task, outcome)
        whole.tables += [f"### {task.name}", part.settings, *part.tables, outcome_line(outcome)]
        whole.cpu_seconds += part.cpu_seconds
        seconds += _cost(outcome)
    what = "CPU minutes to train, attack and certify one network with the default recipe per set"
    whole.bar(what, seconds / 60, "<=", 10)
    return whole


def _cost(outcome: Comparison) -> float:
    return outcome.mean(RECIPE, "cpu")


def _tasks(settings: Settings) -> list[Task]:
    common: dict[str, Any] = {
        "strengths": grids(squares=(1e-4, 1e-3), spectral=(3e-3, 3e-2), n=3),
        "n_rows": 100 if settings.small else 500,
        "n_validation": 150,
        "choice_seeds": 1 if settings.small else 3,
        "test_seeds": 2 if settings.small else 5,
    }
    return [
        Task(
            "digits",
            digits.split,
            partial(build, (1, 8, 8), EPOCHS["digits"]),
            eps=(0.5, 0.75),
            eps_choice=0.7,
            **common,
        ),
        Task(
            "mnist",
            mnist.small_split if settings.small else mnist.full_split,
            partial(build, (1, 28, 28), EPOCHS["mnist"]),
            eps=(0.75, 1.25),
            eps_choice=1.75,
            max_queries=1000 if settings.small else 10_000,
            **common,
        ),
    ]
