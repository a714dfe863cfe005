"""Virtual adversarial training: the prediction changes little nearby, labelled or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from specreg_sklearn.objectives.base import (
    EpsilonBound,
    EpsilonObjective,
    Schedule,
    check_norm,
    check_share_of_epsilon,
)
from specreg_sklearn.objectives.perturbations import (
    divergence,
    input_gradient,
    same_in_both_modes,
    steepest,
)
from specreg_sklearn.spectral.layers import evaluated
from specreg_sklearn.tables import check_count, check_number

UNLABELLED = -1


class BoundVAT(EpsilonBound):
    """Adds the divergence of the worst move to the log loss of the labelled rows."""

    settings: VAT

    def _loss(self, network: nn.Module, X: Tensor, y: Tensor) -> Tensor:
        logits = network(X)
        label_loss = self._label_loss(logits, y)
        with evaluated(network):
            if same_in_both_modes(network):
                fixed = logits.detach()
            else:
                with torch.no_grad():
                    fixed = network(X)
            moved = network(X + self._worst_moves(network, X, fixed))
        return label_loss + self.settings.beta * divergence(fixed, moved)

    def _label_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        losses = cross_entropy(logits, y, reduction="none", ignore_index=UNLABELLED)
        return losses if self.labelled_share == 1 else losses / self.labelled_share

    def _worst_moves(self, network: nn.Module, X: Tensor, fixed: Tensor) -> Tensor:
        """Follow the leading direction of the divergence's Hessian by power iteration."""
        settings = self.settings
        p = fixed.softmax(dim=1)
        draws = torch.randn(X.shape, generator=self.generator, dtype=X.dtype).to(X.device)
        # The divergence is flat at the row: its gradient a little beside it is the Hessian's work.
        probes = steepest(draws, 2)
        for _ in range(settings.n_power_iterations):
            length = settings.xi * self.epsilon
            gradients = input_gradient(
                lambda rows: cross_entropy(network(rows), p, reduction="none"),
                X + length * probes,
            )
            probes = steepest(gradients, settings.norm)
        return self.epsilon * probes


class VAT(EpsilonObjective):
    r"""The log loss of labelled rows plus the divergence of the prediction nearby, of all rows.

    ``loss(x, y) = CE(f(x), y) + beta * KL(p(x) || p(x + r))`` where r is about the move of length
    `epsilon` that changes the prediction most, found by one step of power iteration, and p(x) is
    held fixed. The divergence needs no label: **rows with the label -1 are unlabelled**, as
    everywhere in scikit-learn's semi-supervised estimators, and -1 is then no class. Labels that
    are strings go into an array of dtype object, where the integer -1 finds room. The divergence
    is taken in evaluation mode.

    Parameters
    ----------
    epsilon : float, default=0.5
        Length of the move, in the units of `X`. 0 gives the same fit as ``"cross_entropy"`` on
        labelled rows, bit for bit.
    norm : {1, 2, inf}, default=2
        Norm of the move. The power iteration is one for L2; in the others it gives the steepest
        move at a random row beside.
    beta : float, default=1.0
        Factor of the divergence.
    n_power_iterations : int, default=1
        Power steps for each batch; each costs a pass forward and one back.
    xi : float, default=0.1
        Length of the probe that feels for the direction, as a share of epsilon, in (0, 1].
    epsilon_schedule : {"constant", "linear"}, default="constant"
        "linear" lets epsilon grow from 0 over the warm-up.
    warm_up : float, default=0.3
        Share of `max_iter` that the growth takes, as for :class:`Adversarial`.

    Notes
    -----
    The mean loss is that of the labelled rows plus `beta` times the mean divergence of all rows,
    both weighted by `sample_weight`. Unlabelled rows have no class weight, and are never held out
    by early stopping.

    References
    ----------
    Miyato, Maeda, Koyama, Ishii, "Virtual Adversarial Training: A Regularization Method for
    Supervised and Semi-Supervised Learning", arXiv:1704.03976.

    Examples
    --------
    A few labels and many rows without:

    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from specreg_sklearn import SpectrallyRegularizedEncoder
    >>> from specreg_sklearn.objectives import VAT
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> few = np.full(200, -1)
    >>> few[:20] = y[:20]
    >>> encoder = SpectrallyRegularizedEncoder(
    ...     objective=VAT(epsilon=0.3), penalty=None, learning_rate_init=0.01, random_state=0
    ... ).fit(X, few)
    >>> encoder.classes_
    array([0, 1])
    """

    uses_unlabelled = True
    _bound_kind = BoundVAT

    def __init__(
        self,
        epsilon: float = 0.5,
        *,
        norm: float = 2,
        beta: float = 1.0,
        n_power_iterations: int = 1,
        xi: float = 0.1,
        epsilon_schedule: Schedule = "constant",
        warm_up: float = 0.3,
    ) -> None:
        self.epsilon = epsilon
        self.norm = norm
        self.beta = beta
        self.n_power_iterations = n_power_iterations
        self.xi = xi
        self.epsilon_schedule = epsilon_schedule
        self.warm_up = warm_up

    def _check_settings(self) -> None:
        check_norm(self.norm)
        check_number("beta", self.beta, 0)
        check_count("n_power_iterations", self.n_power_iterations)
        check_share_of_epsilon("xi", self.xi)
