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

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.certificates.moves import rows_across
from specreg_sklearn.metrics import adversarial_band
from specreg_sklearn.space import FeatureSpace

ENCODER = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), max_iter=60, random_state=0)


@pytest.mark.parametrize(
    ("model", "dtype", "norm"),
    [
        # Kernels of rows far away are next to nothing: shares change from 0 to 1 in no distance.
        (LabelPropagation(), np.float64, 2),
        (LogisticRegression(), np.float32, np.inf),
        (QuadraticDiscriminantAnalysis(reg_param=0.1), np.float32, 2),
        (MLPClassifier((16,), activation="tanh", max_iter=100, random_state=0), np.float32, 2),
        # A network in float32 that is asked with float64.
        (ENCODER, np.float64, 2),
        (make_pipeline(PCA(3, random_state=0), SVC(random_state=0)), np.float32, np.inf),
    ],
    ids=["propagation", "linear", "quadratic", "network", "encoder", "kernels"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_witness_is_no_matter_of_rounding(model, dtype, norm, iris_rows):
    X, y = iris_rows
    X = StandardScaler().fit_transform(X).astype(dtype)
    model.fit(X[::2].astype(np.float32) if model is ENCODER else X[::2], y[::2])
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


@pytest.mark.parametrize(("unit", "least"), [(2.0**-53, 1e-13), (2.0**-24, 3.8e-6)])
def test_rows_go_on_until_another_label_is_seen(unit, least):
    X = np.zeros((5, 1))
    rows = FeatureSpace.from_data(X, bounds=(-3, 3), scale=None).bind(X)
    # At the boundary, short of it by little and by much, past the last one, and no move at all.
    ends = np.array([1.0, 1 - 5e-8, 0.995, 0.5, np.nan])
    witness, distance = rows_across(
        lambda rows: rows[:, 0] >= 1, rows, np.zeros(5, dtype=bool), ends[:, None], 2, unit
    )
    assert 1 + 0.5 * least <= witness[0, 0] <= 1 + 2 * least
    assert 1 <= witness[1, 0] <= 1 + 5e-6
    assert 1 <= witness[2, 0] <= 1.01
    np.testing.assert_array_equal(np.isnan(witness[:, 0]), [False, False, False, True, True])
    np.testing.assert_allclose(distance[:3], witness[:3, 0], rtol=1e-12)
    assert np.isinf(distance[3:]).all()
