"""Scores under attack against scikit-learn's on predictions recomputed by hand, and bad input."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, AttackResult, FeatureSpace
from specreg_sklearn.metrics import (
    AdversarialBand,
    adversarial_band,
    robust_accuracy_score,
    robustness_score,
)
from specreg_sklearn.tables import stratified_rows, take_rows

QUICK = CGBA(max_queries=150)
FAST = {"attack": QUICK, "certify": False}


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, y, LogisticRegression(max_iter=500).fit(X, y)


@pytest.fixture(scope="module")
def result(cancer):
    X, y, model = cancer
    return robustness_score(model, X, y, eps=[0.0, 0.3, 0.8], as_frame=True, **FAST)


@pytest.mark.parametrize(
    ("metric", "function"),
    [
        ("recall", recall_score),
        ("precision", precision_score),
        ("f1", f1_score),
        ("balanced_accuracy", balanced_accuracy_score),
        (balanced_accuracy_score, balanced_accuracy_score),
    ],
)
def test_as_scikit_learn_on_predictions_by_hand(cancer, metric, function):
    """The attack is run by itself; its rows within eps are predicted once more."""
    X, y, model = cancer
    places, _ = stratified_rows(y, 60, 0)
    space = FeatureSpace.from_data(X)
    attack = QUICK.run(model, X[places], y[places], eps=0.3, space=space, pool=X)
    by_hand = []
    for eps in (0.3, 0.8):
        near = attack.distances <= eps
        moved = np.where(near[:, None], attack.X_adv, X[places])
        by_hand.append(function(y[places], model.predict(moved)))
        np.testing.assert_array_equal(attack.within(eps).X_adv, moved)
    found = robustness_score(model, X, y, eps=[0.3, 0.8], metric=metric, max_samples=60, **FAST)
    np.testing.assert_allclose(found, by_hand)
    assert by_hand[0] > by_hand[1]


def test_several_classes_and_words():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=500).fit(X, names)
    options = {"eps": 0.4, "max_samples": 60, **FAST}
    result = robustness_score(model, X, names, metric="f1", as_frame=True, **options)
    rows = result.within(0.4)
    by_hand = f1_score(result.y_true, model.predict(rows.X_adv), average="macro")
    assert result.score[0] == pytest.approx(by_hand)
    one = robustness_score(model, X, names, metric="recall", pos_label="virginica", **options)
    caught = result.y_true == "virginica"
    assert one == pytest.approx(np.mean(model.predict(rows.X_adv)[caught] == "virginica"))


def test_accuracy_is_the_score_of_that_name(cancer, result):
    X, y, model = cancer
    expected = robust_accuracy_score(model, X, y, eps=[0.0, 0.3, 0.8], **FAST)
    np.testing.assert_array_equal(result.score, expected)
    assert result.clean == result.score[0] == model.score(X[result.places], y[result.places])


def test_weights_count_rows_as_often(cancer):
    X, y, model = cancer
    X, y = X[:50], y[:50]
    space = FeatureSpace.from_data(X)
    weight = np.where(np.arange(50) % 2 == 0, 3, 1)
    often = np.repeat(np.arange(50), weight)
    given = {"eps": 0.5, "space": space, "pool": X, "max_samples": None, **FAST}
    for metric in ("accuracy", "f1", balanced_accuracy_score):
        weighed = robustness_score(model, X, y, metric=metric, sample_weight=weight, **given)
        expected = robustness_score(model, X[often], y[often], metric=metric, **given)
        assert weighed == pytest.approx(expected)
        assert weighed != robustness_score(model, X, y, metric=metric, **given)


def test_a_rare_class_is_seen_and_weighs_its_share(cancer):
    X, y, model = cancer
    rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:8]])
    X, y = X[rows], y[rows]
    result = robustness_score(model, X, y, eps=0.2, as_frame=True, max_samples=50, **FAST)
    sampled = result.sampled().set_index("label")
    assert sampled.loc[0, "n_rows"] == 8 and sampled.loc[0, "n_total"] == 8
    assert (sampled["n_rows"] * sampled["weight"]).sum() == pytest.approx(50)
    assert sampled.loc[0, "weight"] * 8 / 50 == pytest.approx(8 / len(y))
    right = model.predict(result.within(0.2).X_adv) == result.y_true
    assert result.score[0] == pytest.approx(np.average(right, weights=result.weight))
    # A function that cannot weigh rows gets rows that need no weights.
    own = robustness_score(model, X, y, eps=0.2, as_frame=True, metric=mean_right, max_samples=50)
    assert (own.weight == 1).all() and own.score[0] == mean_right(own.y_true, own.predictions(0.2))


def mean_right(truth, given):
    return float(np.mean(truth == given))


def test_what_is_proved_is_below_and_what_the_band_says():
    """A tree closes: every metric is between its ends, and accuracy has none between them."""
    X, y = load_breast_cancer(return_X_y=True)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X[::2], y[::2])
    X, y = X[1::2], y[1::2]
    options = {"max_samples": 60, "certify": True}
    band = adversarial_band(tree, X, y, attack=None, max_samples=60)
    assert isinstance(band, AdversarialBand) and band.closed.all()
    for metric in ("accuracy", "recall", "precision", "f1", "balanced_accuracy"):
        found = robustness_score(
            tree, X, y, eps=[0.1, 0.3], metric=metric, as_frame=True, **options
        )
        assert found.unproved == ""
        np.testing.assert_allclose(found.proved, found.score)
        if metric == "accuracy":
            low, high = band.robust_accuracy([0.1, 0.3])
            np.testing.assert_allclose(found.proved, low)
            np.testing.assert_allclose(found.score, high)
    own = robustness_score(tree, X, y, eps=[0.3], metric=mean_right, as_frame=True, **options)
    assert np.isnan(own.proved).all() and np.isnan(own.interval(of="proved")).all()


def test_nothing_proved_is_nan_beyond_zero(result):
    assert result.unproved == "certify=False"
    np.testing.assert_array_equal(np.isnan(result.proved), [False, True, True])


def test_intervals_hold_the_score(result):
    for confidence in (0.5, 0.95):
        low, high = result.interval(confidence).T
        assert (low < result.score).all() and (result.score[1:] < high[1:]).all()
        assert result.score[0] == high[0] == 1
    with pytest.raises(ValueError, match="of='clean' is not accepted"):
        result.interval(of="clean")


def test_groups_add_up(cancer, result):
    X, y, model = cancer
    table = result.by("class")
    parts, whole = table[table["group"] != "all"], table[table["group"] == "all"]
    for eps, line in whole.groupby("eps"):
        part = parts[parts["eps"] == eps]
        assert (part["score"] * part["n_rows"]).sum() / 100 == pytest.approx(line["score"].item())
        assert part["n_rows"].sum() == line["n_rows"].item() == 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = robustness_score(model, X, y, eps=[0.0, 0.3, 0.8], by="class", **FAST)
    pd.testing.assert_frame_equal(again.to_frame(), table)
    right = again.predictions(0.3) == again.y_true
    line = table[(table["group"] == "1") & (table["eps"] == 0.3)]
    assert line["score"].item() == right[again.y_true == 1].mean()


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_groups_by_a_column(cancer, library):
    X, y, _ = cancer
    X = X[:, :4]
    model = LogisticRegression().fit(X, y)
    columns = {name: X[:, j] for j, name in enumerate("abcd")}
    frame = library(columns)
    colour = np.array(["red", "blue", None], dtype=object)[np.arange(len(y)) % 3]
    options = {"eps": 0.5, "max_samples": 60, "as_frame": True, **FAST}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no names at fit
        result = robustness_score(model, frame, y, by="b", **options)
    table = result.to_frame()
    assert table["n_rows"].tolist() == [15, 15, 15, 15, 60]
    assert table["group"].iloc[0].startswith("[")
    by_label = result.by(colour)
    assert by_label["group"].tolist() == ["blue", "missing", "red", "all"]
    np.testing.assert_array_equal(
        by_label["n_rows"][:3],
        [(colour[result.places] == c).sum() for c in ("blue", None, "red")],
    )
    assert result.by(1).equals(table)


def test_columns_that_moved(result):
    table = result.moved(0.8).set_index("column")
    fooled = result.right & (result.distances <= 0.8)
    clean = result.found.clean[fooled]
    steps = result.found.X_adv[fooled] - clean
    for j in table.index:
        assert table.loc[j, "share_moved"] == np.mean(steps[:, j] != 0)
        there = steps[steps[:, j] != 0, j]
        assert table.loc[j, "largest_size"] == np.abs(there).max()
        assert table.loc[j, "median_move"] == np.median(there)
    assert len(result.moved(0.0)) == 0


def test_shown_and_kept(result):
    assert "metric='accuracy'" in repr(result) and "n_rows=100 of 569" in repr(result)
    assert "Nothing is proved: certify=False" in result._repr_html_()
    assert pickle.loads(pickle.dumps(result)).to_frame().equals(result.to_frame())
    assert result.take(np.arange(10)).to_frame()["n_rows"].tolist() == [10, 10, 10]
    assert len(result) == 100 and result.seconds > 0


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame, np.ndarray.tolist])
def test_rows_within_eps_in_any_container(cancer, container):
    X, y, model = cancer
    rows = container(X[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no names at fit
        found = QUICK.run(model, rows, y[:20], pool=container(X))
    near = found.within(0.5)
    assert type(near.X_adv) is type(rows)
    far = found.success & (found.distances > 0.5)
    assert 0 < far.sum() < 20
    np.testing.assert_array_equal(np.asarray(take_rows(near.X_adv, far.nonzero()[0])), X[:20][far])
    assert (near.status[far] == "beyond_eps").all() and np.isinf(near.distances[far]).all()
    wrong = model.predict(np.asarray(near.X_adv)) != y[:20]
    np.testing.assert_array_equal(wrong, near.success)


def test_within_needs_the_clean_rows():
    found = AttackResult(*(np.array([1.0]) for _ in range(5)))
    with pytest.raises(ValueError, match="does not know the clean rows"):
        found.within(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auc"}, "metric='auc' is not known; accepted: 'accuracy'"),
        ({"metric": "recall", "pos_label": 7}, "pos_label=7 is not a label"),
        ({"sample_weight": [1.0, 2.0]}, r"sample_weight has the shape \(2,\), but X has 569 rows"),
        ({"sample_weight": np.full(569, -1.0)}, "sample_weight holds -1.0 for row 0"),
        ({"sample_weight": np.zeros(569)}, "sample_weight is 0 for all rows"),
        ({"sample_weight": ["heavy"] * 569}, "give one number for each of the 569 rows"),
        ({"sample_weight": np.ones(569), "metric": mean_right}, "has no parameter sample_weight"),
        ({"by": "age"}, r"by='age' is not a column of X; accepted: 'class', a column \(0 to 29\)"),
        ({"by": 30}, "by=30 is not a column of X"),
        ({"by": [1, 2]}, "by has 2 entries, but X has 569 rows"),
        ({"confidence": 95}, "confidence=95 must be a number between 0 and 1"),
        ({"as_frame": "yes"}, "as_frame='yes' must be True or False"),
        ({"eps": [0.3, 0.1]}, "is not increasing"),
        ({"pool": np.ones((5, 3))}, "pool has 3 columns, but X has 30"),
    ],
)
def test_bad_input(cancer, options, message):
    X, y, model = cancer
    with pytest.raises(ValueError, match=message):
        robustness_score(model, X, y, **{"eps": 0.3, **FAST, **options})


def test_a_pool_of_other_columns(cancer):
    X, y, _ = cancer
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    model = LogisticRegression().fit(frame, y)
    for pool, message in (
        (frame.rename(columns={"c": "d"}), r"missing \['c'\], unknown \['d'\]"),
        (frame[["b", "a", "c"]], "another order"),
    ):
        with pytest.raises(ValueError, match=message):
            robustness_score(model, frame, y, eps=0.3, pool=pool)
