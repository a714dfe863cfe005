"""Proofs leave the score as it is, or take off what the attack overlooked, model by model."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, RayS
from specreg_sklearn.metrics import certified_accuracy_score, robust_accuracy_score

ENCODER = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=20, random_state=0)


class Opaque(RandomForestClassifier):
    """A model that no proof is about."""

    def predict(self, X):
        return super().predict(X)


# And what proofs say of them: nothing, or how far labels stay and which rows are near.
MODELS = [
    (make_pipeline(StandardScaler(), LogisticRegression()), "rows"),
    (make_pipeline(StandardScaler(), PCA(4), LinearSVC(random_state=0)), "rows"),
    (make_pipeline(StandardScaler(), ENCODER), "rows"),
    (make_pipeline(StandardScaler(), ENCODER, RobustLinearProbe()), "rows"),
    (make_pipeline(StandardScaler(), MLPClassifier((12,), max_iter=50, random_state=0)), "rows"),
    (RandomForestClassifier(10, random_state=0), "rows"),
    (Opaque(10, random_state=0), "nothing"),
]


# Three classes for every model, two for one of each proof.
CASES = [
    *((load_wine, case) for case in MODELS),
    *((load_breast_cancer, MODELS[k]) for k in (0, 2, 5)),
]


@pytest.mark.parametrize(
    ("load", "case"),
    CASES,
    ids=lambda part: part.__name__ if callable(part) else str(part[0])[:60],
)
def test_scores_are_equal(load, case):
    X, y = load(return_X_y=True)
    model, proofs_give = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    for attack, eps in (
        (CGBA(max_queries=100), [0.0, 0.05, 0.2, 0.6]),
        (RayS(max_queries=100, norm=np.inf), [0.01, 0.1]),
    ):
        options = {"eps": eps, "attack": attack, "norm": attack.norm, "max_samples": 6}
        attacked = robust_accuracy_score(model, X, y, certify=False, **options)
        spared = robust_accuracy_score(model, X, y, certify="auto", **options)
        # Rows that proofs find are nearer than those of the attack, or the same.
        assert (spared <= attacked).all()
        if proofs_give != "rows":
            np.testing.assert_array_equal(attacked, spared)
        if proofs_give != "nothing":
            options.pop("attack")
            proved = certified_accuracy_score(model, X, y, **options)
            assert (proved <= spared).all()
            assert proved[-2] > 0  # some rows were spared
