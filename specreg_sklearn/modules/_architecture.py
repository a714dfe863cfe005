"""What the factories ask of their settings."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any


def check_image_shape(owner: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return channels, height and width of one image.

    Parameters
    ----------
    owner : str
        The architecture, for the message.
    input_shape : tuple of int
        Shape of one sample.

    Returns
    -------
    tuple of int
        The three axes.

    Raises
    ------
    ValueError
        If `input_shape` has other than three axes; the message proposes a shape.
    """
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return channels, height, width
    raise ValueError(
        f"{owner} works on images, and a row has the shape {tuple(input_shape)}. Give "
        f"input_shape=(n_channels, height, width){_proposal(input_shape)}, or X of shape "
        "(n_samples, n_channels, height, width)."
    )


def _proposal(input_shape: tuple[int, ...]) -> str:
    """Name a shape that would fit, where one is plain to see."""
    if len(input_shape) == 2:
        return f", here (1, {input_shape[0]}, {input_shape[1]}) for images without colour"
    n_features = math.prod(input_shape)
    for channels in (1, 3):
        side = math.isqrt(n_features // channels)
        if side > 1 and channels * side * side == n_features:
            return f", such as ({channels}, {side}, {side}) for {n_features} features"
    return ""


def check_positive(owner: str, name: str, value: Any) -> int:
    """Return `value` if it is a positive integer; raise ValueError with its name if not."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} of {owner} must be a positive integer.")
    return int(value)
