"""What a user should know after a fit: exact norms, and what went wrong."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from specreg_sklearn.estimators._feature_collapse import find_collapse
from specreg_sklearn.modules import Network
from specreg_sklearn.spectral import (
    Convolution,
    UsedLayer,
    convolution_norm,
    matrix_norm,
    used_layers,
)
from specreg_sklearn.tables import stacklevel_of_caller
from specreg_sklearn.training import PenalizedNet, batched

_WORST_ESTIMATE_ERROR = 0.05
# A network that gives nearly all rows one label, and should not, has collapsed.
_NEARLY_ALL, _FAR_FROM_ALL = 0.99, 0.9
# Beyond this share of one class its vote looks good to the loss.
_MAJORITY = 0.6
# A collapse concerns all rows: this many show it.
_ENOUGH_ROWS = 4096


class Found(NamedTuple):
    """Something that the user should know."""

    message: str
    category: type[Warning] = ConvergenceWarning


def spectral_norms(network: Network, *, has_readout: bool = True) -> dict[str, float]:
    """Return the norm of every layer with weights, by names such as "backbone.hidden1" or "head".

    Of linear layers to machine precision, of convolutions to about four digits on images of the
    size they get. A batch norm is folded into the layer whose output it reads, and listed only
    where it follows none. NaN for a layer whose operator norm is not known.
    """
    layers = used_layers(
        network.backbone, network.input_shape, prefix="backbone", on_unknown="skip"
    )
    named = [*network.backbone.named_modules(prefix="backbone")]
    if has_readout:
        layers += used_layers(network.head, prefix="head")
        named += network.head.named_modules(prefix="head")
    norms = {layer.name: _norm(layer) for layer in layers}
    folded = {layer.batch_norm for layer in layers}
    for name, layer in named:
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


def warn_of_divergence(net: PenalizedNet) -> None:
    """Warn when training diverged, and of nothing else: more of it may follow."""
    _warn(_early_end(net))


def warn_of_trouble(
    net: PenalizedNet, logits: np.ndarray, codes: np.ndarray, *, weighs_classes: bool = True
) -> None:
    """Warn when training diverged, collapsed, was too short, or followed a lagging estimate.

    `logits` (n_samples, n_classes) are those of the training rows, and `codes` their classes, -1
    for unlabelled rows. The message names the setting to change; `weighs_classes` tells whether
    classes have weights.
    """
    trouble = _early_end(net) or _no_better_than_guessing(net, logits, codes, weighs_classes)
    _warn(trouble or _still_improving(net), _lagging_estimate(net))


def warn_of_collapse(net: PenalizedNet, X: np.ndarray) -> None:
    """Warn as :func:`warn_of_trouble` does, of training without labels on the rows `X`."""
    trouble = _early_end(net) or _collapse(net, X)
    _warn(trouble or _still_improving(net), _lagging_estimate(net))


def _warn(*found: Found | None) -> None:
    for message, category in filter(None, found):
        warnings.warn(message, category, stacklevel=stacklevel_of_caller())


def _early_end(net: PenalizedNet) -> Found | None:
    kept = f"the weights of epoch {len(net.history)} are kept"
    if net.stop_reason == "diverged":
        return Found(
            f"The loss stopped being finite; {kept}. Lower learning_rate_init={net.lr}"
            f"{_epsilon(net)} or alpha={net.strength}, or scale the features."
        )
    return None


def _still_improving(net: PenalizedNet) -> Found | None:
    if net.stop_reason is not None:
        return None
    return Found(
        f"max_iter={net.max_epochs} epochs were reached before the training stopped improving by "
        "tol. Raise max_iter, or tol."
    )


def _lagging_estimate(net: PenalizedNet) -> Found | None:
    error = net.history[-1].get("penalty_error", 0.0) if len(net.history) else 0.0
    if error <= _WORST_ESTIMATE_ERROR or net.stop_reason == "diverged":
        return None
    return Found(
        f"The estimated spectral norm lags the exact one by {error:.0%}. Use a penalty object "
        "with more power iterations, such as RepSpectral(n_power_iterations=3)."
    )


def _no_better_than_guessing(
    net: PenalizedNet, logits: np.ndarray, codes: np.ndarray, weighs_classes: bool
) -> Found | None:
    if net.history[-1, "train_loss"] > 2 * math.log(logits.shape[1]):
        return Found(
            f"After {len(net.history)} epochs the training loss is "
            f"{net.history[-1, 'train_loss']:.3g}, worse than guessing "
            f"({math.log(logits.shape[1]):.3g}). Lower learning_rate_init={net.lr}{_epsilon(net)}, "
            "scale the features, or raise max_iter."
        )
    predicted = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)
    true = np.bincount(codes[codes >= 0], minlength=logits.shape[1]) / np.sum(codes >= 0)
    favourite = predicted.argmax()
    if predicted[favourite] == 1:
        what = "Every training row gets the same prediction"
    elif predicted[favourite] >= _NEARLY_ALL and true[favourite] <= _FAR_FROM_ALL:
        what = (
            f"{predicted[favourite]:.1%} of the training rows get the same prediction, the label "
            f"of {true[favourite]:.1%}"
        )
    else:
        return None
    imbalance = ""
    if true[favourite] >= _MAJORITY and not weighs_classes:
        imbalance = (
            f" It is the label of {true[favourite]:.1%} of them, and a majority vote comes near to "
            "that: class_weight='balanced' lets all classes count alike."
        )
    return Found(
        f"{what}.{imbalance} Lower alpha={net.strength}{_epsilon(net)} or learning_rate_init="
        f"{net.lr}, or raise max_iter."
    )


def _collapse(net: PenalizedNet, X: np.ndarray) -> Found | None:
    X = X[:: -(-len(X) // _ENOUGH_ROWS)]
    what = "features"
    collapse = find_collapse(X, batched(net.module_.features, X, device=net.device))
    if collapse is None:  # what the objective sees: features that it did not shape tell nothing
        what = "projections"
        collapse = find_collapse(X, batched(net.module_, X, device=net.device))
    if collapse is None:
        return None
    settings = "".join(
        f" {turn} {name}={getattr(net.criterion, name)} of the objective,"
        for turn, name in getattr(net.criterion, "against_collapse", ())
    )
    return Found(
        f"The representation collapsed: the {what} {collapse}. Lower alpha={net.strength},"
        f"{settings} or lower learning_rate_init={net.lr}."
    )


def _epsilon(net: PenalizedNet) -> str:
    """Name the strength of the objective, where it has one: too much of it levels all rows."""
    epsilon = getattr(net.criterion, "epsilon", 0)
    return f", epsilon={epsilon} of the objective" if epsilon else ""
