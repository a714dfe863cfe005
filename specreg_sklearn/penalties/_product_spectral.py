"""A spectral penalty on the product of all layers, which no scaling between them changes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from specreg_sklearn.penalties._layer_terms import LayerTerm
from specreg_sklearn.penalties._penalty import BoundPenalty, PenaltyReport
from specreg_sklearn.penalties._spectral import RepSpectral

# Near ties share the gradient, as in BlockPowerIteration: a pair whose squared distance is 2 %
# below the largest gets half a percent of it.
_SHARING_POWER = 256
# Squared distances below this share of the squares are taken from differences of the rows.
_CANCELLED = 1e-10
# exp of what lies below is beyond the range of a float; nothing pulls there any more.
_LEAST_LOGARITHM = -700.0


class ProductSpectral(RepSpectral):
    r"""The logarithm of the bound of how fast the gap between two logits can change.

    ``R = log(1 + P ** 2)`` with ``P = sigma_max(W_1) ... sigma_max(W_{L-1}) * max over j, k of
    ||w_j - w_k||``, where ``w_j`` is the row of the readout for class j. For a chain of layers
    with activations that stretch nothing, P bounds the Lipschitz constant of every difference of
    two logits: a certified radius is a gap over such a constant.

    A sum of squared norms may fall while the readout grows to make up for it. Here a factor moved
    from one layer to another changes nothing. The logarithm makes a large product pull no harder
    than a small one, and the strength mean the same at every depth; the one inside makes the pull
    fade when P falls below 1, instead of driving the network to zero. P has units of logits per
    input unit: scale the features. Batch norms are folded into
    their layers; where a network has shortcuts, P is no bound.

    Parameters
    ----------
    n_vectors : int or "auto", default="auto"
        Vectors that follow the top of each layer's spectrum, as in :class:`RepSpectral`.
    n_power_iterations : int, default=1
        Power steps per training step.
    method : {"auto", "operator", "fourier"}, default="auto"
        How convolutions are followed, as in :class:`RepSpectral`.

    References
    ----------
    Tsuzuku, Sato, Sugiyama, "Lipschitz-Margin Training: Scalable Certification of Perturbation
    Invariance for Deep Neural Networks", arXiv:1802.04034, for the bound.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.penalties import ProductSpectral
    >>> backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> _ = backbone.weight.data.copy_(torch.diag(torch.tensor([3.0, 1.0])))
    >>> _ = head.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    >>> bound = ProductSpectral().bind(backbone, head, generator=torch.Generator().manual_seed(0))
    >>> round(bound.report().value, 4)  # log(1 + (3 * 2) ** 2)
    3.6109
    """

    needs_readout = True

    def _bound(self, terms: dict[str, LayerTerm], head: nn.Module) -> BoundPenalty:
        readout: Any = head
        if len(readout.weight) < 2:
            raise ValueError(f"{type(self).__name__} compares logits; the head has only one.")
        return _BoundProduct(terms, readout.weight)


class _BoundProduct(BoundPenalty):
    def __init__(self, hidden: dict[str, LayerTerm], readout: Tensor) -> None:
        self.layer_names = (*hidden, "head")
        self._terms = tuple(hidden.values())
        self._readout = readout

    def value(self) -> Tensor:
        """Return the estimated penalty; the gradient flows to the weights."""
        squares = torch.stack([*(term.value() for term in self._terms), _gap(self._readout)])
        if not (squares > 0).all():
            return 0 * squares.sum()  # a layer has vanished, and nothing pulls it further
        return softplus(squares.log().sum())  # P^2 itself may be beyond the range of the dtype

    @torch.no_grad()
    def add_gradient(self, strength: float) -> None:
        """Add the closed form of the gradient of ``strength * value()``."""
        try:
            factors = [term.follow() for term in self._terms]
        except torch.linalg.LinAlgError:  # weights that are not finite: the training loop says so
            return
        gap, pull = _gap_and_gradient(self._readout)
        squares = [*(square for square, _ in factors), gap]
        if not all(0 < square < math.inf for square in squares):
            return  # a layer has vanished, and nothing pulls it further
        # The slope along the logarithm of a factor is P^2 / (1 + P^2); P^2 may be out of range.
        logarithm = max(sum(map(math.log, squares)), _LEAST_LOGARITHM)
        slope = strength / (1 + math.exp(-logarithm))
        for square, add in factors:
            add(slope / square)
        if self._readout.grad is not None:
            self._readout.grad.add_(pull, alpha=slope / gap)

    @torch.no_grad()
    def report(self) -> PenaltyReport:
        """Compute the product exactly, and compare every layer's estimate with its norm."""
        error, logarithm = 0.0, _log(float(_squared_gaps(self._readout.double()).max()))
        for term in self._terms:
            exact, estimate = term.check()
            logarithm += 2 * _log(exact)
            if exact > 0:
                error = max(error, 1 - estimate / exact)
        if logarithm == -math.inf:  # a factor of 0: training sees the same 0, whatever the others
            return PenaltyReport(0.0, 0.0)
        # log(1 + exp(logarithm)) without overflow
        value = max(logarithm, 0.0) + math.log1p(math.exp(-abs(logarithm)))
        return PenaltyReport(value, error)


def _squared_gaps(rows: Tensor) -> Tensor:
    """Return the squared distances between all pairs of rows: exactly 0 where they are equal."""
    gram = rows @ rows.T
    squares = gram.diagonal()
    sums = squares[:, None] + squares[None, :]
    gaps = sums - 2 * gram
    # Where the terms cancel only rounding is left, which differs from one processor to another.
    cancelled = (gaps <= _CANCELLED * sums).fill_diagonal_(False)
    if cancelled.any():
        distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        gaps = torch.where(cancelled, distances.square(), gaps)
    return gaps.fill_diagonal_(0)


def _gap(rows: Tensor) -> Tensor:
    """Return the largest squared distance between two rows, with its gradient."""
    largest, gradient = _gap_and_gradient(rows.detach())
    linear = (gradient * rows).sum()
    return linear + (largest - linear.detach())


def _gap_and_gradient(rows: Tensor) -> tuple[float, Tensor]:
    """Return the largest squared distance between two rows, and what it grows with.

    Both are 0 where rows are all equal, or not finite.
    """
    gaps = _squared_gaps(rows.double())
    largest = float(gaps.max())
    if not 0 < largest < math.inf:
        return 0.0, torch.zeros_like(rows)
    shares = (gaps / largest) ** _SHARING_POWER
    shares /= shares.sum()
    laplacian = shares.sum(1).diag() - shares
    return largest, (4 * laplacian).to(rows) @ rows


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
