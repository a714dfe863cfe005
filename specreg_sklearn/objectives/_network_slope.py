"""How fast the logits of a network can move, as warm iterations see it during training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn.certificates.networks import module_lipschitz_bound
from specreg_sklearn.certificates.stages import NoLipschitzBound
from specreg_sklearn.spectral import used_layers
from specreg_sklearn.spectral.estimates import FollowedLayer


class FeatureSlope:
    """An estimate of the Lipschitz constant of a backbone: the product of its layers' norms.

    The norms come from warm power iterations, with convolutions as operators and batch norms
    folded in, times the steepest slopes of the activations. They never exceed the true norms, so
    their product steers training and proves nothing. A layer without a known norm or slope raises
    ValueError, by its name.
    """

    def __init__(
        self, backbone: nn.Module, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> None:
        layers = used_layers(backbone, input_shape, prefix="backbone")
        self._layers = [FollowedLayer(layer, generator=generator) for layer in layers]
        self._activations = _steepest_activations(backbone)

    def __call__(self) -> Tensor | float:
        """Move the iterations on; return the product, with its gradient."""
        if not self._layers:
            return self._activations
        squares = torch.stack([layer.square() for layer in self._layers])
        if not bool((squares > 0).all()):
            return 0 * squares.sum()  # a layer has vanished; logarithms would give NaN
        return self._activations * (0.5 * squares.log().sum()).exp()

    def refresh(self) -> None:
        """Let the iterations catch up with weights that have moved without them."""
        for layer in self._layers:
            layer.refresh()


def _steepest_activations(backbone: nn.Module) -> float:
    """Return the product of the steepest slopes of all activation layers."""
    product = 1.0
    for name, layer in backbone.named_modules(prefix="backbone"):
        if type(layer).__module__ == nn.ReLU.__module__:
            try:
                product *= module_lipschitz_bound(layer, (1,))
            except (NoLipschitzBound, TypeError, ValueError) as error:
                raise ValueError(
                    f"the activation {name!r} ({type(layer).__name__}) has no known slope: {error}"
                ) from error
    return product
