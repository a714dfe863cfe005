"""What one layer adds to a spectral penalty: its squared norm, with the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from specreg_sklearn.spectral import BlockPowerIteration, UsedLayer, convolution_norm, matrix_norm
from specreg_sklearn.spectral.estimates import FollowedLayer

# The report once an epoch must be quick: a part of a large image and three digits will do.
_REPORT_SIDE = 48
_REPORT_TOLERANCE = 1e-3


class LayerTerm:
    """The squared spectral norm of one layer; the chain rule takes it to weight and gain."""

    def __init__(self, followed: FollowedLayer) -> None:
        self._followed = followed
        self._layer = followed.layer
        parts = self._layer.module, self._layer.batch_norm
        self._parameters = [
            part.weight
            for part in parts
            if part is not None and isinstance(part.weight, Tensor) and part.weight.requires_grad
        ]

    def value(self) -> Tensor:
        """Return the estimate, a scalar tensor with its gradient."""
        return self._followed.square()

    def add_gradient(self, strength: float) -> None:
        """Add the gradient of ``strength * value()`` where the loss has left one."""
        if self._learning():
            self.follow()[1](strength)

    def follow(self) -> tuple[float, Callable[[float], None]]:
        """Move on; return the estimate, and what adds a multiple of its gradient.

        A penalty that is no sum needs the estimates of all layers before the gradient of one.
        """
        learning = self._learning()
        with torch.enable_grad():
            weight = self._layer.weight()
        top = self._followed.update(weight.detach())

        def add(factor: float) -> None:
            if not learning:
                return
            gradient = factor * top.gradient
            # A weight without a batch norm is its own only parameter.
            leaf = weight.is_leaf
            parts = [gradient] if leaf else torch.autograd.grad(weight, learning, gradient)
            for parameter, part in zip(learning, parts, strict=True):
                assert parameter.grad is not None
                parameter.grad.add_(part)

        return top.value, add

    def _learning(self) -> list[Tensor]:
        return [parameter for parameter in self._parameters if parameter.grad is not None]

    def check(self) -> tuple[float, float]:
        """Return the exact norm and the one that training sees; called once an epoch."""
        weight = self._layer.weight().detach()
        estimate = math.sqrt(self._followed.update(weight).value)
        return self._exact(weight), estimate

    def _exact(self, weight: Tensor) -> float:
        """Return the norm of the folded weight, to the digits that a report needs."""
        if weight.ndim == 1:
            return float(weight.abs().max())
        if self._followed.operator is None:
            return matrix_norm(weight, double=False)
        operator = self._followed.operator.with_weight(weight)
        return convolution_norm(operator, tol=_REPORT_TOLERANCE, largest_side=_REPORT_SIDE)


class _MatrixTerm(LayerTerm):
    """A linear layer alone. Products with the block of vectors give the gradient in closed form."""

    def __init__(self, followed: FollowedLayer) -> None:
        assert isinstance(followed.iteration, BlockPowerIteration)
        self._weight = followed.layer.weight()
        self._iteration = followed.iteration

    def value(self) -> Tensor:
        top = self._iteration.update(self._weight.detach())
        # With the directions held fixed the gradient is that of sigma^2 (envelope theorem).
        images = top.directions @ self._weight.T
        shared = ((top.mixing @ images) * images).sum()
        return shared + (top.squared_norm - shared.detach())

    def add_gradient(self, strength: float) -> None:
        if self._weight.grad is not None:
            top = self._iteration.update(self._weight)
            self._add(top.images, top.mixing @ top.directions, strength)

    def follow(self) -> tuple[float, Callable[[float], None]]:
        top = self._iteration.update(self._weight)
        return top.squared_norm, partial(self._add, top.images, top.mixing @ top.directions)

    def _add(self, images: Tensor, mixed: Tensor, factor: float) -> None:
        if self._weight.grad is not None:
            self._weight.grad.addmm_(images.T, mixed, alpha=2 * factor)

    def check(self) -> tuple[float, float]:
        exact = matrix_norm(self._weight, double=False)
        estimate = self._iteration.estimate(self._weight)
        self._iteration.refresh(self._weight)  # keeps the block near the top in a burn-in
        return exact, estimate


def layer_term(
    layer: UsedLayer, *, method: str, n_vectors: int | str, n_steps: int, generator: torch.Generator
) -> LayerTerm:
    """Return the term of a layer, with a warm iteration; the settings are those of RepSpectral.

    ValueError if a batch norm keeps no running statistics.
    """
    try:
        layer.weight()
    except ValueError as error:
        raise ValueError(
            f"the layer {layer.name!r} has no norm for a single row: {error}"
        ) from error
    followed = FollowedLayer(
        layer, method=method, n_vectors=n_vectors, n_steps=n_steps, generator=generator
    )
    alone = isinstance(layer.module, nn.Linear) and layer.batch_norm is None
    return _MatrixTerm(followed) if alone else LayerTerm(followed)
