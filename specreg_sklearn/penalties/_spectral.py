"""Spectral penalties: the sum of squared operator norms, with or without the readout."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from specreg_sklearn.penalties._layer_terms import LayerTerm, layer_term
from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, PenaltyReport
from specreg_sklearn.spectral import used_layers
from specreg_sklearn.tables import check_choice, check_count

Method: TypeAlias = Literal["auto", "operator", "fourier"]


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
        n_vectors: int | Literal["auto"] = "auto",
        n_power_iterations: int = 1,
        method: Method = "auto",
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
        check_count("n_vectors", self.n_vectors, otherwise=("auto",))
        check_count("n_power_iterations", self.n_power_iterations)
        check_choice("method", self.method, get_args(Method))
        try:
            layers = used_layers(backbone, input_shape, prefix="backbone")
            if self._covers_head:
                layers += used_layers(head, prefix="head")
            terms = {
                layer.name: layer_term(
                    layer,
                    method=self.method,
                    n_vectors=self.n_vectors,
                    n_steps=self.n_power_iterations,
                    generator=generator,
                )
                for layer in layers
            }
        except ValueError as error:
            raise ValueError(f"{type(self).__name__} cannot be used: {error}") from error
        return self._bound(terms, head)

    def _bound(self, terms: dict[str, LayerTerm], head: nn.Module) -> BoundPenalty:
        return _BoundSpectral(terms)


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
    def __init__(self, terms: dict[str, LayerTerm]) -> None:
        self.layer_names = tuple(terms)
        self._terms = tuple(terms.values())

    def value(self) -> Tensor:
        """Return the estimated sum of squared norms; the gradient flows to the weights."""
        if not self._terms:  # a backbone that only reshapes
            return torch.zeros((), dtype=torch.float32, requires_grad=True)
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
