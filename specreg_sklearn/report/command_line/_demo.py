"""The demo: train four networks on handwritten digits, attack them, draw what they withstand."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from specreg_sklearn.estimators import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import adversarial_distances, make_robust_scorer
from specreg_sklearn.space import FeatureSpace

MODELS: dict[str, dict[str, Any]] = {
    "plain": {"penalty": None, "alpha": 0.0, "weight_decay": 0.0},
    "l2": {"penalty": "l2", "alpha": 3e-4, "weight_decay": 0.0},
    "ll_spectral": {"penalty": "ll_spectral", "alpha": 3e-2},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 3e-2},
}
EPS = 0.5  # in pixels of [0, 1], Euclidean over the 64 pixels
N_ATTACKED = 100


def run_demo(output: Path) -> None:
    """Print the table, save the picture, and search the strength by robust accuracy."""
    # All networks are trained for as many epochs, so that they can be compared.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    start = time.perf_counter()
    X, y = load_digits(return_X_y=True)
    X /= 16
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
    rows, labels = X_test[:N_ATTACKED], y_test[:N_ATTACKED]
    space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)

    print(f"Digits, 8 x 8 pixels in [0, 1]: {N_ATTACKED} test rows attacked, eps = {EPS}\n")
    header = ("alpha", "accuracy", "robust accuracy", "median distance")
    print(f"{'penalty':<14}{header[0]:>7}{header[1]:>10}{header[2]:>17}{header[3]:>17}")
    curves = {}
    for name, params in MODELS.items():
        encoder = SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(64,), random_state=0, **params
        ).fit(X_train, y_train)
        distances = adversarial_distances(encoder, rows, labels, space=space)
        curves[name] = distances
        robust = np.mean(distances > EPS)
        accuracy = encoder.score(X_test, y_test)
        median = np.median(distances)
        row = f"{name:<14}{params['alpha']:>7}{accuracy:>10.3f}{robust:>17.2f}{median:>17.3f}"
        print(row, flush=True)

    draw_curves(curves, output)
    print(f"\nSaved {output}. Searching alpha by robust accuracy in a pipeline ...", flush=True)
    search = search_strength(X_train, y_train)
    best = search.best_params_["spectrallyregularizedencoder__alpha"]
    robust = search.cv_results_["mean_test_robust"]
    print(f"alpha     {search.cv_results_['param_spectrallyregularizedencoder__alpha'].tolist()}")
    print(f"robust    {np.round(robust, 2).tolist()}   (cross-validated)")
    print(f"best alpha {best}, test accuracy {search.best_estimator_.score(X_test, y_test):.3f}")
    print(f"\n{time.perf_counter() - start:.0f} s in all")


def search_strength(X: np.ndarray, y: np.ndarray) -> GridSearchCV:
    """Search the strength of the penalty by accuracy under attack."""
    pipeline: Pipeline = make_pipeline(
        MinMaxScaler(),
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), max_iter=100, random_state=0),
        RobustLinearProbe(epsilon=1.0),
    )
    scorer = make_robust_scorer(eps=EPS, scale=None, max_samples=40)
    return GridSearchCV(
        pipeline,
        {"spectrallyregularizedencoder__alpha": [0, 1e-2, 1e-1]},
        scoring={"accuracy": "accuracy", "robust": scorer},
        refit="robust",
        cv=2,
    ).fit(X, y)


def draw_curves(curves: dict[str, np.ndarray], output: Path) -> None:
    """Draw robust accuracy against eps: the share of rows farther from an error than eps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)  # needs no screen
    axes = figure.add_subplot()
    eps = np.linspace(0, 1.2, 200)
    styles = zip(curves.items(), ("-", "--", "-.", ":"), ("0.6", "C0", "C2", "C3"), strict=True)
    for (name, distances), line, color in styles:
        share = (distances[None, :] > eps[:, None]).mean(axis=1)
        axes.plot(eps, share, line, color=color, linewidth=2, label=name)
    axes.set(
        xlabel="eps (Euclidean, pixels in [0, 1])",
        ylabel="robust accuracy",
        ylim=(0, 1.02),
        xlim=(0, eps[-1]),
        title="What the networks withstand",
    )
    axes.grid(alpha=0.3)
    axes.legend(title="penalty")
    figure.savefig(output, dpi=150)
