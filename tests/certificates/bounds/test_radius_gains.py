"""How much larger radii get by pairs and by ECLipsE, on networks that were trained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler
from torch import nn

from specreg_sklearn.certificates import CertifiedMap, torch_stages
from specreg_sklearn.modules import SeededDraws


def trained(hidden, alpha, generator):
    """Train on 4 classes in 30 columns; return the network, test rows and accuracy."""
    X, y = make_classification(
        1500, 30, n_informative=10, n_redundant=10, n_classes=4, class_sep=1.5, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    rows, labels = torch.from_numpy(X).float(), torch.from_numpy(y)
    layers = []
    with SeededDraws(generator):
        for n_in, n_out in itertools.pairwise((30, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Linear(hidden[-1], 4))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(250):
        batch = torch.randint(1000, (128,), generator=generator)
        loss = nn.functional.cross_entropy(net(rows[batch]), labels[batch])
        if alpha:
            norms = [torch.linalg.matrix_norm(layer.weight, 2) for layer in net[:-1:2]]
            loss = loss + alpha * torch.stack(norms).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    test = X[1000:]
    accuracy = (net(rows[1000:]).argmax(1) == labels[1000:]).double().mean()
    return net, test, float(accuracy)


@pytest.mark.parametrize(
    ("hidden", "alpha"),
    [((128,), 0.0), ((128,), 0.01), ((128, 128), 0.01), ((128, 128, 128), 0.01)],
)
def test_median_radii(hidden, alpha, generator):
    net, X, accuracy = trained(hidden, alpha, generator)
    assert accuracy > 0.8
    function = CertifiedMap(torch_stages(net, (30,)))
    logits, _ = function.evaluate(X)
    weights = [layer.weight.detach().double().numpy() for layer in net[::2]]
    features = np.prod([np.linalg.norm(weight, 2) for weight in weights[:-1]])
    readout = weights[-1]
    by_pair = features * np.linalg.norm(readout[:, None] - readout[None], axis=2)
    by_norm = np.full((4, 4), np.sqrt(2) * features * np.linalg.norm(readout, 2))

    def median_radius(constants):
        top = logits.argmax(axis=1)
        margins = logits[np.arange(len(X)), top][:, None] - logits
        others = np.arange(4)[None] != top[:, None]
        radii = np.divide(margins, constants[top], where=others, out=np.full(logits.shape, np.inf))
        return np.median(radii.min(axis=1))

    pair = median_radius(by_pair)
    assert pair >= 1.02 * median_radius(by_norm)
    assert median_radius(function.pair_constants()) >= 1.1 * pair
