"""What a user writes, for `make lint`: mypy --strict and pyright say whether the types hold."""

from __future__ import annotations

from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SpectrallyRegularizedEncoder,
    make_robust_scorer,
)
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import certified_radius, robust_accuracy_score


def main() -> None:
    """Fit, attack, score and certify."""
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=10, random_state=0)
    model = assert_type(encoder.fit(X, y), SpectrallyRegularizedEncoder)
    probe = assert_type(RobustLinearProbe(epsilon=0.1).fit(X, y), RobustLinearProbe)
    space = assert_type(FeatureSpace.from_data(X, bounds="data", scale="std"), FeatureSpace)

    one = robust_accuracy_score(model, X, y, eps=0.5, space=space, max_samples=20)
    several = robust_accuracy_score(model, X, y, eps=[0.1, 0.5], max_samples=20, n_jobs=1)
    assert_type(one, float)
    assert_type(several, NDArray[np.float64])
    found = CGBA(max_queries=250, random_state=0).run(model, X[:20], y[:20], space=space, pool=X)
    assert_type(found.distances, NDArray[np.float64])
    radius = certified_radius(model, X[:20], norm=2, scale=None)
    assert_type(radius, NDArray[np.float64])
    scorer = make_robust_scorer("robust_accuracy", eps=0.5, max_samples=20)
    assert_type(scorer(probe, X, y), float)
    print(f"{one:.2f}, {several.mean():.2f}", np.median(found.distances), np.median(radius))


if __name__ == "__main__":
    main()
