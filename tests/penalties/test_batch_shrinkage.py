"""The smallest singular values of the features of a batch, against numpy's SVD."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.modules import Network, SeededDraws
from specreg_sklearn.penalties import BatchSpectralShrinkage


@pytest.fixture(autouse=True)
def seeded_weights():
    """Layers are built outside of an estimator here; the global generator stays untouched."""
    with SeededDraws(torch.Generator().manual_seed(0)):
        yield


def bound_to(network, n_values):
    penalty = BatchSpectralShrinkage(n_values=n_values)
    return penalty.bind(network.backbone, network.head, generator=torch.Generator())


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5)])
@pytest.mark.parametrize("n_values", [1, 3])
def test_value_is_that_of_the_svd(shape, n_values, generator):
    n_rows, width = shape
    network = Network(nn.Linear(6, width), nn.Linear(width, 2), (6,)).double()
    X = torch.randn(n_rows, 6, generator=generator, dtype=torch.float64)
    bound = bound_to(network, n_values)
    bound.see_batch(network, X, torch.zeros(n_rows), None)
    features = network.features(X).detach().numpy()
    smallest = np.linalg.svd(features, compute_uv=False)[-n_values:]
    np.testing.assert_allclose(bound.value().item(), (smallest**2).sum(), rtol=1e-8)


def test_gradient_is_that_of_central_differences(generator):
    network = Network(nn.Linear(4, 3), nn.Linear(3, 2), (4,)).double()
    X = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    bound = bound_to(network, 1)
    bound.see_batch(network, X, torch.zeros(7), None)
    weight = network.backbone.weight
    bound.add_gradient(0.5)
    step, expected = 1e-6, torch.zeros_like(weight)
    for i, j in np.ndindex(*weight.shape):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[i, j] += sign * step
            values.append(0.5 * bound.value().item())
            with torch.no_grad():
                weight[i, j] -= sign * step
        expected[i, j] = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(weight.grad, expected, rtol=1e-5, atol=1e-7)
    assert network.head.weight.grad is None


def test_training_with_it_shrinks_the_smallest_value(iris_rows):
    smallest = []
    for alpha in (0.0, 1.0):
        model = SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(6,),
            activation="tanh",
            penalty="batch_shrinkage",
            alpha=alpha,
            max_iter=100,
            random_state=0,
        ).fit(*iris_rows)
        smallest.append(np.linalg.svd(model.transform(iris_rows[0]), compute_uv=False)[-1])
    assert smallest[1] < 0.5 * smallest[0]


@pytest.mark.parametrize("n_values", [0, 1.5, True, "two"])
def test_bad_count(n_values):
    network = Network(nn.Identity(), nn.Linear(2, 2), (2,))
    with pytest.raises(ValueError, match=r"n_values=.*must be a positive integer"):
        bound_to(network, n_values)
