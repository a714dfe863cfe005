"""The white-box attack of the benchmark on adversarial training, and its comparison with CGBA."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.reproduce.regularization_view._attacks import Agreement, pooled, withstands_pgd


def affine(weight, bias):
    """A model of two classes whose second logit is ``weight @ x + bias``, the first one 0."""
    layer = torch.nn.utils.skip_init(torch.nn.Linear, len(weight), 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.stack([np.zeros(len(weight)), weight])))
        layer.bias.copy_(torch.tensor([0.0, bias]))
    return SimpleNamespace(module_=layer, classes_=np.array([0, 1]))


@pytest.mark.parametrize(("norm", "dual"), [(2, 2), (np.inf, 1)])
def test_pgd_is_exact_on_an_affine_model(norm, dual):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=6), 0.3
    X, y = rng.normal(size=(200, 6)), rng.integers(0, 2, size=200)
    margins = (X @ weight + bias) * (2 * y - 1)
    for eps in (0.1, 0.5):
        kept = withstands_pgd(affine(weight, bias), X, y, eps=eps, norm=norm, box=None, seed=0)
        np.testing.assert_array_equal(kept, margins > eps * np.linalg.norm(weight, dual))


def test_pgd_stays_in_the_box():
    # Only the first column could turn the label, and it stands at the wall already.
    model = affine(np.array([-1.0, 0.0]), 1.05)
    X, y = np.array([[1.0, 0.5]]), np.array([1])
    options = {"eps": 0.2, "norm": 2, "seed": 0}
    assert withstands_pgd(model, X, y, box=(0.0, 1.0), **options).tolist() == [True]
    assert withstands_pgd(model, X, y, box=None, **options).tolist() == [False]


def test_comparison_on_the_decided_rows():
    by_gradients = np.array([1, 1, 0, 0, 1, 1, 1, 0], dtype=bool)
    by_predictions = np.array([1, 0, 1, 0, 0, 1, 1, 0], dtype=bool)
    decided = np.array([1, 1, 1, 1, 1, 1, 0, 0], dtype=bool)
    found = Agreement(by_gradients, by_predictions, decided)
    assert found.accuracies == (4 / 6, 3 / 6)
    assert found.difference == pytest.approx(-1 / 6)
    p = 7 / 12
    assert found.noise == pytest.approx(2 * np.sqrt(p * (1 - p) / 6))
    assert (found.only_predictions, found.only_gradients) == (2, 1)
    assert found.holds
    twice = pooled([found] * 50)
    assert twice.accuracies == found.accuracies
    assert not twice.holds
