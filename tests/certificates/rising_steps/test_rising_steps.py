"""Models behind logarithms, powers, quantiles and bins: bounds in front of these steps."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.metrics import adversarial_distances, certified_radius
from tests.grids import diagonal

NORMS = [1, 2, np.inf]


@pytest.fixture(scope="module")
def skewed():
    """Three columns with long tails, and labels that follow their logarithms."""
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(size=(150, 3)) * [1.0, 0.6, 1.4])
    return X, (np.log(X) @ [1.0, -1.5, 0.6] > 0.1).astype(int)


def bounds_of(model, X, norm, n=20, **space):
    space = FeatureSpace.from_data(X, **space)
    rows = X[:n]
    return distance_prover(model, X).bounds(space.bind(rows), norm=norm, max_nodes=100)


def distances_by_sampling(model, X, space, norm, n_draws=4000):
    """Return distances of the nearest rows with another label among many, each brought nearer."""
    rng = np.random.default_rng(1)
    low, high = space.minimum, space.maximum
    out = np.full(len(X), np.inf)
    for i, x in enumerate(X):
        size = np.exp(rng.uniform(-5, 2, (n_draws, 1)))
        moved = np.clip(x + rng.normal(size=(n_draws, X.shape[1])) * size * space.scale, low, high)
        moved = moved[model.predict(moved) != model.predict(x[None])]
        for share in (0.5, 0.7, 0.85, 0.95, 0.99):
            nearer = x + share * (moved - x)
            flips = model.predict(nearer) != model.predict(x[None])
            moved = np.where(flips[:, None], nearer, moved)
        step = np.abs(moved - x) / space.scale
        length = {1: step.sum(axis=1), 2: np.linalg.norm(step, axis=1), np.inf: step.max(axis=1)}
        out[i] = length[norm].min(initial=np.inf)
    return out


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("function", [np.log, np.sqrt, np.arcsinh])
def test_one_column_is_inverted(function, norm):
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(size=(80, 1)))
    y = X[:, 0] > 1.3
    model = make_pipeline(FunctionTransformer(function), StandardScaler(), LogisticRegression())
    model.fit(X, y)
    wall = brentq(lambda x: model.decision_function(np.array([[x]]))[0], 0.01, 50)
    found = bounds_of(model, X, norm, scale=None)
    truth = np.abs(X[:20, 0] - wall)
    assert (found.lower <= truth * (1 + 1e-9)).all()
    np.testing.assert_allclose(found.lower, truth, rtol=0.04)


MODELS = [
    LogisticRegression(),
    MLPClassifier((5,), solver="lbfgs", max_iter=300, random_state=0),
    SVC(random_state=0),
    KNeighborsClassifier(3),
    GaussianNB(),
]
STEPS = [
    FunctionTransformer(np.log1p),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=30),
    QuantileTransformer(n_quantiles=30, output_distribution="normal"),
    make_pipeline(FunctionTransformer(np.sqrt), KBinsDiscretizer(9, encode="ordinal")),
]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("last", "step"), diagonal(MODELS, STEPS), ids=str)
@pytest.mark.filterwarnings("ignore:.*quantile_method")
def test_no_row_is_nearer_than_proved(skewed, last, step, norm):
    X, y = skewed
    model = make_pipeline(step, StandardScaler(), last).fit(X, y)
    found = bounds_of(model, X, norm, n=4)
    truth = distances_by_sampling(model, X[:4], FeatureSpace.from_data(X), norm)
    assert (found.lower <= truth * (1 + 1e-9)).all()
    # Neighbours on a grid of bins are as far as others: next to an edge nothing is left.
    on_a_grid = step is STEPS[4] and isinstance(last, KNeighborsClassifier)
    least = 0.05 if on_a_grid else 0.5 if norm == np.inf else 0.2
    assert np.median(found.lower / truth) > least


@pytest.mark.parametrize("norm", NORMS)
def test_a_longer_front_mixes_columns_behind_it(skewed, norm):
    X, y = skewed
    model = make_pipeline(PowerTransformer(), StandardScaler(), PCA(2), LogisticRegression())
    model.fit(X, y)
    found = bounds_of(model, X, norm, n=6)
    truth = distances_by_sampling(model, X[:6], FeatureSpace.from_data(X), norm)
    assert (found.lower <= truth * (1 + 1e-9)).all() and (found.lower > 0.2 * truth).all()


@pytest.mark.parametrize(
    ("last", "sparse_threshold"), [(MODELS[0], 0.0), (MODELS[0], 1.0), (MODELS[1], 1.0)], ids=str
)
def test_a_mixed_frame_with_gaps(skewed, last, sparse_threshold):
    cells, y = skewed
    rng = np.random.default_rng(3)
    X = pd.DataFrame(cells, columns=["income", "age", "debt"])
    X["age"] = (10 * X["age"]).astype("int64")
    X["city"] = rng.choice(["Rome", "Oslo"], len(X))
    X.loc[::7, "debt"] = np.nan
    bent = make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p), StandardScaler())
    parts = [
        ("bent", bent, ["income", "debt"]),
        ("plain", StandardScaler(), ["age"]),
        ("words", OneHotEncoder(), ["city"]),
    ]
    front = ColumnTransformer(parts, sparse_threshold=sparse_threshold)
    model = make_pipeline(front, last).fit(X, y)
    space = FeatureSpace.from_data(X, mutable=["income", "age", "debt"])
    prover = distance_prover(model, X[:5])
    lower = prover.bounds(space.bind(X[:5]), norm=2, max_nodes=100).lower
    upper = adversarial_distances(
        model,
        X[:5],
        model.predict(X[:5]),
        space=space,
        pool=X,
        attack=CGBA(max_queries=150),
        certify=False,
    )
    assert (lower <= upper * (1 + 1e-9)).all() and (lower > 0).all()
    # Where only the column moves that nothing bends, the first proof does better.
    alone = FeatureSpace.from_data(X, mutable=["age"])
    exact = prover.bounds(alone.bind(X[:5]), norm=2).lower
    assert (exact >= lower * (1 - 1e-9)).all()


@pytest.mark.parametrize("last", [LogisticRegression(), KNeighborsClassifier(3)], ids=str)
def test_two_columns_of_one(skewed, last):
    """A column and its logarithm move together."""
    X, y = skewed
    both = ColumnTransformer(
        [("log", FunctionTransformer(np.log), [0, 1, 2]), ("rest", StandardScaler(), [0, 1])]
    )
    model = make_pipeline(both, last).fit(X, y)
    for norm in NORMS:
        found = bounds_of(model, X, norm, n=4)
        truth = distances_by_sampling(model, X[:4], FeatureSpace.from_data(X), norm)
        assert (found.lower <= truth * (1 + 1e-9)).all() and (found.lower > 0).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("step", [PowerTransformer(), FunctionTransformer(np.sqrt)], ids=str)
def test_sums_of_columns_are_nearly_closed(skewed, step, norm):
    X, y = skewed
    y = np.digitize(X[:, 0], [0.5, 1.5]) if norm == 2 else y
    model = make_pipeline(step, StandardScaler(), LogisticRegression()).fit(X, y)
    found = bounds_of(model, X, norm)
    assert np.isfinite(found.upper).all() and (found.lower <= found.upper).all()
    space = FeatureSpace.from_data(X)
    assert (model.predict(found.witness) != model.predict(X[:20])).all()
    np.testing.assert_allclose(space.distances(found.witness, X[:20], norm=norm), found.upper)
    assert np.median(found.lower / found.upper) > {1: 0.8, 2: 0.95, np.inf: 0.99}[norm]


def test_a_radius_of_interest_and_open_bounds(skewed):
    X, y = skewed
    model = make_pipeline(FunctionTransformer(np.log), LogisticRegression()).fit(X, y)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    prover = distance_prover(model, X)
    whole = prover.bounds(space.bind(X[:20]), norm=2)
    # Below zero there is no logarithm: nothing is claimed about rows there.
    assert (whole.lower <= X[:20].min(axis=1)).all() and (whole.lower > 0).all()
    eps = float(np.median(whole.lower)) / 2
    asked = prover.bounds(space.bind(X[:20]), norm=2, within=eps)
    assert ((asked.lower > eps) == (whole.lower > eps)).all()


def test_columns_that_do_not_reach_the_model_cost_nothing(skewed):
    X, y = skewed
    front = ColumnTransformer([("log", FunctionTransformer(np.log), [1])])
    model = make_pipeline(front, LogisticRegression()).fit(X, y)
    space = FeatureSpace.from_data(X, mutable=[0, 2])
    assert np.isinf(certified_radius(model, X[:5], space=space)).all()


@pytest.mark.parametrize(
    ("front", "message"),
    [
        (FunctionTransformer(np.square), "step 'functiontransformer': FunctionTransformer"),
        (KBinsDiscretizer(3), "step 'kbinsdiscretizer': KBinsDiscretizer has no certificate"),
        (
            ColumnTransformer([("bins", KBinsDiscretizer(3), [0]), ("log", "passthrough", [1, 2])]),
            "step 'bins': KBinsDiscretizer has no certificate",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*quantile_method")
def test_what_is_refused_keeps_its_reason(skewed, front, message):
    X, y = skewed
    model = make_pipeline(front, LogisticRegression()).fit(X, y)
    with pytest.raises(NoCertificateError, match=message):
        bounds_of(model, X, 2)


def test_a_repair_is_refused(skewed):
    X, y = skewed
    model = make_pipeline(FunctionTransformer(np.log), LogisticRegression()).fit(X, y)
    with pytest.raises(NoCertificateError):
        bounds_of(model, X, 2, repair=lambda moved, clean: moved)


def test_open_bounds_of_short_floats(skewed):
    X, y = skewed
    X = (X * [1e3, 1.0, 1e-3]).astype(np.float32)
    model = make_pipeline(PowerTransformer(), LogisticRegression()).fit(X, y)
    found = bounds_of(model, X, 2, bounds=None)
    assert (found.lower > 0).all()
    inside = bounds_of(model, X, 2)
    assert (found.lower <= inside.upper).all()


@pytest.mark.parametrize("norm", [1, 2])
def test_a_column_twice_is_charged_once(skewed, norm):
    X, y = skewed
    log = FunctionTransformer(np.log)
    twice = ColumnTransformer([("one", log, [0, 1]), ("other", log, [0, 1])])
    X = X[:, :2]
    model = make_pipeline(twice, SVC(kernel="linear", random_state=0)).fit(X, y)
    found = bounds_of(model, X, norm, n=6)
    truth = distances_by_sampling(model, X[:6], FeatureSpace.from_data(X), norm)
    assert (found.lower <= truth * (1 + 1e-9)).all() and (found.lower > 0.2 * truth).all()
