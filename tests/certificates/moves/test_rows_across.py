"""Rows behind a boundary keep their label whatever they are asked with."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC

from specreg_sklearn.metrics import adversarial_band


@pytest.mark.parametrize(
    ("model", "dtype", "norm"),
    [
        # Kernels of rows far away are next to nothing: shares change from 0 to 1 in no distance.
        (LabelPropagation(), np.float64, 2),
        (LogisticRegression(), np.float32, np.inf),
        (QuadraticDiscriminantAnalysis(reg_param=0.1), np.float32, 2),
        (MLPClassifier((16,), activation="tanh", max_iter=100, random_state=0), np.float32, 2),
        (make_pipeline(PCA(3, random_state=0), SVC(random_state=0)), np.float32, np.inf),
    ],
    ids=["propagation", "linear", "quadratic", "network", "kernels"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_witness_is_no_matter_of_rounding(model, dtype, norm, iris_rows):
    X, y = iris_rows
    X = StandardScaler().fit_transform(X).astype(dtype)
    model.fit(X[::2], y[::2])
    rows = X[1::2][:40]
    labels = model.predict(rows)
    band = adversarial_band(model, rows, labels, norm=norm, attack=None, max_nodes=60, pool=X)
    found = np.isfinite(band.upper)
    assert found.sum() > 20
    moved = band.X_adv
    assert moved.dtype == dtype
    alone = np.concatenate([model.predict(row[None]) for row in moved])
    for answers in (alone, model.predict(moved), model.predict(moved[::-1])[::-1]):
        assert (answers != labels)[found].all()
