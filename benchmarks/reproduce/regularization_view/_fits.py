"""What is trained: strengths of adversarial training, and what could be mistaken for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks.reproduce.regularization_view._problems import Problem, Rows
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.constraints import SVB
from specreg_sklearn.modules import mlp
from specreg_sklearn.objectives import Adversarial


@dataclass(frozen=True)
class Setting:
    """One way to train: its name in tables, and the parameters that make it.

    `epsilon` is the strength where the setting belongs to the sweep that is drawn, else None.
    """

    name: str
    epsilon: float | None
    parameters: dict[str, Any] = field(default_factory=dict)


def settings(problem: Problem) -> list[Setting]:
    """Return the sweep over the strength, then what could be mistaken for it."""
    sweep = [
        Setting(f"eps {epsilon:g}", epsilon, _adversarial(problem, epsilon, problem.gently))
        for epsilon in problem.strengths
    ]
    if problem.gently:
        most = problem.strengths[-1]
        sweep.append(Setting(f"eps {most:g} at once", None, _adversarial(problem, most, False)))
    return [
        *sweep,
        *(Setting(f"weight decay {w:g}", None, {"weight_decay": w}) for w in (5e-3, 1.5e-2)),
        Setting("ll_spectral 0.01", None, {"penalty": "ll_spectral", "alpha": 1e-2}),
        *(Setting(f"SVB {t:g}", None, {"constraint": SVB(t)}) for t in (0.05, 0.5)),
    ]


def _adversarial(problem: Problem, epsilon: float, gently: bool) -> dict[str, Any]:
    schedule = {"epsilon_schedule": "linear", "warm_up": 0.5} if gently else {}
    objective = Adversarial(epsilon, n_steps=10, feature_range=problem.box, **schedule)
    return {"objective": objective}


def fit(problem: Problem, setting: Setting, rows: Rows, seed: int) -> SpectrallyRegularizedEncoder:
    """Train one network: Adam, cosine schedule to 0, He initialisation, all epochs."""
    cosine = LRScheduler(policy=CosineAnnealingLR, T_max=problem.max_iter)
    common = {
        "module": he_mlp,
        "hidden_layer_sizes": problem.hidden,
        "penalty": None,
        "weight_decay": 0.0,
        "learning_rate_init": 2e-3,
        "batch_size": problem.batch_size,
        "max_iter": problem.max_iter,
        "n_iter_no_change": problem.max_iter,
        "callbacks": [cosine],
        "random_state": seed,
    }
    encoder = SpectrallyRegularizedEncoder(**{**common, **setting.parameters})
    return encoder.fit(rows.X_train, rows.y_train)


def he_mlp(input_shape: tuple[int, ...], *, hidden_layer_sizes: Sequence[int]) -> nn.Module:
    """Build a ReLU network with weights of variance 2 / n_inputs and biases of 0."""
    backbone = mlp(input_shape, hidden_layer_sizes=hidden_layer_sizes)
    for layer in backbone:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return backbone


class Rounding(nn.Module):
    """Rounds its input, so that no gradient passes."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the nearest multiples of ``1 / levels``."""
        return torch.round(self.levels * x) / self.levels


def masked() -> Setting:
    """Return a network that rounds its rows first: gradients see nothing, predictions do."""
    return Setting("rounded input", None, {"module": partial(rounded_mlp, levels=8)})


def rounded_mlp(
    input_shape: tuple[int, ...], *, hidden_layer_sizes: Sequence[int], levels: int
) -> nn.Module:
    """Build the network behind a rounding step."""
    backbone = he_mlp(input_shape, hidden_layer_sizes=hidden_layer_sizes)
    return nn.Sequential(Rounding(levels), *backbone)
