"""TangentAttack: a step to the point where a ball around the boundary point is touched."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.attacks.boundary import BoundaryPoints, BoundaryWalk
from specreg_sklearn.attacks.questions import SearchTask, bisect

# A radius is halved so many times at most until its tangent point fools the model.
_MOST_HALVINGS = 6
_USUAL_HALVINGS = 2
# Points are brought this near to the boundary in every step: nothing comes after the last one.
_FINEST = 2.0**-10
# The clean row has to lie outside of the ball.
_LARGEST_RADIUS = 0.999


@dataclass(kw_only=True, eq=False, repr=False)
class TangentAttack(BoundaryWalk):
    """Tangent attack in L2: the attack of the paper on spectral regularisation.

    From a point on the decision boundary the attack estimates the boundary's normal and draws half
    a ball around the point, on the wrong side. It goes to the place where the tangent from the
    clean row touches it, and bisects towards the clean row: of all points of the half ball, this
    one leads to the nearest point of a flat boundary (Ma, Guo, Chen, Yong and Wang, "Finding
    Optimal Tangent Points for Reducing Distortions of Hard-label Attacks", NeurIPS 2021,
    arXiv:2111.07492). It is the attack by which arXiv:2405.17181 measures robustness.

    Parameters
    ----------
    norm : {2}, default=2
        The step is defined in L2; use :class:`HopSkipJump` or :class:`RayS` for Linf.
    max_queries : int or None, default=1000
        Budget of each row, starts and verification included. None goes on until no step gains any
        more.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`, but a row begins with two starts; it looks at the others
        later.
    image_shape : tuple (H, W) or (C, H, W), or None, default=None
        As in :class:`CGBA`.
    axis_ratio : float, default=1.0
        Half axis along the normal over half axis along the boundary. 1 is the half ball of the
        Tangent Attack. Other values give the semi-ellipsoid of the Generalized Tangent Attack
        (G-TA) for curved boundaries; its authors use 1.5 for small images and 1.1 for large ones.

    Notes
    -----
    Only the step is the paper's. Its authors ask in Gaussian directions, 100 in the first iteration
    and more later; this class asks in orthonormal ones, shared by all rows, which give the same
    distance with fewer queries. It starts from rows of several classes and never goes back
    to a point farther out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.attacks import TangentAttack
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> result = TangentAttack(max_queries=300).run(model, X[:20], y[:20], pool=X)
    >>> bool(result.success.all() and (result.n_queries <= 300).all())
    True
    """

    axis_ratio: float = 1.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        ratio = self.axis_ratio
        number = isinstance(ratio, Real) and not isinstance(ratio, (bool, np.bool_))
        if not (number and 0 < float(ratio) < np.inf):
            raise ValueError(f"axis_ratio={ratio!r} is not accepted; give a finite number > 0.")

    def _tolerance(self, n_features: int) -> float:
        return min(super()._tolerance(n_features), _FINEST)

    def _step_queries(self, n_features: int, t: int) -> int:
        return int(np.ceil(np.log2(1 / self._tolerance(n_features)))) + _USUAL_HALVINGS

    def _step(
        self, task: SearchTask, current: BoundaryPoints, normals: FloatArray, t: int
    ) -> tuple[FloatArray, FloatArray]:
        points, owner = current.points, current.owner
        x = task.x[owner]
        distance = current.distances(task)
        radius = np.minimum(distance / np.sqrt(t + 1), _LARGEST_RADIUS * distance)
        landed = points.copy()
        pending = np.arange(len(points))
        for _ in range(_MOST_HALVINGS + 1):
            some = x[pending], points[pending], normals[pending], radius[pending]
            touched = task.clip(tangent_points(*some, self.axis_ratio), owner[pending])
            fooled = task.oracle.decide(touched, owner[pending])
            landed[pending[fooled]] = touched[fooled]
            pending = pending[~fooled]
            if not len(pending):
                break
            radius[pending] /= 2
        moved = np.ones(len(points), dtype=bool)
        moved[pending] = False
        went = np.flatnonzero(moved)
        reached = points.copy()
        reached[went] = bisect(
            task.oracle.decide,
            x[went],
            landed[went],
            owner[went],
            tolerance=self._tolerance(points.shape[1]),
        )
        new = task.distance(reached, owner)
        nearer = new < distance
        return np.where(nearer[:, None], reached, points), np.where(nearer, new, distance)


def tangent_points(
    x: FloatArray,
    centre: FloatArray,
    normals: FloatArray,
    radius: FloatArray,
    axis_ratio: float = 1.0,
) -> FloatArray:
    """Return where tangents from clean rows touch balls or ellipsoids around boundary points.

    Of the two tangents in the plane of the clean row and the normal, it is the one on the side the
    unit normal, on the adversarial side, points to. An ellipse is a circle whose axes have been
    stretched, and stretching keeps tangents: the circle's tangent point does for both. The longer
    half axes, `radius`, are less than the distance from `x` to `centre`.
    """
    away = x - centre
    height = np.einsum("ij,ij->i", away, normals)
    along = away - height[:, None] * normals
    width = np.sqrt(np.einsum("ij,ij->i", along, along))
    side = along / np.where(width > 0, width, 1.0)[:, None]
    up = radius * min(axis_ratio, 1.0)
    out = radius / max(axis_ratio, 1.0)
    # In units of the half axes the ellipse is the unit circle.
    a, b = width / out, height / up
    # Seen from the centre, the tangent point is arccos(1 / distance) away from the clean row.
    angle = np.arctan2(b, a) + np.arccos(np.minimum(1 / np.hypot(a, b), 1.0))
    shift = (out * np.cos(angle))[:, None] * side
    return np.asarray(centre + shift + (up * np.sin(angle))[:, None] * normals)
