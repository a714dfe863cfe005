"""Proofs of rows with missing cells, where an imputer says what stands for them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, RayS, ThresholdSearch
from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.metrics import adversarial_band
from specreg_sklearn.space import FeatureSpace

COLUMNS = list("abcd")


def numbers(seed, n=100):
    """Rows with gaps in every column, whole numbers in the second, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 3, 10, 0.1] + [0, 0, 5, 0]
    X[:, 1] = np.round(X[:, 1])
    y = (X / [1, 3, 10, 0.1] @ rng.normal(size=4) > 0.2).astype(int)
    X[rng.random(X.shape) < 0.15] = np.nan
    return X, y


def in_container(X, kind):
    if kind == "array":
        return X
    if kind == "float32":
        return X.astype(np.float32)
    if kind == "polars":
        return pl.DataFrame({c: pl.Series(X[:, k]).fill_nan(None) for k, c in enumerate(COLUMNS)})
    frame = pd.DataFrame(X, columns=COLUMNS)
    types = {"pandas": {}, "nullable": {"b": "Int64"}, "mixed": {"a": "float32"}}
    return frame.astype(types[kind])


KINDS = ["array", "float32", "polars", "pandas", "nullable", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_the_distance_of_linear_models_is_that_of_the_columns_that_are_there(kind, norm):
    X, y = numbers(0)
    table = in_container(X, kind)
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression())
    model.fit(table, y)
    names = None if kind in ("array", "float32") else COLUMNS
    types = {} if kind == "nullable" else {1 if names is None else "b": "real"}
    space = FeatureSpace.from_data(table, bounds=None, scale=None, types=types)
    rows = table[60:80]
    bounds = distance_prover(model, rows).bounds(space.bind(rows), norm=norm)
    slope = model[-1].coef_[0] / model[1].scale_
    there = ~np.isnan(X[60:80])
    assert (~there).any(axis=1).sum() > 5
    filled = np.where(there, X[60:80], model[0].statistics_)
    margin = np.abs(
        ((filled - model[1].mean_) / model[1].scale_) @ model[-1].coef_[0] + model[-1].intercept_
    )
    dual = {1: np.inf, 2: 2, np.inf: 1}[norm]
    exact = margin / np.array([np.linalg.norm(slope[t], dual) for t in there])
    if kind == "nullable":  # whole numbers stay whole: no nearer than that
        assert (bounds.lower >= exact * (1 - 1e-8)).all()
        assert (bounds.lower <= bounds.upper).all()
        assert np.isfinite(bounds.upper).all()
        return
    np.testing.assert_allclose(
        bounds.lower, exact, rtol=1e-2 if kind in ("float32", "mixed") else 1e-8
    )
    assert (bounds.lower <= exact * (1 + 1e-7)).all()
    np.testing.assert_allclose(bounds.upper, exact, rtol=1e-2)


def fronts(strategy):
    imputer = SimpleImputer(strategy=strategy)
    return {
        "one": (imputer, StandardScaler()),
        "parts": (
            make_column_transformer(
                (make_pipeline(imputer, StandardScaler()), [0, 1]),
                (SimpleImputer(strategy="median"), [2, 3]),
            ),
        ),
        "twice": (make_union(imputer, SimpleImputer(strategy=strategy)), StandardScaler()),
        # The second column is two different numbers: rows without it have no proof.
        "two numbers": (
            make_column_transformer(
                (imputer, [0, 1]), (SimpleImputer(strategy="constant", fill_value=1.5), [1, 2, 3])
            ),
        ),
    }


CLASSIFIERS = [
    LogisticRegression(),
    MLPClassifier((6,), max_iter=60, random_state=0),
    KNeighborsClassifier(3),
    SVC(random_state=0),
    GaussianNB(),
    VotingClassifier(
        [("a", LogisticRegression()), ("b", GaussianNB()), ("c", KNeighborsClassifier(1))]
    ),
    SpectrallyRegularizedEncoder(hidden_layer_sizes=(6,), max_iter=20, random_state=0),
    RandomForestClassifier(5, random_state=0),
]


def attack_in(norm):
    settings = {"max_queries": 250, "random_state": 0}
    if norm == 1:
        return ThresholdSearch(norm=1, **settings)
    return CGBA(**settings) if norm == 2 else RayS(**settings)


def check_against_attacks(seed):
    """No row that an attack finds is nearer than the proof says; return the rows unproved."""
    rng = np.random.default_rng(seed)
    X, y = numbers(seed)
    kind, front = rng.choice(KINDS), rng.choice(["one", "parts", "twice", "two numbers"])
    norm = rng.choice([1, 2, np.inf])
    table = in_container(X, kind)
    classifier = CLASSIFIERS[seed % len(CLASSIFIERS)]
    steps = fronts(rng.choice(["mean", "median", "most_frequent"]))[str(front)]
    model = make_pipeline(*steps, classifier).fit(table[:80], y[:80])
    rows = table[80:92]
    labels = np.asarray(model.predict(rows))
    space = FeatureSpace.from_data(table)
    options = {"space": space, "norm": norm, "max_samples": "all"}
    band = adversarial_band(model, rows, labels, attack=None, max_nodes=100, **options)
    found = attack_in(norm).run(model, rows, labels, space=space, pool=table)
    assert (band.lower <= found.distances * (1 + 1e-9)).all(), (kind, front, norm)
    seen = np.isfinite(band.upper)
    assert (np.asarray(model.predict(band.X_adv)) != labels)[seen].all()
    gaps = np.isnan(X[80:92])
    if front == "two numbers" and isinstance(classifier, RandomForestClassifier):
        return
    unknown = gaps[:, 1] if front == "two numbers" else np.zeros(len(gaps), dtype=bool)
    assert (band.lower[~unknown] > 0).all(), (kind, front, norm)
    assert (band.lower[unknown] == 0).all(), (kind, front, norm)


@pytest.mark.parametrize("seed", range(len(CLASSIFIERS)))
def test_no_attack_comes_nearer(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_against_attacks(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 148))
def test_no_attack_comes_nearer_on_many_tables(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_against_attacks(seed)


def test_swaps_of_categories_and_gaps_go_together():
    X, y = numbers(3)
    frame = in_container(X, "nullable").assign(job=pd.Categorical(np.where(y, "x", "y")))
    frame.loc[::3, "job"] = "y"
    front = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), COLUMNS), (OneHotEncoder(), ["job"])
    )
    model = make_pipeline(front, LogisticRegression()).fit(frame, y)
    space = FeatureSpace.from_data(frame, categories={"job": 0.7})
    rows = frame[60:90]
    band = adversarial_band(model, rows, model.predict(rows), space=space, attack=None, norm=1)
    assert (band.lower > 0).all()
    np.testing.assert_allclose(band.upper, band.lower, rtol=0.02)
    swapped = rows.assign(job=rows["job"].map({"x": "y", "y": "x"}).astype(frame["job"].dtype))
    turned = model.predict(swapped) != model.predict(rows)
    assert turned.any()
    assert (band.upper[turned] <= 0.7 * (1 + 1e-9)).all()


@pytest.mark.parametrize("classifier", [LogisticRegression(), SVC(random_state=0)])
def test_where_no_number_moves_swaps_are_all_there_is(classifier):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=80), "job": rng.choice(list("xyz"), 80)})
    y = (frame["size"] + (frame["job"] == "x") > 0.3).to_numpy()
    front = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(sparse_output=False), ["job"])
    )
    model = make_pipeline(front, classifier).fit(frame, y)
    space = FeatureSpace.from_data(frame, mutable=["job"], categories={"job": 0.7})
    rows = frame[40:]
    labels = model.predict(rows)
    bounds = distance_prover(model, rows).bounds(space.bind(rows), norm=2)
    turns = [model.predict(rows.assign(job=job)) != labels for job in "xyz"]
    np.testing.assert_allclose(bounds.lower, np.where(np.any(turns, axis=0), 0.7, np.inf))
    assert bounds.closed.all()
    assert 0 < np.isfinite(bounds.lower).sum() < 40


@pytest.mark.parametrize("price", [0.2, 3.0])
def test_groups_of_flags_at_a_price_and_gaps_go_together(price):
    X, y = numbers(6)
    frame = in_container(X, "pandas")
    job = np.random.default_rng(0).integers(0, 3, len(X))
    flags = [f"job_{k}" for k in range(3)]
    frame[flags] = np.eye(3)[job]
    model = make_pipeline(SimpleImputer(), LogisticRegression(C=0.1)).fit(frame, y ^ (job == 1))
    names = {"groups": {"job": flags}, "cost": {"job": price}, "types": {"b": "real"}}
    space = FeatureSpace.from_data(frame, bounds=None, scale=None, **names)
    rows, there = frame[60:80], ~np.isnan(X[60:80])
    bounds = distance_prover(model, rows).bounds(space.bind(rows), norm=1)
    # Stay, or swap to another flag, and go to the boundary along the steepest column that is there.
    slope = model[-1].coef_[0]
    filled = np.where(there, X[60:80], model[0].statistics_[:4])
    others = filled @ slope[:4] + model[-1].intercept_
    margins = others[:, None] + slope[4:]
    own = job[60:80]
    side = np.sign(margins[np.arange(20), own])
    steepest = np.where(there, np.abs(slope[:4]), 0.0).max(axis=1)
    ways = np.maximum(side[:, None] * margins, 0.0) / steepest[:, None]
    exact = (ways + price * (np.arange(3) != own[:, None])).min(axis=1)
    assert (~there).any(axis=1).sum() > 5
    assert (bounds.lower > 0).all()
    assert (bounds.lower <= exact * (1 + 1e-9)).all()
    assert (bounds.upper >= exact * (1 - 1e-9)).all()


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_flags_of_gaps_are_constants_of_a_row(norm):
    X, y = numbers(7)
    y = y ^ np.isnan(X[:, 0])
    rows, gaps = X[60:90], np.isnan(X[60:90])
    space = FeatureSpace.from_data(X, scale=None, types={1: "real"})

    forest = make_pipeline(
        SimpleImputer(add_indicator=True), RandomForestClassifier(5, random_state=0)
    )
    bounds = distance_prover(forest.fit(X, y), rows).bounds(space.bind(rows), norm=norm)
    assert bounds.closed.all()
    # The same trees on what the imputer makes of rows, where only cells move that are there.
    behind = forest[0].transform(X)
    plain = RandomForestClassifier(5, random_state=0).fit(behind, y)
    for i in range(12):
        there = np.flatnonzero(~gaps[i])
        low = np.append(np.nanmin(X, axis=0), np.zeros(4))
        high = np.append(np.nanmax(X, axis=0), np.ones(4))
        still = FeatureSpace.from_data(behind, bounds=(low, high), scale=None, mutable=there)
        alone = distance_prover(plain, behind).bounds(
            still.bind(behind[60 + i : 61 + i]), norm=norm
        )
        assert bounds.lower[i] == pytest.approx(alone.lower[0], rel=1e-9)

    linear = make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()).fit(X, y)
    space = FeatureSpace.from_data(X, bounds=None, scale=None, types={1: "real"})
    bounds = distance_prover(linear, rows).bounds(space.bind(rows), norm=norm)
    whole = ~gaps.any(axis=1)
    slope = np.linalg.norm(linear[-1].coef_[0, :4], {1: np.inf, 2: 2, np.inf: 1}[norm])
    exact = np.abs(linear.decision_function(rows)) / slope
    np.testing.assert_allclose(bounds.lower[whole], exact[whole], rtol=1e-8)
    assert (bounds.lower[~whole] == 0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_a_row_without_any_cell_cannot_move(classifier):
    X, y = numbers(8)
    model = make_pipeline(SimpleImputer(), StandardScaler(), classifier).fit(X[:60], y[:60])
    rows = X[60:64].copy()
    rows[1] = np.nan
    prover, bound = distance_prover(model, rows), FeatureSpace.from_data(X).bind(rows)
    for found in (prover.bounds(bound, norm=2), prover.bounds(bound, norm=np.inf)):
        np.testing.assert_array_equal(np.isinf(found.lower), [False, True, False, False])
        assert found.closed[1]
        assert np.isinf(found.upper[1])
    np.testing.assert_array_equal(np.isinf(prover.lower_bounds(bound, norm=2))[1], True)


def test_what_is_not_known_of_gaps_is_said():
    X, y = numbers(4)
    model = make_pipeline(KNNImputer(), LogisticRegression()).fit(X, y)
    holed = X[np.isnan(X).any(axis=1)][:3]
    with pytest.raises(NoCertificateError, match="KNNImputer"):
        distance_prover(model, X).bounds(FeatureSpace.from_data(X).bind(holed), norm=2)
    two = make_pipeline(*fronts("mean")["two numbers"], LogisticRegression()).fit(X, y)
    holed = X[np.isnan(X[:, 1])][:3]
    with pytest.raises(ValueError, match=r"NaN in column 1; .* complete, finite rows"):
        distance_prover(two, X).bounds(FeatureSpace.from_data(X).bind(holed), norm=2)
