"""The labels of trees that were read, against those of predict, ties included."""

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.attacks import CGBA, ScoreSearch
from specreg_sklearn.certificates import TreeEnsemble, distance_prover
from specreg_sklearn.certificates.distances import quick_model
from specreg_sklearn.certificates.trees import TreeProver
from specreg_sklearn.metrics import adversarial_band, robust_accuracy_score
from specreg_sklearn.metrics.measurement import confirmed_attack

SEARCH = "specreg_sklearn.certificates.trees.search"
KINDS = [
    RandomForestClassifier(30, random_state=0),
    RandomForestClassifier(30, min_samples_leaf=4, random_state=0),
    ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0),
    BaggingClassifier(n_estimators=10, random_state=0),
    AdaBoostClassifier(n_estimators=10, random_state=0),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    HistGradientBoostingClassifier(max_iter=10, random_state=0),
    make_pipeline(StandardScaler(), RandomForestClassifier(12, random_state=0)),
]


def rows_with_ties(model, X, rng):
    """Return rows between rows of data, on whose trees a forest is often divided."""
    pair = rng.integers(len(X), size=(2, 400))
    share = rng.random((400, 1))
    return share * X[pair[0]] + (1 - share) * X[pair[1]]


@pytest.mark.parametrize("by_numba", [True, False])
@pytest.mark.parametrize("model", KINDS, ids=lambda m: str(m)[:50])
def test_labels_are_those_of_predict(model, by_numba, cancer_rows, monkeypatch):
    if by_numba:
        pytest.importorskip("numba")
    monkeypatch.setattr(f"{SEARCH}._compiled.compiled", lambda: by_numba)
    X, y = cancer_rows
    model.fit(X[:200], y[:200])
    quick = TreeProver(TreeEnsemble.from_estimator(model, X)).quick_model
    Z = rows_with_ties(model, X, np.random.default_rng(0))
    given = np.concatenate([quick.predict(Z[i : i + 40]) for i in range(0, len(Z), 40)])
    expected = model.predict(Z)
    np.testing.assert_array_equal(given, expected)
    assert given.dtype == expected.dtype


def test_ties_are_decided_as_by_the_means_of_the_model(cancer_rows):
    """Votes of an even number of trees are often equal, and the first class wins then."""
    X, y = cancer_rows
    forest = RandomForestClassifier(6, random_state=0).fit(X[:200], y[:200])
    ensemble = TreeEnsemble.from_estimator(forest)
    assert ensemble.same_means
    Z = rows_with_ties(forest, X, np.random.default_rng(1))
    tied = Z[(forest.predict_proba(Z) == 0.5).all(axis=1)]
    assert len(tied) > 10
    given = TreeProver(ensemble).quick_model.predict(tied)
    np.testing.assert_array_equal(given, forest.predict(tied))


class Asked(RandomForestClassifier):
    """A forest that counts how often it is asked."""

    n_asked = 0

    def _validate_X_predict(self, X):
        Asked.n_asked += 1
        return super()._validate_X_predict(X)


def test_an_attack_seldom_asks_a_forest_that_was_read_and_finds_the_same(cancer_rows):
    X, y = cancer_rows
    forest = Asked(20, random_state=0).fit(X[:300], y[:300])
    prover = distance_prover(forest, X)
    attack = CGBA(max_queries=300)
    options = {"pool": X[:300]}
    Asked.n_asked = 0
    quick = confirmed_attack(attack, forest, X[300:310], y[300:310], prover=prover, **options)
    few, Asked.n_asked = Asked.n_asked, 0
    plain = attack.run(forest, X[300:310], y[300:310], **options)
    assert few < 0.1 * Asked.n_asked
    np.testing.assert_array_equal(quick.X_adv, plain.X_adv)
    np.testing.assert_array_equal(quick.n_queries, plain.n_queries)
    np.testing.assert_array_equal(quick.status, plain.status)


def test_what_predict_denies_is_looked_for_on_the_model_itself(cancer_rows):
    X, y = cancer_rows
    forest = RandomForestClassifier(20, random_state=0).fit(X[:300], y[:300])

    class Other:
        """Takes for the other class whatever is no row of data."""

        def predict(self, Z):
            is_data = (Z[:, None] == X).all(axis=2).any(axis=1)
            return np.where(is_data, forest.predict(Z), 1 - forest.predict(Z))

    class Wrong:
        quick_model = Other()

    attack, some = CGBA(max_queries=200), slice(300, 308)
    denied = confirmed_attack(attack, forest, X[some], y[some], prover=Wrong(), pool=X[:300])
    plain = attack.run(forest, X[some], y[some], pool=X[:300])
    np.testing.assert_array_equal(denied.X_adv, plain.X_adv)


def test_a_prover_without_a_quick_model_leaves_the_estimator(cancer_rows):
    forest = RandomForestClassifier(3, random_state=0).fit(*cancer_rows)
    assert quick_model(None, forest) is forest
    quick = quick_model(distance_prover(forest, cancer_rows[0]), forest)
    assert quick is not forest
    assert quick.n_estimators == 3


@pytest.mark.parametrize("attack", [CGBA(max_queries=200), ScoreSearch(max_queries=200)])
def test_scores_and_bands_are_those_of_the_model_asked_itself(attack, cancer_rows, monkeypatch):
    X, y = cancer_rows
    forest = RandomForestClassifier(40, random_state=0).fit(X[:300], y[:300])
    options = {"attack": attack, "max_samples": 12, "max_nodes": 5, "pool": X[:300]}
    measured = []
    for _ in range(2):
        band = adversarial_band(forest, X[300:], y[300:], **options)
        score = robust_accuracy_score(forest, X[300:], y[300:], eps=1.0, **options)
        measured.append((band.lower, band.upper, score))
        monkeypatch.delattr(TreeProver, "quick_model", raising=False)
    for quick, plain in zip(*measured, strict=True):
        np.testing.assert_array_equal(quick, plain)


@pytest.mark.parametrize("kind", KINDS[:5], ids=lambda kind: type(kind).__name__)
def test_a_model_that_saw_one_class_keeps_it_everywhere(kind):
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = kind.fit(X, np.full(40, 7))
    band = adversarial_band(model, X[:5], np.full(5, 7), attack=None)
    assert np.isinf(band.lower).all()
    assert robust_accuracy_score(model, X[:5], np.full(5, 7), eps=1.0) == 1
    assert robust_accuracy_score(model, X[:5], np.arange(5), eps=1.0) == 0
