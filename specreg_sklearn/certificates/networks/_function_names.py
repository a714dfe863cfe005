"""Functions and tensor methods by one name each, and what their arguments are called."""

from __future__ import annotations

import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

# Function -> (name of the activation, arguments behind the input).
ACTIVATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("relu", ("inplace",)),
    "relu6": ("relu6", ("inplace",)),
    "leaky_relu": ("leaky_relu", ("negative_slope", "inplace")),
    "elu": ("elu", ("alpha", "inplace")),
    "celu": ("celu", ("alpha", "inplace")),
    "selu": ("selu", ("inplace",)),
    "gelu": ("gelu", ("approximate",)),
    "silu": ("silu", ("inplace",)),
    "mish": ("mish", ("inplace",)),
    "hardswish": ("hardswish", ("inplace",)),
    "hardsigmoid": ("hardsigmoid", ("inplace",)),
    "hardtanh": ("hardtanh", ("min_val", "max_val", "inplace")),
    "clamp": ("hardtanh", ("min", "max")),
    "sigmoid": ("sigmoid", ()),
    "tanh": ("tanh", ()),
    "tanhshrink": ("tanhshrink", ()),
    "softplus": ("softplus", ("beta", "threshold")),
    "softshrink": ("softshrink", ("lambd",)),
    "softsign": ("softsign", ()),
    "logsigmoid": ("logsigmoid", ()),
    "threshold": ("threshold", ("threshold", "value", "inplace")),
    "erf": ("erf", ()),
    "sin": ("sin", ()),
    "cos": ("cos", ()),
    "atan": ("atan", ()),
    "abs": ("abs", ()),
    "neg": ("neg", ()),
}

# Function -> (layer that does the same, arguments behind the input).
LAYERS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "flatten": (nn.Flatten, ("start_dim", "end_dim")),
    "pixel_shuffle": (nn.PixelShuffle, ("upscale_factor",)),
    "pixel_unshuffle": (nn.PixelUnshuffle, ("downscale_factor",)),
    "interpolate": (
        nn.Upsample,
        ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"),
    ),
}
for _n_axes in (1, 2, 3):
    _averages = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
    _maxima = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    LAYERS[f"avg_pool{_n_axes}d"] = (
        getattr(nn, f"AvgPool{_n_axes}d"),
        _averages if _n_axes == 1 else (*_averages, "divisor_override"),
    )
    LAYERS[f"max_pool{_n_axes}d"] = (getattr(nn, f"MaxPool{_n_axes}d"), _maxima)
    LAYERS[f"adaptive_avg_pool{_n_axes}d"] = (
        getattr(nn, f"AdaptiveAvgPool{_n_axes}d"),
        ("output_size",),
    )
    LAYERS[f"adaptive_max_pool{_n_axes}d"] = (
        getattr(nn, f"AdaptiveMaxPool{_n_axes}d"),
        ("output_size", "return_indices"),
    )

RESHAPES = ("reshape", "view", "unflatten", "squeeze", "unsqueeze", "ravel")
IDENTITIES = ("contiguous", "clone", "detach")
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout")

_RANDOM = frozenset(
    ("bernoulli", "multinomial", "normal", "poisson", "rand_like", "randn_like", "randint_like",
     "rrelu", "uniform", "gumbel_softmax", "fractional_max_pool2d", "fractional_max_pool3d")
)  # fmt: skip

_SYNONYMS = {
    "iadd": "add",
    "isub": "sub",
    "imul": "mul",
    "itruediv": "div",
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
    "absolute": "abs",
    "clip": "clamp",
    "arctan": "atan",
    "concat": "cat",
    "concatenate": "cat",
    "log_sigmoid": "logsigmoid",
    "feature_alpha_dropout": "feature_dropout",
}


_SPACES = (torch, F, operator, torch._C._nn)


def name_of(node: fx.Node) -> str:
    """Return the name of the function or method that a node calls, however it was spelled.

    A function from elsewhere gets a name that no rule knows, even if it is called "relu".
    """
    if isinstance(node.target, str):
        name = node.target
    else:
        name = getattr(node.target, "__name__", repr(node.target))
        if not any(getattr(space, name, None) is node.target for space in _SPACES):
            return f"{getattr(node.target, '__module__', None)}.{name}"
    name = name.strip("_")  # in-place forms end in an underscore; a graph has no places
    return _SYNONYMS.get(name, name)


def is_random(node: fx.Node) -> bool:
    """Tell whether a call draws random numbers, so that it must not even be tried."""
    name = name_of(node)
    if name in DROPOUTS:
        given = node.args[2] if len(node.args) > 2 else node.kwargs.get("train", True)
        return bool(node.kwargs.get("training", given))
    return name in _RANDOM


def subject_of_call(node: fx.Node) -> str:
    """Return how a message calls a recorded function."""
    where = node.meta["where"]
    subject = f"The function {name_of(node)!r}"
    return f"{subject} in {where!r}" if where else subject
