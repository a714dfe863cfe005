"""Radii hold for `predict` as it computes: rows near ties, with all the rows around them asked."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import Affine
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.certificates.pipelines._predicted_scores import (
    FLOAT32_ROUNDING,
    PredictedScores,
)
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import as_table, cell_rounding
from tests.grids import diagonal

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def ties(model, X, n_rows, rng):
    """Return pairs of rows a few roundings apart that `predict` gives two labels, both of them."""
    found = []
    assert len(np.unique(model.predict(X))) > 1
    while len(found) < n_rows:
        a, b = X[rng.integers(len(X), size=2)]
        own, other = model.predict(np.stack([a, b]))
        if own == other:
            continue
        for _ in range(100):
            middle = a + (b - a) / X.dtype.type(2)
            if (middle == a).all() or (middle == b).all() or not rng.integers(16):
                break
            a, b = (middle, b) if model.predict(middle[None])[0] == own else (a, middle)
        found += [a, b]
    return np.array(found[:n_rows])


def closest_other(model, X, reach):
    """Return the distance to the nearest row of another label among all within some last bits."""
    steps = np.array(list(itertools.product(range(-reach, reach + 1), repeat=X.shape[1])))
    nearest = np.full(len(X), np.inf)
    for i, (x, label) in enumerate(zip(X, model.predict(X), strict=True)):
        rows = x + steps.astype(X.dtype) * np.spacing(np.abs(x))
        away = np.linalg.norm(rows.astype(float) - x.astype(float), axis=1)
        other = model.predict(rows) != label
        nearest[i] = away[other].min(initial=np.inf)
    return nearest


def both_proofs(model, X):
    """Return the radii of rows by the proof of linear models, and by that of any stages."""
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    return certified_radius(model, X, scale=None), CertifiedModel(model).radii(X, space, norm=2)[0]


STEPS = {
    "none": lambda: (),
    "standard": lambda: (StandardScaler(),),
    "robust": lambda: (RobustScaler(),),
    "min-max": lambda: (MinMaxScaler(),),
    "max-abs": lambda: (MaxAbsScaler(),),
    "pca": lambda: (PCA(2),),
    "whitening": lambda: (PCA(2, whiten=True),),
    "incremental": lambda: (IncrementalPCA(2, whiten=True),),
    "columns": lambda: (
        make_column_transformer((StandardScaler(), [2, 0]), remainder="passthrough"),
    ),
}


@pytest.mark.parametrize(("step", "dtype"), diagonal([*STEPS], [np.float32, np.float64]))
def test_no_row_a_few_roundings_away_is_nearer_than_the_radius(step, dtype):
    rng = np.random.default_rng(0)
    # Float32 has two digits left of such columns, and float64 has two, too.
    X = rng.normal(size=(100, 3)) * [1.0, 0.5, 2.0] + (1e5 if dtype == np.float32 else 1e14)
    X, y = X.astype(dtype), (X[:, 0] - X[:, 1] + X[:, 2] > np.median(X[:, 2])).astype(int)
    model = make_pipeline(*STEPS[step](), LogisticRegression(C=10)).fit(X, y)
    if step == "none":
        # So far from zero nothing is learnt without a scaler.
        model[-1].coef_ = np.array([[1 / 3, -0.7, 0.9]], dtype=dtype)
    # Between the rows, whatever the fit has made of them.
    model[-1].intercept_ -= np.median(model.decision_function(X))
    X = np.vstack([X, ties(model, X, 60, rng)])
    assert (certified_radius(model, X, scale=None) <= closest_other(model, X, 3)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rounding_of_scores_is_taken_off_the_margin(dtype):
    """Terms that cancel: margins are a few roundings of them, and labels go back and forth."""
    rng = np.random.default_rng(1)
    X = (1000 + 100 * rng.normal(size=(400, 3))).astype(dtype)
    model = LogisticRegression().fit(X - dtype(1000), X[:, 0] > 1000)
    model.coef_ = np.array([[1 / 3, 1 / 7, 1 / 11]], dtype=dtype)
    model.intercept_ = np.array([-567.0], dtype=dtype)
    X = ties(model, X, 200, rng)
    nearest = closest_other(model, X, 3)
    for radius in both_proofs(model, X):
        assert (radius <= nearest).all()
    # The real function is nearer to some rows, and farther from others, than predict is.
    exact = np.abs(
        X.astype(np.longdouble) @ model.coef_[0].astype(np.longdouble) + model.intercept_
    )
    assert (exact / np.linalg.norm(model.coef_[0].astype(float)) > nearest).any()


def test_the_radius_of_a_float32_model_is_not_thrown_away():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5)).astype(np.float32)
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    # As scikit-learn 1.7 and later give it.
    model.coef_, model.intercept_ = (
        part.astype(np.float32) for part in (model.coef_, model.intercept_)
    )
    away = np.abs(model.decision_function(X.astype(float))) / np.linalg.norm(
        model.coef_.astype(float)
    )
    radius = certified_radius(model, X, scale=None)
    assert (radius <= away).all()
    assert (radius >= away - 1e-5).all()
    # In float64 the same model multiplies in float64.
    np.testing.assert_allclose(
        certified_radius(model, X.astype(float), scale=None), away, rtol=1e-8
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_grows_with_the_move(dtype):
    """Two large weights that differ by little: at the boundary the scores have no digits left."""
    ulp = np.finfo(dtype).eps
    X = np.zeros((1, 1), dtype=dtype)
    model = LogisticRegression().fit(np.arange(3, dtype=dtype)[:, None], [0, 1, 2])
    model.coef_ = np.array([[1e4 * (1 + ulp)], [1e4], [0.0]], dtype=dtype)
    model.intercept_ = np.array([0.0, 1.0, -1e30], dtype=dtype)
    assert model.predict(X)[0] == 1
    slope = float(model.coef_[0, 0]) - float(model.coef_[1, 0])
    line = np.geomspace(1e-3, 1, 4000).astype(dtype)[:, None] * dtype(1 / slope)
    flipped = np.abs(line[model.predict(line) != 1].astype(float)).min()
    assert flipped < 0.99 / slope  # nearer than real arithmetic has it
    for radius in both_proofs(model, X):
        assert 0 < radius[0] <= flipped


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_that_round_to_the_same_are_a_tie(n_classes, dtype):
    """MLPClassifier compares probabilities: scores of a unit roundoff are no margin."""
    rows = np.arange(6, dtype=dtype)[:, None]
    model = MLPClassifier((), max_iter=2, activation="identity", random_state=0)
    model.fit(rows, np.arange(6) % n_classes)
    weights = [[1.0]] if n_classes == 2 else [[0.0, 1.0, -1.0]]
    model.coefs_ = [np.array(weights, dtype=dtype)]
    model.intercepts_ = [np.zeros(len(weights[0]), dtype=dtype)]
    unit = np.finfo(dtype).eps
    line = (np.arange(1, 400) * unit / 16).astype(dtype)[:, None]
    labels = model.predict(line)
    assert labels[0] == 0
    assert labels[-1] == 1
    nearest = line[labels == 0].astype(float).max()
    radii = certified_radius(model, line[labels == 1], scale=None)
    assert (radii <= line[labels == 1, 0].astype(float) - nearest).all()
    assert radii.max() > 0


MODELS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(RobustScaler(), LinearSVC(random_state=0)),
    make_pipeline(MinMaxScaler(), SGDClassifier(random_state=0)),
    make_pipeline(MaxAbsScaler(), RidgeClassifier()),
    make_pipeline(PCA(2, whiten=True), LogisticRegression()),
    make_pipeline(make_union(StandardScaler(), PCA(2)), LogisticRegression()),
    make_pipeline(make_union(make_pipeline(PCA(2)), "passthrough"), LogisticRegression()),
    make_pipeline(SimpleImputer(), LogisticRegression()),
    make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=5, random_state=0)),
    RobustLinearProbe(max_iter=20),
    SpectrallyRegularizedEncoder(hidden_layer_sizes=(4,), max_iter=2, random_state=0),
]


@pytest.mark.parametrize("asked", [np.int8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("fitted", [np.float32, np.float64])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model)[:60])
def test_a_model_that_answers_in_float32_is_known_to(model, fitted, asked):
    X = np.random.default_rng(0).integers(-9, 9, size=(60, 3))
    model.fit(X.astype(fitted), X[:, 0] > X[:, 1])
    X = X.astype(asked)
    certified = CertifiedModel(model)
    cells = cell_rounding(as_table(X), np.arange(3))
    own = PredictedScores(certified.scores.stages, cells)
    scores = (
        model.predict_proba(X) if hasattr(model, "predict_proba") else model.decision_function(X)
    )
    if scores.dtype == np.float32:
        assert not own.in_float64
    exact, delta = certified.scores.evaluate(X.astype(float))
    if hasattr(model, "decision_function"):
        away = np.abs(exact[:, 1] - exact[:, 0] - model.decision_function(X))
        assert (away <= (delta + own.errors(X.astype(float), delta)).sum(axis=1)).all()


@pytest.mark.parametrize("wrap", [FrozenEstimator, make_pipeline, make_union])
def test_parts_in_float32_are_found_wherever_they_are(wrap):
    """PCA multiplies its mean and its components in float32, whatever the rows are."""
    X = np.random.default_rng(0).normal(size=(60, 3)) + 100
    inner = wrap(PCA(2).fit(X.astype(np.float32)))
    model = make_pipeline(make_union(inner, "passthrough"), LogisticRegression())
    y = X[:, 0] > 100
    model.fit(X.astype(np.float32), y)
    model[-1].fit(model[0].transform(X).astype(float), y)
    certified = CertifiedModel(model)
    own = PredictedScores(certified.scores.stages, cell_rounding(as_table(X), np.arange(3)))
    exact, delta = certified.scores.evaluate(X)
    away = np.abs(exact[:, 1] - exact[:, 0] - model.decision_function(X))
    assert not own.in_float64
    assert (away <= (delta + own.errors(X, delta)).sum(axis=1)).all()
    assert (away > delta.sum(axis=1)).any()


def test_float16_and_coarse_products_are_refused():
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = X[:, 0] > 0
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match=r"float16.*Give X in float32 or float64"):
        certified_radius(scaled, X.astype(np.float16), scale=None)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(4,), max_iter=2).fit(X, y)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(TypeError, match=r"set_float32_matmul_precision\('highest'\)"):
            certified_radius(encoder, X, scale=None)
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_column_of_a_frame_in_float32_counts():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 3)) + 1000, columns=list("abc"))
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["a"]), (RobustScaler(), ["b", "c"])),
        LogisticRegression(),
    ).fit(frame, frame["a"] > 1000)
    mixed = frame.astype({"a": np.float32})
    coarse, fine = (
        certified_radius(model, rows.astype(rows.dtypes), scale=None) for rows in (mixed, frame)
    )
    exact = certified_radius(model, mixed.astype(float), scale=None)
    assert (coarse <= exact).all()
    assert (coarse < exact).any()
    assert (fine >= 0).all()


def test_the_end_of_the_range_of_float32_is_no_margin():
    X = np.array([[1e30], [1.0]], dtype=np.float32)
    model = LogisticRegression().fit(np.array([[0], [1]], dtype=np.float32), [0, 1])
    model.coef_ = np.array([[1e8]], dtype=np.float32)  # the score of the first row is 1e38
    for radius in both_proofs(model, X):
        assert radius[0] == 0
        # The difference of the scores never changes, but 1e38 is where they end.
        assert radius[1] < 1e38
    assert FLOAT32_ROUNDING >= 2.0**29


def test_products_that_leave_float32_far_from_the_boundary():
    """Products beyond the range are inf - inf, NaN, which is another label, in a large lead."""
    X = np.array([[1.69, 1.69, 1.0]], dtype=np.float32)
    model = LogisticRegression().fit(np.eye(3, dtype=np.float32), [0, 1, 0])
    model.coef_ = np.array([[2e38, -2e38, 1e38]], dtype=np.float32)
    model.intercept_ = np.zeros(1, dtype=np.float32)
    moved = np.array([[1.71, 1.71, 1.0]], dtype=np.float32)
    with np.errstate(all="ignore"):
        assert model.predict(X)[0] != model.predict(moved)[0]
    assert certified_radius(model, X, scale=None)[0] <= 0.02 * 2**0.5
    # In float64 there is room.
    assert certified_radius(model, X.astype(float), scale=None)[0] > 0.3


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.float32, np.float64])
def test_short_whole_numbers_are_multiplied_in_the_type_of_the_weights(dtype):
    """Three products that cancel in float32 alone, which int8 and int16 rows are multiplied in."""
    X = np.array([[100, 100, 1]], dtype=dtype)
    model = LogisticRegression().fit(np.eye(3, dtype=np.float32), [0, 1, 0])
    model.coef_ = np.array([[1e6, -1e6, 1e-3]], dtype=np.float32)
    model.intercept_ = np.zeros(1, dtype=np.float32)
    radius = certified_radius(model, X, scale=None)[0]
    if np.result_type(dtype, np.float32) == np.float32:
        assert radius == 0
    else:
        assert radius > 0


def test_no_radius_leaves_the_range_of_float32():
    """A hidden unit that no score reads: beyond float32 it gives inf times zero, which is NaN."""
    X = np.zeros((4, 1), dtype=np.float32)
    model = MLPClassifier((1,), max_iter=2, random_state=0).fit(X, [0, 1, 0, 1])
    model.coefs_ = [np.array([[1e20]], dtype=np.float32), np.array([[0.0]], dtype=np.float32)]
    model.intercepts_ = [np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)]
    line = np.geomspace(1, 1e30, 200).astype(np.float32)[:, None]
    with np.errstate(all="ignore"):
        labels = model.predict(line)
    assert model.predict(X)[0] == labels[0] == 1
    assert labels[-1] == 0
    radius = certified_radius(model, X[:1], scale=None)[0]
    assert 0 < radius <= line[labels == 0].min()
    # float64 goes farther.
    in_float64 = certified_radius(model, X[:1].astype(float), scale=None)[0]
    assert in_float64 == np.inf or in_float64 > radius


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pca_projects_before_it_centres(dtype):
    """Sums of many columns round by more than the few that are left of them near the mean."""
    rng, n_columns, unit = np.random.default_rng(2), 4096, np.finfo(dtype).eps
    step = PCA(1, svd_solver="full").fit(rng.normal(size=(8, n_columns)).astype(dtype))
    step.components_ = np.full((1, n_columns), 2.0**-6, dtype=dtype)
    step.mean_ = np.ones(n_columns, dtype=dtype)
    # A few last bits from the mean: sums lose them, and the mean has none to lose.
    X = np.repeat((1 + np.arange(1, 200) * unit).astype(dtype)[:, None], n_columns, axis=1)
    model = make_pipeline(step, LogisticRegression().fit(X[:2, :1], [0, 1]))
    model[-1].coef_ = np.array([[1.0]], dtype=dtype)
    model[-1].intercept_ = np.zeros(1, dtype=dtype)
    certified = CertifiedModel(model)
    own = PredictedScores(certified.scores.stages, cell_rounding(as_table(X), np.arange(n_columns)))
    exact = (X[:, 0].astype(float) - 1) * n_columns * 2.0**-6
    away = np.abs(model.decision_function(X) - exact)
    _, delta = certified.scores.evaluate(X.astype(float))
    assert (away <= (delta + own.errors(X.astype(float), delta)).sum(axis=1)).all()
    # Far more than a projection of what is left of the rows would lose.
    assert away.max() > 10 * unit * n_columns * 2.0**-6


class Contrary(ClassifierMixin, BaseEstimator):
    """Says the other label than its stages where the first column is above 5."""

    def fit(self, X, y):
        self.classes_, self.n_features_in_ = np.array([0, 1]), 2
        return self

    def predict(self, X):
        return ((X[:, 0] > 0) ^ (X[:, 0] > 5)).astype(int)

    def __certified_stages__(self, role):
        return [Affine([[1.0, 0.0]])]


def test_where_predict_says_otherwise_nothing_is_proved():
    X = np.array([[-2.0, 0], [3, 0], [7, 0]])
    model = Contrary().fit(X, [0, 1, 0])
    np.testing.assert_allclose(certified_radius(model, X, scale=None), [2, 3, 0], rtol=1e-6)
