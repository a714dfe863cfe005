"""Rules for the layers of torch that map values one to one, or linearly."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from specreg_sklearn.certificates.networks._function_names import ACTIVATION_LAYERS
from specreg_sklearn.certificates.networks._layer_registry import register_lipschitz_rule
from specreg_sklearn.certificates.stages import (
    Affine,
    ChannelAffine,
    ConvolutionStage,
    Elementwise,
    NoLipschitzBound,
    Rearrange,
    Stage,
    identity,
    reshape,
    through_torch,
)
from specreg_sklearn.modules import GroupSort
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF
from specreg_sklearn.spectral.layers import BATCH_NORMS, CONVOLUTIONS, TRANSPOSED


@register_lipschitz_rule(*ACTIVATION_LAYERS)
def _activation(layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    # Subclasses that keep the forward of an activation come here, too.
    kind = next(kind for kind in type(layer).__mro__ if kind in ACTIVATION_LAYERS)
    name, attributes = ACTIVATION_LAYERS[kind]
    return Elementwise(name, **{key: getattr(layer, key) for key in attributes})


@register_lipschitz_rule(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
@register_lipschitz_rule(nn.AlphaDropout, nn.FeatureAlphaDropout)
def _identity(layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    return identity()  # dropout is not active outside training


@register_lipschitz_rule(GroupSort)
def _group_sort(layer: GroupSort, input_shape: tuple[int, ...]) -> Stage:
    # An entry may come from anywhere in its group, and so may the error of one.
    def largest(X: Tensor) -> Tensor:
        groups = layer.groups(X)
        return groups.amax(dim=2, keepdim=True).expand_as(groups).flatten(1, 2)

    return Rearrange(lambda X: through_torch(layer, X), lambda error: through_torch(largest, error))


@register_lipschitz_rule(nn.PReLU)
def _prelu(layer: nn.PReLU, input_shape: tuple[int, ...]) -> Stage:
    slopes = layer.weight.detach().numpy()
    per_channel = (-1, *(1,) * (len(input_shape) - 1))
    return Elementwise("prelu", weight=slopes.reshape(per_channel) if len(slopes) > 1 else slopes)


@register_lipschitz_rule(nn.Linear)
def _linear(layer: nn.Linear, input_shape: tuple[int, ...]) -> Stage:
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    return Affine(layer.weight.detach().numpy(), bias)


@register_lipschitz_rule(nn.Flatten, nn.Unflatten)
def _reshaped(layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    two_rows = through_torch(layer, np.zeros((2, *input_shape))).shape
    if two_rows[0] != 2:
        raise NoLipschitzBound("it mixes the rows of a batch")
    return reshape(two_rows[1:])


@register_lipschitz_rule(nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
def _moved(layer: nn.Module, input_shape: tuple[int, ...]) -> Stage:
    return Rearrange(lambda X: through_torch(layer, X))


@register_lipschitz_rule(*CONVOLUTIONS, *TRANSPOSED)
def _convolution(layer: _ConvNd, input_shape: tuple[int, ...]) -> Stage:
    return ConvolutionStage(layer, input_shape)


@register_lipschitz_rule(*BATCH_NORMS)
def _batch_norm(layer: _BatchNorm, input_shape: tuple[int, ...]) -> Stage:
    if layer.running_mean is None or layer.running_var is None:
        raise NoLipschitzBound(
            "it keeps no running statistics, so that its output depends on the rest of the batch"
        )
    mean, variance = layer.running_mean.numpy(), layer.running_var.numpy()
    if not (variance + layer.eps > 0).all():
        raise ValueError("running_var + eps must be positive.")
    gain = np.ones_like(mean) if layer.weight is None else layer.weight.detach().numpy()
    offset = np.zeros_like(mean) if layer.bias is None else layer.bias.detach().numpy()
    scale = gain / np.sqrt(variance + layer.eps)  # three roundings
    shift = offset - mean * scale  # and two more
    shift_error = 8 * UNIT_ROUNDOFF * (np.abs(offset) + np.abs(mean * scale))
    return ChannelAffine(scale, shift, 4 * UNIT_ROUNDOFF, shift_error)
