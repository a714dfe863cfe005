"""Types that signatures all over the package share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:  # whoever only measures never loads torch
    import torch

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ByteArray: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]

RandomState: TypeAlias = int | np.integer | np.random.RandomState | np.random.Generator | None
"""What scikit-learn and numpy users give as ``random_state``."""

Spread: TypeAlias = Literal["std", "range", "iqr", "mad"]
"""What a column's values say about how large a step in it is."""
Scale: TypeAlias = Spread | float | ArrayLike | Mapping[Any, Spread | float] | None
"""The unit of each column: by a name, one for all, one for each, some of each, or those of X."""

Sizes: TypeAlias = Sequence[float] | NDArray[np.floating]
Eps: TypeAlias = float | Sizes
"""One distance, or several from the smallest to the largest."""

Activation: TypeAlias = Literal[
    "identity", "logistic", "tanh", "relu", "elu", "gelu", "maxmin", "groupsort"
]  # fmt: skip
"""The activations that architectures know by name."""

Solver: TypeAlias = "Literal['adam', 'sgd'] | type[torch.optim.Optimizer]"
"""The optimizer of a fit: by a name, or its class."""

MaxSamples: TypeAlias = int | Literal["all"] | None
"""How many rows are measured: a number, or all of them, for which None stands too."""

Certify: TypeAlias = Literal["auto"] | bool
"""Whether to prove: never, always, or where a model has a proof and it costs little."""


class Classifier(Protocol):
    """A fitted classifier: anything that predicts a class label for each row."""

    # Not a method: pipelines and searches hold a descriptor that type checkers do not see through.
    @property
    def predict(self) -> Any:
        """Function of rows that returns one label for each."""
