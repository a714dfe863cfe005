"""Both ends in one call: proof below attack, and witnesses that predict confirms."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from benchmarks.loaders import load_german_credit
from specreg_sklearn.attacks import CGBA, FeatureSpace, RayS, SquareAttack, Strongest
from specreg_sklearn.metrics import (
    adversarial_band,
    adversarial_distances,
    certified_accuracy_score,
    certified_radius,
    make_robust_scorer,
    robust_accuracy_score,
)

QUICK = {"attack": CGBA(max_queries=100), "max_samples": 8}
MODELS = {
    "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
    "forest": RandomForestClassifier(8, random_state=0),
    "extra": ExtraTreesClassifier(6, max_depth=6, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=8, random_state=0),
    "histogram": make_pipeline(
        StandardScaler(), HistGradientBoostingClassifier(max_iter=8, random_state=0)
    ),
    "ada": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=6, random_state=0),
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "network": make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, random_state=0)),
}
PROOFS = {"linear": "linear", "network": "relaxation"}
TREES = ["tree", "forest", "extra", "boosting", "histogram", "ada"]


class Opaque(LogisticRegression):
    """A model of which nothing but its answers is known."""

    def predict(self, X):
        return super().predict(X)


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X[:, :6], y


@pytest.fixture(scope="module")
def models(wine):
    X, y = wine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: model.fit(X[::2], y[::2]) for name, model in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_truth_lies_between_the_ends(name, models, wine):
    """No attack comes nearer than the proof, and no row is nearer than its witness says."""
    model, (X, y) = models[name], wine
    space = FeatureSpace.from_data(X)
    for norm in (2, np.inf):
        attack = (RayS if norm == np.inf else CGBA)(max_queries=100)
        options = {"norm": norm, "space": space, "max_samples": 6}
        band = adversarial_band(model, X, y, attack=attack, **options)
        chosen, labels = X[band.places], y[band.places]
        right = model.predict(chosen) == labels
        np.testing.assert_array_equal(band.status == "already_wrong", ~right)
        assert (band.lower <= band.upper).all() and (band.upper[~right] == 0).all()
        alone = adversarial_distances(model, X, y, attack=attack, certify=False, **options)
        assert (band.lower <= alone).all() and (band.upper <= alone).all()
        found = right & np.isfinite(band.upper)
        assert (model.predict(band.X_adv[found]) != labels[found]).all()
        measured = space.distances(band.X_adv, chosen, norm=norm)
        np.testing.assert_allclose(measured[found], band.upper[found], rtol=1e-12)
        exact = band.status == "exact"
        assert (band.closed == (exact | ~right | (band.status == "none_exists"))).all()
        if name in TREES:
            assert exact[right].all() and set(band.proved_by[right]) == {"trees"}
            radius = certified_radius(model, chosen, norm=norm, space=space)
            np.testing.assert_allclose(radius[right], band.lower[right], rtol=1e-9)
        else:
            assert (band.lower[right] > 0).any()
            assert set(band.proved_by[right]) <= {PROOFS[name], ""}


@pytest.mark.parametrize("name", MODELS)
def test_a_proof_never_raises_a_score(name, models, wine):
    """With a proof the score is that of the attack, or nearer to the truth."""
    model, (X, y) = models[name], wine
    plain = robust_accuracy_score(model, X, y, eps=[0.1, 0.4], certify=False, **QUICK)
    for certify in (True, "auto"):
        assert robust_accuracy_score(model, X, y, eps=0.4, certify=certify, **QUICK) <= plain[1]
        curve = robust_accuracy_score(model, X, y, eps=[0.1, 0.4], certify=certify, **QUICK)
        assert (curve <= plain).all()
    if name in TREES:
        band = adversarial_band(model, X, y, **QUICK)
        low, high = band.robust_accuracy([0.1, 0.4])
        np.testing.assert_array_equal(low, high)
        np.testing.assert_array_equal(curve, high)
        proved = certified_accuracy_score(model, X, y, eps=[0.1, 0.4], max_samples=8)
        np.testing.assert_array_equal(proved, low)
        each = [certified_accuracy_score(model, X, y, eps=e, max_samples=8) for e in (0.1, 0.4)]
        np.testing.assert_array_equal(each, low)


def test_rows_of_trees_cost_no_queries(models, wine):
    X, y = wine
    band = adversarial_band(models["forest"], X, y, max_samples=8)
    # One for the row, and one for the array that is handed back.
    assert (band.n_queries <= 2).all() and (band.n_nodes >= 0).all()
    again = adversarial_band(models["forest"], X, y, max_samples=8, attack=None)
    np.testing.assert_array_equal(band.upper, again.upper)
    np.testing.assert_array_equal(band.lower, again.lower)
    scorer = make_robust_scorer("median_adversarial_distance", max_samples=8)
    assert scorer(models["forest"], X, y) == np.median(band.upper)
    proved = make_robust_scorer("median_certified_radius", max_samples=8)
    assert proved(models["forest"], X, y) == pytest.approx(np.median(band.lower))


def test_an_open_row_keeps_a_bracket_that_more_nodes_narrow(wine):
    X, y = wine
    forest = RandomForestClassifier(60, random_state=0).fit(X[::2], y[::2])
    options = {"max_samples": 5, "attack": CGBA(max_queries=150)}
    few, more = (adversarial_band(forest, X, y, max_nodes=n, **options) for n in (1, 400))
    assert (few.lower <= more.lower * (1 + 1e-12)).all()
    assert (more.upper <= few.upper * (1 + 1e-12)).all()
    assert (few.status == "bracket").any() and more.closed.sum() >= few.closed.sum()


def test_a_model_without_a_proof_has_an_upper_end_and_a_reason(wine):
    X, y = wine
    model = Opaque().fit(X / X.max(axis=0), y)
    X = X / X.max(axis=0)
    band = adversarial_band(model, X, y, **QUICK)
    assert "Opaque has no certificate: it overrides predict" in band.unproved
    assert set(band.status) <= {"attack_only", "already_wrong"} and (band.lower == 0).all()
    assert "Nothing is proved: Opaque" in band._repr_html_()
    low, high = band.robust_accuracy(0.01)
    assert low == 0 < high


def test_rows_that_nothing_can_fool(wine):
    X, y = wine
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y > 0)
    unused = int(np.flatnonzero(np.arange(6) != tree.tree_.feature[0])[0])
    space = FeatureSpace.from_data(X, mutable=[unused])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        band = adversarial_band(tree, X, y > 0, space=space, max_samples=10)
        distances = adversarial_distances(tree, X, y > 0, space=space, max_samples=10)
    right = band.status != "already_wrong"
    assert set(band.status[right]) == {"none_exists"} and (band.lower[right] == np.inf).all()
    np.testing.assert_array_equal(distances, band.upper)
    assert band.robust_accuracy(9.0) == (right.mean(), right.mean())


def test_frames_with_words_and_gaps():
    """Words go through an encoder and stay; gaps stay gaps; the rows come back as a frame."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=120).round(3),
            "word": rng.choice(["red", "green"], 120),
            "age": rng.integers(18, 70, 120),
        }
    )
    y = np.where((frame["amount"] > 0) ^ (frame["word"] == "red"), "yes", "no")
    frame.loc[::9, "amount"] = np.nan
    encode = ColumnTransformer(
        [("word", OneHotEncoder(sparse_output=False), ["word"])], remainder="passthrough"
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=8, random_state=0)).fit(
        frame, y
    )
    band = adversarial_band(model, frame, y, max_samples=15)
    words = frame["word"].to_numpy()[band.places]
    assert band.closed.all() and (band.X_adv["word"] == words).all()
    gone = frame["amount"].isna().to_numpy()[band.places]
    np.testing.assert_array_equal(band.X_adv["amount"].isna(), gone)
    assert band.X_adv["age"].dtype == frame["age"].dtype
    found = band.status == "exact"
    assert found.any() and (model.predict(band.X_adv)[found] != y[band.places][found]).all()
    lines = band.to_frame()
    assert lines.index.tolist() == band.places.tolist() and len(lines) == len(band) == 15
    np.testing.assert_array_equal(lines["upper"], band.upper)


def test_the_band_in_words(models, wine):
    X, y = wine
    band = adversarial_band(models["tree"], X, y, max_samples=13)
    assert repr(band).startswith("AdversarialBand(n_rows=13, norm=2, ")
    assert "Adversarial distances in L2" in band._repr_html_()
    assert "and 3 more" in band._repr_html_()
    assert band.robust_accuracy(0) == ((band.status != "already_wrong").mean(),) * 2


BAD = {
    "norm": ({"norm": 3}, ValueError, "norm=3 is not supported by this score; accepted: 0 or 1"),
    "max_nodes": (
        {"max_nodes": 0},
        ValueError,
        "max_nodes=0 is not accepted; give an integer >= 1",
    ),
    "negative": ({"max_nodes": -5}, ValueError, "max_nodes=-5 is not accepted"),
    "not whole": ({"max_nodes": 10.5}, ValueError, "max_nodes=10.5 is not accepted"),
    "flag": ({"max_nodes": True}, ValueError, "max_nodes=True is not accepted"),
    "attack": ({"attack": "none"}, ValueError, "attack='none' is not known. Valid names"),
    "square": ({"attack": SquareAttack()}, ValueError, "looks for rows within a fixed eps"),
    "its norm": ({"attack": Strongest(norm=1)}, ValueError, "norm=2, but .* measures in norm=1"),
    "space": (
        {"space": FeatureSpace.from_data(np.eye(4))},
        ValueError,
        "X has 6 columns.*built for 4",
    ),
    "no room": (
        {"space": FeatureSpace.from_data(np.random.default_rng(0).random((4, 6)), mutable=[])},
        ValueError,
        "no column to move",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings(case, models, wine):
    X, y = wine
    options, error, message = BAD[case]
    with pytest.raises(error, match=message):
        adversarial_band(models["forest"], X, y, **{"max_samples": 5, **options})


def test_bad_rows(models, wine):
    X, y = wine
    forest = models["forest"]
    with pytest.raises(ValueError, match="X has 178 rows, y has 177 labels"):
        adversarial_band(forest, X, y[:-1])
    with pytest.raises(ValueError, match=r"5 (columns|features)"):
        adversarial_band(forest, X[:, :5], y)
    with pytest.raises(TypeError, match="has no method predict"):
        adversarial_band("forest", X, y)
    both = MultiOutputClassifier(DecisionTreeClassifier(random_state=0)).fit(
        X, np.column_stack([y, y > 0])
    )
    several = DecisionTreeClassifier(random_state=0).fit(X, np.column_stack([y, y > 0]))
    for model in (both, several):
        with pytest.raises(ValueError, match="must hold one class label per row"):
            adversarial_band(model, X, y)
    gap = X.copy()
    gap[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        adversarial_band(models["linear"], gap, y, max_samples="all")


def test_a_proof_of_some_norms_only(models, wine):
    X, y = wine
    band = adversarial_band(models["network"], X, y, norm=0, max_samples=5)
    assert band.unproved == "The proof 'relaxation' does not know norm=0."
    assert set(band.status) <= {"attack_only", "already_wrong"}
    trees = adversarial_band(models["tree"], X, y, norm=0, max_samples=5)
    assert trees.closed.all()
    np.testing.assert_array_equal(trees.lower, np.rint(trees.lower))


def test_the_witness_of_a_proof_goes_into_the_strongest_attack(models, wine):
    """It stands one rounding behind a threshold, and is taken over to the last bit."""
    X, y = wine
    band = adversarial_band(models["boosting"], X, y, max_samples=8, attack=None)
    chosen, labels = X[band.places], y[band.places]
    space = FeatureSpace.from_data(X)
    attack = Strongest(attacks=[CGBA(max_queries=60)])
    result = attack.run(
        models["boosting"], chosen, labels, space=space, pool=X, witnesses={"proof": band.X_adv}
    )
    np.testing.assert_array_equal(result.distances, band.upper)
    assert set(result.found_by[band.upper > 0]) == {"proof"}


def test_iris_by_hand():
    """One threshold between two classes: the distance is that to the threshold."""
    X, y = load_iris(return_X_y=True)
    X, y = X[:100, 2:3], y[:100]
    stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y)
    cut = stump.tree_.threshold[0]
    band = adversarial_band(stump, X, y, scale=None, max_samples="all")
    # The tree compares in float32.
    np.testing.assert_allclose(band.upper, np.abs(X[:, 0] - cut), rtol=1e-6)
    np.testing.assert_array_equal(band.places, np.arange(100))


@pytest.mark.slow
def test_german_credit_with_words_is_closed():
    table = load_german_credit(as_frame=True)
    X, y = table.data, table.target.to_numpy()
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    words = make_column_selector(dtype_exclude="number")
    columns = ColumnTransformer([("words", encode, words)], remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(random_state=0))
    model.fit(X[:700], y[:700])
    band = adversarial_band(model, X[700:], y[700:], max_samples=30)
    exact = band.status == "exact"
    assert band.closed.mean() >= 0.9 and exact.sum() >= 15
    assert (model.predict(band.X_adv)[exact] != y[700:][band.places][exact]).all()


def test_neither_a_proof_nor_an_attack():
    X, y = load_iris(return_X_y=True)
    model = KNeighborsClassifier().fit(X, y)
    band = adversarial_band(model, X, y, norm=0, attack=None, max_samples=12)
    assert "does not know norm=0" in band.unproved
    assert set(band.status) <= {"undecided", "already_wrong"} and "undecided" in band.status
    assert (band.lower == 0).all() and np.isinf(band.upper[band.status == "undecided"]).all()
    np.testing.assert_array_equal(band.X_adv, X[band.places])
