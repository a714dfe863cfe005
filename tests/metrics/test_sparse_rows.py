"""Sparse rows: attacked dense inside and handed back sparse, and proofs of linear models."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler
from sklearn.svm import LinearSVC

from specreg_sklearn import FeatureSpace, RobustLinearProbe
from specreg_sklearn.attacks import CGBA, RayS, ThresholdSearch
from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.metrics import (
    adversarial_band,
    adversarial_distances,
    certified_radius,
    robust_accuracy_score,
)
from specreg_sklearn.tables import changed_cells, column_cells, with_cells
from tests.grids import diagonal

X, Y = load_breast_cancer(return_X_y=True)
X = MaxAbsScaler().fit_transform(X)[:, :8]
X[X < 0.3] = 0
CONTAINERS = [
    sparse.csr_array,
    sparse.csr_matrix,
    sparse.csc_array,
    sparse.coo_array,
    sparse.lil_matrix,
    sparse.dok_array,
]


def only_sparse(rows):
    if not sparse.issparse(rows):
        raise TypeError("This step takes sparse rows only.")
    return rows


def needs_sparse(classifier):
    """A pipeline that refuses dense rows, as those of hashed words do."""
    front = FunctionTransformer(only_sparse, accept_sparse=True)
    return make_pipeline(front, classifier).fit(sparse.csr_array(X), Y)


@pytest.mark.parametrize(
    ("container", "attack"),
    diagonal(CONTAINERS, [CGBA(max_queries=300), RayS(), ThresholdSearch(norm=1)]),
)
def test_a_pipeline_that_needs_sparse_rows_is_attacked(attack, container):
    model = needs_sparse(MultinomialNB())
    rows = container(X[:4])
    result = attack.run(model, rows, Y[:4], space=FeatureSpace.from_data(X))
    assert type(result.X_adv) is container and result.X_adv.dtype == X.dtype
    fooled = result.success
    assert fooled.any()
    assert (model.predict(result.X_adv.tocsr())[fooled] != Y[:4][fooled]).all()


def test_distances_are_those_of_the_same_dense_rows():
    model = LogisticRegression().fit(X, Y)
    found = adversarial_distances(model, sparse.csr_array(X), Y, max_samples=8)
    dense = adversarial_distances(model, X, Y, max_samples=8)
    both = np.isfinite(found) & np.isfinite(dense)
    assert both.sum() >= 5
    np.testing.assert_allclose(found[both], dense[both], rtol=1e-6)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_proofs_of_linear_models_are_distances_to_the_hyperplane(container, dtype):
    rows = container(X.astype(dtype))
    svm = LinearSVC(random_state=0)
    for model in (LogisticRegression(), svm, RidgeClassifier(), RobustLinearProbe()):
        model.fit(sparse.csr_array(X.astype(dtype)), Y)
        weight, bias = np.ravel(model.coef_).astype(float), np.ravel(model.intercept_)[0]
        exact = np.abs(rows.toarray().astype(float) @ weight + bias) / np.linalg.norm(weight)
        proved = certified_radius(model, rows, scale=None)
        assert (proved <= exact * (1 + 1e-6)).all()
        assert (proved >= exact * (1 - 1e-3) - 1e-4).all()


def test_a_band_closes_behind_a_scaler():
    model = make_pipeline(MaxAbsScaler(), LogisticRegression()).fit(sparse.csr_array(X), Y)
    band = adversarial_band(model, sparse.csr_array(X), Y, max_samples=6)
    assert band.closed.all()
    exact = band.status == "exact"
    assert exact.any()
    assert (model.predict(band.X_adv)[exact] != Y[band.places][exact]).all()


def test_a_probe_of_sparse_rows_is_measured():
    rows = sparse.csr_array(X)
    probe = RobustLinearProbe().fit(rows, Y)
    proved = certified_radius(probe, rows)[:5]
    found = adversarial_distances(probe, rows, Y)[:5]
    right = probe.predict(rows[:5]) == Y[:5]
    assert (proved[right] <= found[right]).all()
    assert right.any() and (proved[right] > 1).all()


def test_other_models_have_no_proof_on_sparse_rows_and_are_attacked_all_the_same():
    rows = sparse.csr_array(X)
    model = KNeighborsClassifier(1).fit(rows, Y)
    with pytest.raises(NoCertificateError, match=r"sparse rows.*X\.toarray\(\)"):
        certified_radius(model, rows)
    assert 0 <= robust_accuracy_score(model, rows, Y, eps=0.1, max_samples=3) <= 1


def test_some_rows_of_a_large_table_are_measured_in_little_memory():
    rng = np.random.default_rng(0)
    places = rng.integers(20_000, size=40_000), rng.integers(2_000, size=40_000)
    large = sparse.csr_array((rng.random(40_000), places), shape=(20_000, 2_000))
    labels = (large[:, [0]].toarray()[:, 0] > 0).astype(int)
    labels[:10_000] = 1 - labels[:10_000]
    weight = np.zeros((1, 2_000))
    weight[0, :3] = 1.0
    model = LogisticRegression()
    model.coef_, model.intercept_, model.classes_ = weight, np.array([-0.2]), np.array([0, 1])
    model.n_features_in_ = 2_000
    space = FeatureSpace.from_data(large[:100], mutable=[0, 1, 2], bounds=(0, 1), scale=None)
    tracemalloc.start()
    found = robust_accuracy_score(model, large, labels, eps=0.05, space=space, max_samples=20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < found < 1
    assert peak < 60e6  # 320 MB dense


def test_what_would_not_fit_dense_is_refused_with_a_remedy():
    vast = sparse.csr_array((2**21, 2**9))
    with pytest.raises(ValueError, match=r"would take 8 GB as dense rows.*from_data\(X\[:1000\]"):
        FeatureSpace.from_data(vast)


def test_columns_that_stay_and_repairs_see_sparse_rows():
    rows = sparse.csr_array(X)
    seen = []

    def repair(moved, clean):
        seen.extend([type(moved), type(clean)])
        return moved

    space = FeatureSpace.from_data(rows, mutable=[0, 1, 2], repair=repair)
    model = LogisticRegression().fit(rows, Y)
    result = CGBA(max_queries=200).run(model, rows[:5], Y[:5], space=space)
    assert set(seen) == {sparse.csr_array}
    np.testing.assert_array_equal(result.X_adv.toarray()[:, 3:], X[:5, 3:])


def test_cells_are_read_and_written():
    rows = sparse.csc_array(X[:3])
    changed = with_cells(rows, {(0, 1): 0.25, (2, 0): 0.0})
    assert type(changed) is sparse.csc_array
    assert column_cells(changed, 1)[0] == 0.25
    assert set(changed_cells(rows, changed)) <= {(0, 1), (2, 0)}
    np.testing.assert_array_equal(rows.toarray(), X[:3])
