"""``alpha="scale"``: a strength that doubles the certificate, and how it lives beside the rest."""

from __future__ import annotations

import math
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import StrengthPathDisplay
from specreg_sklearn.training import HeldOutRows, draw_seed

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def encoder(**changes):
    settings = {"hidden_layer_sizes": (12,), "max_iter": 12, "random_state": 0, "alpha": "scale"}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2, "penalty": "ll_spectral+jacobian"}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


class _Square(nn.Module):
    """Grows without bound, so that nothing can be proved."""

    def forward(self, rows):
        return rows**2


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


class _Losses(Callback):
    """The log loss of rows after each epoch, as scikit-learn computes it."""

    def __init__(self, X, y):
        self.X, self.y = torch.tensor(X), y
        self.found = []

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            shares = torch.softmax(net.module_(self.X).double(), dim=1).numpy()
        self.found.append(log_loss(self.y, shares, labels=[0, 1, 2]))


def to_two_digits(value):
    return float(f"{value:.1e}")


def held_out_of(X, y):
    return train_test_split(np.arange(len(X)), test_size=0.2, random_state=draw_seed(0), stratify=y)


def noisy(y):
    """Return labels of which a third is drawn anew."""
    return np.where(np.arange(150) % 3 == 0, np.random.default_rng(0).permutation(y), y)


def judged(X, y, **changes):
    """Return what held-out rows say of an encoder, by the norms of its matrices."""
    training, others = held_out_of(X, y)
    half = {"max_iter": 20, "n_iter_no_change": 40}
    model = encoder(**{**half, **changes}).fit(X[training], y[training])
    logits = model.decision_function(X[others]).astype(np.float64)
    right = logits.argmax(axis=1) == y[others]
    slope = np.prod([np.linalg.norm(w, 2) for w in weights_by_layer(model)[:-1]])
    readout = weights_by_layer(model)[-1]
    gaps = np.linalg.norm(readout[y[others]][:, None] - readout, axis=2) * slope
    margins = logits[np.arange(len(others)), y[others]][:, None] - logits
    gaps[margins == 0], margins[margins == 0] = 1.0, np.inf
    radii = np.where(right, (margins / gaps).min(axis=1), 0.0)
    return np.median(radii)


def weights_by_layer(model):
    return [
        layer.weight.detach().double().numpy()
        for layer in model.module_.modules()
        if hasattr(layer, "weight")
    ]


def test_the_search_begins_in_proportion_to_the_loss_of_rows_not_trained_on(iris_rows):
    X, y = iris_rows[0], noisy(iris_rows[1])
    training, others = held_out_of(X, y)
    losses = _Losses(X[others], y[others])
    plain = encoder(penalty=None, max_iter=20, n_iter_no_change=20, callbacks=[losses])
    plain.fit(X[training], y[training])
    assert losses.found[-1] < losses.found[0]
    model = encoder(max_iter=40, n_iter_no_change=40).fit(X, y)
    first = to_two_digits(0.1 * min(losses.found) / 2)
    assert first > 1e-3
    assert np.abs(model.alpha_path_["alpha"] / first - 1).min() < 1e-9


def test_what_is_seen_of_each_strength_is_what_others_compute(iris_rows):
    X, y = iris_rows[0], noisy(iris_rows[1])
    model = encoder(max_iter=40, n_iter_no_change=40).fit(X, y)
    tried = model.alpha_path_["alpha"].tolist()
    assert len(tried) > 1
    found = [judged(X, y, alpha=alpha) for alpha in tried]
    np.testing.assert_allclose(model.alpha_path_["certificate"], found, rtol=1e-5)


def test_the_fit_is_the_one_with_that_strength(iris_rows):
    chosen, again = (encoder().fit(*iris_rows) for _ in range(2))
    given = encoder(alpha=chosen.alpha_).fit(*iris_rows)
    np.testing.assert_array_equal(weights_of(chosen), weights_of(given))
    np.testing.assert_array_equal(weights_of(chosen), weights_of(again))
    assert chosen.alpha_ in chosen.alpha_path_["alpha"]
    assert (np.diff(chosen.alpha_path_["alpha"]) > 0).all()
    display = StrengthPathDisplay.from_estimator(chosen)
    assert display.chosen == chosen.alpha_
    plt.close(display.figure_)
    assert pickle.loads(pickle.dumps(chosen)).alpha_ == chosen.alpha_


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_rows_that_tell_nothing_give_at_least_the_loss_of_a_guess(n_classes):
    X, y = np.zeros((120, 3), dtype=np.float32), np.arange(120) % n_classes
    with pytest.warns(UserWarning, match="no column of X"):
        model = encoder(learning_rate_init=1e-4).fit(X, y)
    guess = 0.1 * math.log(n_classes) / (n_classes - 1)
    steps = np.log2(model.alpha_ / guess)
    assert -0.1 < steps < 2.1
    assert abs(steps - round(steps)) < 0.1


def test_a_network_without_a_certificate_keeps_the_strength_that_the_loss_gives(iris_rows):
    X, y = iris_rows
    with torch.random.fork_rng():
        backbone = nn.Sequential(nn.Linear(4, 8), _Square(), nn.Linear(8, 6))
    model = encoder(module=backbone, penalty="jacobian").fit(X, y)
    assert model.alpha_path_ is None
    assert 1e-3 <= model.alpha_ <= to_two_digits(0.1 * math.log(3) / 2)
    with pytest.raises(ValueError, match="alpha='scale' and has no path of strengths"):
        StrengthPathDisplay.from_estimator(model)


def test_rows_that_tell_all_begin_at_the_least_strength():
    y = np.arange(200) % 2
    X = 20.0 * y[:, None] - 10
    model = make_pipeline(StandardScaler(), encoder(max_iter=60, weight_decay=0)).fit(X, y)
    assert model[-1].alpha_path_["alpha"][0] == 1e-3


def test_the_loss_alone_is_the_one_of_a_look(iris_rows):
    X, y = iris_rows
    weights = np.random.default_rng(0).random(150)
    model = encoder(alpha=1e-2).fit(X, y)
    held_out = HeldOutRows(X, y, weights)
    truth = log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert held_out.log_loss(model.net_) == pytest.approx(truth, rel=1e-6)
    assert held_out.look(model.net_).log_loss == held_out.log_loss(model.net_)


def test_warm_starts_parts_and_unlabelled_rows(iris_rows):
    X, y = iris_rows
    model = encoder(warm_start=True).fit(X, y)
    found = model.alpha_
    assert model.fit(X[:120], y[:120]).alpha_ == found
    assert model.partial_fit(X, y).alpha_ == found
    with pytest.raises(ValueError, match="cannot choose alpha='scale' from a part of the rows"):
        encoder().partial_fit(X, y, classes=[0, 1, 2])
    assert encoder(penalty=None).fit(X, y).alpha_ == 0
    some = np.where(np.arange(150) % 2, y, -1)
    assert encoder(objective="vat", max_iter=4).fit(X, some).alpha_ > 1e-3
    weighted = encoder(max_iter=4).fit(X, y, sample_weight=np.r_[np.zeros(40), np.ones(110)])
    assert weighted.alpha_ == encoder(max_iter=4).fit(X[40:], y[40:]).alpha_


def test_few_rows_and_a_fit_that_diverges_are_told(iris_rows):
    X, y = iris_rows
    with pytest.raises(ValueError, match=r"alpha='scale' holds out 20% .* at least 50 .* are 49\."):
        encoder().fit(X[::3][:49], y[::3][:49])
    with pytest.raises(ValueError, match=r"'alpha' parameter .*'scale'"):
        encoder(alpha="best").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="stopped being finite"):
        model = encoder(learning_rate_init=1e300, max_iter=3).fit(X, y)
    assert model.alpha_ == to_two_digits(0.1 * math.log(3) / 2)
