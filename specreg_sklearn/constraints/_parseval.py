"""A step towards a tight frame after every training step."""

from __future__ import annotations

import torch
from torch import nn

from specreg_sklearn.constraints._constraint import BoundConstraint, Constraint
from specreg_sklearn.constraints._weight_matrices import (
    Layers,
    as_matrices,
    positions_per_pixel,
    weight_matrices,
    write_matrices,
)
from specreg_sklearn.spectral import matrix_norm
from specreg_sklearn.tables import check_flag, check_number


class Parseval(Constraint):
    """Pull all singular values of the hidden layers towards one, a little after every step.

    The step ``W <- (1 + beta) W - beta W W^T W`` takes a singular value s to
    ``(1 + beta) s - beta s ** 3``: one is its fixed point, and deviations shrink by ``1 - 2 beta``.
    It is a pull and no promise: after a fit the values are near one where the loss lets them be.

    For a convolution, W is its kernel, reshaped to (n_outputs, n_inputs * taps) for each group
    and multiplied by the square root of the number of positions that read a pixel. That keeps the
    operator's norm at one or below under zero padding when W has singular values of one; **it
    does not make them those of the operator**. Batch norms are left alone.

    Parameters
    ----------
    beta : float, default=0.01
        Size of the pull.
    include_head : bool, default=False
        Pull the readout too; the paper leaves it free.

    References
    ----------
    Cisse, Bojanowski, Grave, Dauphin, Usunier, "Parseval Networks: Improving Robustness to
    Adversarial Examples", arXiv:1704.08847.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.constraints import Parseval
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> _ = backbone.weight.data.copy_(torch.diag(torch.tensor([2.0, 0.5])))
    >>> bound = Parseval(beta=0.1).bind(backbone, head, generator=torch.Generator())
    >>> bound.project()
    >>> backbone.weight.detach().diag()  # 2.2 - 0.8 and 0.55 - 0.0125
    tensor([1.4000, 0.5375])
    """

    def __init__(self, beta: float = 0.01, *, include_head: bool = False) -> None:
        self.beta = beta
        self.include_head = include_head

    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundConstraint:
        """Attach the constraint to the layers; see :meth:`Constraint.bind`.

        Raises
        ------
        ValueError
            Also if a layer is so large that the step would overshoot zero.
        """
        # Beyond one half the fixed point stops attracting monotonously.
        accepted = "a number above 0 and below 0.5"
        check_number("beta", self.beta, 0, 0.5, closed="neither", accepted=accepted)
        check_flag("include_head", self.include_head)
        layers = weight_matrices(self, backbone, head, self.include_head)
        limit = ((1 + self.beta) / self.beta) ** 0.5
        for name, layer in layers:
            norm = max(map(matrix_norm, as_matrices(layer))) * positions_per_pixel(layer) ** 0.5
            if norm >= limit:
                raise ValueError(
                    f"Parseval(beta={self.beta!r}) overshoots on the layer {name!r}, whose largest "
                    f"singular value is {norm:.3g}; it must be below {limit:.3g}. Lower beta."
                )
        return _BoundParseval(layers, float(self.beta))


class _BoundParseval(BoundConstraint):
    def __init__(self, layers: Layers, beta: float) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        self._layers = [(layer, positions_per_pixel(layer)) for _, layer in layers]
        self._beta = beta

    @torch.no_grad()
    def project(self) -> None:
        """Take one step of the pull on every layer."""
        for layer, n_positions in self._layers:
            W = as_matrices(layer)
            # The product over the shorter side first: it is the cheaper of the two orders.
            product = (W @ W.mT) @ W if W.shape[1] <= W.shape[2] else W @ (W.mT @ W)
            write_matrices(layer, (1 + self._beta) * W - self._beta * n_positions * product)

    def settle(self) -> None:
        """Do nothing: the pull makes no promise that could be kept exactly."""
