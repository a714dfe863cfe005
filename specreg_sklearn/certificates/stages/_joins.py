"""Steps of a graph that take one or several values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.certificates.stages._stage import Stage
from specreg_sklearn.spectral.bounds import above, gamma, times

Value = tuple[np.ndarray, np.ndarray]  # computed numbers, and the bound of their error


def growth_after(stage: Stage, change: np.ndarray, error: np.ndarray) -> Value:
    """Return how far a step's outputs change, and how much more they are rounded.

    Parameters
    ----------
    stage : Stage
        The step.
    change, error : ndarray of shape (1, n_inputs)
        How far its inputs move, and how much more they are rounded there.
    """
    after = stage.spread(error) + stage.rounding_growth(above(change + error, 1))
    return stage.spread(change), above(after, 1)


class Join(ABC):
    """What a node of a graph does to the values it is given."""

    @abstractmethod
    def lipschitz(self, constants: Sequence[float]) -> float:
        """Return the constant of the node, given those of its inputs; all are of the network's."""

    @abstractmethod
    def forward(self, values: Sequence[Value]) -> Value:
        """Return the value of the node and a bound of its rounding error."""

    @abstractmethod
    def growth(self, values: Sequence[Value]) -> Value:
        """Return how the value and its rounding error grow, given how those of the inputs do."""

    @abstractmethod
    def tensor(self, values: Sequence[Tensor]) -> Tensor:
        """Return the value of the node, so that gradients flow to its inputs."""


class Single(Join):
    """A stage that follows one value."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def lipschitz(self, constants: Sequence[float]) -> float:
        return times(constants[0], self.stage.lipschitz())

    def forward(self, values: Sequence[Value]) -> Value:
        return self.stage.forward(*values[0])

    def growth(self, values: Sequence[Value]) -> Value:
        """Follow the stage."""
        return growth_after(self.stage, *values[0])

    def tensor(self, values: Sequence[Tensor]) -> Tensor:
        return self.stage.tensor(values[0])


class Sum(Join):
    """The sum of two values, each with a factor; broadcasting repeats some of their entries."""

    def __init__(self, signs: Sequence[float], repeats: Sequence[int]) -> None:
        self.signs, self.repeats = signs, repeats

    def lipschitz(self, constants: Sequence[float]) -> float:
        """Add the constants: nothing better is known of two branches."""
        parts = zip(constants, self.signs, self.repeats, strict=True)
        return above(sum(c * abs(sign) * math.sqrt(times) for c, sign, times in parts), 8)

    def forward(self, values: Sequence[Value]) -> Value:
        (x, x_error), (y, y_error) = values
        left, right = self.signs
        propagated = abs(left) * x_error + abs(right) * y_error
        after = propagated + gamma(3) * (abs(left) * np.abs(x) + abs(right) * np.abs(y))
        return left * x + right * y, above(after, 8)

    def growth(self, values: Sequence[Value]) -> Value:
        """Add the changes."""
        left, right = map(abs, self.signs)
        (x, x_error), (y, y_error) = values
        change = above(left * x + right * y, 4)
        error = above(left * x_error + right * y_error, 4)
        return change, above(error + gamma(3) * (change + error), 4)

    def tensor(self, values: Sequence[Tensor]) -> Tensor:
        return self.signs[0] * values[0] + self.signs[1] * values[1]


class Concatenation(Join):
    """Several values side by side along one axis of the rows, which may be a new one."""

    def __init__(self, axis: int, *, new_axis: bool = False) -> None:
        self.axis, self.new_axis = axis, new_axis

    def lipschitz(self, constants: Sequence[float]) -> float:
        """Return the root of the sum of squares."""
        return above(math.hypot(*constants), len(constants) + 4)

    def forward(self, values: Sequence[Value]) -> Value:
        parts, errors = zip(*values, strict=True)
        join = np.stack if self.new_axis else np.concatenate
        return join(parts, self.axis), join(errors, self.axis)

    def growth(self, values: Sequence[Value]) -> Value:
        """Put the changes side by side."""
        return self.forward(values)

    def tensor(self, values: Sequence[Tensor]) -> Tensor:
        return (torch.stack if self.new_axis else torch.cat)(tuple(values), self.axis)
