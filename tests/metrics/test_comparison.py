"""Models compared on the same rows, against scores by themselves and tests by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import compare_robustness, robustness_score

FAST = {"attack": CGBA(max_queries=150), "certify": False, "max_samples": 80}


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    models = {C: LogisticRegression(C=C, max_iter=500).fit(X[::2], y[::2]) for C in (0.01, 100.0)}
    return X[1::2], y[1::2], {"soft": models[0.01], "sharp": models[100.0]}


@pytest.fixture(scope="module")
def found(cancer):
    X, y, models = cancer
    return compare_robustness(models, X, y, eps=[0.0, 0.8], **FAST)


def test_scores_are_those_of_each_model(cancer, found):
    X, y, models = cancer
    for name, model in models.items():
        alone = robustness_score(model, X, y, eps=[0.0, 0.8], **FAST)
        np.testing.assert_array_equal(found.scores[name].score, alone)
    table = found.to_frame()
    np.testing.assert_allclose(table["difference"], table["score_a"] - table["score_b"], atol=1e-12)
    assert list(table["eps"]) == [0.0, 0.8]


def test_the_test_is_mcnemar_by_hand(found):
    line = found.to_frame().iloc[1]
    soft, sharp = (s.predictions(0.8) == s.y_true for s in found.scores.values())
    assert (line["only_a"], line["only_b"]) == ((soft & ~sharp).sum(), (~soft & sharp).sum())
    exact = binomtest(int(line["only_b"]), int(line["only_a"] + line["only_b"])).pvalue
    assert line["p_value"] < exact < 2.2 * line["p_value"]  # mid-p is between a half and the whole
    assert line["low"] < line["difference"] < line["high"]
    assert (line["p_holm"] >= line["p_value"]).all()


def test_recall_looks_at_rows_of_its_class(cancer, found):
    X, y, models = cancer
    recall = compare_robustness(models, X, y, eps=0.8, metric="recall", **FAST).to_frame().iloc[0]
    soft, sharp = (s.predictions(0.8) == s.y_true for s in found.scores.values())
    positive = found.scores["soft"].y_true == 1
    assert recall["only_a"] == (soft & ~sharp & positive).sum()
    assert recall["difference"] == pytest.approx(soft[positive].mean() - sharp[positive].mean())


def test_other_metrics_are_resampled_and_swapped(cancer):
    """On balanced accuracy, which has no closed form here, signs and sizes agree with accuracy."""
    X, y, models = cancer
    lines = {
        metric: compare_robustness(models, X, y, eps=0.8, metric=metric, **FAST).to_frame().iloc[0]
        for metric in ("accuracy", "balanced_accuracy", "f1")
    }
    for metric in ("balanced_accuracy", "f1"):
        line = lines[metric]
        assert line["low"] < line["difference"] < line["high"]
        assert line["difference"] == pytest.approx(line["score_a"] - line["score_b"])
        assert 0 < line["p_value"] < 1
        assert np.sign(line["difference"]) == np.sign(lines["accuracy"]["difference"])
        assert (line["only_a"], line["only_b"]) == tuple(lines["accuracy"][["only_a", "only_b"]])


def test_a_model_is_no_better_than_itself(cancer):
    X, y, models = cancer
    model = models["soft"]
    for metric in ("accuracy", "f1"):
        found = compare_robustness({"a": model, "b": model}, X, y, eps=0.5, metric=metric, **FAST)
        line = found.to_frame().iloc[0]
        assert line["difference"] == 0 and line["p_value"] == 1


def test_shown(found):
    assert "soft - sharp = " in repr(found) and "p=" in repr(found)
    assert "<th>p_holm</th>" in found._repr_html_()


@pytest.mark.parametrize("models", [{}, {"one": LogisticRegression()}, [("a", 1), ("b", 2)], None])
def test_too_few_models(cancer, models):
    X, y, _ = cancer
    with pytest.raises(ValueError, match=r"models=.* is not accepted; give a dict from name"):
        compare_robustness(models, X, y, eps=0.5)
