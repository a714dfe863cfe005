"""Adversarial rows nearer than the certificate: how many attacks of all kinds find."""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch

from benchmarks.certificates._gradient_attacks import labels, nearest_boundary, projected_gradient
from benchmarks.certificates._models import Suspect, suspects
from benchmarks.common import scores_of
from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, RayS, SquareAttack
from specreg_sklearn.attacks import TangentAttack as Tangent
from specreg_sklearn.metrics import certified_radius

# How far inside the certificate the attacks that are told where to look may go.
INSIDE = 0.999
N_RESTARTS = 4
N_BLACK_BOX_ROWS = 40
_SQUARE_GROUP = 10
_BLACK_BOX = (
    CGBA(max_queries=150),
    HopSkipJump(max_queries=150),
    Tangent(max_queries=150),
    RayS(max_queries=150, norm=np.inf),
)


@dataclass
class Count:
    """Pairs of a row and an attack, and those in which the row fell inside its certificate.

    Parameters
    ----------
    pairs : int
        Rows with a positive radius, summed over attacks; restarts do not count.
    violations : int
        Pairs with an adversarial row nearer than the radius, in float64 or to `predict`.
    nearest : float
        Smallest distance / radius of the attacks that measure distances.
    where : list of str
        What to look at, should there be a violation.
    """

    pairs: int = 0
    violations: int = 0
    nearest: float = np.inf
    where: list[str] = field(default_factory=list)

    def add(self, name: str, fell: np.ndarray, ratio: np.ndarray | None = None) -> None:
        """Count one attack on all rows of one model."""
        self.pairs += len(fell)
        self.violations += int(fell.sum())
        if fell.any():
            self.where.append(f"{name}: rows {np.flatnonzero(fell)[:5].tolist()}")
        if ratio is not None and np.isfinite(ratio).any():
            self.nearest = min(self.nearest, float(np.nanmin(ratio)))


@dataclass
class Verdict:
    """What all attacks on all models found."""

    by_attack: dict[str, Count]
    by_kind: dict[str, Count]
    teeth: float
    unproved: int
    n_models: int
    seconds: float


def search_violations(names: tuple[str, ...] = (), part: slice = slice(None)) -> Verdict:
    """Attack every model, or those of some kinds, or a part of all models.

    `teeth` is the share of rows of affine models, where the certificate is the distance, that fall
    at a thousandth beyond it: an attack that found nothing there would prove nothing inside.
    """
    start = time.perf_counter()
    by_attack: dict[str, Count] = defaultdict(Count)
    by_kind: dict[str, Count] = defaultdict(Count)
    beyond, unproved, n_models = [], 0, 0
    for suspect in islice(suspects(), part.start, part.stop, part.step):
        if names and suspect.kind not in names:
            continue
        n_models += 1
        certified = {
            p: certified_radius(suspect.model, suspect.X, norm=p, scale=None) for p in (2, np.inf)
        }
        proved = (certified[2] > 0) & np.isfinite(certified[2])
        unproved += int((~proved).sum())
        X = suspect.X[proved]
        radii = {p: r[proved] for p, r in certified.items()}
        for attack, fell, ratio in (
            *_seeing_weights(suspect, X, radii),
            *_seeing_labels(suspect, X, radii),
        ):
            for count in (by_attack[attack], by_kind[suspect.kind]):
                count.add(f"{attack} on {suspect.name}", fell, ratio)
        if _is_affine(suspect.model):
            beyond.append(_falls(suspect, X, radii[2] * 1.001).mean())
    return Verdict(
        dict(by_attack),
        dict(by_kind),
        float(np.mean(beyond)) if beyond else np.nan,
        unproved,
        n_models,
        time.perf_counter() - start,
    )


Pair = tuple[str, np.ndarray, np.ndarray | None]


def _seeing_weights(
    suspect: Suspect, X: np.ndarray, radii: dict[float, np.ndarray]
) -> Iterator[Pair]:
    scores = scores_of(suspect.model)
    own = suspect.model.predict(X)
    clean = labels(scores, torch.as_tensor(X)).numpy()
    for norm, name in ((2, "PGD, L2"), (np.inf, "PGD, Linf")):
        ends = projected_gradient(scores, X, INSIDE * radii[norm], norm, n_restarts=N_RESTARTS)
        fell = np.zeros(len(X), dtype=bool)
        for end in ends:
            # Adding a row and a move rounds: only ends that lie inside count.
            inside = np.linalg.norm(end - X, norm, axis=1) <= radii[norm]
            moved = labels(scores, torch.as_tensor(end)).numpy()
            fell |= inside & ((moved != clean) | (suspect.model.predict(end) != own))
        yield name, fell, None
    points = nearest_boundary(scores, X)
    distance = np.linalg.norm(points - X, axis=2)
    distance = np.where(np.isnan(distance), np.inf, distance).min(axis=0)
    yield "DeepFool", distance < radii[2], distance / radii[2]


def _seeing_labels(
    suspect: Suspect, X: np.ndarray, radii: dict[float, np.ndarray]
) -> Iterator[Pair]:
    chosen = np.linspace(0, len(X) - 1, N_BLACK_BOX_ROWS).astype(int)
    rows, y = X[chosen], suspect.model.predict(X[chosen])
    span = np.ptp(X, axis=0) + 1e-9
    space = FeatureSpace.from_data(X, bounds=(X.min(0) - span, X.max(0) + span), scale=None)
    for attack in _BLACK_BOX:
        radius = radii[attack.norm][chosen]
        distance = _run(attack, suspect, rows, y, space, X).distances
        yield type(attack).__name__, distance < radius, distance / radius
    for norm in (2, np.inf):
        radius = radii[norm][chosen]
        # The attack has one size for all rows: rows of about the same radius go together.
        order = np.argsort(radius)
        fell = np.zeros(len(rows), dtype=bool)
        for group in np.array_split(order, len(order) // _SQUARE_GROUP):
            eps = INSIDE * float(radius[group].max())
            attack = SquareAttack(max_queries=150, norm=norm)
            found = _run(attack, suspect, rows[group], y[group], space, X, eps=eps)
            fell[group] = found.distances < radius[group]
        yield f"SquareAttack, L{norm:g}", fell, None


def _run(
    attack: Any,
    suspect: Suspect,
    rows: np.ndarray,
    y: np.ndarray,
    space: FeatureSpace,
    pool: np.ndarray,
    **options: Any,
) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rows without a start
        return attack.run(suspect.model, rows, y, space=space, pool=pool, **options)


def _is_affine(model: Any) -> bool:
    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    return hasattr(steps[-1], "coef_") and not any(
        hasattr(getattr(step, "estimator", step), "module_") for step in steps
    )


def _falls(suspect: Suspect, X: np.ndarray, radius: np.ndarray) -> np.ndarray:
    scores = scores_of(suspect.model)
    clean = labels(scores, torch.as_tensor(X)).numpy()
    ends = projected_gradient(scores, X, radius, 2, n_restarts=2)
    moved = [labels(scores, torch.as_tensor(end)).numpy() for end in ends]
    return (np.stack(moved) != clean).any(axis=0)
