"""Rows that attacks find in single precision keep their label whatever they are asked with."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import GradientAttack, ScoreSearch
from specreg_sklearn.attacks.questions import unit_roundoff
from specreg_sklearn.space import FeatureSpace

ENCODER = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=10, random_state=0)


@pytest.mark.parametrize(
    ("model", "attack", "dtype"),
    [
        (LogisticRegression(max_iter=50), ScoreSearch(max_queries=200), np.float32),
        (ENCODER, GradientAttack(), np.float64),
    ],
    ids=["scores", "gradients"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_row_is_no_matter_of_rounding(model, attack, dtype):
    # Unscaled columns: rounding is large beside the moves.
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(dtype)
    model.fit(X[::2], y[::2])
    rows = X[1:160:2]
    labels = model.predict(rows)
    result = attack.run(model, rows, labels, pool=X)
    assert result.success.mean() > 0.9
    moved = result.X_adv
    alone = np.concatenate([model.predict(row[None]) for row in moved])
    for answers in (alone, model.predict(moved[::-1])[::-1]):
        assert (answers != labels)[result.success].all()


def test_networks_are_known_behind_other_steps():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    rows = FeatureSpace.from_data(X).bind(X)
    short = FeatureSpace.from_data(X.astype(np.float32)).bind(X.astype(np.float32))
    network = make_pipeline(StandardScaler(), ENCODER)
    linear = LogisticRegression()
    search = GridSearchCV(linear, {"C": [1.0]}, cv=2).fit(X, y)
    assert unit_roundoff(network, rows) == 2.0**-24
    assert unit_roundoff(search, rows) == 0
    assert unit_roundoff(search, short) == 2.0**-24
