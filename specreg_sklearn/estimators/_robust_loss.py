"""The robust multinomial log loss of a linear readout, smooth enough for L-BFGS."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus


def smooth_norm(vectors: Tensor, order: float, width: Tensor) -> Tensor:
    """Return a smooth stand-in for the norm along the last axis.

    Parameters
    ----------
    vectors : Tensor of shape (..., n_features)
        Vectors.
    order : {1, 2, inf}
        Order of the norm.
    width : Tensor of shape (n_features,)
        Width of the rounded kinks, in the units of each entry. The result lies below the norm by
        at most ``width.sum()`` for order 1, ``width.max()`` for order 2 and
        ``log(2 * n_features) * width.max()`` for order inf.

    Returns
    -------
    Tensor of shape (...)
        Convex in `vectors`, differentiable everywhere, 0 at 0.
    """
    if order == math.inf:
        blunt = width.max()
        both_signs = torch.cat([vectors, -vectors], dim=-1) / blunt
        return blunt * (both_signs.logsumexp(-1) - math.log(both_signs.shape[-1]))
    squares = vectors.square()
    if order == 2:
        squares, width = squares.sum(-1), width.max()
    # sqrt(squares + width^2) - width, without the cancellation
    rounded = squares / ((squares + width.square()).sqrt() + width)
    return rounded if order == 2 else rounded.sum(-1)


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
        See :func:`smooth_norm`.

    Returns
    -------
    Tensor of the shape of `logits`
        Worst-case logits.
    """
    if epsilon == 0:
        return logits
    dual = {1: math.inf, 2: 2, math.inf: 1}[norm]
    if len(coef) == 1:
        reach = epsilon * smooth_norm(coef[0], dual, width)
        return logits - (2 * codes[:, None] - 1) * reach
    n_classes = len(coef)
    first, second = torch.triu_indices(n_classes, n_classes, offset=1)
    reach = epsilon * smooth_norm(coef[first] - coef[second], dual, width)
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
        return epsilon * (sample_weight @ wrong) * _norm_curvature(coef, norm, width)
    # Weight that rows of class y put on class j: how much reach[y, j] matters to the loss.
    n_classes = len(coef)
    share = logits.softmax(dim=1) * sample_weight[:, None]
    mass = torch.zeros(n_classes, n_classes, dtype=coef.dtype).index_add(0, codes, share)
    mass = (mass + mass.T).fill_diagonal_(0)
    bends = _norm_curvature(coef[:, None, :] - coef[None, :, :], norm, width)
    return epsilon * (mass[:, :, None] * bends).sum(dim=1)


def _norm_curvature(vectors: Tensor, norm: float, width: Tensor) -> Tensor:
    """Diagonal of the Hessian of :func:`smooth_norm` in the dual of `norm`."""
    if norm == math.inf:
        return width.square() / (vectors.square() + width.square()) ** 1.5
    squares = vectors.square().sum(-1, keepdim=True) + width.max().square()
    if norm == 2:
        return (1 - vectors.square() / squares) / squares.sqrt()
    return torch.zeros_like(vectors)  # the largest entry alone bends: no diagonal tells of it


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
