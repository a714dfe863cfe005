"""The distance of every hidden layer from an operator that keeps lengths."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, weighted_layers
from specreg_sklearn.spectral import Convolution

_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Orthogonal(Penalty):
    r"""The squared Frobenius distance of every hidden layer from orthogonality.

    For a matrix W, ``||W W^T - I||_F ** 2``, or ``||W^T W - I||_F ** 2`` where W has more outputs
    than inputs: the smaller Gram matrix is the one that can be the identity. At zero all singular
    values are 1. The penalty is the sum over the layers of the backbone; the readout and the
    biases are left free.

    For a convolution A, ``||A A^T - I||_F ** 2`` (or ``A^T A``) of the operator on an unbounded
    image, per output position, with its stride, dilation and groups. It is computed from the
    convolution of the kernel with itself; padding plays no part. A batch norm keeps its gains:
    what follows it is not taken into account, so the penalty then shapes kernels and bounds
    nothing.

    References
    ----------
    Wang, Chen, Chakraborty, Yu, "Orthogonal Convolutional Neural Networks", arXiv:1911.12207.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import Orthogonal
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> _ = backbone.weight.data.copy_(2 * torch.eye(2))
    >>> bound = Orthogonal().bind(backbone, head, generator=torch.Generator())
    >>> bound.value().item()  # two singular values of 2: (4 - 1) ** 2 each
    18.0
    """

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to linear layers and convolutions; see :meth:`Penalty.bind`."""
        terms: dict[str, Callable[[], Tensor]] = {}
        for name, layer in weighted_layers(backbone):
            if isinstance(layer, nn.Linear):
                terms[name] = partial(_matrix_distance, layer)
            elif isinstance(layer, nn.modules.conv._ConvNd):
                terms[name] = _ConvolutionTerm(layer)
            elif not isinstance(layer, _NORMALISATIONS):
                raise ValueError(
                    f"Orthogonal cannot handle the layer {name!r} ({type(layer).__name__}); "
                    "torch.nn.Linear, convolutions and batch norms are accepted."
                )
        return _BoundOrthogonal(terms)


class _BoundOrthogonal(BoundPenalty):
    def __init__(self, terms: dict[str, Callable[[], Tensor]]) -> None:
        self.layer_names = tuple(terms)
        self._terms = tuple(terms.values())

    def value(self) -> Tensor:
        """Return the sum over the layers; a backbone without weights gives 0."""
        if not self._terms:
            return torch.zeros((), dtype=torch.float32, requires_grad=True)
        return torch.stack([term() for term in self._terms]).sum()


def _matrix_distance(layer: nn.Linear) -> Tensor:
    weight = layer.weight
    gram = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return (gram - identity).square().sum()


class _ConvolutionTerm:
    """Distance from orthogonality of a convolution, through the kernel's self-convolution."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer
        # A transposed layer comes as the convolution whose adjoint it is, with the same distance.
        operator = Convolution.from_layer(layer)
        self._convolve = _CONVOLVE[len(operator.stride)]
        self._stride, self._dilation = operator.stride, operator.dilation
        self._groups = operator.groups
        # Shifts at which two output positions read common pixels: multiples of the stride.
        self._reach = tuple(
            gap * (taps - 1) // step * step
            for gap, taps, step in zip(self._dilation, operator.kernel, self._stride, strict=True)
        )
        per_group = operator.weight.shape[0] // operator.groups
        # ||A A^T - I||^2 - ||A^T A - I||^2 is the number of outputs less that of inputs.
        inputs_per_output = operator.n_inputs * torch.Size(operator.stride).numel()
        self._surplus = max(0, operator.weight.shape[0] - inputs_per_output)
        self._identity = torch.eye(per_group, dtype=torch.float32).repeat(1, operator.groups)

    def __call__(self) -> Tensor:
        weight = self._layer.weight
        assert isinstance(weight, Tensor)
        per_group = len(self._identity)
        kernels = weight.unflatten(0, (self._groups, per_group)).transpose(0, 1).flatten(1, 2)
        spread = self._spread(kernels)
        gram = self._convolve(
            spread, weight, None, self._stride, self._reach, self._dilation, self._groups
        )
        # The entries at shift zero, in the middle, should be the identity, all others zero.
        flat = gram.flatten(2)
        middle = torch.arange(flat.shape[2], device=flat.device) == flat.shape[2] // 2
        target = self._identity.to(flat)[..., None] * middle
        return (flat - target).square().sum() - self._surplus

    def _spread(self, kernels: Tensor) -> Tensor:
        """Put zeros between the taps, as the dilation does."""
        if all(gap == 1 for gap in self._dilation):
            return kernels
        axes = zip(self._dilation, kernels.shape[2:], strict=True)
        sides = [gap * (taps - 1) + 1 for gap, taps in axes]
        spread = kernels.new_zeros(*kernels.shape[:2], *sides)
        every: Any = (..., *(slice(None, None, gap) for gap in self._dilation))
        spread[every] = kernels
        return spread
