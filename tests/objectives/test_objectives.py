"""The cross-entropy by hand, and what users may write for `objective`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.base import clone

from specreg_sklearn.objectives import CrossEntropy, Objective, resolve_objective


def test_one_loss_a_row_equal_to_minus_log_softmax():
    rng = np.random.default_rng(0)
    logits, codes = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    losses = CrossEntropy().per_sample_loss(
        torch.nn.Identity(), torch.tensor(logits), torch.tensor(codes)
    )
    expected = -log_softmax(logits, axis=1)[np.arange(6), codes]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-12)


def test_confident_mistakes_stay_finite():
    logits = torch.tensor([[1e4, -1e4]], dtype=torch.float64)
    loss = CrossEntropy().per_sample_loss(torch.nn.Identity(), logits, torch.tensor([1]))
    assert float(loss) == pytest.approx(2e4)


def test_names_and_objects():
    objective = CrossEntropy()
    assert resolve_objective(objective) is objective
    assert isinstance(resolve_objective("cross_entropy"), CrossEntropy)
    assert isinstance(clone(objective), Objective)


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"objective='hinge'.*'cross_entropy'"):
        resolve_objective("hinge")


@pytest.mark.parametrize("objective", [CrossEntropy, None, 3])
def test_neither_name_nor_instance(objective):
    with pytest.raises(TypeError, match=r"objective=.*'cross_entropy'.*`per_sample_loss`"):
        resolve_objective(objective)
