"""Handwritten digits, small and large: dense and convolutional networks.

scikit-learn's digits have 8 x 8 pixels, MNIST 28 x 28. What each regulariser is worth on one hidden
layer, and on convolutional networks, which are trained, attacked and certified.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.loaders import load_mnist
from benchmarks.reproduce.protocol import (
    RECIPE,
    Candidate,
    Section,
    Settings,
    Split,
    Task,
    compare,
    comparison_section,
    fit_and_measure,
    gain_bars,
    grids,
    measured,
    network,
    outcome_line,
)
from specreg_sklearn.modules import ConvNet

DIGITS = (
    "scikit-learn's `load_digits`: 1797 images of 8 x 8 pixels, scaled to [0, 1]; 540 test rows, "
    "the same for all seeds, and 300 validation rows, drawn anew for each. Network 64-128-10, "
    "ReLU, Adam, learning rate 1e-3, batch 128, 300 epochs, penalty from the first update."
)
DIGITS_EPOCHS, FEWER_EPOCHS = 300, 100
MNIST = (
    "{n:,} rows of MNIST's training set, drawn anew for each seed, {validation} others for "
    "validation, and its 10,000 test rows; pixels in [0, 1]. Network 784-512-10, ReLU, Adam, "
    "learning rate 1e-3, batch 128, 20 epochs, penalty from the first update."
)
MNIST_EPOCHS = 20
MNIST_ROWS, MNIST_VALIDATION = {"small": 10_000, "full": 56_000}, 4000
CONVNET = (
    "The rows of the sections before. `ConvNet`: two 3 x 3 convolutions of stride 2 with 16 and 32 "
    "channels and a dense layer of 64 features, ReLU, no batch norm. Adam, learning rate 1e-3, "
    "batch 128, {digits} epochs on digits and {mnist} on MNIST, penalty from the first update. The "
    "penalty is on the operator norms, strides and padding included."
)
CONVNET_EPOCHS = {"digits": 100, "mnist": 6}


def digits_split(seed: int) -> Split:
    """Return the rows of a seed."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype("float32")
    X, X_test, y, y_test = train_test_split(X, y, test_size=540, stratify=y, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, test_size=300, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), (X_test, y_test))


def mnist_split(scale: str, seed: int) -> Split:
    """Return the rows of a seed: 10,000 for training at the scale "small", 56,000 at "full"."""
    X, y = load_mnist(subset="train", return_X_y=True)
    n = MNIST_ROWS[scale]
    rows = np.random.default_rng(seed).permutation(len(X))
    fit, rest = rows[:n], rows[n : n + MNIST_VALIDATION]
    test = load_mnist(subset="test", return_X_y=True)
    return Split((X[fit], y[fit]), (X[rest], y[rest]), test, refit=False)


def convolutional(shape: tuple[int, int, int], epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the convolutional network of a candidate."""
    module = ConvNet(channels=(16, 32), n_features=64)
    return network(candidate, seed, epochs=epochs, module=module, input_shape=shape)


def run_digits(settings: Settings) -> Section:
    """Compare the regularisers on 8 x 8 pixels."""
    dense = partial(network, hidden_layer_sizes=128)
    task = Task(
        "digits",
        digits_split,
        partial(dense, epochs=DIGITS_EPOCHS),
        eps=(0.5, 0.75),
        eps_choice=0.7,
        strengths=grids(squares=(1e-4, 1e-2), spectral=(1e-2, 1.0), n=7),
        n_rows=200 if settings.small else 500,
        max_queries=1000 if settings.small else 5000,
    )
    outcome = compare(task, settings)
    section = comparison_section("digits", "Digits, one hidden layer", DIGITS, task, outcome)
    gain_bars(section, outcome, gain=45, regularisers=("rep_spectral", RECIPE))
    # What the gain is when training ends sooner, before the plain network has lost much.
    task = replace(task, build=partial(dense, epochs=FEWER_EPOCHS))
    sooner = measured(fit_and_measure, task, {}, outcome.chosen, settings)
    section.cpu_seconds += sooner.cpu_seconds
    section.remarks.append(
        f"The gain depends on the length of training. After {FEWER_EPOCHS} epochs, with the same "
        f"strengths: {outcome_line(sooner)}"
    )
    return section


def run_mnist(settings: Settings) -> Section:
    """Compare the regularisers on MNIST, on one wide hidden layer."""
    n = MNIST_ROWS[settings.scale]
    task = Task(
        "mnist",
        partial(mnist_split, settings.scale),
        partial(network, epochs=MNIST_EPOCHS, hidden_layer_sizes=512),
        eps=(0.75, 1.25),
        eps_choice=1.0,
        chosen_by="gradient",
        max_queries=2000 if settings.small else 10_000,
        n_rows=200 if settings.small else 500,
        choice_seeds=1 if settings.small else 5,
    )
    outcome = compare(task, settings)
    data = MNIST.format(n=n, validation=MNIST_VALIDATION)
    section = comparison_section(
        "mnist", f"MNIST, {n:,} rows, one hidden layer", data, task, outcome
    )
    gain_bars(section, outcome, gain=45, regularisers=("rep_spectral", RECIPE))
    return section


def run_convnet(settings: Settings) -> Section:
    """Compare the regularisers of convolutional networks on both sets."""
    whole = Section(
        "Convolutional networks", settings=CONVNET.format(**CONVNET_EPOCHS), name="convnet"
    )
    seconds = 0.0
    for task in _convolutional_tasks(settings):
        try:
            task.split(0)
        except FileNotFoundError as error:
            whole.remarks.append(f"{task.name}: skipped: {error}")
            continue
        outcome = compare(task, settings)
        part = comparison_section("convnet", task.name, "", task, outcome)
        whole.tables += [f"### {task.name}", part.settings, *part.tables, outcome_line(outcome)]
        whole.cpu_seconds += part.cpu_seconds
        seconds += outcome.mean(RECIPE, "cpu")
    what = "CPU minutes to train, attack and certify one network with the default recipe per set"
    whole.bar(what, seconds / 60, "<=", 10)
    return whole


def _convolutional_tasks(settings: Settings) -> list[Task]:
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
            digits_split,
            partial(convolutional, (1, 8, 8), CONVNET_EPOCHS["digits"]),
            eps=(0.5, 0.75),
            eps_choice=0.7,
            **common,
        ),
        Task(
            "mnist",
            partial(mnist_split, settings.scale),
            partial(convolutional, (1, 28, 28), CONVNET_EPOCHS["mnist"]),
            eps=(0.75, 1.25),
            eps_choice=1.75,
            max_queries=1000 if settings.small else 10_000,
            **common,
        ),
    ]
