"""The singular values of every layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.model import ModelView, PerLayer, Report, check_layer_names
from specreg_sklearn.spectral import Convolution, UsedLayer
from specreg_sklearn.spectral.bounds import Symbol, dense_matrix, operator_shape
from specreg_sklearn.spectral.layers import BATCH_NORMS

# Rows times columns of the largest operator that is written out: a second or so, 32 MB.
_DENSE_ENTRIES = 2**22

DENSE, CIRCULAR = "dense", "circular"

SHOWN = ("operator", "max", "min", "mean", "std", "cv", "stable_rank", "condition")


@dataclass(frozen=True, repr=False, eq=False)
class LayerSpectrum(Report):
    """The singular values of one layer.

    Parameters
    ----------
    values : ndarray of shape (n_values,), float64
        In falling order, the smaller of the operator's two sides in number. In output units per
        input unit.
    operator : {"matrix", "dense", "circular", "channels"}
        What the values are of. "matrix": the weights of a linear layer. "dense": a convolution with
        its true padding and stride, written out as a matrix. "circular": a convolution on a ring of
        the image's size, where the true operator is too large to write out; its largest value is no
        bound of the true one. "channels": a batch norm that follows no layer, one factor each.
    shape : tuple of int
        Shape of the weights.
    """

    values: np.ndarray
    operator: str
    shape: tuple[int, ...]

    @property
    def max(self) -> float:
        """Largest value: the spectral norm."""
        return float(self.values.max())

    @property
    def min(self) -> float:
        """Smallest value."""
        return float(self.values.min())

    @property
    def mean(self) -> float:
        """Mean value."""
        return float(self.values.mean())

    @property
    def std(self) -> float:
        """Standard deviation, with the number of values in the denominator."""
        return float(self.values.std())

    @property
    def cv(self) -> float:
        """Standard deviation over mean, which the scale of the weights does not change."""
        return self.std / self.mean if self.mean > 0 else float("nan")

    @property
    def stable_rank(self) -> float:
        """Sum of squares over the largest square: between 1 and the rank."""
        top = self.max
        return float(np.sum((self.values / top) ** 2)) if top > 0 else 0.0

    @property
    def condition(self) -> float:
        """Largest over smallest value."""
        return self.max / self.min if self.min > 0 else float("inf")


def singular_value_spectrum(
    estimator: Classifier,
    layers: str | Sequence[str] | None = None,
    *,
    fold_batch_norm: bool = True,
) -> PerLayer[LayerSpectrum]:
    """Singular values of every layer, as the model holds them.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a network or a linear model, in pipelines too. Scalers and projections in front are
        no layers: the values are per unit of what the network reads.
    layers : str or sequence of str, default=None
        Names of layers. None takes all of them: those of ``spectral_norms_`` for an encoder,
        "hidden1", "hidden2", ..., "logits" for other models. A linear model has the layer "logits"
        alone.
    fold_batch_norm : bool, default=True
        Whether the factors of a batch norm right behind a layer are part of it, as they are for
        whoever asks what the layer does to a row.

    Returns
    -------
    PerLayer
        A mapping from layer name to :class:`LayerSpectrum`, with `values`, `max`, `min`, `mean`,
        `std`, `cv`, `stable_rank` and `condition`.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, ``ValueError`` if a layer name is unknown.

    Notes
    -----
    A small standard deviation alone says little: weight decay shrinks it like all values, so look
    at `cv`, too, and at a model with weight decay beside it. And small values below prove nothing:
    ``sigma_min`` is a diagnostic, no certificate.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from specreg_sklearn.inspection import singular_value_spectrum
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), max_iter=600, solver="lbfgs", random_state=0).fit(X, y)
    >>> spectrum = singular_value_spectrum(model)
    >>> list(spectrum)
    ['hidden1', 'logits']
    >>> spectrum["hidden1"].values.shape
    (4,)
    """
    view = ModelView(estimator)
    held = view.layers
    names = check_layer_names(layers, list(held), type(estimator).__name__)
    return PerLayer({name: _spectrum(held[name], fold_batch_norm) for name in names}, SHOWN)


def _spectrum(layer: np.ndarray | UsedLayer, fold: bool) -> LayerSpectrum:
    if isinstance(layer, np.ndarray):
        return LayerSpectrum(np.linalg.svd(layer, compute_uv=False), "matrix", layer.shape)
    weight = weight_of(layer, fold)
    shape = tuple(weight.shape)
    if isinstance(layer.module, BATCH_NORMS):
        values = weight.abs().sort(descending=True).values
        return LayerSpectrum(values.numpy(), "channels", shape)
    if weight.ndim == 2:
        return LayerSpectrum(torch.linalg.svdvals(weight).numpy(), "matrix", shape)
    convolution = Convolution.from_layer(layer.module, layer.input_shape, weight=weight)
    found, operator = convolution_values(convolution)
    return LayerSpectrum(found.numpy(), operator, shape)


def weight_of(layer: UsedLayer, fold: bool = True) -> Tensor:
    """Return the weight of a torch layer, with the batch norm behind it folded in or not."""
    if fold or isinstance(layer.module, BATCH_NORMS):
        return layer.weight().detach()
    weight = layer.module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def convolution_values(convolution: Convolution, method: str = "auto") -> tuple[Tensor, str]:
    """Return all singular values of a convolution in falling order, and of which operator they are.

    "dense" writes the layer's operator out as a matrix, with its true padding and stride.
    "circular" takes the convolution on a ring of the image's size: one small matrix per frequency.
    "auto" is "dense" up to some four million entries.
    """
    convolution = convolution.with_weight(convolution.weight.detach().double().cpu())
    if method == "auto":
        n_entries = math.prod(operator_shape(convolution))
        method = DENSE if n_entries <= _DENSE_ENTRIES else CIRCULAR
    if method == DENSE:
        return torch.linalg.svdvals(dense_matrix(convolution)), DENSE
    return _circular_values(convolution), CIRCULAR


def _circular_values(convolution: Convolution) -> Tensor:
    """Return the values on the ring; a side that the stride does not divide is rounded up."""
    assert convolution.size is not None
    sides = zip(convolution.size, convolution.stride, strict=True)
    frequencies = tuple(math.ceil(side / step) for side, step in sides)
    symbol = Symbol.of(convolution)
    points = torch.tensor(list(itertools.product(*map(range, frequencies))))
    blocks = [
        torch.linalg.svdvals(symbol.matrices(part, frequencies)).flatten()
        for part in points.split(1024)
    ]
    values = torch.cat(blocks)
    # Phases between strides that no tap meets are columns of zeros.
    n_columns = symbol.n_inputs * math.prod(convolution.stride)
    missing = min(symbol.n_outputs, n_columns) - min(symbol.shape)
    zeros = torch.zeros(missing * len(points) * convolution.groups, dtype=values.dtype)
    return torch.cat([values, zeros]).sort(descending=True).values
