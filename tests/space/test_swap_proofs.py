"""Proofs in spaces that swap categories: both ends against enumeration, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.metrics import adversarial_band, certified_radius, robust_accuracy_score
from tests.space import _swaps
from tests.space._swaps import PRICES, exact_distances, fitted, programs


def ends_of(space):
    return {"low": space.minimum[[0, 2]], "high": space.maximum[[0, 2]]}


@pytest.mark.parametrize("norm", [0, 1, 2, np.inf])
def test_trees_behind_an_encoder_are_exact(norm):
    X, y = programs(300)
    model = fitted("tree", X, y, by_scikit_learn=True)
    space = FeatureSpace.from_data(X, categories=PRICES)
    some = X[:8]
    exact = exact_distances(model, some, norm, space.scale[[0, 2]], **ends_of(space))
    band = adversarial_band(
        model, some, model.predict(some), norm=norm, space=space, attack="auto", pool=X
    )
    assert np.allclose(band.lower, exact, rtol=1e-6)
    assert np.allclose(band.upper, exact, rtol=1e-6)
    assert band.closed.all()
    assert (model.predict(band.X_adv) != model.predict(some)).all()
    assert np.allclose(space.distances(band.X_adv, some, norm=norm), band.upper)
    # Numbers alone would be farther: a radius that leaves the swaps out is false.
    fixed = certified_radius(model, some, norm=norm, space=FeatureSpace.from_data(X))
    assert norm == 0 or (fixed > exact * 1.01).any()


def test_a_proof_that_ends_early_is_below():
    X, y = programs(300)
    model = fitted("tree", X, y, by_scikit_learn=True)
    space = FeatureSpace.from_data(X, categories=PRICES)
    exact = exact_distances(model, X[:8], 2, space.scale[[0, 2]], **ends_of(space))
    before = np.zeros(8)
    for max_nodes in (1, 60, 5000):
        radius = certified_radius(model, X[:8], norm=2, space=space, max_nodes=max_nodes)
        assert (radius <= exact * (1 + 1e-6)).all()
        assert (radius >= before).all()
        before = radius
    assert np.allclose(before, exact, rtol=1e-6)


def test_within_is_decided_by_both_ends():
    X, y = programs(300)
    model = fitted("tree", X, y, by_scikit_learn=True)
    space = FeatureSpace.from_data(X, categories=PRICES)
    exact = exact_distances(model, X[:8], 1, space.scale[[0, 2]], **ends_of(space))
    eps = float(np.median(exact)) * 1.01
    found = distance_prover(model, X).bounds(space.bind(X[:8]), norm=1, within=eps)
    assert np.array_equal(found.lower > eps, exact > eps)
    assert np.array_equal(found.upper <= eps, exact <= eps)
    assert (found.lower <= exact * (1 + 1e-6)).all()


def test_forests_behind_ordinal_codes_bracket_the_attack():
    X, y = programs(300)
    words = OrdinalEncoder().set_output(transform="default")
    front = make_column_transformer((words, ["packer", "origin"]), remainder="passthrough")
    model = make_pipeline(front, RandomForestClassifier(10, max_depth=4, random_state=0))
    model.fit(X, y)
    space = FeatureSpace.from_data(X, categories="swap")
    some, labels = X[:8], model.predict(X[:8])
    radius = certified_radius(model, some, norm=2, space=space, max_nodes=2000)
    found = resolve_attack("auto", norm=2, max_queries=150).run(
        model, some, labels, space=space, pool=X
    )
    assert (radius > 0).all()
    assert (radius <= found.distances).all()
    score = robust_accuracy_score(model, some, labels, eps=0.8, space=space)
    assert (found.distances > 0.8).mean() >= score >= (radius > 0.8).mean()


def test_what_is_about_numbers_alone_says_so():
    X, y = programs(200)
    tree = fitted("tree", X, y, by_scikit_learn=True)
    space = FeatureSpace.from_data(X, categories=PRICES)
    with pytest.raises(NoCertificateError, match="swaps categories; this proof is about numbers"):
        nearest_rows(TreeEnsemble.from_estimator(tree, X), space.bind(X[:2]), norm=2)
    numbers = X[["size", "calls"]]
    linear = LogisticRegression().fit(numbers, y)
    coded = FeatureSpace.from_data(numbers, types={"calls": "categorical"}, categories="swap")
    with pytest.raises(NoCertificateError, match="swaps categories; this proof is about numbers"):
        CertifiedModel(linear).radii(numbers[:2], coded, norm=2)
    derived = FeatureSpace.from_data(
        X.assign(calls=0.0), categories=PRICES, derived={"calls": lambda f: f["size"]}
    )
    with pytest.raises(NoCertificateError, match="derived columns"):
        certified_radius(tree, X[:2].assign(calls=0.0), space=derived)
    repaired = FeatureSpace.from_data(X, categories=PRICES, repair=lambda moved, clean: moved)
    with pytest.raises(NoCertificateError, match="swaps categories and has a repair"):
        certified_radius(tree, X[:2], space=repaired)


def test_linear_models_go_through_codes_as_well():
    """Whole numbers that are swapped as codes: every code, and the closed form for the rest."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=200), "code": rng.integers(0, 5, 200)})
    y = (X["x"] + 0.5 * X["code"] > 1).astype(int)
    model = LogisticRegression().fit(X, y)
    space = FeatureSpace.from_data(
        X, scale=1.0, bounds=None, types={"code": "categorical"}, categories={"code": 0.3}
    )
    (slope, per_code), constant = model.coef_[0], model.intercept_[0]
    codes = np.arange(5)
    scores = slope * X["x"].to_numpy()[:, None] + per_code * codes + constant
    own = codes == X["code"].to_numpy()[:, None]
    sign = np.where((scores * own).sum(axis=1) > 0, 1.0, -1.0)
    step = np.maximum(sign[:, None] * scores, 0.0) / slope
    parts = np.where(own, 0.0, 0.3)
    for norm, both in ((1, parts + step), (2, np.hypot(parts, step)), (np.inf, np.maximum)):
        exact = (both(parts, step) if norm == np.inf else both).min(axis=1)
        radius = certified_radius(model, X, norm=norm, space=space)
        assert (radius <= exact * (1 + 1e-9)).all()
        assert np.allclose(radius, exact, rtol=1e-6)


def test_the_oracle_of_these_tests_agrees_with_a_grid():
    """Enumeration by leaves, against all words and a fine grid of numbers."""
    X, y = programs(120)
    model = fitted("tree", X, y, by_scikit_learn=True)
    ends = {"low": np.array([-3.0, 0.0]), "high": np.array([3.0, 7.0])}
    exact = exact_distances(model, X[:1], 1, np.ones(2), **ends)[0]
    words = list(_swaps.WORDS.values())
    grid = pd.MultiIndex.from_product(
        [np.linspace(-3, 3, 61), words[0], range(8), words[1], words[2]], names=list(X)
    ).to_frame(index=False)
    grid["origin"] = pd.Categorical(grid["origin"])
    parts = [abs(grid[name] - X[name][0]) for name in ("size", "calls")]
    parts += [PRICES[name] * (grid[name].astype(object) != X[name][0]) for name in PRICES]
    other = model.predict(grid) != model.predict(X[:1])
    assert exact <= np.sum(parts, axis=0)[other].min() <= exact + 0.11
