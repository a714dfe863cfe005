"""The log loss of the worst row nearby: adversarial training."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from specreg_sklearn.objectives.base import Schedule, SearchBound, SearchObjective
from specreg_sklearn.objectives.perturbations import FeatureRange
from specreg_sklearn.tables import check_flag


class BoundAdversarial(SearchBound):
    """Looks for the worst rows of a batch and scores the network on them."""

    settings: Adversarial

    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        start_share = 1.0 if self.settings.random_start else 0.0
        worst = self._worst(network, X, y, start_share=start_share)
        return self._label_loss(network(worst), y)


class Adversarial(SearchObjective):
    r"""The log loss of the worst row within `epsilon` of each row.

    ``loss(x, y) = max over ||d|| <= epsilon of CE(f(x + d), y)``, with the maximum looked for by
    projected gradient ascent (PGD) and held fixed while the weights move. Clean rows enter no
    loss. `epsilon` is in the units of the rows as the estimator gets them: after a scaler in a
    pipeline, in scaled units.

    The search sees the network in evaluation mode: it moves no running statistics of a batch
    norm, and dropout is off. The rows that it finds are scored in training mode.
    Held-out rows of early stopping are clean ones.

    Parameters
    ----------
    epsilon : float, default=0.1
        The longest move, in the units of `X`. 0 gives the same fit as ``"cross_entropy"``, bit
        for bit.
    norm : {1, 2, inf}, default=inf
        Norm of the moves.
    n_steps : int, default=10
        Gradient steps for each batch. A fit takes about ``n_steps + 1`` times as long as without.
    step_size : float or "auto", default="auto"
        Length of a step in the norm of the moves; "auto" is ``2.5 * epsilon / n_steps``. A number
        is not scaled by a schedule.
    random_start : bool, default=True
        Start anywhere in the ball, drawn evenly, and not at the row itself.
    n_restarts : int, default=1
        Searches a batch, of which the worst row counts; all but the first start at random.
    use_best : bool, default=True
        Keep the worst row seen on the way, the clean one included, rather than the last.
    feature_range : tuple (low, high) or None, default=None
        The box that rows stay in: numbers, or arrays of shape (n_features,). None is no box.
        Never clip scaled tables to [0, 1].
    epsilon_schedule : {"constant", "linear"}, default="constant"
        "linear" lets epsilon grow from 0 in equal steps over the warm-up: a gentler way in.
    warm_up : float, default=0.3
        Share of `max_iter` that the growth of "linear" takes, in [0, 1]. A fit does not stop early
        inside it, and a warm start does not repeat it.

    See Also
    --------
    Trades : Clean rows as well, and a divergence instead of the labels.
    Gradient : The same to first order, at the price of three epochs.

    References
    ----------
    Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
    Adversarial Attacks", arXiv:1706.06083.

    Examples
    --------
    The worst move against a linear model costs ``epsilon`` times the dual norm of its slope:

    >>> import torch
    >>> from specreg_sklearn.objectives import Adversarial
    >>> linear = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.zeros_(linear.bias)
    >>> _ = linear.weight.data.copy_(torch.tensor([[0.0, 0.0], [3.0, -1.0]]))
    >>> row, label = torch.zeros(1, 2), torch.tensor([1])
    >>> loss = Adversarial(epsilon=0.5).per_sample_loss(linear, row, label)
    >>> round(loss.item(), 4), round(torch.tensor(2.0).exp().log1p().item(), 4)
    (2.1269, 2.1269)
    """

    _bound_kind = BoundAdversarial

    def __init__(
        self,
        epsilon: float = 0.1,
        *,
        norm: float = math.inf,
        n_steps: int = 10,
        step_size: float | Literal["auto"] = "auto",
        random_start: bool = True,
        n_restarts: int = 1,
        use_best: bool = True,
        feature_range: FeatureRange | None = None,
        epsilon_schedule: Schedule = "constant",
        warm_up: float = 0.3,
    ) -> None:
        self.epsilon = epsilon
        self.norm = norm
        self.n_steps = n_steps
        self.step_size = step_size
        self.random_start = random_start
        self.n_restarts = n_restarts
        self.use_best = use_best
        self.feature_range = feature_range
        self.epsilon_schedule = epsilon_schedule
        self.warm_up = warm_up

    def _check_settings(self) -> None:
        super()._check_settings()
        check_flag("random_start", self.random_start)
