"""SelfSupervisedEncoder beside other parts: pipelines, searches, frames, callbacks, proofs."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EpochScoring

from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.inspection import layer_stretch
from specreg_sklearn.metrics import adversarial_distances, certified_radius, lipschitz_bound
from specreg_sklearn.modules import ConvNet
from specreg_sklearn.objectives import BarlowTwins, ImageViews, SimCLR

try:
    from sklearn.callback import ScoringMonitor
except ImportError:  # scikit-learn 1.6 to 1.8
    ScoringMonitor = None


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "projector": (16, 6), "max_iter": 8, "random_state": 0}
    return SelfSupervisedEncoder(**{**settings, **changes})


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.fixture(scope="module")
def model():
    """Scaler, encoder and probe on iris."""
    X, y = load_iris(return_X_y=True)
    steps = encoder(max_iter=60, learning_rate_init=5e-3), RobustLinearProbe(epsilon=0.1)
    return make_pipeline(StandardScaler(), *steps).fit(X, y)


def test_a_pipeline_learns(model, iris_rows):
    X, y = load_iris(return_X_y=True)
    assert model.score(X, y) > 0.85


def test_a_search_over_the_encoder_and_its_objective(iris_rows):
    X, y = iris_rows
    steps = encoder(objective=SimCLR()), RobustLinearProbe()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), *steps),
        {
            "selfsupervisedencoder__alpha": [1e-2, 1e6],
            "selfsupervisedencoder__objective__temperature": [0.2, 0.5],
        },
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["selfsupervisedencoder__alpha"] == 1e-2
    assert len(search.cv_results_["params"]) == 4


def test_a_frozen_encoder_is_not_trained_again(iris_rows):
    X, y = iris_rows
    fitted = encoder().fit(X)
    before = fitted.transform(X)
    readout = make_pipeline(FrozenEstimator(fitted), RobustLinearProbe(alpha=1e-6)).fit(X, y)
    np.testing.assert_array_equal(fitted.transform(X), before)
    assert clone(readout)[0].estimator is fitted
    assert readout.score(X, y) > 0.8


def test_fine_tuning_goes_on_from_self_supervised_features(iris_rows):
    X, y = iris_rows
    fitted = encoder().fit(X)
    tuned = SpectrallyRegularizedEncoder(module=FrozenEstimator(fitted), max_iter=1).fit(X, y)
    start = fitted.module_.backbone.hidden1.weight.detach().numpy()
    end = tuned.module_.backbone.hidden1.weight.detach().numpy()
    assert 0 < np.abs(end - start).max() < 3e-3
    again = encoder(module=FrozenEstimator(fitted), max_iter=1).fit(X)
    end = again.module_.backbone.hidden1.weight.detach().numpy()
    assert 0 < np.abs(end - start).max() < 3e-3


@pytest.mark.parametrize(("name", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_features_as_a_frame(iris_rows, name, kind):
    X = kind(iris_rows[0], **{"columns" if name == "pandas" else "schema": list("abcd")})
    fitted = encoder().set_output(transform=name).fit(X)
    frame = fitted.transform(X)
    names = [f"selfsupervisedencoder{column}" for column in range(8)]
    assert isinstance(frame, kind) and list(frame.columns) == names
    assert fitted.get_feature_names_out().tolist() == names
    # scikit-learn 1.6 does not read the names of a newer polars.
    theirs = getattr(StandardScaler().fit(X), "feature_names_in_", None)
    np.testing.assert_array_equal(getattr(fitted, "feature_names_in_", None), theirs)
    assert name == "polars" or theirs.tolist() == list("abcd")


# The same numbers everywhere


@pytest.mark.parametrize("objective", ["barlow_twins", "simclr", "vicreg"])
def test_threads_equal_serial_fits(iris_rows, objective):
    models = [encoder(objective=objective, random_state=seed, batch_size=40) for seed in range(4)]
    serial = [flat(model.fit(iris_rows[0])) for model in models]
    jobs = (delayed(clone(model).fit)(iris_rows[0]) for model in models)
    threaded = Parallel(n_jobs=4, backend="threading")(jobs)
    for alone, together in zip(serial, threaded, strict=True):
        np.testing.assert_array_equal(alone, flat(together))
    assert not np.allclose(serial[0], serial[1])


def test_threads_equal_serial_fits_on_images():
    X = np.random.default_rng(0).uniform(size=(30, 3, 8, 8)).astype(np.float32)
    net = ConvNet(channels=(4,), n_features=4)
    models = [
        encoder(module=net, objective=BarlowTwins(views=ImageViews(flip=True)), max_iter=2)
        for _ in range(3)
    ]
    for seed, model in enumerate(models):
        model.set_params(random_state=seed)
    serial = [flat(model.fit(X)) for model in models]
    jobs = (delayed(clone(model).fit)(X) for model in models)
    for alone, fitted in zip(serial, Parallel(n_jobs=3, backend="threading")(jobs), strict=True):
        np.testing.assert_array_equal(alone, flat(fitted))


def test_a_search_on_threads_scores_as_a_serial_one(iris_rows):
    def scores():
        search = GridSearchCV(
            make_pipeline(encoder(max_iter=3), RobustLinearProbe()),
            {"selfsupervisedencoder__alpha": [0, 1e-1]},
            cv=3,
            scoring="neg_log_loss",
            error_score="raise",
            n_jobs=3,
        )
        return search.fit(*iris_rows).cv_results_["mean_test_score"]

    with parallel_config(backend="sequential"):
        serial = scores()
    with parallel_config(backend="threading"):
        np.testing.assert_array_equal(scores(), serial)


def test_views_neither_move_the_order_of_the_rows_nor_the_start(iris_rows):
    """The objectives draw from a stream of their own."""
    X, _ = iris_rows
    seen = {}

    class Sees(Callback):
        def __init__(self, key):
            self.key = key

        def on_train_begin(self, net, **kwargs):
            seen[self.key] = [flat(net), []]

        def on_batch_begin(self, net, batch=None, **kwargs):
            seen[self.key][1].append(batch[0].numpy())

    for objective in ("barlow_twins", "simclr"):
        encoder(objective=objective, max_iter=2, batch_size=50, callbacks=[Sees(objective)]).fit(X)
    (start, batches), (other_start, other_batches) = seen.values()
    np.testing.assert_array_equal(start, other_start)
    np.testing.assert_array_equal(batches, other_batches)


# Callbacks


def test_progress_bar_names_the_encoder(iris_rows, capsys):
    encoder(verbose=1).fit(iris_rows[0])
    shown = capsys.readouterr()
    assert shown.out == "" and "SelfSupervisedEncoder" in shown.err and "8/8" in shown.err


def test_epoch_scoring_of_skorch_runs(iris_rows):
    def spread(net, dataset, _=None):
        return net.module_.features(dataset.X).std().item()

    scores = EpochScoring(spread, name="spread", on_train=True, use_caching=False)
    fitted = encoder(callbacks=[scores]).fit(iris_rows[0])
    expected = fitted.transform(iris_rows[0]).std(ddof=1)
    assert fitted.net_.history[-1, "spread"] == pytest.approx(expected)


if ScoringMonitor is not None:

    def feature_spread(estimator, X, y=None):
        return float(estimator.transform(X).std())

    def test_scoring_monitor_logs_every_epoch(iris_rows):
        X, y = iris_rows
        monitor = ScoringMonitor(scoring={"spread": feature_spread})
        watched = encoder(max_iter=3).set_callbacks(monitor).fit(X, y)  # without y it sleeps
        rows = [row for log in monitor.get_logs(select="all") for row in log.data]
        epochs = [row for row in rows if row["task_name"] == "epoch"]
        expected = [feature_spread(encoder(max_iter=n).fit(X), X) for n in (1, 2, 3)]
        assert [row["spread"] for row in epochs] == pytest.approx(expected)
        np.testing.assert_array_equal(watched.transform(X), encoder(max_iter=3).fit_transform(X))


# Proofs


def test_certified_radii_stay_below_what_an_attack_finds(model):
    X, y = load_iris(return_X_y=True)
    X, y = X[::10], y[::10]
    proved = certified_radius(model, X, scale=None)
    attack = CGBA(max_queries=2000)
    found = adversarial_distances(model, X, y, scale=None, attack=attack, random_state=0)
    right = model.predict(X) == y
    assert (proved[right] > 0).all()
    assert (proved[right] <= found[right]).all()
    assert np.median(found[right] / proved[right]) < 20


def test_freezing_does_not_change_the_proof(model):
    X, y = load_iris(return_X_y=True)
    scaler, encoder, probe = (step for _, step in model.steps)
    frozen = make_pipeline(FrozenEstimator(scaler), FrozenEstimator(encoder), probe)
    frozen.fit(X, y)
    X = X[::10]
    np.testing.assert_allclose(
        certified_radius(frozen, X, scale=None), certified_radius(model, X, scale=None), rtol=1e-9
    )


def test_lipschitz_bound_of_the_features_holds(model):
    encoder = model[1]
    bound = lipschitz_bound(encoder)
    assert bound == pytest.approx(encoder.spectral_norms_["backbone.hidden1"], rel=1e-6)
    assert bound >= encoder.spectral_norms_["backbone.hidden1"]
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 4))
    b = a + 1e-3 * rng.normal(size=(500, 4))
    steps = np.linalg.norm(encoder.transform(a) - encoder.transform(b), axis=1)
    slopes = steps / np.linalg.norm(a - b, axis=1)
    assert slopes.max() <= bound and slopes.max() > 0.5 * bound
    assert lipschitz_bound(model) > 0


def test_a_subclass_with_another_transform_has_no_certificate(iris_rows):
    class Doubled(SelfSupervisedEncoder):
        def transform(self, X):
            return 2 * super().transform(X)

    fitted = Doubled(**encoder().get_params(deep=False)).fit(iris_rows[0])
    with pytest.raises(TypeError, match="overrides transform of SelfSupervisedEncoder"):
        lipschitz_bound(fitted)


def test_a_pickled_pipeline_predicts_and_proves_the_same(model):
    X, _ = load_iris(return_X_y=True)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    X = X[::10]
    np.testing.assert_array_equal(
        certified_radius(copied, X, scale=None), certified_radius(model, X, scale=None)
    )


def test_diagnostics_see_the_layers_of_the_encoder(model):
    X, _ = load_iris(return_X_y=True)
    stretch = layer_stretch(model, X[::15], radius=1e-3, n_steps=2)
    assert list(stretch) == ["selfsupervisedencoder.backbone.hidden1", "logits"]


@pytest.mark.slow
def test_the_guide_runs_from_top_to_bottom(capsys):
    page = Path(__file__).parents[2] / "docs" / "guide" / "self_supervision.rst"
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(inspect.cleandoc("\n" + block), page.name, "exec"), names)
    assert float(capsys.readouterr().out) > 0.9
    right = names["model"].predict(names["X_test"][:20]) == names["y_test"][:20]
    assert (names["proved"][right] > 0).all()
    assert (names["proved"][right] <= names["found"][right]).all()
