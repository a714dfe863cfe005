"""``alpha="auto"``: the path, the rule that chooses, and how it lives beside everything else."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_radius
from specreg_sklearn.penalties import BoundPenalty, Penalty
from specreg_sklearn.training import STRENGTHS, HeldOutRows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def encoder(**changes):
    settings = {"hidden_layer_sizes": (12,), "max_iter": 12, "random_state": 0, "alpha": "auto"}
    settings |= {"batch_size": 32, "learning_rate_init": 1e-2}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


@pytest.fixture(autouse=True)
def _ends_of_the_range_may_be_chosen():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "alpha='auto' chose")
        yield


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.mark.parametrize("penalty", ["rep_spectral", "ll_spectral+jacobian"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_fit_is_the_one_with_the_chosen_strength(iris_rows, penalty, early_stopping):
    settings = {"penalty": penalty, "early_stopping": early_stopping}
    chosen, again = (encoder(**settings).fit(*iris_rows) for _ in range(2))
    assert chosen.alpha_ == again.alpha_ and chosen.alpha_ in STRENGTHS
    given = encoder(**{**settings, "alpha": chosen.alpha_}).fit(*iris_rows)
    np.testing.assert_array_equal(weights_of(chosen), weights_of(given))
    assert (given.alpha_, given.alpha_path_) == (chosen.alpha_, None)
    path = chosen.alpha_path_
    assert [*path] == ["alpha", "accuracy", "certificate", "log_loss"]
    assert len({len(values) for values in path.values()}) == 1
    assert path["alpha"][0] == pytest.approx(STRENGTHS[0]) and (np.diff(path["alpha"]) > 0).all()
    assert ((path["accuracy"] >= 0) & (path["accuracy"] <= 1)).all()
    assert (path["log_loss"] > 0).all() and (path["certificate"] >= 0).all()
    copy = pickle.loads(pickle.dumps(chosen))
    assert copy.alpha_ == chosen.alpha_
    assert clone(chosen).get_params()["alpha"] == "auto"


def test_the_certificate_is_margin_over_product_of_norms(iris_rows):
    X, y = iris_rows
    model = encoder(alpha=1e-2, hidden_layer_sizes=(9, 7)).fit(X, y)
    look = HeldOutRows(X, y, np.ones(len(y))).look(model.net_)
    layers = [p.detach().numpy() for p in model.module_.parameters() if p.ndim == 2]
    constant = np.prod([np.linalg.norm(layer, 2) for layer in layers[:-1]])
    logits, radii = model.decision_function(X), []
    for row, label in zip(logits, y, strict=True):
        others = [k for k in range(3) if k != label]
        gaps = [np.linalg.norm(layers[-1][label] - layers[-1][k]) for k in others]
        radius = min(
            (row[label] - row[k]) / (constant * g) for k, g in zip(others, gaps, strict=True)
        )
        radii.append(max(radius, 0.0))
    assert look.certificate == pytest.approx(np.median(radii), rel=1e-9)
    right = model.predict(X) == y
    assert (
        np.array(radii)[right] <= certified_radius(model, X, scale=None)[right] * (1 + 1e-9)
    ).all()
    assert look.accuracy == pytest.approx(right.mean())
    truth = -np.log(model.predict_proba(X)[np.arange(len(y)), y])
    np.testing.assert_allclose(look.losses, truth, rtol=1e-9)


class _Spy(Penalty):
    """Keeps the rows of every batch, fit by fit."""

    fits: list

    def bind(self, backbone, head, *, generator):
        _Spy.fits.append([])
        return _BoundSpy(head, _Spy.fits[-1])


class _BoundSpy(BoundPenalty):
    def __init__(self, head, seen):
        self.head, self.seen = head, seen

    def see_batch(self, network, X, y, sample_weight):
        self.seen.append(X.numpy())

    def value(self):
        return self.head.weight.square().sum()


class _Notes(Callback):
    def __init__(self):
        self.fits = 0

    def on_train_begin(self, net, **kwargs):
        self.fits += 1


def test_a_fifth_of_the_rows_is_held_out_and_callbacks_see_the_fit_alone(iris_rows):
    _Spy.fits, notes = [], _Notes()
    X, y = iris_rows
    X = X + 1e-3 * np.arange(len(X))[:, None]  # every row is its own
    encoder(penalty=_Spy(), callbacks=[notes], max_iter=4).fit(X, y)
    path, fit = (np.unique(np.concatenate(seen), axis=0) for seen in _Spy.fits)
    assert (len(path), len(fit)) == (120, 150)
    assert notes.fits == 1


def test_searches_pipelines_and_a_search_over_penalties(iris_rows):
    model = make_pipeline(StandardScaler(), encoder(max_iter=20))
    grid = {"spectrallyregularizedencoder__penalty": [None, "l2", "rep_spectral"]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(*iris_rows)
    assert search.best_score_ > 0.8
    assert search.best_estimator_[-1].alpha_ >= 0
    free = encoder(penalty=None).fit(*iris_rows)
    assert (free.alpha_, free.alpha_path_) == (0.0, None)
    np.testing.assert_array_equal(
        weights_of(free), weights_of(encoder(penalty=None, alpha=0.1).fit(*iris_rows))
    )


def test_a_warm_start_keeps_the_strength(iris_rows):
    model = encoder(warm_start=True).fit(*iris_rows)
    found, path = model.alpha_, model.alpha_path_
    model.fit(*iris_rows)
    assert model.alpha_ == found and model.alpha_path_ is path
    assert model.n_iter_ == 24


def test_networks_without_a_certificate_and_noise_for_labels(iris_rows):
    X, y = iris_rows

    def squared(input_shape):
        class Square(nn.Module):
            def forward(self, x):
                return x * x

        return nn.Sequential(nn.Linear(*input_shape, 6), Square())

    model = encoder(module=squared, learning_rate_init=1e-3).fit(X / 10, y)
    assert np.isnan(model.alpha_path_["certificate"]).all() and model.alpha_ in STRENGTHS
    noise = np.random.default_rng(0).integers(0, 3, size=len(y))
    assert encoder().fit(np.zeros_like(X), noise).alpha_ in STRENGTHS


def test_an_end_of_the_range_is_told_where_fit_is_called():
    rows, halves = np.zeros((60, 3)), np.arange(60) % 2  # nothing can be learned
    with pytest.warns(UserWarning, match=r"alpha='auto' chose .* since the weakest") as told:
        encoder(max_iter=2, learning_rate_init=1e-3).fit(rows, halves)
    assert told[0].filename == __file__


def test_rows_of_weight_and_rows_without_a_label(iris_rows):
    X, y = iris_rows
    weighted = encoder(max_iter=4).fit(X, y, sample_weight=np.r_[np.zeros(40), np.ones(110)])
    dropped = encoder(max_iter=4).fit(X[40:], y[40:])
    assert weighted.alpha_ == dropped.alpha_
    some = np.where(np.arange(150) % 2, y, -1)
    assert encoder(objective="vat", max_iter=4).fit(X, some).alpha_ in STRENGTHS


@pytest.mark.parametrize(
    ("changes", "n_rows", "message"),
    [
        ({}, 49, r"alpha='auto' holds out 20% .* at least 50 of them; there are 49\. Give alpha"),
        (
            {"alpha": "best"},
            150,
            r"'alpha' parameter .* must be a str among \{.*'auto'.*\} or a float",
        ),
        ({"alpha_tolerance": -1}, 150, r"'alpha_tolerance' parameter"),
    ],
)
def test_bad_settings_name_themselves(iris_rows, changes, n_rows, message):
    X, y = iris_rows
    rows = np.random.default_rng(0).permutation(150)[:n_rows]
    model = encoder(**changes)
    with pytest.raises(ValueError, match=message):
        model.fit(X[rows], y[rows])
    assert not hasattr(model, "alpha_")


def test_without_labels_there_is_nothing_to_choose_by(iris_rows):
    with pytest.raises(ValueError, match="'alpha' parameter of SelfSupervisedEncoder must be a fl"):
        SelfSupervisedEncoder(alpha="auto").fit(iris_rows[0])
