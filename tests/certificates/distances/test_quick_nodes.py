"""Scores with an attack at hand search for a short while, and less where a search finds no rows."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.metrics import robust_accuracy_score


@pytest.mark.parametrize(
    ("model", "quick"),
    [
        (RandomForestClassifier(5, random_state=0), 1000),
        (MLPClassifier((8,), max_iter=1000, random_state=0), 50),
    ],
)
def test_nodes_of_a_score(model, quick, monkeypatch):
    X, y = make_classification(60, 5, random_state=0)
    model.fit(X, y)
    inner = type(distance_prover(model, X).prover)
    seen = []
    bounds = inner.bounds

    def noted(self, rows, /, **options):
        seen.append(options["max_nodes"])
        return bounds(self, rows, **options)

    monkeypatch.setattr(inner, "bounds", noted)
    options = {"eps": 0.5, "space": FeatureSpace.from_data(X)}
    quickly = robust_accuracy_score(model, X, y, certify="auto", **options)
    assert set(seen) == {quick}
    seen.clear()
    proved = robust_accuracy_score(model, X, y, certify=True, **options)
    assert set(seen) == {DEFAULT_MAX_NODES}
    assert proved <= quickly
    assert np.isfinite(quickly)
