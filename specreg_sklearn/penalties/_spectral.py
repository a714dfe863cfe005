"""Spectral penalties: the sum of squared operator norms, with or without the readout."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._layer_terms import LayerTerm, layer_term
from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, PenaltyReport
from specreg_sklearn.spectral import UsedLayer, used_layers

_METHODS = ("auto", "operator", "fourier")


class RepSpectral(Penalty):
    """The sum of squared spectral norms of the layers up to the feature space.

    ``R = sum over layers l < L of sigma_max(W_l) ** 2``. The readout ``W_L`` stays free, so that
    smooth features can serve under another readout. There is no factor one half; biases are left
    out.

    The norm of a layer is that of the operator that it applies, never of a reshaped kernel: a
    convolution counts with its stride, dilation, groups and padding on images of the size it gets.
    A batch norm is folded into the layer whose output it reads, ``diag(gain / sqrt(running_var +
    eps)) W``, with the running statistics as constants; so it cannot undo the penalty by scaling
    back what the layer has lost. A batch norm that follows no layer counts as the diagonal that it
    is. Layers without a known norm (layer norm, embedding, recurrent layers) are refused by name.

    Parameters
    ----------
    n_vectors : int or "auto", default="auto"
        Vectors that follow the top of each layer's spectrum. "auto" takes 8 for linear layers of
        up to 32768 weights, 4 or 3 for larger ones; 8 to 1 for convolutions, fewer for larger ones.
    n_power_iterations : int, default=1
        Power steps per training step. Raise it to 3 when a warning says that the estimate lags.
    method : {"auto", "operator", "fourier"}, default="auto"
        How convolutions are followed: "operator" convolves a few images of the true size,
        "fourier" follows plane waves on a grid of frequencies, at a price that does not grow with
        the image. "auto" takes the operator on small images and with reflected or replicated
        padding, else Fourier.

    References
    ----------
    Yang, Zavatone-Veth, Pehlevan, "Spectral regularization for adversarially-robust
    representation learning", arXiv:2405.17181.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import RepSpectral
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> for layer in (backbone, head):
    ...     _ = torch.nn.init.eye_(layer.weight)
    >>> bound = RepSpectral().bind(backbone, head, generator=torch.Generator().manual_seed(0))
    >>> bound.layer_names, round(float(bound.value().detach()), 6)
    (('backbone',), 1.0)
    """

    _covers_head = False

    def __init__(
        self,
        *,
        n_vectors: int | str = "auto",
        n_power_iterations: int = 1,
        method: str = "auto",
    ) -> None:
        self.n_vectors = n_vectors
        self.n_power_iterations = n_power_iterations
        self.method = method

    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundPenalty:
        """Attach the penalty to the layers with weights; see :meth:`Penalty.bind`.

        Networks with other than linear layers need `input_shape`. Bind again for another one.
        """
        if self.n_vectors != "auto":
            _check_positive("n_vectors", self.n_vectors)
        _check_positive("n_power_iterations", self.n_power_iterations)
        if self.method not in _METHODS:
            raise ValueError(f"method={self.method!r} must be one of {list(_METHODS)}.")
        try:
            layers = used_layers(backbone, input_shape, prefix="backbone")
            if self._covers_head:
                layers += used_layers(head, prefix="head")
            return _BoundSpectral(layers, self, generator)
        except ValueError as error:
            raise ValueError(f"{type(self).__name__} cannot be used: {error}") from error


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer.")


class LLSpectral(RepSpectral):
    """The sum of squared spectral norms of all layers, the readout included.

    ``R = sum over layers l <= L of sigma_max(W_l) ** 2``; otherwise as :class:`RepSpectral`.

    Parameters
    ----------
    n_vectors : int or "auto", default="auto"
        Vectors that follow the top of each layer's spectrum.
    n_power_iterations : int, default=1
        Power steps per training step.
    method : {"auto", "operator", "fourier"}, default="auto"
        How convolutions are followed.

    References
    ----------
    Yoshida, Miyato, "Spectral norm regularization for improving the generalizability of deep
    learning", arXiv:1705.10941.

    Examples
    --------
    >>> from specreg_sklearn.penalties import LLSpectral
    >>> LLSpectral(n_power_iterations=3)
    LLSpectral(n_power_iterations=3)
    """

    needs_readout = True
    _covers_head = True


class _BoundSpectral(BoundPenalty):
    def __init__(
        self, layers: list[UsedLayer], settings: RepSpectral, generator: torch.Generator
    ) -> None:
        self.layer_names = tuple(layer.name for layer in layers)
        self._terms: list[LayerTerm] = [
            layer_term(
                layer,
                method=settings.method,
                n_vectors=settings.n_vectors,
                n_steps=settings.n_power_iterations,
                generator=generator,
            )
            for layer in layers
        ]

    def value(self) -> Tensor:
        """Return the estimated sum of squared norms; the gradient flows to the weights."""
        if not self._terms:  # a backbone that only reshapes
            return torch.zeros((), requires_grad=True)
        return torch.stack([term.value() for term in self._terms]).sum()

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add the closed form of the gradient of ``strength * value()``."""
        for term in self._terms:
            term.add_gradient(strength)

    def report(self) -> PenaltyReport:
        """Compare the warm estimate of every layer with the exact norm."""
        value, error = 0.0, 0.0
        for term in self._terms:
            exact, estimate = term.check()
            value += exact**2
            if exact > 0:
                error = max(error, 1 - estimate / exact)
        return PenaltyReport(value, error)
