"""Words behind an encoder, and whatever else cannot move, are constants of a proof."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.svm import SVC

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.metrics import adversarial_distances
from tests.grids import diagonal

NUMBERS = ["size", "age"]
WIDE = (-1e6, 1e6)


@pytest.fixture(scope="module")
def table():
    """Two numbers, a word that is missing at times, and a number with gaps that stays."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=120), "age": rng.normal(40, 9, size=120)})
    X["city"] = rng.choice(["Rome", "Oslo", "Bern"], 120)
    X.loc[::9, "city"] = None
    X["seen"] = np.where(rng.random(120) < 0.2, np.nan, rng.normal(size=120))
    worth = X["size"] + (X["age"] - 40) / 9 + (X["city"] == "Oslo") + X["seen"].fillna(0)
    return X, np.where(worth > 0.3, "yes", "no")


def columns(numbers=None, words=None, **settings):
    parts = [
        ("words", words or OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ("numbers", numbers or StandardScaler(), NUMBERS),
        ("gaps", SimpleImputer(), ["seen"]),
    ]
    return ColumnTransformer(parts, **settings)


def proved(model, X, norm=2, **settings):
    space = FeatureSpace.from_data(X, **{"mutable": NUMBERS, "bounds": WIDE, **settings})
    rows = X[:30]
    return distance_prover(model, rows).bounds(space.bind(rows), norm=norm), space


@pytest.mark.parametrize("norm", [1, 2, np.inf])
@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
@pytest.mark.parametrize("weights", [None, {"numbers": 3.0, "words": -2.0}])
def test_a_linear_model_is_exact(table, norm, sparse_threshold, weights):
    X, y = table
    front = columns(sparse_threshold=sparse_threshold, transformer_weights=weights)
    model = make_pipeline(front, LogisticRegression()).fit(X, y)
    found, space = proved(model, X, norm)
    part = front.output_indices_["numbers"]
    slope = model[-1].coef_[0, part] / front.named_transformers_["numbers"].scale_
    slope = slope * space.scale[space.movable] * (weights or {"numbers": 1.0})["numbers"]
    dual = {1: np.inf, 2: 2, np.inf: 1}[norm]
    truth = np.abs(model.decision_function(X[:30])) / np.linalg.norm(slope, dual)
    np.testing.assert_allclose(found.lower, truth, rtol=1e-6)
    assert (found.lower <= truth).all() and found.closed.all()


WORDS = [
    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32),
    OrdinalEncoder(dtype=np.int8, encoded_missing_value=-1),
]
RELU = MLPClassifier((7, 6), solver="lbfgs", max_iter=1000, random_state=0)
TANH = MLPClassifier((6,), activation="tanh", solver="lbfgs", max_iter=1000, random_state=0)
VOTE = VotingClassifier([("line", LogisticRegression()), ("net", RELU)], voting="soft")
LAST = [
    LogisticRegression(),
    SVC(random_state=0),
    KNeighborsClassifier(3),
    RELU,
    TANH,
    VOTE,
    SpectrallyRegularizedEncoder(hidden_layer_sizes=(8,), max_iter=60, random_state=0),
]


@pytest.mark.parametrize(("last", "words"), diagonal(LAST, WORDS), ids=str)
def test_no_proof_is_above_an_attack(table, last, words):
    X, y = table
    if words.dtype is np.float32:
        X = X.astype(dict.fromkeys([*NUMBERS, "seen"], np.float32))
    model = make_pipeline(columns(words=words), last).fit(X, y)
    found, space = proved(model, X, bounds="data")
    rows, lower = X[:8], found.lower[:8]
    attack = CGBA(max_queries=150)
    upper = adversarial_distances(
        model, rows, model.predict(rows), space=space, pool=X, attack=attack
    )
    assert (lower <= upper * (1 + 1e-9)).all()
    assert (lower > 0).all()
    found_some = np.isfinite(upper)
    # Votes are bounded member by member.
    least = 0.01 if isinstance(last, VotingClassifier) else 0.1
    assert np.median((lower / upper)[found_some]) > least


@pytest.mark.parametrize(
    ("last", "sparse_threshold", "norm"),
    [(RELU, 0.0, 1), (RELU, 1.0, 2), (RELU, 0.0, np.inf), (TANH, 1.0, 1), (TANH, 0.0, 2)],
    ids=str,
)
def test_a_network_is_that_of_the_numbers_with_the_constants_in_its_bias(
    table, last, sparse_threshold, norm
):
    X, y = table
    model = make_pipeline(columns(sparse_threshold=sparse_threshold), last).fit(X, y)
    front, whole = model
    found, _ = proved(model, X, norm)
    part = np.arange(whole.n_features_in_)[front.output_indices_["numbers"]]
    others = np.delete(np.arange(whole.n_features_in_), part)
    scaler = front.named_transformers_["numbers"]
    for i in range(0, 30, 8):
        row = X[i : i + 1]
        handed_on = front.transform(row)
        handed_on = handed_on.toarray() if sparse_threshold else handed_on
        alone = clone(last).fit(scaler.transform(X[NUMBERS]), y)
        first = whole.coefs_[0]
        alone.coefs_ = [first[part], *whole.coefs_[1:]]
        alone.intercepts_ = [
            whole.intercepts_[0] + handed_on[0, others] @ first[others],
            *whole.intercepts_[1:],
        ]
        small = make_pipeline(scaler, alone)
        space = FeatureSpace.from_data(X[NUMBERS], bounds=WIDE)
        truth = distance_prover(small, row[NUMBERS]).bounds(space.bind(row[NUMBERS]), norm=norm)
        np.testing.assert_allclose(found.lower[i], truth.lower[0], rtol=5e-3)


@pytest.mark.parametrize("last", [RELU, TANH, VOTE], ids=str)
def test_a_column_that_moves_must_not_be_binned_as_well(table, last):
    X, y = table
    parts = [
        ("numbers", StandardScaler(), NUMBERS),
        ("bins", KBinsDiscretizer(3, encode="onehot-dense"), ["age"]),
        ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
    ]
    model = make_pipeline(ColumnTransformer(parts), last).fit(X, y)
    with pytest.raises(NoCertificateError, match=r"step 'bins': KBinsDiscretizer has no"):
        proved(model, X)
    assert (proved(model, X, mutable=["size"])[0].lower > 0).mean() > 0.9


def test_swaps_of_the_word_are_proved_as_well(table):
    X, y = table
    X = X.fillna({"city": "Rome"})
    model = make_pipeline(columns(), LogisticRegression()).fit(X, y)
    found, _ = proved(model, X, mutable=[*NUMBERS], categories={"city": 0.4})
    rows, truth = X[:30], np.full(30, np.inf)
    labels, alone = model.predict(rows), proved(model, X)[1]
    for city in ("Rome", "Oslo", "Bern"):
        swapped = rows.assign(city=city)
        there = distance_prover(model, swapped).bounds(alone.bind(swapped), norm=2).lower
        there[model.predict(swapped) != labels] = 0
        price = 0.4 * (rows["city"] != city).to_numpy()
        truth = np.minimum(truth, np.hypot(there, price))
    np.testing.assert_allclose(found.lower, truth, rtol=1e-6)


def test_the_order_of_the_columns_and_columns_of_others_do_not_matter(table):
    X, y = table
    model = make_pipeline(columns(), LogisticRegression()).fit(X, y)
    lower = proved(model, X)[0].lower
    wider = X.assign(note="new", more=1.0)
    np.testing.assert_allclose(proved(model, wider)[0].lower, lower, rtol=1e-9)


@pytest.mark.parametrize(
    ("front", "last", "message"),
    [
        (columns(sparse_threshold=1.0), SVC(random_state=0), "sparse_threshold=0"),
        (
            columns(numbers=FunctionTransformer(np.square)),
            LogisticRegression(),
            r"step 'columntransformer': step 'numbers': FunctionTransformer\(func=square\) has no",
        ),
    ],
)
def test_what_has_no_proof_is_named(table, front, last, message):
    X, y = table
    model = make_pipeline(front, last).fit(X, y)
    with pytest.raises(NoCertificateError, match=message):
        proved(model, X)


def test_gaps_that_are_handed_on_are_refused(table):
    X, y = table
    front = ColumnTransformer(
        [("gaps", "passthrough", ["seen"]), ("numbers", StandardScaler(), NUMBERS)]
    )
    model = make_pipeline(front, LogisticRegression()).fit(X.fillna({"seen": 0.0}), y)
    with pytest.raises(ValueError, match="ColumnTransformer hands on gaps or infinity"):
        proved(model, X)


def test_a_weight_that_turns_columns_round_is_refused_in_front_of_trees(table):
    X, y = table
    front = columns(transformer_weights={"numbers": -1.0}, sparse_threshold=0)
    model = make_pipeline(front, HistGradientBoostingClassifier(max_iter=3, random_state=0)).fit(
        X, y
    )
    with pytest.raises(NoCertificateError, match="weight of 'numbers' in transformer_weights is"):
        proved(model, X)
