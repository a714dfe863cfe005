"""The log loss with a handicap: wrong logits are raised by what a move could add to them."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from specreg_sklearn.objectives._network_slope import FeatureSlope
from specreg_sklearn.objectives.base import EpsilonBound, EpsilonObjective, Schedule
from specreg_sklearn.spectral import BlockPowerIteration
from specreg_sklearn.tables import check_choice

Margin: TypeAlias = Literal["pairwise", "global"]


class BoundLipschitzMargin(EpsilonBound):
    """Follows the norms of the layers and raises the wrong logits of a batch."""

    settings: LipschitzMargin

    def __init__(
        self,
        settings: LipschitzMargin,
        network: nn.Module,
        generator: torch.Generator,
        n_warm_up_epochs: int,
        labelled_share: float,
    ) -> None:
        super().__init__(settings, network, generator, n_warm_up_epochs, labelled_share)
        backbone, self._head, input_shape = _parts(network)
        try:
            self._features = FeatureSlope(backbone, input_shape, self.generator)
        except ValueError as error:
            raise ValueError(f"LipschitzMargin cannot be used: {error}") from error
        self._readout: BlockPowerIteration | None = None
        if settings.margin == "global":
            self._readout = BlockPowerIteration(
                self._head.weight.detach(), generator=self.generator
            )

    def begin_epoch(self, epoch: int) -> None:
        """Take the strength of the epoch, and let the norms catch up."""
        super().begin_epoch(epoch)
        self._features.refresh()

    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        logits = network(X)
        return cross_entropy(logits + self.epsilon * self.slopes()[y], y, reduction="none")

    def slopes(self) -> Tensor:
        """Return how much logit j can gain on logit y per unit of a move: row y, column j."""
        weight = self._head.weight
        if self._readout is None:
            # Differences, not products: near ties of rows keep their digits, and their gradient.
            gaps = torch.cdist(weight, weight, compute_mode="donot_use_mm_for_euclid_dist")
            return self._features() * gaps
        top = self._readout.update(weight.detach())
        images = top.directions @ weight.T
        square = ((top.mixing @ images) * images).sum()
        square = square + (top.squared_norm - square.detach())
        norm = square.sqrt() if top.squared_norm > 0 else 0 * square
        others = 1 - one_hot(torch.arange(len(weight), device=weight.device)).to(weight.dtype)
        return math.sqrt(2) * self._features() * norm * others


def _parts(network: nn.Module) -> tuple[nn.Module, nn.Linear, tuple[int, ...]]:
    """Return backbone, head and input shape of a network that has them."""
    parts = ("backbone", "head", "input_shape")
    missing = [part for part in parts if not hasattr(network, part)]
    if missing:
        raise ValueError(
            "LipschitzMargin needs a network with the parts backbone, head and input_shape, such "
            f"as modules.Network; {type(network).__name__} has no {missing[0]}."
        )
    backbone, head, input_shape = (getattr(network, part) for part in parts)
    return backbone, head, input_shape


class LipschitzMargin(EpsilonObjective):
    r"""The log loss after every wrong logit has gained what a move of length `epsilon` could add.

    ``loss(x, y) = CE(z + epsilon * s_y, y)``, where z are the logits and ``s_yj`` bounds how much
    logit j can gain on logit y per unit of an L2 move. A row that is still right with that handicap
    is right within `epsilon`: this trains for the certificate of
    :func:`~specreg_sklearn.metrics.certified_radius`, and the gradient also flows through the
    norms. It costs no attack.

    **In training the bound is an estimate**: the norms are those of warm power iterations, which
    lie a little below the true ones. What is proved is for `certified_radius` to say. The estimate
    is the product over the layers, so shortcuts and layers that are used twice are not covered.

    Parameters
    ----------
    epsilon : float, default=0.1
        The move to withstand, in L2 and in the units of `X`; c in the paper. 0 gives the same fit
        as ``"cross_entropy"``, bit for bit. At the start of a fit the product of norms is large:
        a schedule lets the network come down to it.
    margin : {"pairwise", "global"}, default="pairwise"
        "pairwise": ``s_yj = ||w_j - w_y|| * product of the hidden norms``, with the readout's rows
        w. "global": ``sqrt(2) * product of all norms``, as in the paper; never smaller.
    epsilon_schedule : {"constant", "linear"}, default="constant"
        "linear" lets epsilon grow from 0 over the warm-up.
    warm_up : float, default=0.3
        Share of `max_iter` that the growth takes, as for :class:`Adversarial`.

    References
    ----------
    Tsuzuku, Sato, Sugiyama, "Lipschitz-Margin Training: Scalable Certification of Perturbation
    Invariance for Deep Neural Networks", arXiv:1802.04034.

    Examples
    --------
    No hidden layer: the rows of the readout are 5 apart.

    >>> import torch
    >>> from specreg_sklearn.modules import Network
    >>> from specreg_sklearn.objectives import LipschitzMargin
    >>> network = Network(torch.nn.Identity(), torch.nn.Linear(2, 2), (2,))
    >>> _ = torch.nn.init.zeros_(network.head.bias)
    >>> _ = network.head.weight.data.copy_(torch.tensor([[0.0, 0.0], [3.0, -4.0]]))
    >>> row, label = torch.zeros(1, 2), torch.tensor([1])
    >>> loss = LipschitzMargin(epsilon=0.2).per_sample_loss(network, row, label)
    >>> round(loss.item(), 4), round(torch.tensor(1.0).exp().log1p().item(), 4)
    (1.3133, 1.3133)
    """

    _bound_kind = BoundLipschitzMargin

    def __init__(
        self,
        epsilon: float = 0.1,
        *,
        margin: Margin = "pairwise",
        epsilon_schedule: Schedule = "constant",
        warm_up: float = 0.3,
    ) -> None:
        self.epsilon = epsilon
        self.margin = margin
        self.epsilon_schedule = epsilon_schedule
        self.warm_up = warm_up

    def _check_settings(self) -> None:
        check_choice("margin", self.margin, get_args(Margin))
