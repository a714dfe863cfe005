"""skorch's callbacks and scikit-learn's (1.9 and later), and the progress bar."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    TrainEndCheckpoint,
)

from specreg_sklearn import (
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    make_robust_scorer,
)

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:  # scikit-learn 1.6 to 1.8
    ProgressBar = ScoringMonitor = None


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 6, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


class Recorder(Callback):
    """Note the name of every hook that is called."""

    def initialize(self):
        self.calls = []
        return self


for hook in (
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_grad_computed",
):
    setattr(Recorder, hook, lambda self, net, _name=hook, **kwargs: self.calls.append(_name))


def test_skorch_hooks_come_in_order(iris_rows):
    recorder = Recorder()
    encoder(callbacks=[recorder], max_iter=2, batch_size=75).fit(*iris_rows)
    batch = ["on_batch_begin", "on_grad_computed", "on_batch_end"]
    epoch = ["on_epoch_begin", *batch, *batch, "on_epoch_end"]
    assert recorder.calls == ["on_train_begin", *epoch, *epoch, "on_train_end"]


def test_the_user_keeps_the_callback_object(iris_rows):
    recorder = Recorder()
    model = encoder(callbacks=[recorder]).fit(*iris_rows)
    assert model.callbacks == [recorder]
    assert recorder.calls


def test_callbacks_see_the_recorded_epoch(iris_rows):
    seen = []

    class Reader(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append((net.history[-1, "objective"], net.history[-1, "penalty"]))

    model = encoder(callbacks=[Reader()]).fit(*iris_rows)
    assert [row[0] for row in seen] == model.loss_curve_
    assert [row[1] for row in seen] == model.penalty_curve_


def test_learning_rate_scheduler(iris_rows):
    rates = []

    class Rates(Callback):
        def on_epoch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    steps = LRScheduler("StepLR", step_size=2, gamma=0.1)
    encoder(callbacks=[Rates(), steps], learning_rate_init=1e-2).fit(*iris_rows)
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])


def test_gradient_clipping_bounds_the_step(iris_rows):
    settings = {
        "solver": torch.optim.SGD,
        "learning_rate_init": 1.0,
        "max_iter": 1,
        "weight_decay": 0,
        "alpha": 10.0,
    }

    def moved(callbacks):
        start = []

        class Start(Callback):
            def on_train_begin(self, net, **kwargs):
                start.extend(p.detach().clone() for p in net.module_.parameters())

        model = encoder(callbacks=[Start(), *callbacks], **settings).fit(*iris_rows)
        ends = model.module_.parameters()
        return (
            sum(float((a - b).detach().square().sum()) for a, b in zip(start, ends, strict=True))
            ** 0.5
        )

    assert moved([]) > 1
    assert moved([GradientNormClipping(0.01)]) == pytest.approx(0.01, rel=1e-3)


def test_epoch_scoring_of_skorch_runs(iris_rows):
    X, y = iris_rows

    def accuracy(net, dataset, _=None):
        return float((net.module_(dataset.X).argmax(1) == dataset.y).double().mean())

    scores = EpochScoring(accuracy, name="train_accuracy", on_train=True, use_caching=False)
    model = encoder(callbacks=[scores]).fit(X, y)
    assert model.net_.history[-1, "train_accuracy"] == pytest.approx(model.score(X, y))


def scores_of(model, X, y):
    """What the names of scorers stand for, from the fitted model and scikit-learn alone."""
    p = model.predict_proba(X)
    return {
        "accuracy": accuracy_score(y, model.predict(X)),
        "roc_auc": roc_auc_score(y, p[:, 1]),
        "neg_log_loss": -log_loss(y, p),
        "f1": f1_score(y, model.predict(X)),
    }


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", "neg_log_loss", "f1"])
def test_epoch_scoring_on_training_rows_is_the_score_of_the_model(
    cancer_rows, scoring, use_caching
):
    X, y = cancer_rows
    callback = EpochScoring(scoring, on_train=True, use_caching=use_caching)
    model = encoder(callbacks=[callback], max_iter=3, batch_size=64).fit(X, y)
    seen = model.net_.history[:, scoring]
    fits = [encoder(max_iter=n, batch_size=64).fit(X, y) for n in (1, 2, 3)]
    assert seen == pytest.approx([scores_of(fit, X, y)[scoring] for fit in fits])


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_scores_of_held_out_rows(cancer_rows, kind, use_caching):
    X, y = cancer_rows
    callback = kind("accuracy", name="held_out", use_caching=use_caching)
    model = encoder(callbacks=[callback], early_stopping=True, max_iter=4).fit(X, y)
    assert model.net_.history[:, "held_out"] == pytest.approx(model.validation_scores_)


def test_held_out_roc_auc_of_skorch_can_choose_the_epoch(cancer_rows):
    X, y = cancer_rows
    auc = EpochScoring("roc_auc", lower_is_better=False)
    stop = EarlyStopping("roc_auc", patience=2, lower_is_better=False)
    model = encoder(callbacks=[auc, stop], early_stopping=True, max_iter=60).fit(X, y)
    scores = model.net_.history[:, "roc_auc"]
    assert len(scores) < 60
    assert max(scores) == max(scores[:-2])


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_without_rows_to_score_there_is_no_score(iris_rows, kind):
    model = encoder(callbacks=[kind("accuracy")]).fit(*iris_rows)
    assert "accuracy" not in model.net_.history[-1]


def test_batch_scoring_is_the_mean_over_batches(iris_rows):
    X, y = iris_rows
    inside = []

    class Look(Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            rows, codes = batch
            with torch.no_grad():
                hits = net.module_(rows).argmax(1) == codes
            inside.append((float(hits.double().mean()), len(codes)))

    callbacks = [Look(), BatchScoring("accuracy", on_train=True)]
    model = encoder(callbacks=callbacks, max_iter=1, batch_size=60).fit(X, y)
    values, sizes = zip(*inside, strict=True)
    assert sizes == (60, 60, 30)
    assert model.net_.history[-1, "accuracy"] == pytest.approx(np.average(values, weights=sizes))


def test_scores_of_string_labels_of_three_classes(iris_rows):
    X, y = iris_rows
    names = np.array(["c", "a", "b"])[y]
    callback = EpochScoring("roc_auc_ovr", on_train=True)
    model = encoder(callbacks=[callback]).fit(X, names)
    expected = roc_auc_score(names, model.predict_proba(X), multi_class="ovr")
    assert model.net_.history[-1, "roc_auc_ovr"] == pytest.approx(expected)


@pytest.mark.parametrize("batch_size", [3, 40])
@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_unlabelled_rows_are_not_scored(cancer_rows, kind, batch_size):
    X, y = cancer_rows[0][:90], np.where(np.arange(90) % 3, -1, cancer_rows[1][:90])
    callback = kind(lambda net, rows, codes: float((codes >= 0).all()), on_train=True, name="known")
    model = encoder(callbacks=[callback], objective="vat", batch_size=batch_size, max_iter=2)
    model.fit(X, y)
    if kind is EpochScoring:
        assert model.net_.history[:, "known"] == [1.0, 1.0]


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", None])
def test_scores_need_labels(iris_rows, scoring):
    callback = EpochScoring(scoring, on_train=True)
    model = SelfSupervisedEncoder(max_iter=2, random_state=0, callbacks=[callback])
    with pytest.raises(TypeError, match=r"trained without labels.*function \(net, X, y\)"):
        model.fit(iris_rows[0])


class Dropping(Callback):
    """Looks at the outputs of training batches."""

    def on_batch_end(self, net, y_pred, **kwargs):
        assert y_pred.ndim == 2


@pytest.mark.parametrize("callback", [EpochScoring("accuracy", on_train=True), Dropping()])
def test_scoring_does_not_change_the_fit(iris_rows, callback):
    X, y = iris_rows

    def noisy(input_shape):
        layers = torch.nn.Linear(input_shape[0], 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh()
        return torch.nn.Sequential(*layers)

    settings = {"module": noisy, "batch_size": 32}
    scored = encoder(callbacks=[callback], **settings).fit(X, y)
    plain = encoder(**settings).fit(X, y)
    np.testing.assert_array_equal(scored.predict_proba(X), plain.predict_proba(X))


def test_checkpoints_of_skorch_can_be_written(iris_rows, tmp_path):
    callbacks = [
        EpochScoring("accuracy", on_train=True, lower_is_better=False),
        PassthroughScoring("train_loss", on_train=True),
        Checkpoint("accuracy_best", dirname=tmp_path),
        TrainEndCheckpoint(dirname=tmp_path, fn_prefix="last_"),
    ]
    encoder(callbacks=callbacks).fit(*iris_rows)
    assert (tmp_path / "params.pt").exists() and (tmp_path / "last_params.pt").exists()
    encoder(callbacks=[Checkpoint(None, dirname=tmp_path / "alone")]).fit(*iris_rows)
    assert (tmp_path / "alone" / "params.pt").exists()


def test_progress_bar_goes_to_stderr_and_only_when_asked(iris_rows, capsys):
    encoder(verbose=1).fit(*iris_rows)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "SpectrallyRegularizedEncoder" in shown.err
    assert "6/6" in shown.err
    assert "loss=" in shown.err
    encoder(verbose=0).fit(*iris_rows)
    assert capsys.readouterr() == ("", "")


if ScoringMonitor is None:

    def test_scikit_learn_without_callbacks(iris_rows):
        model = encoder().fit(*iris_rows)
        assert not hasattr(model, "set_callbacks")
        assert model.predict(iris_rows[0]).shape == iris_rows[1].shape

else:

    class StopAfter:
        """A scikit-learn callback that asks for a stop after some epochs."""

        def __init__(self, n_epochs):
            self.n_epochs = n_epochs
            self.begun = self.ended = 0

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context, **kwargs):
            self.begun += 1

        def on_fit_task_end(self, estimator, context, **kwargs):
            self.ended += 1
            return context.task_name == "epoch" and self.ended >= self.n_epochs

    def logged(monitor):
        return [row for log in monitor.get_logs(select="all") for row in log.data]

    def test_scoring_monitor_logs_the_accuracy_of_every_epoch(iris_rows):
        X, y = iris_rows
        names = np.array(["a", "b", "c"])[y]
        monitor = ScoringMonitor(scoring="accuracy")
        encoder(max_iter=4).set_callbacks(monitor).fit(X, names)
        epochs = [row for row in logged(monitor) if row["task_name"] == "epoch"]
        expected = [encoder(max_iter=n).fit(X, names).score(X, names) for n in (1, 2, 3, 4)]
        assert [row["accuracy"] for row in epochs] == pytest.approx(expected)

    def test_scoring_monitor_logs_the_robust_accuracy_of_every_epoch(iris_rows):
        X, y = iris_rows
        robust = make_robust_scorer(eps=0.2, max_samples=6)
        monitor = ScoringMonitor(scoring={"accuracy": "accuracy", "robust": robust})
        encoder(max_iter=3).set_callbacks(monitor).fit(X, y)
        epochs = [row for row in logged(monitor) if row["task_name"] == "epoch"]
        expected = [robust(encoder(max_iter=n).fit(X, y), X, y) for n in (1, 2, 3)]
        assert [row["robust"] for row in epochs] == pytest.approx(expected)

    def test_watching_does_not_change_the_fit(iris_rows):
        X, y = iris_rows
        monitor = ScoringMonitor(scoring="neg_log_loss")
        watched = encoder(batch_size=32).set_callbacks(monitor).fit(X, y)
        np.testing.assert_array_equal(
            watched.predict_proba(X), encoder(batch_size=32).fit(X, y).predict_proba(X)
        )

    def test_a_stop_request_ends_the_fit_after_that_epoch(iris_rows):
        X, y = iris_rows
        stop = StopAfter(3)
        model = encoder(max_iter=50).set_callbacks(stop).fit(X, y)
        assert model.n_iter_ == 3
        # one task for the fit and one for each epoch, all of them closed
        assert stop.begun == stop.ended == 4
        np.testing.assert_array_equal(
            model.predict_proba(X), encoder(max_iter=3).fit(X, y).predict_proba(X)
        )

    def test_progress_bar_of_scikit_learn_runs(iris_rows, capsys):
        model = encoder().set_callbacks(ProgressBar()).fit(*iris_rows)
        assert model.n_iter_ == 6
        assert "SpectrallyRegularizedEncoder" in "".join(capsys.readouterr())

    def test_callbacks_of_the_encoder_work_inside_a_search(iris_rows):
        X, y = iris_rows
        monitor = ScoringMonitor(scoring="accuracy")
        model = make_pipeline(StandardScaler(), encoder(max_iter=3).set_callbacks(monitor))
        search = GridSearchCV(
            model, {"spectrallyregularizedencoder__alpha": [0, 0.1]}, cv=2, error_score="raise"
        )
        search.fit(X, y)
        epochs = [row for row in logged(monitor) if row["task_name"] == "epoch"]
        assert len(epochs) == 3 * (2 * 2 + 1)  # epochs x (candidates x folds + refit)

    def test_progress_bars_nest_inside_a_search(iris_rows, capsys):
        model = make_pipeline(StandardScaler(), encoder(max_iter=3))
        search = GridSearchCV(
            model, {"spectrallyregularizedencoder__alpha": [0, 0.1]}, cv=2, error_score="raise"
        )
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris_rows)
        shown = "".join(capsys.readouterr())
        assert "GridSearchCV" in shown
        assert "SpectrallyRegularizedEncoder" in shown

    def test_callbacks_are_given_the_sample_weights(iris_rows):
        X, y = iris_rows
        seen = []

        class Reader(StopAfter):
            def on_fit_task_end(self, estimator, context, *, metadata=None, **kwargs):
                seen.append(metadata)

        weight = np.linspace(1, 2, len(y))
        encoder(max_iter=2).set_callbacks(Reader(99)).fit(X, y, sample_weight=weight)
        assert len(seen) == 3
        for metadata in seen:
            np.testing.assert_array_equal(metadata["sample_weight"], weight)

    def test_a_clone_carries_the_callbacks_and_a_pickle_still_works(iris_rows):
        X, y = iris_rows
        monitor = ScoringMonitor(scoring="accuracy")
        model = clone(encoder(max_iter=2).set_callbacks(monitor)).fit(X, y)
        assert len([row for row in logged(monitor) if row["task_name"] == "epoch"]) == 2
        assert model.net_.callbacks_ == []
