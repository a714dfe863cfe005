"""Two small models on one table, and the report on them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.report import robustness_report
from specreg_sklearn.space import FeatureSpace

WORDS = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(scope="session")
def flowers():
    """Iris as a frame, labels as text, two fitted models and a space of three movable columns."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["sepal length", "sepal width", "petal length", "petal width"]
    y = WORDS[y.to_numpy()]
    models = {
        "tree": DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[::5], y[::5]),
        "linear": LogisticRegression(max_iter=500).fit(X[::5], y[::5]),
    }
    space = FeatureSpace.from_data(
        X, mutable=list(X.columns[1:]), increase_only=["sepal width"], cost={"petal width": 2.0}
    )
    return X, y, models, space


@pytest.fixture(scope="session")
def flower_report(flowers):
    X, y, models, space = flowers
    return robustness_report(
        models, X, y, space=space, eps=0.6, attack="auto", max_samples=24, max_nodes=200
    )
