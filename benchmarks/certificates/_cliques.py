"""What ART's clique method certifies of tree ensembles, beside rows that contradict it."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

from benchmarks.certificates._trees import models
from specreg_sklearn.certificates import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace


class BesideCliques(NamedTuple):
    """Distances in Linf that ART certifies, and rows with another label inside them.

    Parameters
    ----------
    model : str
        The model, on breast_cancer with columns from 0 to 1, which is what ART accepts.
    n_rows : int
        How many rows.
    beyond_data : int
        Rows that are certified farther than a row of the table that `predict` labels otherwise.
    beyond_witness : int
        Rows that are certified farther than a row that the search found, and that `predict` labels
        otherwise.
    nothing : int
        Rows of which nothing is certified.
    largest : float
        The largest certified distance over that of a row that `predict` labels otherwise; above 1
        it is wrong.
    certified, nearest : float
        Of that row: what is certified, and how far the other row is.
    seconds, own_seconds : float
        Median CPU seconds of a row, ART's and those of the search.
    """

    model: str
    n_rows: int
    beyond_data: int
    beyond_witness: int
    nothing: int
    largest: float
    certified: float
    nearest: float
    seconds: float
    own_seconds: float


def beside_cliques(name: str, n_rows: int) -> BesideCliques:
    """Ask ART with its defaults and ten steps of its search, and search the same rows."""
    from art.estimators.classification import SklearnClassifier
    from art.metrics import RobustnessVerificationTreeModelsCliqueMethod

    X, y = load_breast_cancer(return_X_y=True)
    X = np.clip(MinMaxScaler().fit_transform(X), 0, 1)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.3, random_state=0)
    model = models()[name].fit(X_train, y_train)
    labels = model.predict(X_test)
    cliques = RobustnessVerificationTreeModelsCliqueMethod(SklearnClassifier(model), verbose=False)
    ensemble, space = TreeEnsemble.from_estimator(model), FeatureSpace.from_data(X_test, scale=None)
    # Compiling is not counted.
    nearest_rows(ensemble, space.bind(X_test[:1]), norm=np.inf, max_nodes=20)
    certified, in_data, found, seconds, own_seconds = (np.empty(n_rows) for _ in range(5))
    for i in range(n_rows):
        start = time.process_time()
        certified[i] = cliques.verify(X_test[i : i + 1], labels[i : i + 1], eps_init=0.1)[0]
        middle = time.process_time()
        found[i] = nearest_rows(ensemble, space.bind(X_test[i : i + 1]), norm=np.inf).upper[0]
        own_seconds[i], seconds[i] = time.process_time() - middle, middle - start
        others = X_test[labels != labels[i]]
        in_data[i] = np.abs(others - X_test[i]).max(axis=1).min()
    nearest = np.minimum(found, in_data)
    worst = int((certified / nearest).argmax())
    return BesideCliques(
        name,
        n_rows,
        int((certified > in_data).sum()),
        int((certified > nearest).sum()),
        int((certified == 0).sum()),
        float(certified[worst] / nearest[worst]),
        float(certified[worst]),
        float(nearest[worst]),
        float(np.median(seconds)),
        float(np.median(own_seconds)),
    )
