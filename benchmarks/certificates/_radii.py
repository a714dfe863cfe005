"""Certified radii of multilayer perceptrons by several bounds, next to what an attack finds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import certified_radius

_N_TRAIN, _N_TEST, _N_ATTACKED = 2000, 500, 50
_BATCH = 200
_N_STEPS = 500


class Radii(NamedTuple):
    """Median radii over test rows, and the median distance that CGBA finds on some of them.

    `tsuzuku` divides the margin by sqrt(2) times the product of all norms, `pair` by the product
    of the hidden norms and the distance of two readout rows, `eclipse` by ECLipsE-Fast; these three
    are written out here, for real arithmetic. `certified` is :func:`certified_radius`. `median` and
    `worst` are the median and the smallest of distance / `certified` over the attacked rows.
    """

    network: str
    accuracy: float
    tsuzuku: float
    pair: float
    eclipse: float
    certified: float
    attack: float
    median: float
    worst: float


def small_networks() -> Iterator[Radii]:
    """Measure networks of one to three layers of 128, without and with the penalty."""
    for depth in (1, 2, 3):
        for alpha in (0.0, 0.01):
            yield _measured(30, (128,) * depth, 4, alpha)


def wide_network() -> Iterator[Radii]:
    """Measure 784-2000-2000-10, which takes minutes."""
    yield _measured(784, (2000, 2000), 10, 0.0)


def _measured(n_features: int, hidden: tuple[int, ...], n_classes: int, alpha: float) -> Radii:
    X, y = make_classification(
        _N_TRAIN + _N_TEST,
        n_features,
        n_informative=min(20, n_features // 2),
        n_classes=n_classes,
        class_sep=1.5,
        random_state=0,
    )
    X = StandardScaler().fit(X[:_N_TRAIN]).transform(X)
    n_epochs = _N_STEPS * _BATCH // _N_TRAIN
    encoder = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=hidden,
        penalty="rep_spectral" if alpha else None,
        alpha=alpha,
        weight_decay=0.0,
        batch_size=_BATCH,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
        device="cpu",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops on purpose
        encoder.fit(X[:_N_TRAIN], y[:_N_TRAIN])
    X, y = X[_N_TRAIN:], y[_N_TRAIN:]
    bounds = _by_closed_forms(encoder, X)
    certified = certified_radius(encoder, X, scale=None)
    attacked = slice(0, _N_ATTACKED)
    space = FeatureSpace.from_data(X, bounds=(-20.0, 20.0), scale=None)
    result = CGBA(max_queries=1000).run(
        encoder, X[attacked], encoder.predict(X[attacked]), space=space, pool=X
    )
    ratio = result.distances / certified[attacked]
    name = "-".join(map(str, (n_features, *hidden, n_classes)))
    return Radii(
        f"{name}, alpha {alpha:g}" if alpha else name,
        float(encoder.score(X, y)),
        *(float(np.median(radius)) for radius in (*bounds, certified)),
        float(np.median(result.distances)),
        float(np.median(ratio)),
        float(ratio.min()),
    )


def _by_closed_forms(encoder: SpectrallyRegularizedEncoder, X: np.ndarray) -> list[np.ndarray]:
    """Return the radii by the product of all norms, by that for pairs, and by ECLipsE-Fast."""
    parameters = [p.detach().double().numpy() for p in encoder.module_.parameters()]
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    values, product, inverse = X, 1.0, np.eye(X.shape[1])
    for weight, bias in layers[:-1]:
        values = np.maximum(values @ weight.T + bias, 0.0)
        product *= np.linalg.norm(weight, 2)
        S = weight @ inverse @ weight.T
        factor = 2 / np.linalg.eigvalsh(S)[-1]
        inverse = np.linalg.inv(factor * np.eye(len(S)) - factor**2 / 4 * S)
    readout, bias = layers[-1]
    scores = values @ readout.T + bias
    rows, top = np.arange(len(X)), scores.argmax(axis=1)
    margin = scores[rows, top][:, None] - scores
    margin[rows, top] = np.inf
    steps = readout[:, None] - readout[None]
    tsuzuku = np.full(len(readout), np.sqrt(2) * product * np.linalg.norm(readout, 2))
    pairs = product * np.linalg.norm(steps, axis=2)
    eclipse = np.sqrt(np.einsum("ijk,kl,ijl->ij", steps, inverse, steps, optimize=True))
    for constants in (pairs, eclipse):
        np.fill_diagonal(constants, 1.0)
    return [(margin / part).min(axis=1) for part in (tsuzuku, pairs[top], eclipse[top])]
