"""Honest models pass; models whose gradients lead nowhere are found out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.inspection import gradient_masking_report
from specreg_sklearn.metrics import StatedLipschitz


@pytest.mark.parametrize("norm", [2, np.inf])
def test_linear_models_pass(norm, iris_rows):
    X, y = iris_rows
    model = LogisticRegression().fit(X, y)
    report = gradient_masking_report(model, X, y, eps=[0.1, 0.4, 0.8], norm=norm, max_samples=60)
    assert report.passed and report.failures == ()
    assert repr(report).startswith("MaskingReport: passed")
    assert report.pgd_at_huge_eps == 0
    assert (np.diff(report.pgd) < 0).all()


def test_linear_binary_accuracies_are_known(cancer_rows):
    X, y = cancer_rows
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    eps = np.array([0.05, 0.2, 0.5])
    report = gradient_masking_report(
        model, X, y, eps=eps, norm=2, scale="std", attack=CGBA(max_queries=150), max_samples=40
    )
    whole = gradient_masking_report(
        model, X, y, eps=eps, scale="std", norm=np.inf, max_samples=len(X), attack="rays"
    )
    margins = model.decision_function(X) * (2 * y - 1)
    w = model[-1].coef_[0] / model[0].scale_ * X.std(axis=0)
    exact = (margins / np.abs(w).sum() > eps[:, None]).mean(axis=1)
    np.testing.assert_allclose(whole.fgsm, exact)
    np.testing.assert_allclose(whole.pgd, exact)
    assert report.passed and whole.passed
    assert whole.clean == pytest.approx(model.score(X, y))


def test_networks_that_were_trained_plainly_pass(blob_rows):
    X, y = blob_rows
    model = MLPClassifier((16,), max_iter=300, solver="lbfgs", random_state=0).fit(X, y)
    report = gradient_masking_report(model, X, y, eps=[0.2, 0.8], norm=2, max_samples=50)
    assert report.passed


def quantised(X):
    return np.round(2 * X) / 2


def test_quantised_input_is_found_out(iris_rows):
    X, y = iris_rows
    # The constant is a lie: a function that jumps has none. Its slope is 0 almost everywhere.
    step = FunctionTransformer(StatedLipschitz(quantised, 1.0))
    model = make_pipeline(step, LogisticRegression()).fit(X, y)
    report = gradient_masking_report(model, X, y, eps=[0.2, 0.6, 1.0], norm=2, max_samples=60)
    assert not report.passed
    assert any("pgd is weaker than black_box" in failure for failure in report.failures)
    assert any("reaches across the data" in failure for failure in report.failures)
    assert "FAILED" in repr(report)


class Rounded(torch.nn.Module):
    """A network whose first step has no gradient."""

    def __init__(self, n_features):
        super().__init__()
        self.hidden = torch.nn.Linear(n_features, 16)

    def forward(self, x):
        return torch.relu(self.hidden(torch.round(2 * x) / 2))


def test_a_network_that_rounds_is_found_out(iris_rows):
    X, y = iris_rows
    model = SpectrallyRegularizedEncoder(
        module=lambda shape: Rounded(*shape), penalty=None, max_iter=100, learning_rate_init=0.02,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.9
    report = gradient_masking_report(model, X, y, eps=[0.5, 1.0], norm=2, max_samples=60)
    assert any("pgd is weaker than black_box" in failure for failure in report.failures)


def test_an_attack_with_too_few_queries_is_remarked_on():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    model = MLPClassifier((32,), max_iter=150, random_state=0).fit(X, y)
    settings = {"eps": [0.2, 0.5], "norm": 2, "max_samples": 50}
    poor = gradient_masking_report(model, X, y, attack=CGBA(max_queries=30), **settings)
    good = gradient_masking_report(model, X, y, attack=CGBA(max_queries=2000), **settings)
    assert poor.passed and good.passed  # gradients are honest either way
    assert any(r.startswith("black_box is weaker than pgd at eps=0.5") for r in poor.remarks)
    assert "raise max_queries" in repr(poor)
    assert not good.remarks


def test_same_seed_same_report(iris_rows):
    X, y = iris_rows
    model = LogisticRegression().fit(X, y)
    settings = {"eps": 0.4, "norm": 2, "max_samples": 30, "random_state": 4}
    one, other = (gradient_masking_report(model, X, y, **settings) for _ in range(2))
    for name in ("noise", "fgsm", "pgd", "black_box"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).shape == (1,)
