"""Attacks that see the weights, to look for what a certificate says is not there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import Scores, to_boundary

N_STEPS = 20


def labels(scores: Scores, X: Tensor) -> Tensor:
    """Return the class with the largest score."""
    with torch.no_grad():
        return scores(X).argmax(dim=1)


def projected_gradient(
    scores: Scores,
    X: np.ndarray,
    radius: np.ndarray,
    norm: float,
    *,
    n_restarts: int,
    seed: int = 0,
) -> np.ndarray:
    """Climb inside the ball of each row towards another class.

    The first descent heads for whatever other class scores best on its way, the next ones each for
    one class, the nearest first. All but the first two start at random.

    Returns
    -------
    ndarray of shape (n_restarts, n, d)
        Where each descent ended, or the first point on its way with another label.
    """
    generator = torch.Generator().manual_seed(seed)
    clean, size = torch.as_tensor(X), torch.as_tensor(radius)[:, None]
    label = labels(scores, clean)
    others = _nearest_classes(scores, clean, label, norm)
    found = []
    for restart in range(n_restarts):
        away = torch.zeros_like(clean)
        if restart > 1:
            away = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
            away = _into_ball(4 * size * away, size, norm)
        target = others[:, (restart - 1) % others.shape[1]] if restart else None
        ended = torch.zeros(len(clean), dtype=torch.bool)
        for number in range(N_STEPS):
            slope, _ = _slope(scores, clean + away, label, target)
            # Long steps first, to get across the ball; short ones at the end.
            pace = 2.0 * 0.75**number
            if norm == np.inf:
                ahead = away + pace * size * slope.sign()
            else:
                ahead = away + pace * size * _unit(slope)
            ahead = _into_ball(ahead, size, norm)
            away = torch.where(ended[:, None], away, ahead)
            ended |= labels(scores, clean + away) != label
        found.append((clean + away).numpy())
    return np.stack(found)


def nearest_boundary(scores: Scores, X: np.ndarray, *, n_targets: int = 3) -> np.ndarray:
    """Walk to where the boundary would be nearest if scores were affine, and mend the guess.

    Returns
    -------
    ndarray of shape (n_targets, n, d)
        For each of the nearest classes a point with another label than the row, NaN where none was
        found.
    """
    clean = torch.as_tensor(X)
    label = labels(scores, clean)
    found = []
    for target in _nearest_classes(scores, clean, label, 2).T[:n_targets]:
        best = torch.full_like(clean, torch.nan)
        nearest = torch.full((len(clean),), torch.inf, dtype=clean.dtype)
        point = clean.clone()
        for _ in range(N_STEPS):
            slope, gap = _slope(scores, point, label, target)
            normal = _unit(slope)
            short = gap / slope.norm(dim=1).clamp_min(1e-300)
            # The foot of the clean row on the plane that the scores draw here.
            height = ((point - clean) * normal).sum(dim=1) + short
            point = clean + height[:, None] * normal
            crossed = _bisected(scores, clean, clean + 1.1 * (point - clean), label)
            distance = (crossed - clean).norm(dim=1)
            nearer = (labels(scores, crossed) != label) & (distance < nearest)
            best[nearer], nearest[nearer] = crossed[nearer], distance[nearer]
            point = torch.where(nearer[:, None], crossed, point)
        found.append(best.numpy())
    return np.stack(found)


def _nearest_classes(scores: Scores, X: Tensor, label: Tensor, norm: float) -> Tensor:
    """Order the other classes by where the boundary would be if scores were affine."""
    with torch.no_grad():
        n_classes = scores(X[:1]).shape[1]
    away = torch.empty(len(X), n_classes, dtype=X.dtype)
    for target in range(n_classes):
        slope, gap = _slope(scores, X, label, torch.full_like(label, target))
        away[:, target] = gap / slope.norm(1 if norm == np.inf else 2, dim=1).clamp_min(1e-300)
    away.scatter_(1, label[:, None], torch.inf)
    return away.argsort(dim=1)[:, :-1]


def _slope(
    scores: Scores, X: Tensor, label: Tensor, target: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the gradient of (target - own score), and how much the target is short of."""
    X = X.detach().requires_grad_(True)
    values = scores(X)
    own = values.gather(1, label[:, None])[:, 0]
    if target is None:
        other = values.scatter(1, label[:, None], -torch.inf).max(dim=1).values
    else:
        other = values.gather(1, target[:, None])[:, 0]
    (slope,) = torch.autograd.grad((other - own).sum(), X)
    return slope, (own - other).detach()


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-300)


def _into_ball(away: Tensor, size: Tensor, norm: float) -> Tensor:
    if norm == np.inf:
        return torch.minimum(torch.maximum(away, -size), size)
    return away * (size / away.norm(dim=1, keepdim=True).clamp_min(1e-300)).clamp_max(1.0)


def _bisected(scores: Scores, clean: Tensor, far: Tensor, label: Tensor) -> Tensor:
    """Bisect the segments from clean rows to far ones; return the ends with another label."""

    def fooled(points: np.ndarray) -> np.ndarray:
        return (labels(scores, torch.from_numpy(points)) != label).numpy()

    return torch.from_numpy(to_boundary(fooled, clean.numpy(), far.numpy(), halvings=30))
