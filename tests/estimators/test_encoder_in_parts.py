"""Rows that come in parts, rows that the user holds out, and rows that stay in a file."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder

SMALL = {"hidden_layer_sizes": 8, "learning_rate_init": 1e-2, "random_state": 0}


def encoder(**settings):
    return SpectrallyRegularizedEncoder(**{**SMALL, **settings})


# --- partial_fit ------------------------------------------------------------------------------


def test_parts_of_all_rows_are_the_epochs_of_a_fit(iris_rows):
    """With one batch an epoch the order of rows is all that could differ, and it does not."""
    whole = encoder(max_iter=5, tol=0.0).fit(*iris_rows)
    parts = encoder()
    for _ in range(5):
        parts.partial_fit(*iris_rows, classes=[0, 1, 2])
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-3)
    assert parts.n_iter_ == len(parts.loss_curve_) == 5


@pytest.mark.filterwarnings("error")
def test_learns_from_parts_that_lack_classes(iris_rows):
    X, y = iris_rows
    names = np.array(["a", "b", "c"])[y]
    model = encoder()
    for _ in range(40):
        for rows in (slice(0, 60), slice(60, 110), slice(110, None)):  # sorted by class
            model.partial_fit(X[rows], names[rows], classes=["c", "b", "a"])
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.score(X, names) > 0.6
    assert model.get_params() == encoder().get_params()


def test_goes_on_from_a_fit_and_leaves_settings_alone(iris_rows):
    X, y = iris_rows
    model = encoder(max_iter=10, early_stopping=True).fit(X, y)
    epochs, head = model.n_iter_, model.module_.head.weight.detach().clone()
    assert model.partial_fit(X[:50], y[:50]) is model
    assert model.n_iter_ == epochs + 1
    assert not np.array_equal(model.module_.head.weight.detach(), head)
    assert model.early_stopping
    assert not model.warm_start


def test_weights_count_in_parts(iris_rows):
    X, y = iris_rows
    weight = np.r_[np.zeros(50), np.ones(100)]
    weighted = encoder().partial_fit(X, y, [0, 1, 2], sample_weight=weight)
    alone = encoder().partial_fit(X[50:], y[50:], classes=[0, 1, 2])
    np.testing.assert_allclose(weighted.predict_proba(X), alone.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X, y: m.partial_fit(X, y), r"classes is missing: .*np\.unique"),
        (lambda m, X, y: m.partial_fit(X, y, [0, 1]), r"not among the classes .*\[2\].*\[0, 1\]"),
        (lambda m, X, y: m.partial_fit(X, y, [0]), r"classes=\[0\] must hold at least two"),
        (
            lambda m, X, y: m.partial_fit(X, y, [0, 1, 2]).partial_fit(X, y, [0, 1, 2, 3]),
            r"classes=\[0, 1, 2, 3\] are not those of the first call, \[0, 1, 2\]",
        ),
        (
            lambda m, X, y: m.partial_fit(X, y, [0, 1, 2]).partial_fit(X[:, :3], y),
            r"X has 3 features, but .* expecting 4",
        ),
        (
            lambda m, X, y: m.set_params(class_weight="balanced").partial_fit(X, y, [0, 1, 2]),
            r"class_weight='balanced'.* as a dict",
        ),
        (
            lambda m, X, y: m.set_params(alpha="auto").partial_fit(X, y, [0, 1, 2]),
            r"cannot choose alpha='auto'.* a number",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(iris_rows, call, message):
    with pytest.raises(ValueError, match=message):
        call(encoder(), *iris_rows)


# --- X_val and y_val --------------------------------------------------------------------------


def test_held_out_rows_are_those_given(iris_rows):
    X, y = iris_rows
    held_out = slice(None, None, 5)
    kept = np.arange(150) % 5 != 0
    model = encoder(max_iter=30, early_stopping=True)
    model.fit(X[kept], y[kept], X_val=X[held_out], y_val=y[held_out])
    # The weights of the best epoch are kept.
    assert model.score(X[held_out], y[held_out]) == max(model.validation_scores_)
    # All other rows are trained on: those of no held-out part are the same fit but for its end.
    plain = encoder(max_iter=model.n_iter_, tol=0.0).fit(X[kept], y[kept])
    np.testing.assert_array_equal(plain.loss_curve_, model.loss_curve_[: plain.n_iter_])


def test_held_out_rows_may_lack_classes_and_weigh_as_training_rows_do(iris_rows):
    X, y = iris_rows
    model = encoder(max_iter=3, early_stopping=True, class_weight={0: 1, 1: 3, 2: 1})
    model.fit(X, y, X_val=X[:100], y_val=y[:100])
    right = model.predict(X[:100]) == y[:100]
    share = (right * np.repeat([1, 3], 50)).sum() / 200
    assert share == pytest.approx(max(model.validation_scores_))
    balanced = clone(model).set_params(class_weight="balanced")
    assert len(balanced.fit(X, y, X_val=X[:60], y_val=y[:60]).validation_scores_) == 3


@pytest.mark.parametrize(
    ("settings", "held_out", "message"),
    [
        ({}, lambda X, y: (X, y), r"early stopping, which is off: set early_stopping=True"),
        ({"early_stopping": True}, lambda X, y: (X, None), r"y_val is missing"),
        ({"early_stopping": True}, lambda X, y: (None, y), r"X_val is missing"),
        ({"early_stopping": True}, lambda X, y: (X[:, :3], y), r"X_val and y_val do not .* 3 feat"),
        ({"early_stopping": True}, lambda X, y: (X, y + 1), r"X_val and y_val do not .*\[3\]"),
        ({"early_stopping": True}, lambda X, y: (X * np.nan, y), r"X_val and y_val do not .*NaN"),
    ],
)
def test_held_out_rows_that_do_not_fit_are_refused(iris_rows, settings, held_out, message):
    X_val, y_val = held_out(*iris_rows)
    with pytest.raises(ValueError, match=message):
        encoder(**settings).fit(*iris_rows, X_val=X_val, y_val=y_val)


# --- probabilities, messages, files -----------------------------------------------------------


def test_log_probabilities_reach_where_probabilities_are_zero(iris_rows):
    X, y = iris_rows
    for model in (encoder(max_iter=5).fit(X, y), RobustLinearProbe().fit(X, y)):
        logs = model.predict_log_proba(X)
        np.testing.assert_allclose(np.exp(logs), model.predict_proba(X), rtol=1e-10)
        far = model.predict_log_proba(1e4 * X)
        assert np.isfinite(far).all()
        assert (model.predict_proba(1e4 * X) == 0).any()


@pytest.mark.parametrize(("class_weight", "named"), [(None, True), ({0: 1, 1: 1}, False)])
def test_a_majority_vote_is_called_one(class_weight, named):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 5)), np.repeat([0, 1], [380, 20])
    model = encoder(alpha=10.0, max_iter=30, class_weight=class_weight)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y)
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "gets the same prediction" in message
    assert ("95.0% of them" in message) == ("class_weight='balanced'" in message) == named


@pytest.fixture
def large_file(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50_000, 100)).astype(np.float32)
    np.save(tmp_path / "rows.npy", X)
    return tmp_path / "rows.npy", (X[:, 0] > 0).astype(int)


def test_rows_of_a_memory_map_are_not_copied_as_a_whole(large_file):
    path, y = large_file
    settings = {"max_iter": 2, "tol": 0.0, "penalty": None}
    mapped = np.load(path, mmap_mode="r")
    in_memory = encoder(**settings).fit(np.load(path), y)  # what is imported is imported here
    tracemalloc.start()
    model = encoder(**settings).fit(mapped, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * mapped.nbytes  # blocks of 16,384 rows for the last look at all of them
    np.testing.assert_array_equal(model.loss_curve_, in_memory.loss_curve_)
    few = mapped[:9]
    np.testing.assert_array_equal(model.predict_proba(few), in_memory.predict_proba(few))


def test_datasets_of_torch_are_refused_and_their_batches_taken(iris_rows):
    X, y = (rows.copy() for rows in iris_rows)
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=100, generator=torch.Generator())
    model = encoder(random_state=0)
    for given in (dataset, loader):
        with pytest.raises(TypeError, match=f"X is a {type(given).__name__} of torch.* memory"):
            model.fit(given, y)
    by_batches, by_rows = encoder(random_state=0), encoder(random_state=0)
    for start, batch in zip(range(0, len(X), 100), loader, strict=True):
        by_batches.partial_fit(*batch, classes=np.unique(y))
        rows = slice(start, start + 100)
        by_rows.partial_fit(X[rows], y[rows], classes=np.unique(y))
    np.testing.assert_array_equal(by_batches.predict_proba(X), by_rows.predict_proba(X))
    with pytest.raises(TypeError, match="X is a TensorDataset"):
        by_rows.predict(dataset)
