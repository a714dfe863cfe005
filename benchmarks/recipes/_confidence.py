"""Calibration, and how well confidence tells rows of another set: no claim, as it comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.common import Report
from benchmarks.loaders import load_cifar10
from benchmarks.recipes._data import Split, split_of
from benchmarks.recipes._extent import Extent
from benchmarks.recipes._outcomes import Recipe, fit_on
from benchmarks.recipes._presets import NONE, preset
from specreg_sklearn.inspection import expected_calibration_error

RECIPES: dict[str, Recipe] = {
    "none": NONE,
    "l2 1e-3": {"penalty": "l2", "alpha": 1e-3, "weight_decay": 0.0},
    "ll_spectral 1e-2": {"penalty": "ll_spectral", "alpha": 1e-2},
    "rep_spectral 1e-2, no decay": {"penalty": "rep_spectral", "weight_decay": 0.0},
    "fast": preset("fast"),
    "robust": preset("robust"),
}
N_TRAIN, N_TEST, SIDE = 4000, 2000, 28


def confidence(report: Report, extent: Extent) -> None:
    """Train on each of two sets of images, and show it rows of both."""
    sets: dict[str, Callable[[int], Split]] = {
        "MNIST": lambda seed: split_of("mnist", seed),
        "CIFAR-10, grey": _grey_photographs,
    }
    for inside, outside in (("MNIST", "CIFAR-10, grey"), ("CIFAR-10, grey", "MNIST")):
        rows = []
        splits = [(sets[inside](seed), sets[outside](seed)) for seed in extent.seeds]
        for name, recipe in RECIPES.items():
            found = [_confidences(split, other, recipe) for split, other in splits]
            means = np.mean(found, axis=0)
            rows.append((name, *(f"{value:.3f}" for value in means)))
        report.table(
            f"{inside} in, {outside} out",
            "AUROC of the largest probability and of the largest logit; seeds "
            f"{', '.join(map(str, extent.seeds))}.",
            ("recipe", "accuracy", "log loss", "ECE", "AUROC probability", "AUROC logit"),
            rows,
        )


def _confidences(split: Split, other: Split, recipe: Recipe) -> tuple[float, ...]:
    encoder, _ = fit_on(split, recipe)
    inside, outside = split.X_test, other.X_test
    probabilities = encoder.predict_proba(inside).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    strange = np.repeat([1, 0], [len(inside), len(outside)])
    both = np.concatenate([inside, outside])
    return (
        encoder.score(inside, split.y_test),
        float(log_loss(split.y_test, probabilities)),
        expected_calibration_error(
            probabilities.max(axis=1), probabilities.argmax(axis=1) == split.y_test
        ),
        float(roc_auc_score(strange, encoder.predict_proba(both).max(axis=1))),
        float(roc_auc_score(strange, encoder.decision_function(both).max(axis=1))),
    )


def _grey_photographs(seed: int) -> Split:
    """Return photographs in grey, cut to the size of the digits."""
    X, y = load_cifar10(return_X_y=True)
    X = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
    X = X / 255 if X.max() > 1 else X
    images = X.reshape(len(X), 3, 32, 32).mean(axis=1)
    border = (32 - SIDE) // 2
    X = images[:, border : border + SIDE, border : border + SIDE].reshape(len(X), -1)
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:N_TRAIN], order[N_TRAIN : N_TRAIN + N_TEST]
    like = split_of("mnist", seed)
    return replace(
        like, X=X[train], y=np.asarray(y)[train], X_test=X[test], y_test=np.asarray(y)[test]
    )
