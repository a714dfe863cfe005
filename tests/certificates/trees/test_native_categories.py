"""Categories that XGBoost and LightGBM split by sets, read and moved as they are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from specreg_sklearn import FeatureSpace
from specreg_sklearn.certificates import NoCertificateError, TreeEnsemble
from specreg_sklearn.metrics import adversarial_band
from tests.certificates.trees.models import outside_models

SETTINGS = {
    "xgboost": [
        {"enable_categorical": True},
        {"enable_categorical": True, "max_cat_to_onehot": 20},
    ],
    "lightgbm": [{"min_child_samples": 5}],
}


def mixed_rows(n_classes, names=("p", "q", "re", "s", "t", "u", "v")):
    """Return two columns of numbers and two of categories, with gaps, and labels."""
    rng = np.random.default_rng(0)
    n = 500
    X = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "c": pd.Categorical(rng.choice(list(names), n)),
            "d": pd.Categorical(rng.choice([3, 5, 9], n)),
            "b": rng.normal(size=n),
        }
    )
    X.loc[::17, "c"] = None
    X.loc[::13, "a"] = np.nan
    y = ((X.a > 0) ^ X.c.isin([names[0], names[2], names[6]])).astype(int) + (X.d == 9)
    return X, y.to_numpy() if n_classes == 3 else (y.to_numpy() > 0).astype(int)


def outside_model(name):
    """Return a model of a library that comes with the benchmarks, not with the tests."""
    known = outside_models()
    if name not in known:
        pytest.skip(f"{name} is not installed")
    return known[name]


def fitted(name, X, y):
    model = outside_model(name)
    return [clone(model).set_params(**each).fit(X, y) for each in SETTINGS[name]]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_sums_are_those_of_the_model_gaps_included(name, n_classes):
    X, y = mixed_rows(n_classes)
    for model in fitted(name, X, y):
        ensemble = TreeEnsemble.from_estimator(model, X)
        assert len(ensemble.trees.nodes.goes_left)
        theirs = np.asarray(ensemble.trees.scores(X)).reshape(len(X), -1)
        np.testing.assert_allclose(ensemble.scores(X), theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_codes_in_arrays_are_read_as_well(name):
    X, y = mixed_rows(2)
    Z = np.column_stack([X.a, X.c.cat.codes.replace(-1, np.nan), X.d.cat.codes, X.b]).astype(float)
    model = outside_model(name)
    if name == "xgboost":
        model.set_params(feature_types=["q", "c", "c", "q"], enable_categorical=True).fit(Z, y)
    else:
        model.set_params(min_child_samples=5).fit(Z, y, categorical_feature=[1, 2])
    ensemble = TreeEnsemble.from_estimator(model, Z)
    assert ensemble.trees.categorical.tolist() == [False, True, True, False]
    theirs = np.asarray(ensemble.trees.scores(Z)).reshape(len(Z), -1)
    np.testing.assert_allclose(ensemble.scores(Z), theirs, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_bands_close_and_no_random_row_inside_has_another_label(name, n_classes):
    X, y = mixed_rows(n_classes)
    rng = np.random.default_rng(0)
    model = fitted(name, X, y)[0]
    fixed = FeatureSpace.from_data(X)
    swapped = FeatureSpace.from_data(X, categories={"c": 0.7})
    options = {"attack": None, "max_samples": 12}
    near = adversarial_band(model, X, y, space=swapped, **options)
    far = adversarial_band(model, X, y, space=fixed, **options)
    assert near.closed.all()
    assert far.closed.all()
    assert (near.upper <= far.upper * (1 + 1e-9)).all()
    assert (near.upper < 0.99 * far.upper).any()
    clean = X.iloc[near.places]
    labels = model.predict(clean)
    kinds = X["c"].cat.categories
    for _ in range(200):
        moved = clean.copy()
        swap = (rng.random(len(clean)) < 0.5) & clean["c"].notna().to_numpy()
        moved.loc[swap, "c"] = rng.choice(kinds, int(swap.sum()))
        for column in ("a", "b"):
            moved[column] += rng.normal(scale=0.3, size=len(clean)) * (rng.random(len(clean)) < 0.7)
        inside = swapped.distances(clean, moved, norm=2) < near.lower
        assert (model.predict(moved)[inside] == labels[inside]).all()


def test_names_that_xgboost_cuts_off_are_refused():
    X, y = mixed_rows(2, names=("p", "q", "r\xe9", "s", "t", "u", "v"))
    model = fitted("xgboost", X, y)[0]
    with pytest.raises(NoCertificateError, match="not ASCII"):
        TreeEnsemble.from_estimator(model, X)
