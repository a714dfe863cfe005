"""Models and rows that the attack tests share."""

from __future__ import annotations

import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.attacks.questions import Repeats


@pytest.fixture
def no_check_of_repeats(monkeypatch):
    """Leave out the free questions before an attack, where a test counts all others."""
    name = "specreg_sklearn.attacks.frame._run.check_repeats"
    monkeypatch.setattr(name, lambda *args: Repeats())


@pytest.fixture(scope="session")
def iris():
    """X, y and a logistic regression; three classes, four features."""
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


@pytest.fixture(scope="session")
def cancer():
    """Standardised X, y and a logistic regression; two classes, thirty features."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


@pytest.fixture(scope="session")
def digits():
    """X in [0, 1], y and a logistic regression; ten classes, sixty-four features."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)
