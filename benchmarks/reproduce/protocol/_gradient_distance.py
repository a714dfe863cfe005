"""The nearest error of each row, found with the gradients of a torch model.

What a black-box attack with a small budget overrates on hundreds of features, and not equally for
all models: the flatter the boundary, the nearer the attack gets. So models are compared by the
nearest of all attacks, this one included. It is an upper bound of the true distance, too: on small
networks within a thousandth of what ``floor`` of ``benchmarks.common`` finds, at a hundredth of its
cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import foot_in_box, scores_of, to_boundary

N_TARGETS = 5  # so many other classes are aimed at, those that look nearest
N_AIMS = 16
HALVINGS = 30
OVERSHOOT = 0.02


def gradient_distances(
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    bounds: tuple[float, float] | None,
    scale: np.ndarray | None = None,
) -> np.ndarray:
    """Return an upper bound of the distance from each row to the nearest error.

    Parameters
    ----------
    model : estimator
        An encoder of this library, or a pipeline of scalers, encoders and probes.
    X : ndarray of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        True labels.
    bounds : (float, float) or None
        Box that rows stay in.
    scale : ndarray of shape (n_features,) or None
        Distances are those of ``X / scale``. Columns of scale 0 do not move.

    Returns
    -------
    ndarray of shape (n_samples,)
        Distances; 0 for misclassified rows, inf where nothing was found.
    """
    unit = np.ones(X.shape[1]) if scale is None else np.asarray(scale, dtype=float)
    moving = unit > 0
    shift = np.where(moving, 0.0, X.astype(float))
    network = scores_of(model)
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    found = np.where(model.predict(X) == y, np.inf, 0.0)
    rows = np.flatnonzero(found)
    label = np.searchsorted(model.classes_, y[rows])
    unit_of = torch.as_tensor(unit)
    constant = torch.as_tensor(shift[rows])

    def scores(points: np.ndarray, owner: np.ndarray, tracked: Tensor | None = None) -> Tensor:
        z = torch.as_tensor(points) if tracked is None else tracked
        return network(z * unit_of + constant[torch.as_tensor(owner)])

    if not moving.all() and bounds is not None:
        raise ValueError("A box is only known in one unit for all columns.")
    x = X[rows].astype(float) / np.where(moving, unit, 1.0)
    x[:, ~moving] = 0.0
    search = _Search(scores, x, label, low / unit.max(), high / unit.max())
    found[rows] = search.run()
    return found


class _Search:
    """Goes to where linearised margins vanish, again and again, and bisects.

    Parameters
    ----------
    scores : callable
        ``scores(points, owner, tracked)`` gives scores; differentiable in `tracked`.
    x : ndarray of shape (n, d)
        Clean rows.
    label : ndarray of shape (n,)
        Their classes, as column numbers of the scores.
    low, high : float
        The box.
    """

    def __init__(
        self,
        scores: Callable[..., Tensor],
        x: np.ndarray,
        label: np.ndarray,
        low: float,
        high: float,
    ) -> None:
        self.scores, self.x, self.label, self.low, self.high = scores, x, label, low, high

    def run(self) -> np.ndarray:
        """Return the smallest distance of each row, inf where no error was found."""
        best = np.full(len(self.x), np.inf)
        if not len(self.x):
            return best
        points, owner = self._aim()
        np.minimum.at(best, owner, np.linalg.norm(points - self.x[owner], axis=1))
        return best

    def _aim(self) -> tuple[np.ndarray, np.ndarray]:
        """Aim at the nearest other classes by turns of linearising, as DeepFool does."""
        owner, target = self._targets()
        z = self.x[owner].copy()
        nearest = np.full(len(owner), np.inf)
        found = z.copy()
        for turn in range(N_AIMS):
            margin, slope = self._margin(z, owner, target)
            # The foot on the plane on which the linearised margin of the target is slightly lost.
            size = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
            plane = z + slope / size**2 * (-margin)[:, None]
            goal = foot_in_box(self.x[owner], plane, slope / size, self.low, self.high)
            damped = 1.0 if turn < 8 else 0.5
            z = np.clip(z + damped * (goal - z), self.low, self.high)
            x = self.x[owner]
            beyond = np.clip(x + (1 + OVERSHOOT) * (z - x), self.low, self.high)
            distance = np.linalg.norm(beyond - x, axis=1)
            nearer = self._fooled(beyond, owner) & (distance < nearest)
            found[nearer], nearest[nearer] = beyond[nearer], distance[nearer]
        kept = np.isfinite(nearest)
        owner = owner[kept]
        ends = to_boundary(
            lambda Z: self._fooled(Z, owner), self.x[owner], found[kept], halvings=HALVINGS
        )
        return ends, owner

    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        n, n_classes = len(self.x), int(self.scores(self.x[:1], np.zeros(1, int)).shape[1])
        owner = np.repeat(np.arange(n), n_classes)
        target = np.tile(np.arange(n_classes), n)
        other = target != self.label[owner]
        owner, target = owner[other], target[other]
        margin, slope = self._margin(self.x[owner], owner, target)
        reach = -margin / np.maximum(np.linalg.norm(slope, axis=1), 1e-12)
        order = np.argsort(reach.reshape(n, -1), axis=1)[:, :N_TARGETS]
        chosen = (order + np.arange(n)[:, None] * (n_classes - 1)).ravel()
        return owner[chosen], target[chosen]

    def _margin(
        self, z: np.ndarray, owner: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (score of the target - score of the label) and its gradient."""
        values, slopes = [], []
        for part in _parts(len(z)):
            tracked = torch.tensor(z[part], requires_grad=True)
            out = self.scores(z[part], owner[part], tracked)
            rows = torch.arange(len(out))
            margin = out[rows, torch.as_tensor(target[part])]
            margin = margin - out[rows, torch.as_tensor(self.label[owner[part]])]
            (slope,) = torch.autograd.grad(margin.sum(), tracked)
            values.append(margin.detach().numpy())
            slopes.append(slope.numpy())
        return np.concatenate(values), np.concatenate(slopes)

    def _values(self, z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = [self.scores(z[p], owner[p]).numpy() for p in _parts(len(z))]
        return np.concatenate(parts)

    def _fooled(self, z: np.ndarray, owner: np.ndarray) -> np.ndarray:
        return self._values(z, owner).argmax(axis=1) != self.label[owner]


def _parts(n: int, size: int = 512) -> list[slice]:
    return [slice(start, start + size) for start in range(0, max(n, 1), size)]
