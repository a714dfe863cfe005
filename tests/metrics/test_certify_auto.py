"""Rows that a proof decides are not attacked, and the score is equal, or nearer to the truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, RayS, SquareAttack
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.distances import quick_nodes
from specreg_sklearn.metrics import (
    adversarial_band,
    certified_accuracy_score,
    certified_radius,
    make_robust_scorer,
    robust_accuracy_score,
    robustness_score,
)
from specreg_sklearn.metrics.measurement import bounds_of_rows
from tests.grids import few_fast


class Counting(CGBA):
    """Remembers how many rows it was given, for all its copies."""

    n_rows = 0

    def run(self, estimator, X, y, **options):
        Counting.n_rows += len(y)
        return super().run(estimator, X, y, **options)


class Unread(DecisionTreeClassifier):
    """A tree that nobody reads: it predicts in its own way."""

    def predict(self, X):
        return super().predict(X)


@pytest.fixture
def counting():
    Counting.n_rows = 0
    return Counting(max_queries=150)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def models(digits):
    X, y = digits
    first = {"max_iter": 15, "random_state": 0}
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(24,), **first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, y),
            make_pipeline(StandardScaler(), MLPClassifier((24,), **first)).fit(X, y),
            make_pipeline(StandardScaler(), encoder, RobustLinearProbe()).fit(X, y),
            make_pipeline(StandardScaler(), encoder).fit(X.astype(np.float32), y),
            DecisionTreeClassifier(max_depth=8, random_state=0).fit(X, y),
        ]


ATTACKS = [
    CGBA(max_queries=150),
    HopSkipJump(max_queries=150),
    SquareAttack(max_queries=60),
    RayS(max_queries=150),
    CGBA(max_queries=150, starts="uniform"),
]


@pytest.mark.parametrize("attack", few_fast(ATTACKS, 3), ids=lambda attack: str(attack)[:50])
def test_the_score_lies_between_what_is_proved_and_what_the_attack_leaves(attack, models, digits):
    X, y = digits
    grid = [0.0, 0.01, 0.03, 0.1] if attack.norm == np.inf else [0.0, 0.1, 0.3, 1.0]
    options = {"norm": attack.norm, "attack": attack, "max_samples": 8}
    # One attack meets all models, the others a network and a tree.
    for model in models if attack is ATTACKS[0] else (models[1], models[4]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # failed starts
            for eps in (grid, grid[1]):
                plain = robust_accuracy_score(model, X, y, eps=eps, certify=False, **options)
                spared = robust_accuracy_score(model, X, y, eps=eps, **options)
                assert np.all(spared <= plain)
            proved = certified_accuracy_score(
                model, X, y, eps=grid[1], norm=attack.norm, max_samples=8
            )
            assert 0 < proved <= spared


def test_rows_that_a_proof_decides_are_not_attacked(models, digits, counting):
    # What is wrong as it stands needs no attack either.
    for model in (models[1], models[2]):
        X, y = digits
        right = np.flatnonzero(model.predict(X) == y)[:20]
        X, y = X[right], y[right]
        prover, space = distance_prover(model, X), FeatureSpace.from_data(X)
        # As many nodes as "auto" looks at.
        asked = {"norm": 2, "max_nodes": quick_nodes(prover)}
        nearest = prover.bounds(space.bind(X), **asked)
        # Of the rows at this distance some are proved, some fail, and some are open.
        eps = float(np.median(np.sqrt(nearest.lower * nearest.upper)))
        options = {"attack": counting, "max_samples": "all", "space": space}
        Counting.n_rows = 0
        robust_accuracy_score(model, X, y, eps=eps, **options)
        found = prover.bounds(space.bind(X), within=eps, **asked)
        n_open = int(((found.lower <= eps) & (found.upper > eps)).sum())
        assert (found.lower > eps).any() and (found.upper <= eps).any()
        assert Counting.n_rows == n_open
        Counting.n_rows = 0
        robust_accuracy_score(model, X, y, eps=eps, certify=False, **options)
        assert Counting.n_rows == 20
        # A row must withstand the largest of several sizes, or fail within the smallest.
        Counting.n_rows = 0
        robust_accuracy_score(model, X, y, eps=[eps / 2, eps], **options)
        undecided = [(nearest.lower <= e) & (nearest.upper > e) for e in (eps / 2, eps)]
        assert Counting.n_rows == int((undecided[0] | undecided[1]).sum())
        assert 0 < Counting.n_rows < 20


def test_all_rows_proved_needs_no_attack(models, digits, counting):
    X, y = digits
    model = models[0]
    right = np.flatnonzero(model.predict(X) == y)[:200]
    X, y = X[right], y[right]
    eps = certified_radius(model, X, space=FeatureSpace.from_data(X)).min() / 2
    assert robust_accuracy_score(model, X, y, eps=eps, attack=counting) == 1.0
    assert Counting.n_rows == 0


@pytest.mark.filterwarnings("ignore:CGBA found no adversarial row:UserWarning")
def test_a_model_that_predicts_one_class_is_as_robust_as_it_is_right():
    """Undecided without a proof, decided with one: the score is its accuracy either way."""
    X, y = load_breast_cancer(return_X_y=True)
    X = X / X.max(axis=0)
    model = LogisticRegression(C=1e-12).fit(X, y)
    assert len(np.unique(model.predict(X))) == 1
    options = {"eps": 0.1, "max_samples": 20}
    accuracy = robust_accuracy_score(model, X, y, eps=0, max_samples=20)
    assert 0.5 < accuracy < 1
    with pytest.warns(UserWarning, match=r"(\d+) of \1 correctly classified rows are undecided"):
        assert robust_accuracy_score(model, X, y, certify=False, **options) == accuracy
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for certify in ("auto", True):
            assert robust_accuracy_score(model, X, y, certify=certify, **options) == accuracy


def test_a_proof_decides_what_the_attack_does_not(counting):
    """With the deciding column out of reach, the attack has no start for many rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3)) * [4, 1, 1]
    model = MLPClassifier((8,), max_iter=500, random_state=0)
    model.fit(X, (X[:, 0] + X[:, 1] > 0).astype(int))
    y = model.predict(X)
    space = FeatureSpace.from_data(X, mutable=[1, 2])
    options = {"space": space, "eps": 0.5, "attack": counting}
    with pytest.warns(UserWarning, match="80 correctly classified rows are undecided"):
        plain = robust_accuracy_score(model, X, y, certify=False, **options)
    Counting.n_rows = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spared = robust_accuracy_score(model, X, y, certify=True, **options)
        assert Counting.n_rows == 0
        # Starts of one's own belong to the rows: all of these are attacked, or none.
        own = Counting(max_queries=150, starts=X[np.argsort(X[:, 0])].copy())
        again = robust_accuracy_score(model, X, y, certify=True, **{**options, "attack": own})
    assert certified_accuracy_score(model, X, y, eps=0.5, space=space) <= spared
    assert spared == again <= plain < 1


def test_immutable_and_whole_columns_and_frames(counting):
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame((10 * X).astype(int), columns=list("abcd"))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, y)
    space = FeatureSpace.from_data(frame, mutable=["a", "c", "d"], scale=None)
    options = {"space": space, "eps": [1.5, 6.0], "attack": counting}
    plain = robust_accuracy_score(model, frame, y, certify=False, **options)
    Counting.n_rows = 0
    spared = robust_accuracy_score(model, frame, y, certify=True, **options)
    assert (spared <= plain).all()
    assert Counting.n_rows < 150


def test_a_repair_that_sets_categories_is_not_certified(counting):
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(X[:, :2], columns=list("ab")).assign(flag=X[:, 2] > 3)
    model = LogisticRegression().fit(frame, y)

    def repair(moved, clean):
        moved["flag"] = moved["a"] > 6
        return moved

    space = FeatureSpace.from_data(
        frame,
        mutable=["a", "b", "flag"],
        bounds=(0, 9),
        types={"flag": "categorical"},
        repair=repair,
        scale=None,
    )
    options = {"space": space, "attack": counting, "eps": 0.2, "max_samples": 20}
    with pytest.raises(TypeError, match="lets categorical columns change"):
        robust_accuracy_score(model, frame, y, certify=True, **options)
    robust_accuracy_score(model, frame, y, **options)
    assert Counting.n_rows == 20


def test_starts_of_the_user_keep_their_rows(models, digits):
    """The starts belong to the rows one by one, so no row may be taken out."""
    X, y = digits[0][:40], digits[1][:40]
    attack = CGBA(max_queries=150, starts=X[::-1].copy())
    scores = [
        robust_accuracy_score(models[1], X, y, eps=0.3, attack=attack, certify=c)
        for c in (False, True)
    ]
    assert 0 < scores[1] <= scores[0]


def test_true_asks_for_a_certificate(models, digits):
    X, y = digits
    options = {"eps": 0.3, "attack": CGBA(max_queries=60), "max_samples": 10}
    tree = Unread(max_depth=8, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="Unread has no certificate: it overrides predict"):
        robust_accuracy_score(tree, X, y, certify=True, **options)
    assert 0 <= robust_accuracy_score(tree, X, y, certify="auto", **options) <= 1
    for certify in (None, "yes", 2):
        with pytest.raises(ValueError, match=r"certify=.*give 'auto', True or False"):
            robust_accuracy_score(tree, X, y, certify=certify, **options)
        with pytest.raises(ValueError, match="certify="):
            make_robust_scorer(certify=certify)


def test_the_scorer_passes_it_on(models, digits, counting):
    X, y = digits
    options = {"eps": 0.2, "attack": counting, "max_samples": 30}
    scorer = make_robust_scorer(**options)
    attacked = make_robust_scorer(certify=False, **options)
    assert "certify=False" in repr(attacked) and "certify" not in repr(scorer)
    score = scorer(models[0], X, y)
    n_spared = Counting.n_rows
    assert score == attacked(models[0], X, y)
    assert n_spared < 30 and Counting.n_rows == n_spared + 30


def test_errors_are_those_of_the_attack(models, digits):
    X, y = digits
    gap = X.copy()
    gap[3, 5] = np.nan
    for certify in (False, "auto"):
        with pytest.raises(ValueError, match="features"):
            robust_accuracy_score(models[0], X[:, :9], y, eps=0.1, certify=certify)
        options = {"eps": 0.1, "scale": None, "certify": certify}
        with pytest.raises(ValueError, match="NaN"):
            robust_accuracy_score(models[0], gap, y, max_samples="all", **options)


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_rows_on_a_threshold_at_zero_do_not_withstand(norm):
    """The witness is one rounding away, at a distance of which a unit leaves nothing."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.choice([-3.0, 3.0], 400), rng.normal(size=400)]
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, X[:, 0] > 0)
    rows = np.c_[np.zeros(8), rng.normal(size=8)]
    labels = model.predict(rows)
    assert (model.predict(rows + np.array([5e-324, 0])) != labels).all()
    options = {"space": FeatureSpace.from_data(X), "pool": X, "norm": norm}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert robust_accuracy_score(model, rows, labels, eps=0.1, **options) == 0
    band = adversarial_band(model, rows, labels, **options)
    assert (0 < band.upper).all() and (band.upper < 1e-300).all() and band.closed.all()


def test_a_witness_that_is_not_confirmed_decides_nothing(monkeypatch, digits):
    X, y = digits
    model = DecisionTreeClassifier(max_depth=6, random_state=0).fit(X, y)
    options = {"max_samples": 40, "attack": CGBA(max_queries=200)}
    plain = robustness_score(model, X, y, eps=0.3, certify=False, as_frame=True, **options)

    def without_witness(*args, **settings):
        bounds, proof = bounds_of_rows(*args, **settings)
        return bounds._replace(witness=np.full_like(bounds.witness, np.nan)), proof

    folder = "specreg_sklearn.metrics.measurement"
    for module in ("_proved_rows", "_both_ends"):
        monkeypatch.setattr(f"{folder}.{module}.bounds_of_rows", without_witness)
    result = robustness_score(model, X, y, eps=0.3, as_frame=True, **options)
    assert not result.undecided.any()
    np.testing.assert_array_equal(result.distances <= 0.3, plain.distances <= 0.3)
    band = adversarial_band(model, X, y, **options)
    assert np.isfinite(band.upper).all() and set(band.found_by[band.upper > 0]) == {"cgba"}
