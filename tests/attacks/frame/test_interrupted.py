"""A model that fails, or Ctrl-C, half-way: what was found is kept, and can be gone on from."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from specreg_sklearn.attacks import CGBA, AttackInterrupted, RayS
from specreg_sklearn.metrics import robust_accuracy_score


class QuotaError(Exception):
    """An exception that only its own arguments can build."""

    def __init__(self, service, *, left):
        super().__init__(f"{service}: {left} left")
        self.service, self.left = service, left


class Limited:
    """Fails after so many rows, for so many calls."""

    def __init__(self, model, n_rows, error, n_calls=10**9):
        self.model, self.left, self.error, self.n_calls = model, n_rows, error, n_calls

    def predict(self, X):
        self.left -= len(X)
        if self.left < 0 and self.n_calls > 0:
            self.n_calls -= 1
            raise self.error()
        return self.model.predict(X)


def timeout():
    return TimeoutError("rate limit")


def quota():
    return QuotaError("cloud", left=0)


def interrupt():
    return KeyboardInterrupt()


def check(result, model, X, y):
    """Everything that is reported is true, and rows that were cut short say so."""
    assert (model.predict(result.X_adv) != y)[result.success].all()
    steps = np.linalg.norm((result.X_adv - X) / X.std(axis=0), axis=1)
    assert (np.abs(steps - result.distances)[result.success] < 1e-9).all()
    assert np.isinf(result.distances[~result.success]).all()
    np.testing.assert_array_equal(result.X_adv[~result.success], X[~result.success])
    assert {"interrupted"} <= set(result.status) <= {"interrupted", "already_wrong", "found"}


@pytest.mark.parametrize("n_calls", [1, 10**9])
@pytest.mark.parametrize("error", [timeout, quota, interrupt])
def test_the_error_brings_the_result(cancer, error, n_calls):
    X, y, model = cancer
    limited = Limited(model, 30_000, error, n_calls)
    kind = type(error())
    with pytest.raises(AttackInterrupted) as caught:
        CGBA().run(limited, X, y, on_error="raise")
    raised = caught.value
    assert isinstance(raised, kind) and str(raised) == str(error())
    assert isinstance(raised, Exception) == issubclass(kind, Exception)
    assert type(raised.__cause__) is kind
    if error is not interrupt:
        assert "changes of rows" in raised.__notes__[0]
    check(raised.result, model, X, y)
    assert raised.result.success[raised.result.status == "interrupted"].any()


def test_failures_from_outside_keep_the_result(cancer):
    X, y, model = cancer
    with pytest.warns(UserWarning, match=r"interrupted by TimeoutError: rate limit.*resume=result"):
        result = CGBA().run(Limited(model, 30_000, timeout), X, y)
    check(result, model, X, y)


@pytest.mark.parametrize("error", [quota, MemoryError])
def test_other_failures_raise_unless_told_to_keep(cancer, error):
    X, y, model = cancer
    with pytest.raises(type(error())):
        CGBA().run(Limited(model, 30_000, error), X, y)
    with pytest.warns(UserWarning, match="interrupted by"):
        result = CGBA().run(Limited(model, 30_000, error), X, y, on_error="keep")
    check(result, model, X, y)


def test_ctrl_c_is_never_swallowed(cancer):
    X, y, model = cancer
    with pytest.raises(KeyboardInterrupt) as caught:
        CGBA().run(Limited(model, 30_000, interrupt), X, y, on_error="keep")
    assert not isinstance(caught.value, Exception)


def test_a_score_never_comes_of_half_the_rows(cancer):
    X, y, model = cancer
    with pytest.raises(TimeoutError) as caught:
        robust_accuracy_score(
            Limited(model, 5000, timeout), X, y, eps=0.5, certify=False, max_samples=100
        )
    assert len(caught.value.result.status) == 100


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_bring_home_what_they_found(cancer, backend):
    X, y, model = cancer
    with parallel_config(backend), pytest.raises(QuotaError, match="cloud: 0 left") as caught:
        CGBA().run(Limited(model, 20_000, quota), X, y, n_jobs=2)
    assert caught.value.service == "cloud" and caught.value.left == 0
    result = caught.value.result
    check(result, model, X, y)
    half = len(X) // 2
    assert result.success[:half].any() and result.success[half:].any()


def test_the_error_pickles(cancer):
    X, y, model = cancer
    with pytest.raises(AttackInterrupted) as caught:
        CGBA().run(Limited(model, 30_000, quota), X, y)
    sent = caught.value
    arrived = pickle.loads(pickle.dumps(sent))
    assert isinstance(arrived, AttackInterrupted) and isinstance(arrived, QuotaError)
    assert str(arrived) == str(sent) and arrived.service == "cloud"
    np.testing.assert_array_equal(arrived.result.distances, sent.result.distances)


def test_nothing_found_is_the_error_itself(cancer):
    X, y, model = cancer
    with pytest.raises(TimeoutError) as caught:
        CGBA().run(Limited(model, len(X) + 10, timeout), X, y)
    assert type(caught.value) is TimeoutError


@pytest.mark.parametrize("attack", [CGBA(max_queries=600), RayS(max_queries=600)])
def test_going_on_costs_no_more_than_one_run(digits, attack):
    X, y, _ = digits
    model = SVC(random_state=0).fit(X[:1000], y[:1000])
    T, t, pool = X[1000:1020], y[1000:1020], X[:1000]
    whole = attack.run(model, T, t, pool=pool)
    found = whole.status == "found"
    for n_calls in (1, 10**9):
        with pytest.warns(UserWarning, match="interrupted"):
            part = attack.run(Limited(model, 5800, timeout, n_calls), T, t, pool=pool)
        limited = Limited(model, 10**9, timeout)
        resumed = attack.run(limited, T, t, pool=pool, resume=part)
        assert (resumed.n_queries <= 600).all() and (resumed.n_queries >= part.n_queries).all()
        assert set(resumed.status) <= {"found", "already_wrong"}
        assert (resumed.distances <= part.distances * (1 + 1e-9)).all()
        ratio = resumed.distances[found] / whole.distances[found]
        assert np.exp(np.log(ratio).mean()) < 1.05
        # Neither the clean rows nor the pool nor what is known are asked again.
        spent = 10**9 - limited.left
        assert spent < (resumed.n_queries - part.n_queries).sum() + 4 * 64 * len(T)


def test_more_budget_goes_on_from_a_finished_result(cancer):
    X, y, _ = cancer
    model = LogisticRegression(max_iter=1000).fit(X[:400], y[:400])
    T, t = X[400:440], y[400:440]
    first = CGBA(max_queries=100).run(model, T, t, pool=X[:400])
    again = CGBA(max_queries=100).run(model, T, t, pool=X[:400], resume=first)
    np.testing.assert_array_equal(again.X_adv, first.X_adv)
    more = CGBA(max_queries=500).run(model, T, t, pool=X[:400], resume=first)
    assert (more.distances <= first.distances).all() and (more.n_queries <= 500).all()
    assert (model.predict(more.X_adv) != t).all()


def test_starts_at_which_an_earlier_search_ended_do_not_end_the_next_one(cancer):
    """On trees nothing leads on from such a row, so that the search begins anew from data."""
    from sklearn.ensemble import RandomForestClassifier

    X, y, _ = cancer
    model = RandomForestClassifier(20, random_state=0).fit(X[:400], y[:400])
    T, t, pool = X[400:440], y[400:440], X[:400]
    first = CGBA(max_queries=300).run(model, T, t, pool=pool)
    on = CGBA(max_queries=1000, starts=first.X_adv).run(model, T, t, pool=pool)
    whole = CGBA(max_queries=1300).run(model, T, t, pool=pool)
    found = first.status == "found"
    assert np.exp(np.log(on.distances[found] / whole.distances[found]).mean()) < 1.08
    assert (on.distances[found] <= first.distances[found] * (1 + 1e-9)).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_resuming_does_not_depend_on_the_other_rows(cancer, n_jobs):
    X, y, model = cancer
    T, t, pool = X[:30], y[:30], X
    first = CGBA(max_queries=100).run(model, T, t, pool=pool)
    some = np.array([3, 7, 8, 20])
    part = CGBA(max_queries=100).run(model, T[some], t[some], pool=pool)
    attack = clone(CGBA(max_queries=300))
    whole = attack.run(model, T, t, pool=pool, resume=first, n_jobs=n_jobs)
    alone = attack.run(model, T[some], t[some], pool=pool, resume=part)
    np.testing.assert_array_equal(whole.X_adv[some], alone.X_adv)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on_error": "ignore"}, ValueError, r"on_error='ignore' is not one of \['auto', 'raise'"),
        ({"resume": "yes"}, TypeError, "resume=str is not an AttackResult or None"),
    ],
)
def test_bad_options(cancer, options, error, message):
    X, y, model = cancer
    with pytest.raises(error, match=message):
        CGBA().run(model, X[:5], y[:5], **options)


def test_a_result_of_other_rows(cancer):
    X, y, model = cancer
    result = CGBA(max_queries=50).run(model, X[:5], y[:5], pool=X)
    with pytest.raises(ValueError, match="resume holds 5 rows, but X has 6"):
        CGBA().run(model, X[:6], y[:6], resume=result)


def test_no_warning_where_nothing_happened(cancer):
    X, y, model = cancer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CGBA(max_queries=50).run(model, X[:20], y[:20], pool=X)
