"""The robust multinomial log loss of a linear readout, smooth enough for L-BFGS."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus


class SmoothNorm(ABC):
    """A smooth stand-in for a norm along the last axis.

    Both methods take vectors, a Tensor of shape (..., n_features), and the width of the rounded
    kinks in the units of each entry, a Tensor of shape (n_features,).
    """

    @abstractmethod
    def value(self, vectors: Tensor, width: Tensor) -> Tensor:
        """Return a number for each vector, below the norm by no more than the class says.

        It is convex in the vectors, differentiable everywhere, and 0 at 0.
        """

    @abstractmethod
    def curvature(self, vectors: Tensor, width: Tensor) -> Tensor:
        """Return the diagonal of the Hessian, of the shape of the vectors."""


class _SmoothSum(SmoothNorm):
    """Below the L1 norm by at most ``width.sum()``."""

    def value(self, vectors: Tensor, width: Tensor) -> Tensor:
        return _rounded(vectors.square(), width).sum(-1)

    def curvature(self, vectors: Tensor, width: Tensor) -> Tensor:
        return width.square() / (vectors.square() + width.square()) ** 1.5


class _SmoothLength(SmoothNorm):
    """Below the L2 norm by at most ``width.max()``."""

    def value(self, vectors: Tensor, width: Tensor) -> Tensor:
        return _rounded(vectors.square().sum(-1), width.max())

    def curvature(self, vectors: Tensor, width: Tensor) -> Tensor:
        squares = vectors.square().sum(-1, keepdim=True) + width.max().square()
        return (1 - vectors.square() / squares) / squares.sqrt()


class _SmoothLargest(SmoothNorm):
    """Below the Linf norm by at most ``log(2 * n_features) * width.max()``."""

    def value(self, vectors: Tensor, width: Tensor) -> Tensor:
        blunt = width.max()
        both_signs = torch.cat([vectors, -vectors], dim=-1) / blunt
        return blunt * (both_signs.logsumexp(-1) - math.log(both_signs.shape[-1]))

    def curvature(self, vectors: Tensor, width: Tensor) -> Tensor:
        return torch.zeros_like(vectors)  # the largest entry alone bends: no diagonal tells of it


def _rounded(squares: Tensor, width: Tensor) -> Tensor:
    """Return ``sqrt(squares + width^2) - width``, without the cancellation."""
    return squares / ((squares + width.square()).sqrt() + width)


SMOOTH_DUALS: dict[float, SmoothNorm] = {
    1: _SmoothLargest(),
    2: _SmoothLength(),
    math.inf: _SmoothSum(),
}
"""Stand-ins for the dual norms, by the order of the norm of the moves."""


def worst_case_logits(
    logits: Tensor,
    codes: Tensor,
    coef: Tensor,
    *,
    epsilon: float,
    norm: float,
    width: Tensor,
) -> Tensor:
    """Return the logits of the rows after the worst move of size at most `epsilon`.

    Such a move can widen the gap between logit j and the logit of the true class y by
    ``epsilon * ||w_j - w_y||_dual``; logit j is raised by that much. For two classes this is the
    exact worst case, for more every j gets its own worst move: an upper bound.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes) or (n_samples, 1)
        Logits of the clean rows; a single column is the second logit minus the first.
    codes : Tensor of shape (n_samples,)
        Class codes.
    coef : Tensor of shape (n_classes, n_features) or (1, n_features)
        Slopes of the logits, per unit of the features.
    epsilon : float
        Size of the moves, in units of the features.
    norm : {1, 2, inf}
        Norm of the moves; the slopes are measured in its dual.
    width : Tensor of shape (n_features,)
        See :class:`SmoothNorm`.

    Returns
    -------
    Tensor of the shape of `logits`
        Worst-case logits.
    """
    if epsilon == 0:
        return logits
    dual = SMOOTH_DUALS[norm]
    if len(coef) == 1:
        reach = epsilon * dual.value(coef[0], width)
        return logits - (2 * codes[:, None] - 1) * reach
    n_classes = len(coef)
    first, second = torch.triu_indices(n_classes, n_classes, offset=1)
    reach = epsilon * dual.value(coef[first] - coef[second], width)
    raised = torch.zeros(n_classes, n_classes, dtype=coef.dtype)
    raised = raised.index_put((first, second), reach).index_put((second, first), reach)
    return logits + raised[codes]


def reach_curvature(
    logits: Tensor,
    codes: Tensor,
    sample_weight: Tensor,
    coef: Tensor,
    *,
    epsilon: float,
    norm: float,
    width: Tensor,
) -> Tensor:
    """Return the diagonal of the loss's Hessian that comes from the dual norms.

    Rounded kinks bend sharply: an optimiser that does not know of this curvature crawls.

    Parameters
    ----------
    logits, codes, sample_weight, coef, epsilon, norm, width
        As for :func:`worst_case_logits` and :func:`log_loss`; `logits` are the worst-case ones.

    Returns
    -------
    Tensor of the shape of `coef`
        Non-negative curvatures, per squared unit of the coefficients.
    """
    if epsilon == 0:
        return torch.zeros_like(coef)
    if len(coef) == 1:
        share = logits[:, 0].sigmoid()
        wrong = torch.where(codes == 1, 1 - share, share)
        return epsilon * (sample_weight @ wrong) * SMOOTH_DUALS[norm].curvature(coef, width)
    # Weight that rows of class y put on class j: how much reach[y, j] matters to the loss.
    n_classes = len(coef)
    share = logits.softmax(dim=1) * sample_weight[:, None]
    mass = torch.zeros(n_classes, n_classes, dtype=coef.dtype).index_add(0, codes, share)
    mass = (mass + mass.T).fill_diagonal_(0)
    bends = SMOOTH_DUALS[norm].curvature(coef[:, None, :] - coef[None, :, :], width)
    return epsilon * (mass[:, :, None] * bends).sum(dim=1)


def log_loss(logits: Tensor, codes: Tensor, sample_weight: Tensor) -> Tensor:
    """Return the weighted log loss.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes) or (n_samples, 1)
        Logits; a single column is the second logit minus the first.
    codes : Tensor of shape (n_samples,)
        Class codes.
    sample_weight : Tensor of shape (n_samples,)
        Weights that sum to one.

    Returns
    -------
    Tensor
        A scalar.
    """
    if logits.shape[1] == 1:
        return sample_weight @ softplus(-logits[:, 0] * (2 * codes - 1))
    return sample_weight @ cross_entropy(logits, codes, reduction="none")
