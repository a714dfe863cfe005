"""A network inside a union or a column transformer is compared on the rows that reach it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from torch import nn

from specreg_sklearn.certificates import NoLipschitzBound, module_lipschitz_bound, torch_stages
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.space import FeatureSpace

FAR = 1e5  # where no random row is


def scaling_by(size):
    layer = nn.utils.skip_init(nn.Linear, 2, 2, bias=False, dtype=torch.float64)
    layer.weight.data = size * torch.eye(2, dtype=torch.float64)
    return layer


class Rare(nn.Module):
    """Doubles numbers; those of one size it makes larger, in a way that no recording shows."""

    rare = True

    def __init__(self, activation):
        super().__init__()
        self.linear, self.activation = scaling_by(2.0), activation

    def forward(self, x):
        out = self.activation(self.linear(x))
        if self.rare and type(x) is torch.Tensor and bool((x.abs() > FAR / 2).any()):
            return 9 * out
        return out


class Features(TransformerMixin, BaseEstimator):
    """A user's transformer around a module, with its stages."""

    def __init__(self, module):
        self.module = module

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        with torch.no_grad():
            return self.module(torch.tensor(np.asarray(X, dtype=float))).numpy()

    def __certified_stages__(self, role):
        return torch_stages(self.module, (2,))


PLACES = {
    "pipeline": lambda part: make_pipeline(part, LogisticRegression()),
    "union": lambda part: make_pipeline(make_union(part, StandardScaler()), LogisticRegression()),
    "weighted union": lambda part: make_pipeline(
        make_union(StandardScaler(), part).set_params(transformer_weights={"features": 0.5}),
        LogisticRegression(),
    ),
    "columns": lambda part: make_pipeline(
        make_column_transformer((StandardScaler(), [1]), (part, [1, 0])), LogisticRegression()
    ),
    "behind a scaler": lambda part: make_pipeline(
        make_column_transformer((make_pipeline(StandardScaler(), part), [1, 0])),
        LogisticRegression(),
    ),
    "columns of a union": lambda part: make_pipeline(
        make_union(make_column_transformer((part, [0, 1])), "passthrough"), LogisticRegression()
    ),
}


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Identity], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("place", PLACES)
def test_a_step_that_only_rows_of_the_user_show(place, activation, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    # The same fitted model, without the odd step and with it: a recording shows no difference.
    monkeypatch.setattr(Rare, "rare", False)
    model = PLACES[place](Features(Rare(activation()))).fit(X, X[:, 0] > 0)
    if place == "behind a scaler":
        model[0].transformers_[0][1][0].scale_ /= FAR
    else:
        X = X.copy()
        X[5] *= FAR
    assert certified_radius(model, X, scale=None).max() > 0
    monkeypatch.setattr(Rare, "rare", True)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    # By the proof of a linear model behind steps, and by that of any stages.
    for proof in (
        lambda: certified_radius(model, X, scale=None),
        lambda: CertifiedModel(model).radii(X, space, norm=2),
    ):
        with pytest.raises(NoLipschitzBound, match="computes something else"):
            proof()


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_sizes_beyond_float64_are_no_hook(activation):
    layers = []
    for size in (1e200, 1e200, 1e-300):
        layers += [scaling_by(size), activation()]
    with pytest.raises(ValueError, match=r"leaves the range of float64.*to a common size"):
        module_lipschitz_bound(nn.Sequential(*layers), (2,))
    with pytest.raises(ValueError, match=r"beyond the range of float64.*to a common size"):
        module_lipschitz_bound(nn.Sequential(*layers[::2]), (2,))
