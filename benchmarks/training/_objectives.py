"""What the objectives cost, in CPU time of plain epochs on one thread.

An attack of n steps and the training step after it are n + 1 passes forward and back. The bar for
PGD with 10 steps is 1.1 times the CPU time of 11 plain epochs, for every shape of network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_classification

from benchmarks.common import Report, compare, median_ratio
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.objectives import (
    VAT,
    Adversarial,
    CrossEntropy,
    Gradient,
    Linearity,
    LipschitzMargin,
    Objective,
    Trades,
)

N_STEPS = 10
BAR = 1.1 * (N_STEPS + 1)
OBJECTIVES: dict[str, Objective] = {
    "plain": CrossEntropy(),
    "adversarial, Linf": Adversarial(0.1, n_steps=N_STEPS),
    "adversarial, L2": Adversarial(0.1, norm=2, n_steps=N_STEPS),
    "adversarial, L1": Adversarial(0.1, norm=1, n_steps=N_STEPS),
    "adversarial, Linf in a box": Adversarial(0.1, n_steps=N_STEPS, feature_range=(-9e9, 9e9)),
    "trades": Trades(0.1, n_steps=N_STEPS),
    "gradient": Gradient(0.1),
    "gradient, double backprop": Gradient(0.1, method="double_backprop"),
    "lipschitz_margin": LipschitzMargin(0.1),
    "vat": VAT(0.1),
    "linearity": Linearity(0.1),
}
# TRADES scores clean and moved rows: one pass more than adversarial training.
BARS = {name: BAR for name in OBJECTIVES if name.startswith("adversarial")}
BARS["trades"] = 1.1 * (N_STEPS + 2)


def problems() -> dict[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Return small, middling and large steps: calls, activations or products take the time."""
    digits, labels = load_digits(return_X_y=True)
    table = make_classification(4000, 30, n_informative=20, n_classes=2, random_state=0)
    wide = make_classification(2000, 784, n_informative=40, n_classes=10, random_state=0)
    return {
        "64-128-64-10, batch 64": (
            digits / 16,
            labels,
            {"hidden_layer_sizes": (128, 64), "batch_size": 64, "max_iter": 4},
        ),
        "30-256-256-2, batch 256": (
            *table,
            {"hidden_layer_sizes": (256, 256), "batch_size": 256, "max_iter": 3},
        ),
        "784-1000-10, batch 128, float32": (
            wide[0].astype(np.float32),
            wide[1],
            {"hidden_layer_sizes": (1000,), "batch_size": 128, "max_iter": 2},
        ),
    }


def objective_costs(report: Report, repeats: int) -> None:
    """Print the CPU time of a fit with each objective over that of a plain fit."""
    for title, (X, y, settings) in problems().items():
        models = {
            name: SpectrallyRegularizedEncoder(
                objective=objective, penalty=None, random_state=0, device="cpu", **settings
            )
            for name, objective in OBJECTIVES.items()
        }
        seconds = compare(
            {name: lambda m=model, X=X, y=y: m.fit(X, y) for name, model in models.items()},
            repeats=repeats,
        )
        for name in list(OBJECTIVES)[1:]:
            ratio = median_ratio(seconds, name, "plain")
            report.figure(f"{title}: {name} / plain epochs", ratio, "<=", BARS.get(name))
