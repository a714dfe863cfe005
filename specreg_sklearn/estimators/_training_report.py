"""What a user should know after a fit: exact norms, and what went wrong."""

from __future__ import annotations

import math
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from specreg_sklearn.modules import Network
from specreg_sklearn.spectral import (
    Convolution,
    UsedLayer,
    convolution_norm,
    matrix_norm,
    used_layers,
)
from specreg_sklearn.training import PenalizedNet

_WORST_ESTIMATE_ERROR = 0.05


def spectral_norms(network: Network) -> dict[str, float]:
    """Return the spectral norm of every layer with weights, the head included.

    Parameters
    ----------
    network : Network
        A trained network.

    Returns
    -------
    dict of str to float
        Qualified layer name, such as "backbone.hidden1" or "head", to norm: of linear layers to
        machine precision, of convolutions to about four digits on images of the size they get. A
        batch norm is folded into the layer whose output it reads, and listed only where it follows
        none. NaN for a layer whose operator norm is not known.
    """
    layers = used_layers(
        network.backbone, network.input_shape, prefix="backbone", on_unknown="skip"
    ) + used_layers(network.head, prefix="head")
    norms = {layer.name: _norm(layer) for layer in layers}
    folded = {layer.batch_norm for layer in layers}
    for name, layer in network.named_modules():
        if layer not in folded and next(layer.parameters(recurse=False), None) is not None:
            norms.setdefault(name, math.nan)
    return norms


def _norm(layer: UsedLayer) -> float:
    try:
        weight = layer.weight().detach()
    except ValueError:  # a batch norm without running statistics has no norm for a row
        return math.nan
    if weight.ndim == 1:
        return float(weight.abs().max())
    if weight.ndim == 2:
        return matrix_norm(weight)
    return convolution_norm(Convolution.from_layer(layer.module, layer.input_shape, weight=weight))


def warn_of_trouble(net: PenalizedNet, logits: np.ndarray) -> None:
    """Warn when training diverged, was interrupted, collapsed, or followed a lagging estimate.

    Parameters
    ----------
    net : PenalizedNet
        The trained net.
    logits : ndarray of shape (n_samples, n_classes)
        Its outputs on the training rows.

    Warns
    -----
    ConvergenceWarning
        With the knob to turn.
    UserWarning
        If the fit was interrupted.
    """
    finished = f"the weights of epoch {len(net.history)} are kept"
    if net.stop_reason == "interrupted":
        warnings.warn(f"Training was interrupted; {finished}.", UserWarning, stacklevel=4)
    elif net.stop_reason == "diverged":
        _warn(
            f"The loss stopped being finite; {finished}. Lower learning_rate_init={net.lr}"
            f"{_epsilon(net)} or alpha={net.strength}, or scale the features."
        )
    elif net.history[-1, "train_loss"] > 2 * math.log(logits.shape[1]):
        _warn(
            f"After {len(net.history)} epochs the training loss is "
            f"{net.history[-1, 'train_loss']:.3g}, worse than guessing "
            f"({math.log(logits.shape[1]):.3g}). Lower learning_rate_init={net.lr}{_epsilon(net)}, "
            "scale the features, or raise max_iter."
        )
    elif len(np.unique(logits.argmax(axis=1))) == 1:
        _warn(
            f"Every training row gets the same prediction. Lower alpha={net.strength}"
            f"{_epsilon(net)} or learning_rate_init={net.lr}, or raise max_iter."
        )
    error = net.history[-1].get("penalty_error", 0.0) if len(net.history) else 0.0
    if error > _WORST_ESTIMATE_ERROR and net.stop_reason != "diverged":
        _warn(
            f"The estimated spectral norm lags the exact one by {error:.0%}. Use a penalty object "
            "with more power iterations, such as RepSpectral(n_power_iterations=3)."
        )


def _epsilon(net: PenalizedNet) -> str:
    """Name the strength of the objective, where it has one: too much of it levels all rows."""
    epsilon = getattr(net.criterion, "epsilon", 0)
    return f", epsilon={epsilon} of the objective" if epsilon else ""


def _warn(message: str) -> None:
    warnings.warn(message, ConvergenceWarning, stacklevel=5)
