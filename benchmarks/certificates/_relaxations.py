"""Radii of fully connected networks by linear relaxation, next to nearest rows that are found."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.certificates._gradient_attacks import nearest_boundary
from benchmarks.common import scores_of
from benchmarks.loaders import load_mnist
from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES, LipschitzProver
from specreg_sklearn.metrics import adversarial_distances

BUDGETS = (1, DEFAULT_MAX_NODES, 100_000)


class Relaxed(NamedTuple):
    """Medians of proof / nearest found, by constants and by budget of nodes, and CPU seconds a row.

    `worst` is the largest ratio of all: above 1 it would be a violation.
    """

    network: str
    hidden_layers: int
    by_constants: float
    medians: tuple[float, ...]
    seconds: tuple[float, ...]
    worst: float


def table_networks(n_rows: int) -> Iterator[Relaxed]:
    """Measure networks on breast_cancer in three norms; the attacks see labels alone."""
    X, y = load_breast_cancer(return_X_y=True)
    for widths in ((64,), (32, 16)):
        network = MLPClassifier(widths, max_iter=300, random_state=0)
        model = make_pipeline(StandardScaler(), network).fit(X, y)
        space = FeatureSpace.from_data(X, bounds=None)
        rows = X[:n_rows]
        for norm in (1, 2, np.inf):
            found = adversarial_distances(model, rows, model.predict(rows), space=space, norm=norm)
            yield _measured(
                f"breast_cancer {widths}, L{norm:g}", model, len(widths), rows, space, norm, found
            )


def image_networks(n_rows: int) -> Iterator[Relaxed]:
    """Measure dense networks on MNIST in L2; the attack sees gradients."""
    X, y = load_mnist(return_X_y=True)
    X = X.reshape(len(X), -1).astype(np.float64) / X.max()
    for widths in ((64,), (128, 64)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it stops early on purpose
            model = MLPClassifier(widths, max_iter=8, batch_size=100, random_state=0)
            model.fit(X[:6000], y[:6000])
        rows = X[-n_rows:]
        space = FeatureSpace.from_data(rows, bounds=None, scale=None)
        moves = np.linalg.norm(nearest_boundary(scores_of(model), rows) - rows, axis=2)
        found = np.where(np.isnan(moves), np.inf, moves).min(axis=0)
        yield _measured(f"MNIST {widths}, L2", model, len(widths), rows, space, 2, found)


def _measured(
    name: str,
    model: Any,
    hidden_layers: int,
    X: np.ndarray,
    space: FeatureSpace,
    norm: float,
    found: np.ndarray,
) -> Relaxed:
    rows, prover = space.bind(X), distance_prover(model, X)
    constants = LipschitzProver(model).bounds(rows, norm=norm).lower
    ratios, seconds = [], []
    for max_nodes in BUDGETS:
        start = time.process_time()
        lower = prover.bounds(rows, norm=norm, max_nodes=max_nodes).lower
        seconds.append((time.process_time() - start) / len(X))
        ratios.append(lower / found)
    return Relaxed(
        name,
        hidden_layers,
        float(np.median(constants / found)),
        tuple(float(np.median(ratio)) for ratio in ratios),
        tuple(seconds),
        float(np.max(ratios)),
    )
