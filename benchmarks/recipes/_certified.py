"""Training for certificates on MNIST: settings of dense networks beside published figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import Report, cpu_seconds
from benchmarks.loaders import load_mnist
from benchmarks.recipes._extent import Extent
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.objectives import LipschitzMargin

# The sizes of moves, in L2 and pixels of 0 to 1, that publications certify at.
RADII = (0.3, 1.58)
NETWORK: dict[str, Any] = {
    "hidden_layer_sizes": (256, 256),
    "penalty": None,
    "weight_decay": 0.0,
    "learning_rate_init": 1e-3,
    "batch_size": 256,
    "max_iter": 10,
    "n_iter_no_change": 10,
    "device": "cpu",
}
# What is published for moves of RADII, of convolutional networks: accuracy where it is given, and
# certified accuracy, in %. Each row is as its authors' repository states it: github.com/klasleino/
# gloro (README, "Best Results") for arXiv:2102.08452, and github.com/sungyoon-lee/bcp (README,
# "MNIST") for Lee et al., NeurIPS 2020, and for the two that they compare with.
PUBLISHED = (
    ("GloRo nets, arXiv:2102.08452, trained for 0.3", "", "95.7", ""),
    ("GloRo nets, arXiv:2102.08452, trained for 1.58", "", "", "62.8"),
    ("BCP, Lee et al., NeurIPS 2020, trained for 1.58", "92.54", "", "48.20"),
    ("CAP, arXiv:1805.12514, as BCP reports it, for 1.58", "88.39", "", "43.95"),
    ("LMT, arXiv:1802.04034, as BCP reports it, for 1.58", "86.48", "", "40.55"),
)


def certified(report: Report, extent: Extent) -> None:
    """Train one network for each setting, and certify it on the test images."""
    X, y = _rows("train", 6000 if extent.quick else None)
    X_test, y_test = _rows("test", 500 if extent.quick else 1000)
    rows = []
    for title, settings in _settings().items():
        model = SpectrallyRegularizedEncoder(
            **{**NETWORK, "random_state": extent.seeds[0], **settings}
        )
        seconds = cpu_seconds(lambda m=model: m.fit(X, y))
        right = model.predict(X_test) == y_test
        radii = np.where(right, certified_radius(model, X_test, scale=None), 0.0)
        shares = [right.mean(), *((radii > radius).mean() for radius in RADII)]
        rows.append((title, *(f"{100 * share:.1f}" for share in shares), f"{seconds:.0f}"))
        print("  ", *rows[-1], f"median radius {np.median(radii):.3f}", flush=True)
    report.table(
        f"Certified training on {len(X)} images of MNIST",
        f"Accuracy, and certified accuracy at moves of {RADII[0]:g} and {RADII[1]:g} in L2, in % "
        f"of {len(X_test)} test images; CPU seconds of a fit of {NETWORK['max_iter']} epochs. Two "
        f"hidden layers of 256, seed {extent.seeds[0]}. The last rows are published figures, of "
        "convolutional networks that were trained for one radius, as the READMEs of "
        "klasleino/gloro and sungyoon-lee/bcp on GitHub state them; the former gives no accuracy.",
        ("setting", "accuracy", *(f"certified at {radius:g}" for radius in RADII), "CPU s"),
        [*rows, *((*row, "") for row in PUBLISHED)],
        "52 12 12 12 12",
    )


def _rows(subset: str, n_rows: int | None) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_mnist(subset=subset, return_X_y=True)
    X = X.reshape(len(X), -1).astype(np.float32) / (255 if X.max() > 1 else 1)
    return X[:n_rows], np.asarray(y)[:n_rows]


def _settings() -> dict[str, dict[str, Any]]:
    """Return settings by title, from none to all that certificates can have."""
    settings: dict[str, dict[str, Any]] = {
        "no penalty": {},
        "ll_spectral+jacobian 0.003": {
            "penalty": "ll_spectral+jacobian",
            "alpha": 3e-3,
            "weight_decay": 1e-4,
        },
    }
    for epsilon in RADII:
        objective = LipschitzMargin(epsilon, epsilon_schedule="linear")
        title = f"lipschitz_margin {epsilon:g}"
        settings[f"{title}, maxmin"] = {"objective": objective, "activation": "maxmin"}
        settings[f"{title}, maxmin, orthogonal"] = {
            "objective": objective,
            "activation": "maxmin",
            "constraint": "orthogonal",
        }
    return settings
