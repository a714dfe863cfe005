"""No row with another label is nearer than the lower end: many thousand rows around each witness.

Distances are compared as fractions, so that a row exactly at the lower end is told from one inside.
"""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace

NORMS = (1, 2, np.inf)
N_PROBES = 700
N_ROWS = 10
MODELS = [
    RandomForestClassifier(100, random_state=0),
    ExtraTreesClassifier(30, random_state=0),
    GradientBoostingClassifier(random_state=0),
    HistGradientBoostingClassifier(max_iter=50, random_state=0),
    DecisionTreeClassifier(random_state=0),
]


def is_nearer(row, clean, norm, bound):
    """Return whether a row is nearer than a bound, without any rounding."""
    steps = [abs(Fraction(a) - Fraction(b)) for a, b in zip(row, clean, strict=True) if a != b]
    limit = Fraction(bound)
    if norm == np.inf:
        return max(steps, default=Fraction(0)) < limit
    return sum(step**norm for step in steps) < limit**norm


def test_fractions_tell_one_ulp():
    clean, row = np.zeros(2), np.array([3.0, 4.0])
    assert not is_nearer(row, clean, 2, 5.0)
    assert is_nearer(row, clean, 2, np.nextafter(5.0, 6))
    assert is_nearer(row, clean, 1, np.nextafter(7.0, 8))
    assert not is_nearer(row, clean, np.inf, 4.0)


def probes(ensemble, clean, witness, rng):
    """Return rows between a row and its witness, and rows on either side of near thresholds."""
    boxes, d = ensemble.boxes, len(clean)
    out = np.tile(witness, (N_PROBES, 1))
    # Some columns go home, some one float towards it.
    home = rng.random(out.shape) < rng.random((N_PROBES, 1)) * 0.5
    out[home] = np.broadcast_to(clean, out.shape)[home]
    shorter = rng.random(out.shape) < 0.1
    out[shorter] = np.nextafter(out, clean)[shorter]
    # Others go to a threshold nearby, or to the float beyond.
    for j in range(d):
        begin, end = boxes.cell_start[j] - j, boxes.cell_start[j + 1] - j - 1
        cuts = boxes.thresholds[begin:end]
        if not len(cuts):
            continue
        at = np.searchsorted(cuts, clean[j]) + rng.integers(-6, 7, N_PROBES)
        numbers = cuts[np.clip(at, 0, len(cuts) - 1)]
        numbers = np.where(rng.random(N_PROBES) < 0.5, numbers, np.nextafter(numbers, np.inf))
        some = rng.random(N_PROBES) < 0.1
        out[some, j] = numbers[some]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("norm", NORMS)
def test_no_probe_with_another_label_is_nearer_than_the_lower_end(model, norm):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ensemble = TreeEnsemble.from_estimator(model.fit(X[:400], y[:400]))
    rows = X[400 : 400 + N_ROWS].copy()
    # Half of them stand on a threshold in each column that has one.
    begin = ensemble.boxes.cell_start[:-1] - np.arange(X.shape[1])
    for j in np.flatnonzero(np.diff(ensemble.boxes.cell_start) > 1):
        rows[: N_ROWS // 2, j] = ensemble.boxes.thresholds[begin[j]]
    bound = FeatureSpace.from_data(X, scale=None, bounds=None).bind(rows)
    found = nearest_rows(ensemble, bound, norm=norm, max_nodes=1000)
    rng, predict = np.random.default_rng(0), ensemble.estimator.predict
    labels, n_flips = predict(rows), 0
    for i in np.flatnonzero(np.isfinite(found.upper)):
        tried = probes(ensemble, rows[i], found.witness[i], rng)
        flips = tried[predict(tried) != labels[i]]
        n_flips += len(flips)
        assert not any(is_nearer(flip, rows[i], norm, found.lower[i]) for flip in flips)
    assert n_flips > 10
