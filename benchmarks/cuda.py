"""The same fits, penalties, attacks and certificates on the CPU and on a CUDA device.

For each network: seconds on both, whether the results agree, and how far they are apart. Rounding
differs between devices and grows over a training run, so that what is compared is a few steps in
double precision, and after a full fit what a user would look at: accuracy, norms, distances.

Run on a machine with a CUDA device: ``python -m benchmarks.cuda``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.metrics import adversarial_distances, certified_radius
from specreg_sklearn.modules import ConvNet, ResNet18
from specreg_sklearn.objectives import Adversarial, BarlowTwins, SimCLR, TableViews

N_ATTACKED = 100
PGD = Adversarial(epsilon=0.1, n_steps=5, feature_range=(0.0, 1.0))
MODELS: dict[str, dict[str, Any]] = {
    "mlp 784-512": {"hidden_layer_sizes": (512,)},
    "mlp 784-512, ll_spectral": {"hidden_layer_sizes": (512,), "penalty": "ll_spectral"},
    "mlp 784-512, spectral_norm": {"hidden_layer_sizes": (512,), "constraint": "spectral_norm"},
    "mlp 784-512, adversarial": {"hidden_layer_sizes": (512,), "objective": PGD, "max_iter": 4},
    "conv net": {"module": ConvNet()},
    "conv net, batch norm": {"module": ConvNet(batch_norm=True)},
    "resnet18, width 16": {"module": ResNet18(width=16), "max_iter": 3, "alpha": 1e-3},
}


SELF_SUPERVISED: dict[str, dict[str, Any]] = {
    "barlow_twins, mlp, table views": {
        "hidden_layer_sizes": (256,),
        "objective": BarlowTwins(views=TableViews()),
    },
    "simclr, conv net, image views": {"module": ConvNet(), "objective": SimCLR()},
}


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result and the wall-clock seconds, with all kernels finished."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    result = run()
    torch.cuda.synchronize()
    return result, time.perf_counter() - start


def images(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return digits blown up to 28 x 28 pixels, repeated with noise up to `n_rows`."""
    X, y = load_digits(return_X_y=True)
    large = np.kron(X.reshape(-1, 8, 8) / 16, np.ones((3, 3)))
    large = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(len(X), -1)
    rows = np.arange(n_rows) % len(X)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(n_rows, large.shape[1]))
    return np.clip(large[rows] + noise, 0, 1).astype(np.float32), y[rows]


def compare_steps(kind: type, settings: dict[str, Any], X: np.ndarray, y: np.ndarray) -> float:
    """Return the largest difference of a weight after two epochs in double precision."""
    model = kind(**{**settings, "max_iter": 2})
    weights = []
    for device in ("cpu", "cuda"):
        fitted = clone(model).set_params(device=device).fit(X[:400].astype(np.float64), y[:400])
        weights.append(torch.cat([p.detach().cpu().flatten() for p in fitted.module_.parameters()]))
    return float((weights[0] - weights[1]).abs().max())


def without_labels(name: str, X: np.ndarray, y: np.ndarray) -> None:
    """Print seconds of both devices, and what a readout makes of the features."""
    settings = {"input_shape": (1, 28, 28), "batch_size": 256, "max_iter": 5, "random_state": 0}
    settings |= SELF_SUPERVISED[name]
    apart = compare_steps(SelfSupervisedEncoder, settings, X, y)
    print(f"{name}\n  two epochs in double precision: weights differ by {apart:.1e} at most")
    for device in ("cpu", "cuda"):
        encoder = SelfSupervisedEncoder(**settings, device=device)
        clone(encoder).set_params(max_iter=1).fit(X[:512])
        _, fit = timed(lambda encoder=encoder: encoder.fit(X))
        probe = make_pipeline(FrozenEstimator(encoder), StandardScaler(), RobustLinearProbe())
        accuracy = probe.fit(X[:2000], y[:2000]).score(X[2000:], y[2000:])
        print(f"  {device:<5} fit {fit:6.2f} s; accuracy of a probe {accuracy:.3f}", flush=True)


def main() -> None:
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", default=[*MODELS, *SELF_SUPERVISED])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    X, y = images(arguments.rows)
    space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
    attacked = slice(0, N_ATTACKED)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {len(X)} rows of 784\n")
    for name in arguments.only:
        if name in SELF_SUPERVISED:
            without_labels(name, X, y)
            continue
        settings = {"input_shape": (1, 28, 28), "batch_size": 128, "max_iter": 10}
        settings |= {"n_iter_no_change": 100, "random_state": 0, **MODELS[name]}
        apart = compare_steps(SpectrallyRegularizedEncoder, settings, X, y)
        print(f"{name}\n  two epochs in double precision: weights differ by {apart:.1e} at most")
        for device in ("cpu", "cuda"):
            model = SpectrallyRegularizedEncoder(**settings, device=device)
            if device == "cuda":
                clone(model).set_params(max_iter=1).fit(X[:512], y[:512])  # loads the kernels
            _, fit = timed(lambda model=model: model.fit(X, y))
            found, attack = timed(
                lambda model=model: adversarial_distances(
                    model, X[attacked], y[attacked], space=space
                )
            )
            proved, certify = timed(
                lambda model=model: certified_radius(model, X[attacked], scale=None)
            )
            violations = int(
                (proved > found * (1 + 1e-5))[model.predict(X[attacked]) == y[attacked]].sum()
            )
            norms = ", ".join(f"{norm:.3f}" for norm in list(model.spectral_norms_.values())[:4])
            print(
                f"  {device:<5} fit {fit:6.2f} s, attack {attack:5.2f} s, certify {certify:5.2f} s;"
                f" accuracy {model.score(X, y):.3f}, median distance {np.median(found):.3f},"
                f" median radius {np.median(proved):.4f}, violations {violations}, norms {norms}",
                flush=True,
            )


if __name__ == "__main__":
    main()
