"""Which iteration follows a convolution best for its price."""

from __future__ import annotations

import math

import torch

from specreg_sklearn.spectral.estimates._fourier_iteration import FourierIteration, n_columns
from specreg_sklearn.spectral.estimates._operator_iteration import ConvolutionIteration
from specreg_sklearn.spectral.layers import Convolution

METHODS = ("auto", "operator", "fourier")
# Up to this factor in price the true operator is worth it: small images are mostly border.
_WORTH = 2


def follow_convolution(
    operator: Convolution,
    *,
    method: str = "auto",
    n_vectors: int | str = "auto",
    n_steps: int = 1,
    generator: torch.Generator | None = None,
) -> ConvolutionIteration | FourierIteration:
    """Return an iteration that follows the norm of a convolution through training.

    Parameters
    ----------
    operator : Convolution
        The layer, with the size of its images.
    method : {"auto", "operator", "fourier"}, default="auto"
        "operator" takes :class:`ConvolutionIteration`, "fourier" :class:`FourierIteration`. "auto"
        takes the operator where images are small, where it is cheap and the border counts, or
        where padding copies pixels, which plane waves do not know; and else Fourier.
    n_vectors : int or "auto", default="auto"
        Vectors, as the two classes take them.
    n_steps : int, default=1
        Steps per update.
    generator : torch.Generator, default=None
        A CPU generator for the start.

    Returns
    -------
    ConvolutionIteration or FourierIteration
        Warm.

    Raises
    ------
    ValueError
        If `method` is unknown.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.spectral import Convolution, follow_convolution
    >>> layer = torch.nn.Conv2d(2, 3, 3, padding=1)
    >>> for side in (8, 32):
    ...     iteration = follow_convolution(Convolution.from_layer(layer, (2, side, side)))
    ...     print(type(iteration).__name__)
    ConvolutionIteration
    FourierIteration
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} must be one of {list(METHODS)}.")
    if method == "auto":
        copies = operator.padding_mode in ("reflect", "replicate")
        small = math.prod(operator.output_size) <= _WORTH * n_columns(operator)
        method = "operator" if copies or small else "fourier"
    kind = ConvolutionIteration if method == "operator" else FourierIteration
    return kind(operator, n_vectors=n_vectors, n_steps=n_steps, generator=generator)
