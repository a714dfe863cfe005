"""On a CUDA device: what is trained, measured, proved and stored is that of the CPU."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    make_robust_scorer,
)
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import (
    adversarial_band,
    adversarial_distances,
    certified_radius,
    robust_accuracy_score,
)
from specreg_sklearn.objectives import BarlowTwins, TableViews
from specreg_sklearn.penalties import Jacobian, LLSpectral, Sum

# The CPU's own tests ask the same of the CPU, so that nothing is lost where there is no device.
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SETTINGS = [
    {"penalty": None},
    {"penalty": "rep_spectral"},
    {"penalty": "ll_spectral"},
    {"penalty": "product_spectral"},
    {"penalty": "orthogonal"},
    {"penalty": "jacobian"},
    {"penalty": "cross_lipschitz"},
    {"penalty": "batch_shrinkage"},
    {"penalty": Sum(LLSpectral(), Jacobian(), weights=(1, 0.3))},
    {"constraint": "spectral_norm"},
    {"constraint": "svb"},
    {"constraint": "parseval"},
    {"constraint": "orthogonal", "activation": "maxmin"},
    {"objective": "adversarial"},
    {"objective": "trades"},
    {"objective": "gradient"},
    {"objective": "lipschitz_margin", "activation": "groupsort"},
    {"objective": "vat"},
    {"objective": "linearity"},
    {"class_weight": "balanced"},
    {"early_stopping": True},
    {"solver": "sgd"},
    {"module": "mlp", "activation": "gelu"},
    {"alpha": "auto"},
]


@pytest.fixture(scope="module")
def table():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def small(**settings):
    return SpectrallyRegularizedEncoder(
        **{"hidden_layer_sizes": (16, 16), "max_iter": 3, "random_state": 0, **settings}
    )


def weights_of(model):
    return torch.cat([p.detach().cpu().flatten() for p in model.module_.parameters()]).numpy()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_few_steps_in_double_precision_are_those_of_the_cpu(table, settings):
    X, y = table
    cpu, cuda = (small(device=device, **settings).fit(X, y) for device in ("cpu", "cuda"))
    assert next(cuda.module_.parameters()).device.type == "cuda"
    assert cuda.alpha_ == cpu.alpha_
    # The restarts of vat draw on the device, where the generator is another one.
    atol = 2e-2 if settings.get("objective") == "vat" else 1e-8
    np.testing.assert_allclose(weights_of(cuda), weights_of(cpu), atol=atol)
    np.testing.assert_allclose(cuda.predict_proba(X), cpu.predict_proba(X), atol=10 * atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_seed_gives_the_same_weights(table, dtype):
    X, y = table
    first, second = (small(device="cuda").fit(X.astype(dtype), y) for _ in range(2))
    np.testing.assert_array_equal(weights_of(first), weights_of(second))


@pytest.mark.parametrize(
    "settings",
    [{}, {"penalty": "ll_spectral+jacobian"}, {"objective": "adversarial"}, {"alpha": "auto"}],
    ids=str,
)
def test_mixed_precision_trains_what_full_precision_trains(settings):
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    model = SpectrallyRegularizedEncoder(max_iter=40, random_state=0, **settings)
    full = clone(model).set_params(device="cuda").fit(X[:1200], y[:1200])
    mixed = clone(model).set_params(device="cuda", mixed_precision=True).fit(X[:1200], y[:1200])
    assert {p.dtype for p in mixed.module_.parameters()} == {torch.float32}
    assert mixed.score(X[1200:], y[1200:]) > full.score(X[1200:], y[1200:]) - 0.015
    assert np.isfinite(mixed.loss_curve_).all()
    # Rows are asked in full precision: alone and together they get the same answer.
    alone = np.concatenate([mixed.predict_proba(X[i : i + 1]) for i in range(1200, 1220)])
    np.testing.assert_allclose(alone, mixed.predict_proba(X[1200:1220]), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_proofs_stay_below_attacks(table, dtype, norm):
    X, y = table
    X = X.astype(dtype)
    model = small(device="cuda", max_iter=30).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:40]
    space = FeatureSpace.from_data(X)
    found = adversarial_distances(model, X[rows], y[rows], space=space, norm=norm)
    proved = certified_radius(model, X[rows], space=space, norm=norm)
    assert (proved <= found).all()
    assert np.median(proved / found) > 0.3


@pytest.mark.parametrize("attack", ["auto", "scores", "strongest"])
def test_scores_of_a_pipeline(table, attack):
    X, y = table
    model = make_pipeline(StandardScaler(), small(device="cuda", max_iter=30)).fit(X, y)
    score = robust_accuracy_score(
        model, X, y, eps=0.3, attack=attack, max_samples=40, random_state=0
    )
    assert 0 <= score < model.score(X, y)


def test_the_upper_end_of_a_band_is_a_row_that_predict_gets_wrong(table):
    X, y = table
    model = small(device="cuda", hidden_layer_sizes=(16,), max_iter=30).fit(X, y)
    rows = np.flatnonzero(model.predict(X) == y)[:20]
    band = adversarial_band(model, X[rows], y[rows], random_state=0)
    assert np.isfinite(band.upper).all() and (band.lower > 0).all()
    assert (model.predict(band.X_adv) != y[rows]).all()


def test_a_search_with_robust_accuracy_in_two_processes(table):
    X, y = table
    model = make_pipeline(StandardScaler(), small(device="cuda", max_iter=20))
    search = GridSearchCV(
        model,
        {"spectrallyregularizedencoder__alpha": [1e-3, 1e-1]},
        scoring=make_robust_scorer(eps=0.3, attack=CGBA(max_queries=100), max_samples=20),
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_stored_and_loaded_where_there_is_no_device(table, monkeypatch):
    X, y = table
    model = small(device="cuda", max_iter=20).fit(X, y)
    expected = model.predict_proba(X)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    stored = pickle.dumps(model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loaded = pickle.loads(stored)
    np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-6)


def test_skops(table, tmp_path):
    skops_io = pytest.importorskip("skops.io")
    from specreg_sklearn.export import SKOPS_TRUSTED_TYPES

    X, y = table
    model = small(device="cuda", max_iter=20).fit(X, y)
    skops_io.dump(model, tmp_path / "model.skops")
    loaded = skops_io.load(tmp_path / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_continued_fits(table):
    X, y = table
    model = small(device="cuda", warm_start=True).fit(X, y)
    before = model.loss_curve_[-1]
    assert model.fit(X, y).loss_curve_[-1] < before
    parts = small(device="cuda")
    for _ in range(3):
        parts.partial_fit(X, y, classes=np.unique(y))
    assert parts.score(X, y) > 0.6


def test_probe_and_features_without_labels(table):
    X, y = table
    features = SelfSupervisedEncoder(
        hidden_layer_sizes=(16,),
        objective=BarlowTwins(views=TableViews()),
        max_iter=3,
        device="cuda",
    ).fit(X)
    probe = RobustLinearProbe(epsilon=0.1).fit(features.transform(X), y)
    assert probe.score(features.transform(X), y) > 0.7


def test_a_default_device_of_cuda_changes_nothing(table):
    X, y = table
    expected = weights_of(small(device="cpu").fit(X, y))
    torch.set_default_device("cuda")
    try:
        np.testing.assert_array_equal(weights_of(small(device="cpu").fit(X, y)), expected)
    finally:
        torch.set_default_device(None)
