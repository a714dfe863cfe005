"""Every rule against the step it describes, and every refusal with its message."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import LinearSVC

from specreg_sklearn import FeatureSpace, RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.certificates import Affine, CertifiedMap, distance_prover
from specreg_sklearn.certificates.pipelines._registry import classifier_stages, transformer_stages
from specreg_sklearn.metrics import (
    StatedLipschitz,
    certified_radius,
    lipschitz_bound,
    register_certified_step,
)
from tests.grids import diagonal


@pytest.fixture(scope="module")
def rows():
    """Columns of very different size, one of them nearly constant."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 6)) * [1, 100, 1e-3, 5, 1, 1e-3] + [0, 1e4, 1, -3, 0.5, 7]
    y = (X[:, 0] + X[:, 3] / 5 > 0).astype(int) + (X[:, 4] > 0.5)
    return X, y


def values(stages, X):
    return CertifiedMap(stages).evaluate(X)


def jacobian(function, x, step):
    """Return the derivative of an affine function by differences: exact up to rounding."""
    moved = x + np.diag(step)
    return ((function(moved) - function(x[None])) / step[:, None]).T


TRANSFORMERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    RobustScaler(),
    RobustScaler(with_centering=False, unit_variance=True),
    RobustScaler(with_scaling=False),
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-2, 3), clip=True),
    MaxAbsScaler(),
    # Versions of scikit-learn differ in whether it can clip.
    *([MaxAbsScaler(clip=True)] if "clip" in MaxAbsScaler().get_params() else []),
    PCA(3),
    PCA(3, whiten=True),
    IncrementalPCA(2, whiten=True),
    TruncatedSVD(3, random_state=0),
    GaussianRandomProjection(4, random_state=0),
    SparseRandomProjection(4, density=0.5, random_state=0),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(n_components=1),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
    VarianceThreshold(1e-5),
    SelectKBest(k=2),
    SimpleImputer(),
    FunctionTransformer(),
    FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0)),
    FunctionTransformer(StatedLipschitz(np.clip, 1.0), kw_args={"a_min": -1, "a_max": 1}),
    FeatureUnion([("a", StandardScaler()), ("b", PCA(2)), ("c", "passthrough"), ("d", "drop")]),
    FeatureUnion([("x", "drop"), ("y", "passthrough"), ("a", PCA(1))]),
    FeatureUnion([("a", MinMaxScaler()), ("b", PCA(2))], transformer_weights={"b": 3.0}),
    FeatureUnion([("a", MinMaxScaler(clip=True)), ("b", MaxAbsScaler())]),
    FrozenEstimator(StandardScaler()),
    make_pipeline(StandardScaler(), PCA(3), "passthrough", MinMaxScaler(clip=True)),
    Pipeline([("none", "passthrough"), ("scale", RobustScaler())]),
    ColumnTransformer([("a", StandardScaler(), [3, 0]), ("b", PCA(1), slice(1, 3))]),
    ColumnTransformer([("a", "passthrough", [4]), ("b", "drop", [1])], remainder=MaxAbsScaler()),
    ColumnTransformer(
        [("a", MinMaxScaler(clip=True), [True, False, True, False, False, False])],
        remainder="passthrough",
    ),
    ColumnTransformer(
        [("a", make_pipeline(StandardScaler(), PCA(2)), [0, 1, 2]), ("n", PCA(1), [])]
    ),
    GridSearchCV(make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()), {}, cv=2),
]


@pytest.mark.parametrize("step", TRANSFORMERS, ids=lambda step: str(step)[:60])
def test_stages_are_what_transform_computes(step, rows):
    X, y = rows
    frozen = isinstance(step, FrozenEstimator)
    step = FrozenEstimator(step.estimator.fit(X, y)) if frozen else step.fit(X, y)
    # Rows outside the training range, so that clipping clips.
    X = np.vstack([X, 3 * X[:5]])
    wanted = step.transform(X)
    stages = transformer_stages(step)
    if not stages:
        np.testing.assert_array_equal(wanted, X)
        assert lipschitz_bound(step) == 1.0
        return
    found, error = values(stages, X) if stages else (X, np.zeros_like(X))
    # Both sides round; the bound covers one of them, and the other does as much.
    assert (np.abs(found - wanted) <= 4 * error + 1e-15 * np.abs(wanted)).all()
    assert error.max() <= 1e-6 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("step", TRANSFORMERS, ids=lambda step: str(step)[:60])
def test_lipschitz_bound_holds_between_rows(step, rows):
    X, y = rows
    frozen = isinstance(step, FrozenEstimator)
    step = FrozenEstimator(step.estimator.fit(X, y)) if frozen else step.fit(X, y)
    stages = transformer_stages(step)
    bound = CertifiedMap(stages).lipschitz() if stages else 1.0
    Z = step.transform(X)
    moved = np.linalg.norm(Z[:, None] - Z, axis=2)
    away = np.linalg.norm(X[:, None] - X, axis=2)
    assert (moved <= bound * away + 1e-9 * np.abs(Z).max()).all()


def test_affine_chains_have_the_exact_constant(rows):
    X, y = rows
    for step in (
        make_pipeline(StandardScaler(), PCA(3, whiten=True)),
        FeatureUnion([("a", StandardScaler()), ("b", PCA(2))]),
        ColumnTransformer([("a", StandardScaler(), [3, 0]), ("b", PCA(1), slice(1, 3))]),
    ):
        step.fit(X, y)
        slope = jacobian(step.transform, X.mean(axis=0), X.std(axis=0) + 1)
        exact = np.linalg.norm(slope, 2)
        assert exact * (1 - 1e-8) <= lipschitz_bound(step) <= exact * (1 + 1e-6)


def test_parallel_branches_take_the_largest_constant():
    X = np.array([[0.0, 0.0], [1.0, 4.0], [0.5, 2.0]])
    split = ColumnTransformer([("a", MinMaxScaler(clip=True), [0]), ("b", "passthrough", [1])])
    assert 1.0 <= lipschitz_bound(split.fit(X)) <= 1.0 + 1e-12
    both = FeatureUnion([("a", MinMaxScaler(clip=True)), ("b", "passthrough")]).fit(X)
    # Both branches have the constant 1, and both are attained by the first column.
    assert np.sqrt(2) <= lipschitz_bound(both) <= np.sqrt(2) * (1 + 1e-9)


CLASSIFIERS = [
    LogisticRegression(max_iter=500),
    LinearSVC(random_state=0),
    SGDClassifier(random_state=0),
    SGDClassifier(loss="log_loss", random_state=0),
    Perceptron(random_state=0),
    RidgeClassifier(),
    RidgeClassifierCV(),
    LinearDiscriminantAnalysis(),
    RobustLinearProbe(epsilon=0.05),
    MLPClassifier((8, 5), max_iter=30, random_state=0),
    MLPClassifier((8,), activation="tanh", max_iter=30, random_state=0),
    MLPClassifier((8,), activation="logistic", max_iter=30, random_state=0),
    MLPClassifier((8,), activation="identity", max_iter=30, random_state=0),
    SpectrallyRegularizedEncoder(hidden_layer_sizes=(8, 6), max_iter=5, random_state=0),
    SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(8,), activation="gelu", max_iter=5, random_state=0
    ),
    SpectrallyRegularizedEncoder(input_shape=(2, 3), max_iter=5, random_state=0),
    make_pipeline(
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(8,), max_iter=5, random_state=0),
        RobustLinearProbe(),
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "n_classes"), diagonal(CLASSIFIERS, [2, 3]), ids=lambda value: str(value)[:60]
)
def test_scores_decide_as_predict_does(model, n_classes, rows):
    X, y = rows
    kept = y < n_classes
    names = np.array(["b", "c", "a"])[y[kept]]
    model = make_pipeline(StandardScaler(), model).fit(X[kept], names)
    scores, error = values(classifier_stages(model), X)
    assert scores.shape[1] in (n_classes, 1)
    if scores.shape[1] == 1:
        assert n_classes == 2
        scores = np.hstack([np.zeros_like(scores), scores])
    np.testing.assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X))
    assert error.max() < 1e-9
    if hasattr(model, "decision_function"):
        wanted = model.decision_function(X)
        if n_classes == 2:
            scores = scores[:, 1] - scores[:, 0]
        np.testing.assert_allclose(scores, wanted, rtol=1e-9, atol=1e-9)
    assert (certified_radius(model, X, scale=X.std(axis=0) + 1) > 0).all()


def test_wrappers_of_models(rows):
    X, y = rows
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    wanted = certified_radius(plain, X, scale=None)
    for model in (
        FrozenEstimator(plain),
        GridSearchCV(plain, {"logisticregression__C": [1.0]}, cv=2).fit(X, y),
        RandomizedSearchCV(plain, {"logisticregression__C": [1.0]}, n_iter=1, cv=2).fit(X, y),
        Pipeline([("all", plain)]),
        Pipeline([("nothing", None), ("all", plain)]),
        make_pipeline(FrozenEstimator(plain[0]), plain[1]),
    ):
        np.testing.assert_allclose(certified_radius(model, X, scale=None), wanted, rtol=1e-9)


def test_columns_by_name(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["text"] = "x"
    frame = frame[["text", *"abcdef"]]
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:, :4], y)
    wanted = certified_radius(plain, X[:, :4], scale=None)
    for columns in (list("abcd"), slice("a", "d"), lambda f: list("abcd"), [1, 2, 3, 4]):
        model = make_pipeline(
            make_column_transformer((StandardScaler(), columns)), LogisticRegression()
        ).fit(frame, y)
        np.testing.assert_allclose(certified_radius(model, frame, scale=None), wanted, rtol=1e-6)
    everything = make_pipeline(
        make_column_transformer((StandardScaler(), make_column_selector(dtype_include=float))),
        LogisticRegression(),
    ).fit(frame, y)
    assert (certified_radius(everything, frame, scale=None) >= 0).all()


def test_text_that_the_model_reads_is_refused(rows):
    X, y = rows
    frame = pd.DataFrame({"a": X[:, 0], "level": ["1", "2"] * 40})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame.astype(float), y)
    flags = frame.assign(level=frame["level"] == "1")
    assert (certified_radius(model, flags, scale=None) > 0).any()
    with pytest.raises(TypeError, match="Column 'level' of X does not hold numbers"):
        certified_radius(model, frame, scale=None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Normalizer(), "step 'x': Normalizer has no certificate: it stretches small rows"),
        (PolynomialFeatures(), "step 'x': PolynomialFeatures has no certificate"),
        (SplineTransformer(), "step 'x': SplineTransformer has no certificate"),
        (FunctionTransformer(np.abs), "absolute.*StatedLipschitz"),
        (SimpleImputer(missing_values=0), "missing_values=0.*which a row can move on to"),
        (
            ColumnTransformer([("poly", PolynomialFeatures(), [0])]),
            "step 'x': step 'poly': PolynomialFeatures",
        ),
        (FeatureUnion([("norm", Normalizer())]), "step 'x': step 'norm': Normalizer"),
        (make_pipeline(Normalizer()), "step 'x': step 'normalizer': Normalizer"),
    ],
)
def test_a_transformer_without_certificate_is_named(step, message, rows):
    X, y = np.abs(rows[0]), rows[1]
    model = Pipeline([("x", step), ("model", LogisticRegression(max_iter=1000))]).fit(X, y)
    with pytest.raises(TypeError, match=message):
        certified_radius(model, X, scale=None)


def test_flags_of_columns_that_an_imputer_drops_are_constants_of_a_row(rows):
    X, y = rows[0].copy(), rows[1] == 0
    X[:, 0] = np.nan
    model = make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression(max_iter=1000))
    with pytest.warns(UserWarning, match="without any observed values"):
        model.fit(X, y)
    space = FeatureSpace.from_data(X, scale=None, bounds=None, mutable=range(1, X.shape[1]))
    found = distance_prover(model, X).bounds(space.bind(X), norm=2).lower
    slope = model[-1].coef_[:, : X.shape[1] - 1]
    far = np.abs(model.decision_function(X)) / np.linalg.norm(slope)
    assert (found <= far * (1 + 1e-9)).all()
    np.testing.assert_allclose(found, far, rtol=0.03)


class OwnLabels(GaussianNB):
    """Decides in its own way, so that proofs about its parent say nothing about it."""

    def predict(self, X):
        return super().predict(-X)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (OwnLabels(), "OwnLabels has no certificate: it overrides predict of GaussianNB"),
        (CalibratedClassifierCV(OwnLabels(), cv=2), "OwnLabels"),
        (GridSearchCV(OwnLabels(), {}, cv=2), "OwnLabels has no certificate"),
        (FrozenEstimator(OwnLabels()), "OwnLabels has no certificate"),
    ],
)
def test_a_classifier_without_certificate_is_named(model, message, rows):
    X, y = rows
    X, y = StandardScaler().fit_transform(X), (y > 0).astype(int)
    if isinstance(model, FrozenEstimator):
        model = FrozenEstimator(model.estimator.fit(X, y))
    model = Pipeline([("scale", StandardScaler()), ("model", model)]).fit(X, y)
    with pytest.raises(TypeError, match=f"step 'model': .*{message}"):
        certified_radius(model, X, scale=None)


def test_a_search_without_refit_is_refused(rows):
    X, y = rows
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1.0]}, cv=2, refit=False)
    search.fit(StandardScaler().fit_transform(X), y)
    with pytest.raises(TypeError, match=r"refit=False"):
        lipschitz_bound(search)


class OtherScaler(StandardScaler):
    """Another function than its parent's."""

    def transform(self, X, copy=None):
        return super().transform(X, copy) ** 3


class SameScaler(StandardScaler):
    """The same function with another fit."""

    def fit(self, X, y=None, sample_weight=None):
        return super().fit(X[::2])


class Choosy(LogisticRegression):
    """Predicts by another rule than its scores."""

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 1).astype(int)]


def test_overridden_methods_are_refused(rows):
    X, y = rows
    y = (y > 0).astype(int)
    with pytest.raises(TypeError, match=r"OtherScaler.*overrides transform of StandardScaler"):
        lipschitz_bound(OtherScaler().fit(X))
    assert lipschitz_bound(SameScaler().fit(X)) > 0
    X = StandardScaler().fit_transform(X)
    with pytest.raises(TypeError, match=r"Choosy.*overrides predict of LogisticRegression"):
        certified_radius(Choosy().fit(X, y), X, scale=None)
    model = LogisticRegression().fit(X, y)
    model.predict = lambda X: np.zeros(len(X))
    with pytest.raises(TypeError, match="overrides predict"):
        certified_radius(model, X, scale=None)


class NearestMean(ClassifierMixin, BaseEstimator):
    """A third-party classifier: the nearest of the class means, an affine rule."""

    def __init__(self, upset=False):
        self.upset = upset

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == c].mean(axis=0) for c in self.classes_])
        return self

    def predict(self, X):
        away = ((X[:, None] - self.means_) ** 2).sum(axis=2)
        codes = away.argmin(axis=1)
        return self.classes_[(codes + 1) % len(self.classes_) if self.upset else codes]


@register_certified_step(NearestMean, role="classifier")
def nearest_mean_scores(step):
    return [Affine(2 * step.means_, -(step.means_**2).sum(axis=1))]


def test_third_parties_register_steps(rows):
    class Double(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.n_features_in_ = X.shape[1]
            return self

        def transform(self, X):
            return 2 * X

    X, y = rows
    X = StandardScaler().fit_transform(X)
    model = make_pipeline(Double(), NearestMean()).fit(X, y)
    with pytest.raises(TypeError, match="step 'double': Double has no certificate"):
        certified_radius(model, X, scale=None)

    @register_certified_step(Double)
    def doubled(step):
        return [Affine(np.full(step.n_features_in_, 2.0))]

    assert doubled.__name__ == "doubled"
    found = certified_radius(model, X, scale=None)
    # To the bisector with the mean c, from the mean m: (|x - c|^2 - |x - m|^2) / (2 |c - m|).
    means = model[1].means_ / 2
    away = ((X[:, None] - means) ** 2).sum(axis=2)
    own = away.argmin(axis=1)
    gaps = np.linalg.norm(means[:, None] - means, axis=2)[own]
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = (away - away.min(axis=1)[:, None]) / (2 * gaps)
    exact[np.arange(len(X)), own] = np.inf
    np.testing.assert_allclose(found, exact.min(axis=1), rtol=1e-6)
    # A rule that does not decide as predict does proves nothing.
    assert (certified_radius(NearestMean(upset=True).fit(X, y), X, scale=None) == 0).all()


def test_registration_is_checked():
    with pytest.raises(TypeError, match=r"kind=StandardScaler\(\) is not a class"):
        register_certified_step(StandardScaler())
    with pytest.raises(ValueError, match="role='regressor' is not one of"):
        register_certified_step(StandardScaler, role="regressor")


@pytest.mark.parametrize("constant", [-1, np.inf, np.nan, "1", True, None])
def test_a_stated_constant_is_checked(constant):
    with pytest.raises(ValueError, match="constant="):
        StatedLipschitz(np.tanh, constant)
    with pytest.raises(TypeError, match="func=3 is not a function"):
        StatedLipschitz(3, 1.0)


def test_a_stated_function_that_drops_rows_is_noticed(rows):
    X, y = rows
    model = make_pipeline(FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0)), StandardScaler(),
                          LogisticRegression()).fit(X, y)  # fmt: skip
    assert (certified_radius(model, X, scale=None) > 0).any()
    model[0].func = StatedLipschitz(lambda X: X[1:], 1.0)
    with pytest.raises(ValueError, match="rows must map to rows"):
        certified_radius(model, X, scale=None)


def normed(input_shape):
    return torch.nn.Sequential(torch.nn.Linear(*input_shape, 4), torch.nn.LayerNorm(4))


def probabilities(input_shape):
    return torch.nn.Sequential(torch.nn.Linear(*input_shape, 4), torch.nn.Softmax(dim=1))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("backbone", "layer"), [(normed, "LayerNorm"), (probabilities, "Softmax")])
def test_a_layer_without_certificate_is_named_with_its_step(backbone, layer, rows):
    X, y = rows
    encoder = SpectrallyRegularizedEncoder(backbone, penalty="l2", max_iter=2, random_state=0)
    model = Pipeline([("scale", StandardScaler()), ("net", encoder)]).fit(X, y)
    with pytest.raises(TypeError, match=rf"step 'net': .*'backbone\.1' \({layer}\)"):
        certified_radius(model, X, scale=None)
