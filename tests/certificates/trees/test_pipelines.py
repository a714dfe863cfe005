"""Trees behind the steps of a pipeline: thresholds pulled back, constants, gaps."""

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace
from tests.certificates.trees.models import toy_rows
from tests.certificates.trees.test_brute_force import NORMS, every_distance

# Named by scikit-learn 1.7 and later, whose default is going to change.
QUANTILES = (
    {"quantile_method": "averaged_inverted_cdf"}
    if "quantile_method" in inspect.signature(KBinsDiscretizer).parameters
    else {}
)
STEPS = {
    "standard": StandardScaler(),
    "min max": MinMaxScaler((-3, 5), clip=True),
    "robust": RobustScaler(),
    "max abs": MaxAbsScaler(),
    "quantiles": QuantileTransformer(n_quantiles=40, random_state=0),
    "normal quantiles": QuantileTransformer(
        n_quantiles=40, output_distribution="normal", random_state=0
    ),
    "power": PowerTransformer(),
    "bins": KBinsDiscretizer(6, encode="ordinal", **QUANTILES),
    "imputer": SimpleImputer(),
    "union": FeatureUnion([("a", StandardScaler()), ("b", "passthrough")]),
    "selection": SelectKBest(k=2),
    "logarithm": FunctionTransformer(np.log1p),
    "logarithm, then scaler": make_pipeline(FunctionTransformer(np.log), StandardScaler()),
    "root": FunctionTransformer(np.sqrt),
    # Its powers leave the range of floats soon.
    "steep power": make_pipeline(FunctionTransformer(np.cbrt), PowerTransformer()),
}
POSITIVE = ("logarithm", "logarithm, then scaler", "root", "steep power")


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_thresholds_are_pulled_back_through(name, dtype):
    X, y = toy_rows(0, dtype=dtype)
    if name in POSITIVE:
        X = np.exp(X) if name != "steep power" else 9 - np.exp(-X / 9)
    model = make_pipeline(STEPS[name], RandomForestClassifier(8, max_depth=3, random_state=0))
    model.fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model, X)
    rng = np.random.default_rng(0)
    rows = X[rng.integers(80, size=500)].copy()
    for j in range(3):
        begin, end = ensemble.boxes.cell_start[[j, j + 1]] - [j, j + 1]
        cuts = ensemble.boxes.thresholds[begin:end].astype(dtype)
        cuts = cuts[np.isfinite(cuts)]
        if len(cuts):
            ends = np.concatenate([cuts, np.nextafter(cuts, dtype(np.inf))])
            some = rng.random(500) < 0.7
            rows[some, j] = rng.choice(ends, int(some.sum()))
    np.testing.assert_allclose(
        ensemble.scores(rows) / 8, model.predict_proba(rows), rtol=0, atol=1e-14
    )
    clean = FeatureSpace.from_data(X, scale=None).bind(X[:2])
    for norm in NORMS:
        found = nearest_rows(ensemble, clean, norm=norm)
        assert found.closed.all()
        for i in range(2):
            (exact,) = every_distance(ensemble, clean, i, [norm])
            assert found.upper[i] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("function", "end"), [(np.log1p, -1.0), (np.sqrt, 0.0), (np.log, 0.0)])
def test_below_the_least_number_of_a_function_nothing_is_proved(function, end):
    X, y = toy_rows(0)
    X = np.exp(X)
    model = make_pipeline(FunctionTransformer(function), RandomForestClassifier(5, random_state=0))
    model.fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model, X)
    low, high = ensemble.reach
    tested = np.flatnonzero(np.isfinite(low))
    assert len(tested) and (low[tested] >= end).all() and np.isinf(high).all()
    np.testing.assert_allclose(low[tested], end, atol=1e-9)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X[:20])
    found = nearest_rows(ensemble, rows, norm=2)
    assert (found.lower <= (X[:20, tested] - end).min(axis=1) + 1e-12).all()
    inside = FeatureSpace.from_data(X, scale=None).bind(X[:20])
    exact = nearest_rows(ensemble, inside, norm=2)
    assert exact.closed.all()
    assert (found.lower <= exact.upper).all()


def test_other_functions_are_named_with_what_is_accepted():
    X, y = toy_rows(0)
    for function in (np.abs, lambda X: np.log1p(X)):
        step = FunctionTransformer(function)
        model = make_pipeline(step, RandomForestClassifier(3, random_state=0)).fit(np.exp(X), y)
        with pytest.raises(NoCertificateError, match="a rising function of numpy, such as log1p"):
            TreeEnsemble.from_estimator(model, X)


def credit_like(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "purpose": rng.choice(["car", "house", "study"], n),
            "age": rng.integers(18, 80, n),
            "amount": np.exp(rng.normal(7, 1, n)),
            "rate": rng.normal(size=n).astype(np.float32),
        }
    )
    score = frame["age"] / 20 - np.log(frame["amount"]) / 2 + (frame["purpose"] == "car")
    return frame, (score + frame["rate"] > 1).astype(int)


def test_text_beside_numbers_in_a_frame():
    frame, y = credit_like()
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), ["purpose"]),
            (make_pipeline(SimpleImputer(), StandardScaler()), ["amount", "age"]),
            remainder="passthrough",
        ),
        HistGradientBoostingClassifier(max_iter=15, random_state=0),
    ).fit(frame, y)
    ensemble = TreeEnsemble.from_estimator(model, frame)
    np.testing.assert_allclose(
        ensemble.scores(frame)[:, 0], model.decision_function(frame), rtol=0, atol=1e-13
    )
    rows = FeatureSpace.from_data(frame).bind(frame[:10])
    found = nearest_rows(ensemble, rows, norm=1)
    assert found.closed.all()
    moved = rows.build(found.witness, np.arange(10))
    assert (moved["purpose"] == frame["purpose"][:10]).all()
    assert moved["age"].dtype == frame["age"].dtype
    assert (model.predict(moved) != model.predict(frame[:10])).all()
    rng = np.random.default_rng(1)
    for i in range(10):
        many = pd.concat([frame[i : i + 1]] * 300, ignore_index=True)
        part = rng.dirichlet(np.ones(3), 300) * found.lower[i] * rows.scale
        for k, name in enumerate(["age", "amount", "rate"]):
            step = part[:, k] * rng.choice([-1, 1], 300)
            step = np.trunc(step) if name == "age" else step
            new = np.clip(many[name] + step, frame[name].min(), frame[name].max())
            many[name] = new.astype(frame[name].dtype)
        steps = FeatureSpace.from_data(frame).bind(many)
        far = np.abs((steps.raw - rows.raw[i]) / rows.scale).sum(axis=1) >= found.lower[i]
        assert (model.predict(many)[~far] == model.predict(frame[i : i + 1])).all()


def test_gaps_that_a_step_fills_do_not_move():
    X, y = toy_rows(1, n_rows=150)
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    model = make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        GradientBoostingClassifier(n_estimators=9),
    )
    model.set_params(gradientboostingclassifier__random_state=0).fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model, X)
    np.testing.assert_allclose(
        ensemble.scores(X)[:, 0], model.decision_function(X), rtol=0, atol=1e-13
    )
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:30])
    found = nearest_rows(ensemble, rows)
    assert found.closed.all()
    some = np.flatnonzero(np.isfinite(found.upper))
    moved = rows.build(found.witness[some], some)
    assert (np.isnan(moved) == np.isnan(X[:30][some])).all()
    assert (model.predict(moved) != model.predict(X[:30][some])).all()


def test_searches_are_opened():
    X, y = toy_rows(0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=5, random_state=0)),
        {"gradientboostingclassifier__max_depth": [1, 2]},
        cv=2,
    ).fit(X, y)
    ensemble = TreeEnsemble.from_estimator(search, X)
    np.testing.assert_allclose(ensemble.scores(X)[:, 0], search.decision_function(X), atol=1e-13)


def test_what_is_not_followed_is_refused_by_name():
    X, y = toy_rows(0)
    forest = RandomForestClassifier(3, random_state=0)
    with pytest.raises(NoCertificateError, match="PCA in front of trees"):
        TreeEnsemble.from_estimator(make_pipeline(PCA(2), forest).fit(X, y), X)
    with pytest.raises(TypeError, match="X is needed for a pipeline"):
        TreeEnsemble.from_estimator(make_pipeline(StandardScaler(), forest).fit(X, y))
    mixed = make_column_transformer((PCA(2), [0, 1]), remainder="passthrough")
    ensemble = TreeEnsemble.from_estimator(make_pipeline(mixed, forest).fit(X, y), X)
    with pytest.raises(NoCertificateError, match="Column 0 can move in the space"):
        nearest_rows(ensemble, FeatureSpace.from_data(X).bind(X[:2]))
    rows = FeatureSpace.from_data(X, mutable=[2]).bind(X[:20])
    found = nearest_rows(ensemble, rows)
    assert found.closed.all()
    assert np.isfinite(found.upper).any()
    with pytest.raises(ValueError, match="has cells of float32"):
        narrow = X.astype(np.float32)
        nearest_rows(ensemble, FeatureSpace.from_data(narrow, mutable=[2]).bind(narrow[:2]))


class Fold(StandardScaler):
    """It is no scaler: it turns the order of numbers round."""

    def transform(self, X, copy=None):
        return np.abs(super().transform(X))


def test_a_subclass_of_a_scaler_is_not_followed():
    X, y = toy_rows(0)
    model = make_pipeline(Fold(), RandomForestClassifier(3, random_state=0)).fit(X, y)
    with pytest.raises(NoCertificateError, match="Fold in front of trees"):
        TreeEnsemble.from_estimator(model, X)


@pytest.mark.parametrize("norm", NORMS)
def test_gaps_among_nullable_whole_numbers_lie_between_them(norm):
    """The mean of a column lies between two whole numbers, and so do thresholds on both sides."""
    rng = np.random.default_rng(0)
    n = 200
    count = pd.array(rng.integers(0, 4, n), dtype="Int64")
    count[rng.random(n) < 0.3] = pd.NA
    X = pd.DataFrame({"size": rng.normal(size=n), "count": count})
    # What is missing is a class of its own.
    y = (X["count"].isna() | (X["count"] == 3)).to_numpy() ^ (X["size"] > 1).to_numpy()
    model = make_pipeline(SimpleImputer(), RandomForestClassifier(7, random_state=0)).fit(X, y)
    assert 1 < model[0].statistics_[1] < 2
    cuts = [t.tree_.threshold[t.tree_.feature == 1] for t in model[-1].estimators_]
    assert np.unique(np.concatenate(cuts)[np.floor(np.concatenate(cuts)) == 1]).size > 1
    rows = X[:40]
    space = FeatureSpace.from_data(X, scale=None)
    found = nearest_rows(TreeEnsemble.from_estimator(model, rows), space.bind(rows), norm=norm)
    assert found.closed.all()
    moved = space.bind(rows).build(found.witness, np.arange(40))
    some = np.isfinite(found.upper)
    assert (model.predict(moved) != model.predict(rows))[some].all()
    # The rows as floats, which can hold what the imputer makes of gaps, and only sizes move.
    numbers = pd.DataFrame(model[0].transform(X), columns=X.columns)
    sizes = FeatureSpace.from_data(numbers, scale=None, mutable=["size"])
    plain = RandomForestClassifier(7, random_state=0).fit(numbers, y)
    alone = nearest_rows(TreeEnsemble.from_estimator(plain), sizes.bind(numbers[:40]), norm=norm)
    missing = rows["count"].isna().to_numpy()
    assert missing.sum() > 5
    np.testing.assert_allclose(found.lower[missing], alone.lower[missing], rtol=1e-9)
