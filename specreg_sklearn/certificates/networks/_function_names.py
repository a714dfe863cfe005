"""Functions and tensor methods by one name each, and what their arguments are called."""

from __future__ import annotations

import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

# Activation -> (layer, settings of both, in torch's order).
ACTIVATIONS: dict[str, tuple[type[nn.Module] | None, tuple[str, ...]]] = {
    "relu": (nn.ReLU, ()),
    "relu6": (nn.ReLU6, ()),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope",)),
    "rrelu": (nn.RReLU, ("lower", "upper")),
    "elu": (nn.ELU, ("alpha",)),
    "celu": (nn.CELU, ("alpha",)),
    "selu": (nn.SELU, ()),
    "gelu": (nn.GELU, ("approximate",)),
    "silu": (nn.SiLU, ()),
    "mish": (nn.Mish, ()),
    "hardswish": (nn.Hardswish, ()),
    "hardsigmoid": (nn.Hardsigmoid, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val")),
    "sigmoid": (nn.Sigmoid, ()),
    "tanh": (nn.Tanh, ()),
    "tanhshrink": (nn.Tanhshrink, ()),
    "softplus": (nn.Softplus, ("beta", "threshold")),
    "softshrink": (nn.Softshrink, ("lambd",)),
    "softsign": (nn.Softsign, ()),
    "logsigmoid": (nn.LogSigmoid, ()),
    "threshold": (nn.Threshold, ("threshold", "value")),
    **dict.fromkeys(("erf", "sin", "cos", "atan", "abs", "neg"), (None, ())),
}
ACTIVATION_LAYERS = {
    layer: (name, settings) for name, (layer, settings) in ACTIVATIONS.items() if layer is not None
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
_POOLING = {
    "avg_pool": (
        "AvgPool",
        ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    "max_pool": (
        "MaxPool",
        ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    ),
    "adaptive_avg_pool": ("AdaptiveAvgPool", ("output_size",)),
    "adaptive_max_pool": ("AdaptiveMaxPool", ("output_size", "return_indices")),
}
for _name, (_layer, _arguments) in _POOLING.items():
    for _axes in ("1d", "2d", "3d"):
        LAYERS[_name + _axes] = (getattr(nn, _layer + _axes), _arguments)

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
