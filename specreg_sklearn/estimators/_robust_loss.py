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

    `logits` (n_samples, n_classes) belong to the clean rows, and `coef` (n_classes, n_features)
    holds their slopes; a single column and row are those of the second logit minus the first.
    `norm` is that of the moves; for `width` see :class:`SmoothNorm`.
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
    """Return the diagonal of the loss's Hessian that comes from the dual norms, shaped as `coef`.

    Rounded kinks bend sharply: an optimiser that does not know of this curvature crawls. The
    arguments are those of :func:`worst_case_logits`, whose result `logits` is, and of
    :func:`log_loss`.
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
    """Return the log loss, with weights that sum to one.

    A single column of `logits` is the second logit minus the first.
    """
    if logits.shape[1] == 1:
        return sample_weight @ softplus(-logits[:, 0] * (2 * codes - 1))
    return sample_weight @ cross_entropy(logits, codes, reduction="none")
