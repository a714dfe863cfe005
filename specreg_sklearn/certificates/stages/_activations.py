"""Elementwise functions: their values, and the range of their slopes, rounded outwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import special
from torch import Tensor
from torch.nn import functional as F

from specreg_sklearn.certificates.stages._central_differences import cells_to_cells
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF, above

# A smooth activation goes through a handful of elementary functions, each good to a few units in
# the last place. 32 units of |x| + |f(x)| is far above what was seen (under 4) and still harmless.
_SMOOTH_ERROR = 32 * UNIT_ROUNDOFF
# torch's softplus is the identity above its threshold: a jump of log1p(exp(-threshold)) / beta.
_SMALLEST_SOFTPLUS_THRESHOLD = 20.0
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


@dataclass(frozen=True)
class Activation:
    """An elementwise function with what a proof needs to know about it.

    Parameters
    ----------
    name : str
        As in :func:`activation`.
    function : callable
        Maps a float64 array to one of the same shape.
    low, high : float
        The slope lies in [low, high] wherever it exists; rounded outwards.
    exact : bool
        The value is computed without any rounding.
    on_tensors : callable, default=None
        The same function of tensors; None takes gradients by central differences.
    """

    name: str
    function: Callable[[np.ndarray], np.ndarray]
    low: float
    high: float
    exact: bool = False
    on_tensors: Callable[[Tensor], Tensor] | None = None

    @property
    def lipschitz(self) -> float:
        """Largest absolute slope."""
        return max(abs(self.low), abs(self.high))

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values and a bound of their error, given one of the error of `X`."""
        Y = self.function(X)
        propagated = error if self.lipschitz == 1.0 else above(self.lipschitz * error, 1)
        if self.exact:
            return Y, propagated
        return Y, above(propagated + _SMOOTH_ERROR * (np.abs(X) + np.abs(Y)), 4)

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Return how much more the function rounds on inputs that are larger by `size`."""
        return size * (0.0 if self.exact else above(_SMOOTH_ERROR * (1 + self.lipschitz), 4))

    def tensor(self, X: Tensor) -> Tensor:
        """Return the values of a tensor; gradients flow to it."""
        if self.on_tensors is None:
            return cells_to_cells(self.function, X)
        return self.on_tensors(X)


def activation(name: str, **parameters: ArrayLike) -> Activation:
    """Look up an elementwise function.

    Parameters
    ----------
    name : str
        One of :data:`ACTIVATIONS`.
    **parameters : dict
        Settings under torch's names, such as ``negative_slope`` of "leaky_relu".

    Returns
    -------
    Activation
        Its values and slopes.

    Raises
    ------
    ValueError
        If the name is unknown, or if the function is not Lipschitz for these parameters.

    Examples
    --------
    >>> from specreg_sklearn.certificates import activation
    >>> activation("leaky_relu", negative_slope=2.0).lipschitz
    2.0
    >>> round(activation("gelu").lipschitz, 6)
    1.128904
    """
    if name not in _TABLE:
        raise ValueError(f"The activation {name!r} is not one of {sorted(_TABLE)}.")
    return _TABLE[name](**parameters)


def _fixed(
    name: str,
    function: Callable[[np.ndarray], np.ndarray],
    low: float,
    high: float,
    on_tensors: Callable[[Tensor], Tensor] | None = None,
    *,
    exact: bool = False,
) -> Callable[[], Activation]:
    return lambda: Activation(name, function, low, high, exact, on_tensors)


def _gelu(X: np.ndarray) -> np.ndarray:
    # The form with erfc keeps its digits where 1 + erf cancels.
    return 0.5 * X * special.erfc(-X / np.sqrt(2.0))


def _gelu_tanh(X: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))


def _gelu_by_name(approximate: str = "none") -> Activation:
    if approximate == "tanh":
        return Activation("gelu", _gelu_tanh, -0.12899307, 1.12899307)
    if approximate != "none":
        raise ValueError(f"approximate={approximate!r} must be 'none' or 'tanh'.")
    # The extreme slopes are at x = -+ sqrt 2.
    return Activation("gelu", _gelu, -0.128904146, 1.128904146)


def _selu(X: np.ndarray) -> np.ndarray:
    return _SELU_SCALE * np.where(X > 0, X, _SELU_ALPHA * np.expm1(np.minimum(X, 0.0)))


def _leaky_relu(negative_slope: ArrayLike = 0.01, *, name: str = "leaky_relu") -> Activation:
    slope = np.asarray(negative_slope, dtype=np.float64)
    if not np.isfinite(slope).all():
        raise ValueError(f"negative_slope={negative_slope!r} of {name} must be finite.")
    low, high = min(float(slope.min()), 1.0), max(float(slope.max()), 1.0)
    exact = bool(np.isin(slope, (-1.0, 0.0, 1.0)).all())
    return Activation(name, lambda X: np.where(X > 0, X, slope * X), low, high, exact)


def _rrelu(lower: float = 1 / 8, upper: float = 1 / 3) -> Activation:
    slope = (float(lower) + float(upper)) / 2  # what it is outside training
    mean = _leaky_relu(slope, name="rrelu")
    return Activation("rrelu", mean.function, min(slope, 1.0), above(mean.lipschitz, 2))


def _elu(alpha: float = 1.0) -> Activation:
    alpha = _finite("elu", "alpha", alpha)
    return Activation(
        "elu",
        lambda X: np.where(X > 0, X, alpha * np.expm1(np.minimum(X, 0.0))),
        min(alpha, 0.0),
        max(alpha, 1.0),
    )


def _celu(alpha: float = 1.0) -> Activation:
    alpha = _finite("celu", "alpha", alpha)
    if alpha <= 0:
        raise ValueError(f"alpha={alpha} of celu must be positive: its slope is unbounded else.")
    return Activation(
        "celu", lambda X: np.where(X > 0, X, alpha * np.expm1(np.minimum(X, 0.0) / alpha)), 0.0, 1.0
    )


def _softplus(beta: float = 1.0, threshold: float = 20.0) -> Activation:
    beta = _finite("softplus", "beta", beta)
    if beta == 0:
        raise ValueError("beta=0 of softplus has no value.")
    if threshold < _SMALLEST_SOFTPLUS_THRESHOLD:
        raise ValueError(
            f"threshold={threshold} of softplus must be at least {_SMALLEST_SOFTPLUS_THRESHOLD}: "
            "the function jumps there, and a jump has no Lipschitz constant."
        )
    return Activation("softplus", lambda X: np.logaddexp(0.0, beta * X) / beta, 0.0, 1.0)


def _hardtanh(min_val: float = -1.0, max_val: float = 1.0) -> Activation:
    return Activation("hardtanh", lambda X: np.clip(X, min_val, max_val), 0.0, 1.0, exact=True)


def _threshold(threshold: float, value: float) -> Activation:
    if threshold != value:
        raise ValueError(
            f"threshold={threshold} and value={value} differ: the function jumps there, and a jump "
            "has no Lipschitz constant."
        )
    return Activation("threshold", lambda X: np.maximum(X, threshold), 0.0, 1.0, exact=True)


def _softshrink(lambd: float = 0.5) -> Activation:
    if not lambd >= 0:
        raise ValueError(f"lambd={lambd} of softshrink must not be negative.")
    return Activation(
        "softshrink", lambda X: np.sign(X) * np.maximum(np.abs(X) - lambd, 0.0), 0.0, 1.0
    )


def _finite(name: str, parameter: str, value: float) -> float:
    if not np.isfinite(value):
        raise ValueError(f"{parameter}={value!r} of {name} must be finite.")
    return float(value)


_TABLE: dict[str, Callable[..., Activation]] = {
    "identity": _fixed("identity", lambda X: X, 1.0, 1.0, lambda x: x, exact=True),
    "relu": _fixed("relu", lambda X: np.maximum(X, 0.0), 0.0, 1.0, torch.relu, exact=True),
    "relu6": _fixed("relu6", lambda X: np.clip(X, 0.0, 6.0), 0.0, 1.0, F.relu6, exact=True),
    "abs": _fixed("abs", np.abs, -1.0, 1.0, torch.abs, exact=True),
    "neg": _fixed("neg", np.negative, -1.0, -1.0, torch.neg, exact=True),
    "leaky_relu": _leaky_relu,
    "prelu": lambda weight=0.25: _leaky_relu(weight, name="prelu"),
    "rrelu": _rrelu,
    "elu": _elu,
    "celu": _celu,
    "selu": _fixed("selu", _selu, 0.0, 1.758099341, torch.selu),
    "gelu": _gelu_by_name,
    "silu": _fixed("silu", lambda X: X * special.expit(X), -0.099839321, 1.099839321, F.silu),
    "mish": _fixed(
        "mish", lambda X: X * np.tanh(np.logaddexp(0.0, X)), -0.112526124, 1.088498163, F.mish
    ),
    "hardswish": _fixed("hardswish", lambda X: X * (np.clip(X + 3.0, 0.0, 6.0) / 6.0), -0.5, 1.5),
    "hardsigmoid": _fixed(
        "hardsigmoid", lambda X: np.clip(X + 3.0, 0.0, 6.0) / 6.0, 0.0, above(1 / 6, 1)
    ),
    "hardtanh": _hardtanh,
    "threshold": _threshold,
    "sigmoid": _fixed("sigmoid", special.expit, 0.0, 0.25, torch.sigmoid),
    "tanh": _fixed("tanh", np.tanh, 0.0, 1.0, torch.tanh),
    "softplus": _softplus,
    "softsign": _fixed("softsign", lambda X: X / (1 + np.abs(X)), 0.0, 1.0, F.softsign),
    "logsigmoid": _fixed("logsigmoid", lambda X: -np.logaddexp(0.0, -X), 0.0, 1.0, F.logsigmoid),
    "softshrink": _softshrink,
    "tanhshrink": _fixed("tanhshrink", lambda X: X - np.tanh(X), 0.0, 1.0),
    "erf": _fixed("erf", special.erf, 0.0, 1.128379168, torch.erf),
    "sin": _fixed("sin", np.sin, -1.0, 1.0, torch.sin),
    "cos": _fixed("cos", np.cos, -1.0, 1.0, torch.cos),
    "atan": _fixed("atan", np.arctan, 0.0, 1.0, torch.atan),
}
ACTIVATIONS: tuple[str, ...] = tuple(sorted(_TABLE))
