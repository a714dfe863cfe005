"""A torch module as stages: a plain sequence of layers opened up, the rest as one graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import nn

from specreg_sklearn.certificates.bounds import CertifiedMap
from specreg_sklearn.certificates.networks._torch_graph import Step, TorchGraph, compared_steps
from specreg_sklearn.certificates.stages import Affine, ChannelAffine, Elementwise, Rearrange, Stage

_PASSING = (nn.Identity, nn.Dropout, nn.Flatten)


def torch_stages(
    module: nn.Module, input_shape: tuple[int, ...], *, rows: np.ndarray | None = None
) -> list[Stage]:
    """Turn a module into stages for :class:`CertifiedMap`.

    Parameters
    ----------
    module : torch.nn.Module
        Copied to the CPU in float64 and eval mode; the original is not touched.
    input_shape : tuple of int
        Shape of one input; the stages take flattened rows.
    rows : ndarray of shape (n_samples, *input_shape) or (n_samples, n_inputs), default=None
        Rows on which the stages are compared with the module, beside random ones.

    Returns
    -------
    list of Stage
        `Affine` and `Elementwise` for the plain sequence at the end of the module, which is all of
        a multilayer perceptron; what comes before it as one `TorchGraph`.

    Raises
    ------
    NoLipschitzBound
        If a layer or a function has no known constant, or if the module does something that its
        layers and functions do not say, such as a hook; the message names it.
    ValueError
        If a weight is NaN or infinite, or if the module does not accept rows of this shape.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.certificates import torch_stages
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    >>> [type(stage).__name__ for stage in torch_stages(module, (1, 4, 4))]
    ['TorchGraph', 'Elementwise', 'Affine']
    """
    input_shape = tuple(input_shape)
    steps, comparison = compared_steps(module, input_shape, rows)
    stages: list[Stage] = []
    position = len(steps) - 1
    while position >= 0:
        step = steps[position]
        shape = input_shape if step.sources == [-1] else steps[step.sources[0]].shape
        stage = _on_flat_rows(step, shape)
        if stage is None:
            break
        if not isinstance(stage, Rearrange):
            stages.insert(0, stage)
        position = step.sources[0]
    if position >= 0:
        # Steps behind the position belong to that sequence alone.
        stages.insert(0, TorchGraph.of_steps(steps[: position + 1], input_shape))
    if all(stage.n_outputs is None for stage in stages):  # somebody has to state the width
        stages.insert(0, Affine(np.ones(math.prod(input_shape))))
    stages[0].comparison = comparison  # for rows that come later
    return stages


def module_lipschitz_bound(module: nn.Module, input_shape: tuple[int, ...]) -> float:
    """Return a proven l2 Lipschitz constant of a module.

    Parameters
    ----------
    module : torch.nn.Module
        In eval mode, whatever its flag says; it is not touched.
    input_shape : tuple of int
        Shape of one input.

    Returns
    -------
    float
        No two inputs are mapped farther apart than this times their distance.

    Raises
    ------
    NoLipschitzBound
        If a layer or a function has no known constant; the message names it.
    ValueError
        If a weight is NaN or infinite, or if the module does not accept rows of this shape.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.certificates import module_lipschitz_bound
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.eye_(layer.weight)
    >>> round(module_lipschitz_bound(torch.nn.Sequential(layer, torch.nn.Tanh()), (2,)), 9)
    1.0
    """
    return CertifiedMap(torch_stages(module, input_shape)).lipschitz()


def input_shape_of(module: nn.Module, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the given shape, or that of the linear layer the module starts with."""
    if input_shape is not None:
        return tuple(int(side) for side in input_shape)
    own = getattr(module, "input_shape", None)
    if own is not None:
        return tuple(own)
    first: nn.Module | None = module
    while isinstance(first, nn.Sequential):
        first = next((part for part in first if not isinstance(part, _PASSING)), None)
    if isinstance(first, nn.Linear):
        return (first.in_features,)
    raise ValueError(
        f"input_shape=None, but {type(module).__name__} does not start with a linear layer; give "
        "the shape of one sample, such as (3, 32, 32)."
    )


def _on_flat_rows(step: Step, shape: tuple[int, ...]) -> Stage | None:
    """Return the stage for flattened rows, or None if there is none."""
    stage = step.stage
    if isinstance(stage, Rearrange):
        return stage if stage.keeps_order else None
    if isinstance(stage, ChannelAffine) and len(shape) == 1:
        return Affine(
            np.broadcast_to(stage.scale, shape),
            np.broadcast_to(stage.shift, shape),
            entry_error=stage.scale_error,
            bias_error=stage.shift_error,
        )
    if isinstance(stage, Elementwise):
        return stage if len(shape) == 1 or stage.activation.name != "prelu" else None
    return stage if isinstance(stage, Affine) and len(shape) == 1 else None
