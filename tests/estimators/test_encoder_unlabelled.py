"""Rows labelled -1: used where the objective can, a class where it is one, an error elsewhere."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.estimators._training_rows import training_rows
from specreg_sklearn.objectives import VAT, Adversarial, CrossEntropy, Objective


def encoder(objective, **changes):
    settings = {"hidden_layer_sizes": (16,), "max_iter": 10, "random_state": 0}
    settings |= {"batch_size": 50, "learning_rate_init": 1e-2, "penalty": None}
    return SpectrallyRegularizedEncoder(objective=objective, **{**settings, **changes})


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.fixture
def few_labels(iris_rows):
    X, y = iris_rows
    hidden = y.copy()
    hidden[np.arange(len(y)) % 5 > 0] = -1
    return X, y, hidden


def test_unlabelled_rows_are_no_class(few_labels):
    X, y, hidden = few_labels
    model = encoder(VAT(0.5), max_iter=40).fit(X, hidden)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (150, 3)
    assert model.score(X, y) > 0.85


@pytest.mark.parametrize("kind", ["float", "strings", "series"])
def test_labels_of_every_kind_may_be_missing(few_labels, kind):
    X, y, hidden = few_labels
    names = np.array(["a", "b", "c"], dtype=object)
    labels, classes = {
        "float": (hidden.astype(float), [0.0, 1.0, 2.0]),
        "strings": (np.where(hidden < 0, -1, names[y]), ["a", "b", "c"]),
        "series": (pd.Series(np.where(hidden < 0, -1, names[y])), ["a", "b", "c"]),
    }[kind]
    model = encoder("vat").fit(X, labels)
    plain = encoder("vat").fit(X, hidden)
    assert model.classes_.tolist() == classes
    np.testing.assert_array_equal(flat(model), flat(plain))


def test_rows_without_labels_help_where_the_classes_are_bands():
    X, y = make_moons(300, noise=0.08, random_state=0)
    hidden = np.full(300, -1)
    shown = np.r_[np.flatnonzero(y == 0)[:4], np.flatnonzero(y == 1)[:4]]
    hidden[shown] = y[shown]
    settings = {"hidden_layer_sizes": (32, 32), "max_iter": 60, "n_iter_no_change": 60}
    for seed in range(2):
        settings["random_state"] = seed
        alone = encoder("cross_entropy", **settings).fit(X[shown], y[shown]).score(X, y)
        together = encoder(VAT(0.3), **settings).fit(X, hidden).score(X, y)
        assert together > alone + 0.08


def test_the_recorded_loss_is_that_of_the_labelled_rows(few_labels):
    """With a learning rate of nearly nothing and no divergence, the log loss by hand."""
    X, y, hidden = few_labels
    weight = np.random.default_rng(0).uniform(0.5, 2, size=150)
    model = encoder(VAT(0.5, beta=0.0), learning_rate_init=1e-14, max_iter=2, weight_decay=0.0)
    model.fit(X, hidden, sample_weight=weight)
    labelled = hidden >= 0
    losses = -np.log(model.predict_proba(X)[np.arange(150), y])
    expected = np.average(losses[labelled], weights=weight[labelled])
    np.testing.assert_allclose(model.loss_curve_, expected, rtol=1e-9)


def test_class_weights_leave_unlabelled_rows_alone(few_labels):
    X, _, hidden = few_labels
    weight = np.arange(1.0, 151)
    by_hand = {0: 2.0, 1: 1.0, 2: 0.5}
    rows = training_rows(X, hidden, weight, by_hand, VAT())
    factors = np.array([by_hand.get(label, 1.0) for label in hidden])
    np.testing.assert_allclose(rows.weights, weight * factors)
    np.testing.assert_array_equal(rows.codes, hidden)
    labelled = hidden >= 0
    share = (weight * factors)[labelled].sum() / (weight * factors).sum()
    assert rows.labelled_share == pytest.approx(share)
    balanced = training_rows(X, hidden, weight, "balanced", VAT())
    mass = [balanced.weights[hidden == k].sum() for k in range(3)]
    np.testing.assert_allclose(mass, mass[0])
    np.testing.assert_array_equal(balanced.weights[~labelled], weight[~labelled])


def test_rows_without_labels_are_never_held_out(few_labels):
    X, y, hidden = few_labels
    model = encoder(VAT(0.5), early_stopping=True, validation_fraction=0.3, max_iter=40)
    model.fit(X, hidden)
    # 30 rows have a label, 9 of them are held out
    scores = np.array(model.validation_scores_) * 9
    np.testing.assert_allclose(scores, scores.round(), atol=1e-9)
    assert model.score(X, y) > 0.8


def test_weightless_rows_do_not_count_as_unlabelled(few_labels):
    X, _, hidden = few_labels
    weight = (hidden >= 0).astype(float)
    model = encoder("cross_entropy").fit(X, hidden, sample_weight=weight)
    alone = encoder("cross_entropy").fit(X[hidden >= 0], hidden[hidden >= 0])
    np.testing.assert_array_equal(flat(model), flat(alone))


def test_vat_without_unlabelled_rows_takes_labels_of_any_kind(iris_rows):
    X, y = iris_rows
    names = np.array(["b", "a", "c"])[y]
    assert encoder("vat").fit(X, names).classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("objective", ["cross_entropy", "adversarial", CrossEntropy()])
def test_unlabelled_rows_with_an_objective_that_cannot_use_them(few_labels, objective):
    X, y, hidden = few_labels
    message = r"label -1 in 120 rows beside the labels 0 to 2.*cannot use them.*'vat'"
    with pytest.raises(ValueError, match=message):
        encoder(objective).fit(X, hidden)
    named = np.where(hidden < 0, -1, np.array(["a", "b", "c"], dtype=object)[y])
    with pytest.raises(ValueError, match=r"beside labels that are strings.*cannot use them"):
        encoder(objective).fit(X, named)


@pytest.mark.parametrize("labels", [[-1, 1], [-1, 0], [-2, -1, 1], [-1, 2, 3], [-1.0, 1.0]])
def test_minus_one_is_a_class_where_it_looks_like_one(iris_rows, labels):
    X, y = iris_rows
    y = np.resize(labels, 150)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Every training row")
        warnings.filterwarnings("ignore", "max_iter=.* epochs were reached")
        model = encoder("cross_entropy", max_iter=2).fit(X, y)
    assert model.classes_.tolist() == sorted(labels)


def test_minus_one_beside_zero_and_one_is_a_class_with_a_warning(iris_rows):
    X, y = iris_rows
    with pytest.warns(UserWarning, match=r"-1 beside 0 and 1.*class of its own") as caught:
        model = encoder("cross_entropy").fit(X, y - 1)
    assert model.classes_.tolist() == [-1, 0, 1]
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(flat(model), flat(encoder("cross_entropy").fit(X, y)))


def test_bad_labels_beside_unlabelled_rows(few_labels):
    X, y, hidden = few_labels
    with pytest.raises(ValueError, match="no labelled row: every label is -1"):
        encoder("vat").fit(X, np.full(150, -1))
    with pytest.raises(ValueError, match=r"one class, .*VAT\(\) -1 means unlabelled"):
        encoder("vat").fit(X, np.where(y == 0, 1, -1))
    strings = np.where(hidden < 0, "-1", np.array(["a", "b", "c"])[y])
    with pytest.raises(ValueError, match=r"string '-1'.*dtype object"):
        encoder("vat").fit(X, strings)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        encoder("vat").fit(X, np.where(hidden < 0, -1, X[:, 0]))


def test_warm_starts_compare_the_classes_alone(few_labels):
    X, y, hidden = few_labels
    model = encoder("vat", warm_start=True, max_iter=2).fit(X, hidden)
    assert model.fit(X, y).n_iter_ == 4
    with pytest.raises(ValueError, match="warm_start=True needs the classes"):
        model.fit(X, np.where(hidden == 2, -1, hidden))


def test_a_search_over_strengths_with_unlabelled_rows(few_labels):
    """Folds that are scored hold labelled rows alone: no scorer knows of the others."""
    X, _, hidden = few_labels
    labelled, rest = np.flatnonzero(hidden >= 0), np.flatnonzero(hidden < 0)
    parts = labelled[::2], labelled[1::2]
    folds = [(np.r_[np.setdiff1d(labelled, part), rest], part) for part in parts]
    search = GridSearchCV(encoder(VAT()), {"objective__epsilon": [0.0, 0.5]}, cv=folds)
    assert (search.fit(X, hidden).cv_results_["mean_test_score"] > 0.6).all()


def test_an_objective_of_ones_own_may_use_unlabelled_rows(few_labels):
    X, _, hidden = few_labels

    class KnownRows(Objective):
        uses_unlabelled = True

        def per_sample_loss(self, network, X, y):
            return torch.nn.functional.cross_entropy(
                network(X), y, reduction="none", ignore_index=-1
            )

    model = encoder(KnownRows()).fit(X, hidden)
    assert model.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="cannot use them"):
        encoder(Adversarial(0.1)).fit(X, hidden)
