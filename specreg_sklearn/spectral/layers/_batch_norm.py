"""Batch normalisation of a trained network: a diagonal that folds into the layer before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specreg_sklearn.spectral.layers._convolution import CONVOLUTIONS, TRANSPOSED
from specreg_sklearn.spectral.layers._eval_mode import weight_of

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def batch_norm_scale(norm: nn.Module) -> Tensor:
    """Return the factor by which a batch norm in eval mode multiplies each channel.

    Parameters
    ----------
    norm : torch.nn.BatchNorm1d, BatchNorm2d, BatchNorm3d or SyncBatchNorm
        The layer. Its mode does not matter: the factors are those of eval mode, also while the
        network trains.

    Returns
    -------
    Tensor of shape (n_channels,)
        ``gain / sqrt(running_var + eps)``. Gradients flow to the gain; the running variance is a
        constant.

    Raises
    ------
    TypeError
        If the layer is no batch norm.
    ValueError
        If it keeps no running statistics. It then divides by the statistics of the rows that
        happen to be in a batch, and what it does to one row is not defined.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import batch_norm_scale
    >>> norm = torch.nn.BatchNorm1d(2, eps=0.0, affine=False)
    >>> _ = norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    >>> batch_norm_scale(norm)
    tensor([0.5000, 2.0000])
    """
    if not isinstance(norm, BATCH_NORMS):
        raise TypeError(f"A {type(norm).__name__} layer is not a batch norm.")
    variance = norm.running_var
    if variance is None:
        raise ValueError(
            f"The layer {norm} keeps no running statistics, so it has no norm for a single row; "
            "build it with track_running_stats=True."
        )
    factors = torch.rsqrt(variance.detach() + norm.eps)
    return factors if norm.weight is None else norm.weight * factors


def fold_batch_norm(layer: nn.Module, norm: nn.Module) -> Tensor:
    """Return the weight of a layer with the batch norm behind it folded in.

    Parameters
    ----------
    layer : torch.nn.Linear, Conv1d to Conv3d, or ConvTranspose1d to ConvTranspose3d
        The layer whose output the batch norm reads.
    norm : torch.nn.BatchNorm1d, BatchNorm2d, BatchNorm3d or SyncBatchNorm
        The batch norm, taken in eval mode.

    Returns
    -------
    Tensor of the shape of ``layer.weight``
        The layer with this weight (and another bias) does what the two do one after the other.
        Gradients flow to the weight and to the gain.

    Raises
    ------
    TypeError, ValueError
        If `layer` is none of these, the channels differ, or the batch norm keeps no running
        statistics.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import fold_batch_norm
    >>> layer, norm = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2, eps=0.0)
    >>> _ = norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    >>> ratio = fold_batch_norm(layer, norm) / layer.weight
    >>> ratio[:, 0].tolist()
    [0.5, 2.0]
    """
    scale = batch_norm_scale(norm)
    if isinstance(layer, nn.Linear):
        n_outputs = layer.out_features
    elif isinstance(layer, CONVOLUTIONS + TRANSPOSED):
        n_outputs = layer.out_channels
    else:
        raise TypeError(f"A batch norm cannot be folded into a {type(layer).__name__} layer.")
    if len(scale) != n_outputs:
        raise ValueError(f"{norm} does not fit behind {layer}: it reads {len(scale)} channels.")
    return weight_of(layer) * spread_over(layer, scale)


def spread_over(layer: nn.Module, scale: Tensor) -> Tensor:
    """Shape one factor per output channel so that it multiplies the layer's weight."""
    weight = weight_of(layer)
    if not isinstance(layer, TRANSPOSED):
        return scale.view(-1, *[1] * (weight.ndim - 1))
    # Weights are (n_inputs, n_outputs / groups, *kernel), with inputs in blocks per group.
    scale = scale.view(layer.groups, 1, -1).expand(-1, layer.in_channels // layer.groups, -1)
    return scale.reshape(*weight.shape[:2], *[1] * (weight.ndim - 2))
