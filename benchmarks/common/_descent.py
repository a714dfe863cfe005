"""A gradient attack in L2 for any differentiable scores: what black-box attacks are held against.

After Rony et al., "Decoupling direction and norm for efficient gradient-based L2 adversarial
attacks and defenses" (CVPR 2019): steps along the gradient of a margin, and a radius that shrinks
while the row is adversarial and grows while it is not. It sees the weights, and its distances are
an upper bound of the true ones.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmarks.common._boundary import to_boundary
from benchmarks.common._scores import Scores

N_STEPS, SHRINK, HALVINGS = 300, 0.03, 30


def nearest_by_gradients(
    scores: Scores,
    X: np.ndarray,
    y: np.ndarray,
    starts: list[np.ndarray],
    *,
    lo: float,
    hi: float,
) -> np.ndarray:
    """Return the least L2 distance found for each row, over all starts.

    Parameters
    ----------
    scores : callable
        From float64 rows of shape (n, d) to scores of shape (n, n_classes).
    X : ndarray of shape (n, d)
        Clean rows, all classified as `y` says.
    y : ndarray of shape (n,), int
    starts : list of ndarray of shape (n, d)
        Where descents begin; `X` itself is one of them in any case.
    lo, hi : float
        The box.
    """
    clean, label = torch.as_tensor(X, dtype=torch.float64), torch.as_tensor(y)

    def fooled(Z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return (scores(torch.as_tensor(Z)).argmax(dim=1) != label).numpy()

    best = np.full(len(X), np.inf)
    for start in [X, *starts]:
        found = _descent(scores, clean, label, torch.as_tensor(start, dtype=torch.float64), lo, hi)
        there = np.isfinite(found).all(axis=1)
        far = np.where(there[:, None], found, X)
        near = to_boundary(fooled, X, far, halvings=HALVINGS)
        length = np.linalg.norm(near - X, axis=1)
        best = np.where(there & fooled(near), np.minimum(best, length), best)
    return best


def _descent(
    scores: Scores, clean: Tensor, label: Tensor, start: Tensor, lo: float, hi: float
) -> np.ndarray:
    """Return the nearest adversarial point of each row on the way; NaN where there was none."""
    away = start - clean
    rows = torch.arange(len(clean))
    radius = away.norm(dim=1).clamp_min(1.0)
    best = torch.full_like(clean, torch.nan)
    shortest = torch.full((len(clean),), torch.inf, dtype=clean.dtype)
    for number in range(N_STEPS):
        point = (clean + away).clamp(lo, hi).requires_grad_(True)
        out = scores(point)
        others = out.clone()
        others[rows, label] = -torch.inf
        margin = others.max(dim=1).values - out[rows, label]
        (slope,) = torch.autograd.grad(margin.sum(), point)
        with torch.no_grad():
            away = point.detach() - clean
            length = away.norm(dim=1)
            hit = margin > 0
            nearer = hit & (length < shortest)
            best[nearer], shortest[nearer] = point.detach()[nearer], length[nearer]
            share = (1 + math.cos(math.pi * number / N_STEPS)) / 2
            pace = 0.01 + 0.99 * share
            step = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-12)
            away = away + pace * step
            radius = torch.where(hit, length.clamp_min(1e-9) * (1 - SHRINK), radius * (1 + SHRINK))
            radius = torch.minimum(radius, torch.where(hit, radius, 1.05 * shortest))
            size = away.norm(dim=1, keepdim=True).clamp_min(1e-12)
            away = away * (radius[:, None] / size)
    return best.numpy()
