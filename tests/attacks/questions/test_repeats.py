"""Models that do not repeat their answers: noticed, said, and measured well all the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from specreg_sklearn.attacks import (
    CGBA,
    ARTAttack,
    FeatureSpace,
    HopSkipJump,
    RayS,
    SquareAttack,
    TangentAttack,
)
from specreg_sklearn.metrics import robust_accuracy_score

NO_REPEAT = "does not repeat its answers"


class Noisy:
    """A linear model with noise on its score, in units of distance; it refuses NaN."""

    def __init__(self, linear, sd, seed=0):
        self.linear, self.sd, self.rng = linear, sd, np.random.default_rng(seed)
        self.classes_, self.n_rows = linear.classes_, 0
        self.size = np.linalg.norm(linear.coef_)

    def decision_function(self, X):
        assert np.isfinite(X).all()
        self.n_rows += len(X)
        score = self.linear.decision_function(X) / self.size
        return score + self.sd * self.rng.normal(size=len(X))

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


class Together:
    """A threshold that the mean of the batch moves a little, as a quantisation over it does."""

    def predict(self, X):
        return (X[:, 0] > 1 + 0.02 * np.sin(1e4 * X.mean())).astype(int)


@pytest.fixture(scope="module")
def line():
    X = np.linspace(-2, 4, 60)[:, None] + np.zeros(2)
    X[:, 1] = np.random.default_rng(0).normal(size=60)
    return X, (X[:, 0] > 1).astype(int), FeatureSpace.from_data(X, scale=None)


@pytest.mark.parametrize("sd", [0.001, 0.003, 0.01, 0.1])
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_noticed(cancer, sd, seed):
    X, y, linear = cancer
    with pytest.warns(UserWarning, match=rf"Noisy {NO_REPEAT}: \d+ of \d+ \(\d+%\).*same batch"):
        CGBA(max_queries=50).run(Noisy(linear, sd, seed), X[:100], y[:100], pool=X)


def test_answers_that_depend_on_the_batch_are_noticed(line):
    X, y, space = line
    with pytest.warns(UserWarning, match=f"{NO_REPEAT}.*other rows of the batch were others. Rows"):
        CGBA(max_queries=100).run(Together(), X, y, space=space)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=1000),
        RandomForestClassifier(20, random_state=0),
        KNeighborsClassifier(3),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_that_repeat_are_not_warned_of(cancer, model, dtype):
    X, y, _ = cancer
    X = X.astype(dtype)
    model = clone(model).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = CGBA(max_queries=60).run(model, X[:40], y[:40], pool=X)
    assert (model.predict(result.X_adv) != y[:40])[result.success].all()


@pytest.mark.parametrize("sd", [0.003, 0.01])
@pytest.mark.parametrize("attack", [CGBA(), TangentAttack(), HopSkipJump(max_queries=1000)])
def test_the_curve_of_a_noisy_linear_model_is_near_the_exact_one(cancer, sd, attack):
    X, y, linear = cancer
    X, y = X[:150], y[:150]
    exact = np.abs(linear.decision_function(X)) / np.linalg.norm(linear.coef_)
    exact[linear.predict(X) != y] = 0
    eps = [0.25, 0.5, 1.0]
    space = FeatureSpace.from_data(X, scale=None)
    with pytest.warns(UserWarning, match=NO_REPEAT):
        options = {"attack": attack, "space": space, "certify": False, "max_samples": "all"}
        curve = robust_accuracy_score(Noisy(linear, sd), X, y, eps=eps, **options)
    true = (exact[:, None] > eps).mean(axis=0)
    np.testing.assert_allclose(curve, true, atol=0.06)


@pytest.mark.parametrize("n_repeats", [None, 1, 3, 5])
@pytest.mark.parametrize("sd", [0.01, 0.3])
def test_budgets_hold_and_rows_repeat(cancer, n_repeats, sd):
    X, y, linear = cancer
    model = Noisy(linear, sd)
    with pytest.warns(UserWarning, match=NO_REPEAT):
        result = CGBA(max_queries=400, n_repeats=n_repeats).run(model, X[:80], y[:80], pool=X)
    assert (result.n_queries <= 400).all()
    found = result.status == "found"
    assert found.sum() > 30
    held = np.mean([model.predict(result.X_adv) != y[:80] for _ in range(20)], axis=0)
    assert held[found].mean() > 0.8


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize(
    ("attack", "eps"),
    [
        (CGBA(max_queries=120), None),
        (CGBA(max_queries=120), 0.5),
        (RayS(max_queries=120), None),
        (SquareAttack(max_queries=90), 0.5),
    ],
)
def test_repeats_are_counted_and_change_nothing_for_a_model_that_repeats(cancer, attack, eps):
    """Three times the questions, each three times: the same rows, and three times the queries."""
    X, y, linear = cancer
    X, y = X[:20], y[:20]
    once = attack.run(linear, X, y, eps=eps)
    counting = Noisy(linear, 0.0)
    thrice = clone(attack).set_params(n_repeats=3, max_queries=3 * attack.max_queries)
    result = thrice.run(counting, X, y, eps=eps)
    np.testing.assert_array_equal(result.X_adv, once.X_adv)
    np.testing.assert_array_equal(result.n_queries, 3 * once.n_queries)
    # The blocks and arrays of verification are filled up with rows that are not counted.
    assert counting.n_rows >= result.n_queries.sum()


def test_a_batch_dependent_threshold_is_met_closely(line):
    X, y, space = line
    with pytest.warns(UserWarning, match=NO_REPEAT):
        result = CGBA().run(Together(), X, y, space=space)
    found = result.status == "found"
    assert found.mean() > 0.9
    assert (Together().predict(result.X_adv) != y)[found].all()
    true = np.abs(X[:, 0] - 1)[found]
    beyond = result.distances[found] - true
    # The threshold itself moves by 0.02 either way.
    assert (beyond > -0.02).all() and (beyond < 0.05 + 0.1 * true).mean() > 0.9


def test_rows_that_do_not_repeat_are_counted_in_a_warning(cancer):
    X, y, linear = cancer
    with pytest.warns(UserWarning) as seen:
        result = CGBA(max_queries=200).run(Noisy(linear, 2.0), X[:60], y[:60], pool=X)
    n = int((result.status == "unverified").sum())
    assert n > 0 and np.isinf(result.distances[result.status == "unverified"]).all()
    said = [str(w.message) for w in seen if "undecided" in str(w.message)]
    assert any(f"for {n} of " in text and "did not repeat its answer" in text for text in said)
    assert all(w.filename == __file__ for w in seen)


@pytest.mark.parametrize(
    "attack",
    [
        CGBA(max_queries=300),
        TangentAttack(max_queries=300),
        HopSkipJump(max_queries=300),
        HopSkipJump(max_queries=300, norm=np.inf),
        RayS(max_queries=300),
        SquareAttack(max_queries=100),
        SquareAttack(max_queries=100, norm=np.inf),
    ],
)
@pytest.mark.parametrize("sd", [0.2, 5.0])
def test_no_attack_sends_nan_to_a_noisy_model(cancer, attack, sd):
    X, y, linear = cancer
    eps = 0.3 if isinstance(attack, SquareAttack) else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("error", category=RuntimeWarning)
        attack.run(Noisy(linear, sd), X[:60], y[:60], pool=X, eps=eps)


@pytest.mark.parametrize(
    "attack",
    [CGBA, TangentAttack, HopSkipJump, RayS, SquareAttack, ARTAttack],
)
def test_all_attacks_have_the_parameter(attack):
    args = ("HopSkipJump",) if attack is ARTAttack else ()
    made = clone(attack(*args, n_repeats=3))
    assert made.get_params()["n_repeats"] == 3
    assert made.set_params(n_repeats=None).n_repeats is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_repeats": 0}, r"n_repeats=0 is not accepted; give an integer >= 1\."),
        ({"n_repeats": 2.5}, "n_repeats=2.5 is not accepted"),
        ({"n_repeats": 5, "max_queries": 90}, "max_queries=90"),
    ],
)
def test_bad_repeats(cancer, parameters, message):
    X, y, linear = cancer
    with pytest.raises(ValueError, match=message):
        CGBA(**parameters).run(linear, X[:5], y[:5])
