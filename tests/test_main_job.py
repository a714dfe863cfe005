"""The main job: encoder, probe and robust accuracy in one grid search, on real data."""

import os
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder, make_robust_scorer
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.metrics import adversarial_distances

ALPHA = "spectrallyregularizedencoder__alpha"


def main_job(X, y, *, eps, alphas=(0, 1e-2), max_iter=30, max_samples=12, cv=2):
    pipe = make_pipeline(
        StandardScaler(),
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), max_iter=max_iter, random_state=0),
        RobustLinearProbe(epsilon=0.1),
    )
    robust = make_robust_scorer(eps=eps, max_samples=max_samples)
    return GridSearchCV(
        pipe,
        {ALPHA: list(alphas)},
        scoring={"accuracy": "accuracy", "robust": robust},
        refit="robust",
        cv=cv,
    ).fit(X, y)


def cancer_frame():
    data = load_breast_cancer(as_frame=True)
    return data.data, data.target.map(dict(enumerate(data.target_names)))


def check_search(search, X, y, *, accuracy):
    results = search.cv_results_
    assert (results["mean_test_robust"] <= results["mean_test_accuracy"] + 0.2).all()
    assert results["mean_test_accuracy"].max() > accuracy
    assert set(search.predict(X[:20])) <= set(y)
    best = results["mean_test_robust"].argmax()
    assert search.best_params_[ALPHA] == results["params"][best][ALPHA]


def test_breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    check_search(main_job(X, y, eps=0.5), X, y, accuracy=0.93)


@pytest.mark.slow
def test_digits():
    X, y = load_digits(return_X_y=True)
    check_search(main_job(X, y, eps=0.5, max_iter=40, max_samples=8), X, y, accuracy=0.9)


def test_frame_with_named_columns_and_string_labels():
    X, y = cancer_frame()
    search = main_job(X, y, eps=0.5, max_samples=8)
    check_search(search, X, y, accuracy=0.93)
    assert list(search.feature_names_in_) == list(X.columns)


def test_penalty_lengthens_adversarial_distances():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
    space = FeatureSpace.from_data(X / 16, bounds=(0.0, 1.0), scale=None)
    attack = CGBA(max_queries=400)
    plain = SpectrallyRegularizedEncoder(penalty=None, weight_decay=0.0, random_state=0)
    mean = {}
    for name, model in {
        "plain": plain,
        "robust": SpectrallyRegularizedEncoder(alpha=0.1, random_state=0),
    }.items():
        model.fit(X_train, y_train)
        assert model.score(X_test, y_test) > 0.95
        found = adversarial_distances(
            model, X_test[:16], y_test[:16], space=space, attack=attack, certify=False
        )
        mean[name] = found.mean()
    assert mean["robust"] > 1.15 * mean["plain"]


def test_probe_on_frozen_encoder():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=30, random_state=0)
    encoder.fit(X, y)
    before = encoder.module_.backbone.hidden1.weight.detach().clone()
    model = make_pipeline(FrozenEstimator(encoder), RobustLinearProbe(epsilon=0.5))
    search = GridSearchCV(model, {"robustlinearprobe__epsilon": [0.0, 0.5]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.93
    assert (encoder.module_.backbone.hidden1.weight == before).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "eps"), [("spambase", 0.7), ("url_phishing", 1.0)])
def test_real_tables(name, eps):
    folder = os.environ.get("SPECREG_DATA")
    assert folder, "set SPECREG_DATA to the folder with the larger data"
    table = pd.read_csv(Path(folder) / f"{name}.csv.gz").drop_duplicates()
    y = table.pop("target").map({0: "harmless", 1: "malicious"})
    search = main_job(table, y, eps=eps, alphas=(0, 1e-3, 3e-2), max_iter=40, max_samples=20, cv=2)
    check_search(search, table, y, accuracy=0.88)
    plain, *_, strongest = search.cv_results_["mean_test_robust"]
    assert strongest > plain
