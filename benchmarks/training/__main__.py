"""What training costs, as CPU-time ratios of one run on one thread.

Run with ``make bench`` or ``python -m benchmarks.training``; ``--only objectives`` is the section
that `make bench` leaves out.
"""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import (
    Report,
    arguments_of,
    compare,
    cpu_seconds,
    median_ratio,
    run_sections,
)
from benchmarks.training._objectives import objective_costs
from specreg_sklearn import SpectrallyRegularizedEncoder, make_robust_scorer


def plain_torch_loop(
    X: np.ndarray, y: np.ndarray, sizes: tuple[int, ...], epochs: int, batch_size: int
) -> None:
    """Train the encoder's network the way a torch tutorial does: default Adam, sliced batches."""
    layers: list[torch.nn.Module] = []
    widths = (X.shape[1], *sizes)
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], int(y.max()) + 1))
    rows, labels = torch.tensor(X), torch.tensor(y)
    net = net.to(rows.dtype)
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        shuffled, targets = rows[order], labels[order]
        for start in range(0, len(rows), batch_size):
            batch = slice(start, start + batch_size)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(shuffled[batch]), targets[batch])
            loss.backward()
            optimizer.step()


def encoder(epochs: int, **params: Any) -> SpectrallyRegularizedEncoder:
    """Return an encoder that runs exactly `epochs` epochs."""
    return SpectrallyRegularizedEncoder(
        max_iter=epochs, n_iter_no_change=epochs, random_state=0, device="cpu", **params
    )


def against_plain_loops(report: Report, repeats: int) -> None:
    epochs, sizes = 100, (100,)
    for name, load in {"breast_cancer": load_breast_cancer, "digits": load_digits}.items():
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        mlp = MLPClassifier(
            sizes, batch_size=200, max_iter=epochs, n_iter_no_change=epochs, random_state=0
        )
        plain = encoder(
            epochs, hidden_layer_sizes=sizes, penalty=None, weight_decay=0.0, batch_size=200
        )
        spectral = encoder(epochs, hidden_layer_sizes=sizes, weight_decay=0.0, batch_size=200)
        seconds = compare(
            {
                "encoder": lambda X=X, y=y, plain=plain: plain.fit(X, y),
                "torch": lambda X=X, y=y: plain_torch_loop(X, y, sizes, epochs, 200),
                "mlp": lambda X=X, y=y, mlp=mlp: mlp.fit(X, y),
                "spectral": lambda X=X, y=y, spectral=spectral: spectral.fit(X, y),
            },
            repeats=repeats,
        )
        detail = "  ".join(f"{k} {statistics.median(v) * 1e3:.0f} ms" for k, v in seconds.items())
        report.figure(
            f"{name}: encoder(penalty=None) / plain torch loop, batch 200",
            median_ratio(seconds, "encoder", "torch"),
            "<=",
            1.05,
            detail=detail,
        )
        report.figure(
            f"{name}: encoder(penalty=None) / MLPClassifier, batch 200",
            median_ratio(seconds, "encoder", "mlp"),
            "<=",
            1.25 if name == "digits" else None,
        )
        report.figure(
            f"{name}: rep_spectral / no penalty, 100 hidden units, batch 200",
            median_ratio(seconds, "spectral", "encoder"),
        )


def penalty_on_and_off(report: Report, repeats: int) -> None:
    for n_features, sizes, batch_size, n_rows, epochs, bars in (
        (784, (2000,), 128, 10000, 4, {"rep_spectral": 1.20}),
        (30, (256, 256), 256, 10000, 10, {"rep_spectral": 1.30, "product_spectral": 1.50}),
    ):
        X, y = make_classification(
            n_rows, n_features, n_informative=20, n_classes=10, random_state=0
        )
        X = StandardScaler().fit_transform(X).astype(np.float32)
        models = {
            name: encoder(epochs, hidden_layer_sizes=sizes, batch_size=batch_size, penalty=penalty)
            for name, penalty in {"off": None, **{name: name for name in bars}}.items()
        }
        seconds = compare(
            {name: lambda m=model, X=X, y=y: m.fit(X, y) for name, model in models.items()},
            repeats=repeats,
        )
        shape = "-".join(map(str, (n_features, *sizes, 10)))
        steps = epochs * -(-n_rows // batch_size)
        for name, bar in bars.items():
            detail = f"{statistics.median(seconds[name]) / steps * 1e3:.2f} ms a step"
            report.figure(
                f"{name} on / off, {shape}, batch {batch_size}",
                median_ratio(seconds, name, "off"),
                "<=",
                bar,
                detail=detail,
            )


def robust_grid_search(report: Report, repeats: int) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), encoder(50, hidden_layer_sizes=(64,)))
    grid = {"spectrallyregularizedencoder__alpha": [0, 1e-3, 1e-2, 1e-1]}
    scorer = make_robust_scorer(eps=0.5, max_samples=50)
    scorer(model.fit(X, y), X, y)  # ART's import is not part of the search

    def search(scoring: Any) -> None:
        GridSearchCV(model, grid, cv=3, scoring=scoring, refit=False).fit(X, y)

    plain = cpu_seconds(lambda: search("accuracy"))
    robust = cpu_seconds(lambda: search({"accuracy": "accuracy", "robust": scorer}))
    report.figure(
        "grid search, 4 candidates x 3 folds: robust scoring (50 rows) / plain",
        robust / plain,
        detail=f"{robust:.1f} s against {plain:.1f} s",
    )


SECTIONS = {
    "loops": against_plain_loops,
    "penalty": penalty_on_and_off,
    "search": robust_grid_search,
    "objectives": objective_costs,
}


def main() -> None:
    """Print every ratio, with its bar where there is one."""
    usual = [name for name in SECTIONS if name != "objectives"]
    arguments = arguments_of(__doc__, SECTIONS, default=usual, repeats={"type": int, "default": 7})
    run_sections(Report(), SECTIONS, arguments, arguments.repeats)


if __name__ == "__main__":
    main()
