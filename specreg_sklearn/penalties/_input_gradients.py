"""Penalties on input gradients at the rows of a batch: of logits, features, or differences."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from specreg_sklearn.modules import Network
from specreg_sklearn.penalties._batch_penalty import BoundOnRows
from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty
from specreg_sklearn.penalties._piecewise_linear import PiecewiseLinear
from specreg_sklearn.tables import check_choice, check_count

Outputs: TypeAlias = Literal["logits", "features"]


class Jacobian(Penalty):
    r"""The mean squared Frobenius norm of the input Jacobian over the rows of a batch.

    ``R = mean over rows of ||d outputs / d x||_F ** 2``, weighted as the loss is. There is no
    factor one half. It acts on the slopes at the rows alone, where a spectral penalty acts on the
    worst slope anywhere. The network is differentiated in evaluation mode: batch norm with its
    running statistics, no dropout.

    Parameters
    ----------
    n_projections : int or None, default=1
        Random directions of the outputs that are pulled back for each row, one backward pass
        each. The estimate is unbiased; None, or as many as there are outputs, is exact.
    outputs : {"logits", "features"}, default="logits"
        What is differentiated: the logits, or the features that `transform` gives.

    References
    ----------
    Hoffman, Roberts, Yaida, "Robust Learning with Jacobian Regularization", arXiv:1908.02729.

    Examples
    --------
    The Jacobian of a linear network is its matrix, whatever the rows:

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.penalties import Jacobian
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(2, 2), (2,))
    >>> _ = network.head.weight.data.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    >>> penalty = Jacobian(n_projections=None)
    >>> bound = penalty.bind(network.backbone, network.head, generator=torch.Generator())
    >>> bound.see_batch(network, torch.zeros(5, 2), torch.zeros(5), None)
    >>> bound.value().item()
    14.0
    """

    def __init__(self, *, n_projections: int | None = 1, outputs: Outputs = "logits") -> None:
        self.n_projections = n_projections
        self.outputs = outputs

    @property
    def needs_readout(self) -> bool:
        """Whether the logits are differentiated, and not the features."""
        return self.outputs != "features"

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to a network with a linear head; see :meth:`Penalty.bind`."""
        _check_projections(self.n_projections)
        check_choice("outputs", self.outputs, get_args(Outputs))
        readout: Any = head
        of_features = self.outputs == "features"
        n_outputs = int(readout.in_features) if of_features else len(readout.weight)
        basis = torch.eye(n_outputs, dtype=torch.float64)
        chain = (
            PiecewiseLinear.read(backbone) if of_features else PiecewiseLinear.read(backbone, head)
        )
        return _BoundInputGradient(
            basis, self.n_projections, generator, of_features=of_features, chain=chain
        )


class CrossLipschitz(Penalty):
    r"""The mean squared difference between the input gradients of two logits.

    With ``g_k`` the gradient of logit k and K classes,
    ``R = mean over rows of sum over k, l of ||g_k - g_l|| ** 2 / K ** 2``, weighted as the loss is.
    A row flips when the difference of two logits changes sign, so their gradients matter through
    their differences only. The network is differentiated in evaluation mode.

    Parameters
    ----------
    n_projections : int or None, default=None
        None is exact and costs K - 1 backward passes: the sum over pairs is the squared norm of
        the Jacobian on the directions that add up to zero. A number takes that many random such
        directions for each row, an unbiased estimate.

    References
    ----------
    Hein, Andriushchenko, "Formal Guarantees on the Robustness of a Classifier against Adversarial
    Manipulation", arXiv:1705.08475.

    Examples
    --------
    Two logits with gradients (1, 2) and (0, 3): the two ordered pairs give 2 each, over 4.

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.penalties import CrossLipschitz
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(2, 2), (2,))
    >>> _ = network.head.weight.data.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    >>> bound = CrossLipschitz().bind(network.backbone, network.head, generator=torch.Generator())
    >>> bound.see_batch(network, torch.zeros(5, 2), torch.zeros(5), None)
    >>> round(bound.value().item(), 6)
    1.0
    """

    needs_readout = True

    def __init__(self, *, n_projections: int | None = None) -> None:
        self.n_projections = n_projections

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundPenalty:
        """Attach the penalty to a network with a linear head; see :meth:`Penalty.bind`."""
        _check_projections(self.n_projections)
        readout: Any = head
        n_classes = len(readout.weight)
        if n_classes < 2:
            raise ValueError("CrossLipschitz compares logits; the head has only one.")
        # sum over pairs ||g_k - g_l||^2 = 2 K ||C J||_F^2, C the projection on zero-sum directions.
        basis = _zero_sum_directions(n_classes)
        chain = PiecewiseLinear.read(backbone, head)
        return _BoundInputGradient(
            basis, self.n_projections, generator, factor=2 / n_classes, chain=chain
        )


class _BoundInputGradient(BoundOnRows):
    """The weighted mean over the rows of a batch of the size of a Jacobian, seen by probes.

    A probe is a direction of the outputs; pulling it back through the network costs one backward
    pass for the whole batch. Orthonormal probes that fill a space of directions give the exact
    squared Frobenius norm on it; fewer, drawn evenly for each row, give an unbiased estimate.
    `basis` (n_directions, n_outputs) spans the space; `factor` multiplies the squared norm. Where
    the network is a `chain` of linear layers and rectifiers, only products of matrices are needed.
    """

    def __init__(
        self,
        basis: Tensor,
        n_probes: int | None,
        generator: torch.Generator,
        *,
        factor: float = 1.0,
        of_features: bool = False,
        chain: PiecewiseLinear | None = None,
    ) -> None:
        self._basis = basis
        self._of_features = of_features
        self._n_probes = n_probes
        self._factor = factor
        self._generator = generator
        self._chain = chain
        self._probes: Tensor | None = None

    def see_batch(
        self, network: Network, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        """Keep the batch for the next value; see :meth:`BoundPenalty.see_batch`."""
        super().see_batch(network, X, y, sample_weight)
        self._probes = None

    def _of_batch(self, network: Network, X: Tensor, sample_weight: Tensor | None) -> Tensor:
        if self._chain is None:
            X = X.requires_grad_()
            outputs = network.features(X) if self._of_features else network(X)
        else:
            slopes = self._chain.slopes(X)
        squares = torch.zeros(len(X), dtype=network.dtype, device=X.device)
        for probe in self._probes_of(X, network.dtype):
            if self._chain is None:
                (pulled,) = torch.autograd.grad(outputs, X, grad_outputs=probe, create_graph=True)
            else:
                pulled = self._chain.pulled_back(probe, slopes)
            squares = squares + pulled.flatten(1).square().sum(1)
        return self._mean(squares, sample_weight)

    def _value_with_gradient(
        self, strength: float, network: Network, X: Tensor, sample_weight: Tensor | None
    ) -> Tensor:
        if self._chain is None:
            return super()._value_with_gradient(strength, network, X, sample_weight)
        probes = self._probes_of(X, network.dtype)
        factors: Tensor | float = strength * self._scale / len(X)
        if sample_weight is not None:
            factors = (strength * self._scale) * (sample_weight / sample_weight.sum())
        slopes = self._chain.slopes(X)
        squares = [self._chain.add_gradient(probe, slopes, factors) for probe in probes]
        return self._mean(torch.stack(squares).sum(0), sample_weight)

    def _mean(self, squares: Tensor, sample_weight: Tensor | None) -> Tensor:
        if sample_weight is None:
            return self._scale * squares.mean()
        return self._scale * (squares @ (sample_weight / sample_weight.sum()))

    @property
    def _exact(self) -> bool:
        return self._n_probes is None or self._n_probes >= len(self._basis)

    @property
    def _scale(self) -> float:
        """What a sum of squares over the probes is multiplied by."""
        if self._n_probes is None or self._exact:
            return self._factor
        return self._factor * len(self._basis) / self._n_probes

    def _probes_of(self, X: Tensor, dtype: torch.dtype) -> Tensor:
        """Return probes of shape (n_probes, n_samples, n_outputs), orthonormal for every row.

        They are drawn once for a batch, so that its value can be asked for again.
        """
        if self._probes is not None:
            return self._probes
        basis = self._basis.to(device=X.device, dtype=dtype)
        if self._n_probes is None or self._exact:
            self._probes = basis[:, None, :].expand(-1, len(X), -1)
            return self._probes
        shape = len(X), len(basis), self._n_probes
        draws = torch.randn(shape, generator=self._generator, dtype=torch.float64)
        if self._n_probes == 1:  # one column is orthonormal when its length is 1
            directions = draws / draws.norm(dim=1, keepdim=True)
        else:
            directions = torch.linalg.qr(draws).Q
        self._probes = (directions.to(basis).mT @ basis).transpose(0, 1)
        return self._probes


def _check_projections(value: object) -> None:
    accepted = "a positive integer, or None for all"
    check_count("n_projections", value, otherwise=(None,), accepted=accepted)


def _zero_sum_directions(n: int) -> torch.Tensor:
    """Return n - 1 orthonormal rows that add up to zero (Helmert's matrix without its first)."""
    rows = torch.tril(torch.ones(n - 1, n, dtype=torch.float64))
    for k in range(1, n):
        rows[k - 1, k] = -k
    return rows / rows.norm(dim=1, keepdim=True)
