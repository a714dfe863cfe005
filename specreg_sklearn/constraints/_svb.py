"""Singular value bounding: all singular values in a narrow band around one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from specreg_sklearn.constraints._constraint import BoundConstraint, Constraint
from specreg_sklearn.constraints._singular_bands import clip_exactly, clip_nearly
from specreg_sklearn.constraints._weight_matrices import (
    Layers,
    as_matrices,
    weight_matrices,
    write_matrices,
)
from specreg_sklearn.tables import check_count, check_flag, check_number


class SVB(Constraint):
    """Clip all singular values of every layer into ``[1 / (1 + epsilon), 1 + epsilon]``.

    This is the Frobenius-nearest matrix with singular values in the band. Small ones are raised
    too: a layer neither stretches a direction nor forgets it. One decomposition per layer and
    epoch, as in the paper; the projection is also made after the last step, so that the fitted
    weights keep the band.

    For a convolution the matrix is its kernel, reshaped to (n_outputs, n_inputs * taps) for each
    group, as in the paper. **Its singular values are not those of the operator**, whose norm may
    be larger by up to the square root of the number of taps. Batch norms are left alone.

    Parameters
    ----------
    epsilon : float, default=0.05
        Half-width of the band.
    every : int or None, default=None
        Project also after every so many training steps. None: at the end of an epoch only. Between
        the ends of epochs wide layers are projected by a polynomial, which may leave the band by up
        to 15 % of `epsilon`: it costs half of a decomposition.
    include_head : bool, default=True
        Hold the readout too.

    References
    ----------
    Jia, Tao, Gao, Xu, "Improving training of deep neural networks via Singular Value Bounding",
    arXiv:1611.06013.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.constraints import SVB
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> _ = backbone.weight.data.copy_(torch.diag(torch.tensor([4.0, 0.1])))
    >>> constraint = SVB(epsilon=0.25, include_head=False)
    >>> constraint.bind(backbone, head, generator=torch.Generator()).settle()
    >>> torch.linalg.svdvals(backbone.weight.detach())
    tensor([1.2500, 0.8000])
    """

    def __init__(
        self, epsilon: float = 0.05, *, every: int | None = None, include_head: bool = True
    ) -> None:
        self.epsilon = epsilon
        self.every = every
        self.include_head = include_head

    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundConstraint:
        """Attach the constraint to the layers; see :meth:`Constraint.bind`."""
        check_number("epsilon", self.epsilon, 0, closed="neither", accepted="a number above 0")
        check_count("every", self.every, otherwise=(None,))
        check_flag("include_head", self.include_head)
        layers = weight_matrices(self, backbone, head, self.include_head)
        return _BoundSVB(layers, float(self.epsilon), self.every)


class _BoundSVB(BoundConstraint):
    def __init__(self, layers: Layers, epsilon: float, every: int | None) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        self._layers = [layer for _, layer in layers]
        self._band = 1 / (1 + epsilon), 1 + epsilon
        self._every = every
        self._steps = 0

    def project(self) -> None:
        """Count the step, and clip the singular values when it is their turn."""
        self._steps += 1
        if self._every is not None and self._steps % self._every == 0:
            self._clip(clip_nearly)

    @torch.no_grad()
    def settle(self) -> None:
        """Clip the singular values of every layer into the band."""
        self._clip(clip_exactly)

    @torch.no_grad()
    def _clip(self, clip: Callable[[Tensor, float, float], Tensor]) -> None:
        for layer in self._layers:
            matrices = as_matrices(layer)
            if not matrices.isfinite().all():
                return  # the training loop notices it and says so
            clipped = clip(matrices, *self._band)
            if clipped is not matrices:
                write_matrices(layer, clipped)
