"""Interrupted and diverging fits: the last finished epoch is kept, nothing else."""

from __future__ import annotations

import copy
import pickle
import signal

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Give SIGINT its usual meaning: in the background, shells have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupt(Callback):
    """Press Ctrl-C in batch `batch` of epoch `epoch`, both counted from 1."""

    def __init__(self, epoch, batch):
        self.epoch = epoch
        self.batch = batch

    def on_epoch_begin(self, net, **kwargs):
        self.batches = 0

    def on_batch_end(self, net, **kwargs):
        self.batches += 1
        if len(net.history) == self.epoch and self.batches == self.batch:
            raise KeyboardInterrupt


class CtrlC(Callback):
    """A real signal, at the end of epoch `epoch`."""

    def __init__(self, epoch, hook):
        self.epoch = epoch
        setattr(self, hook, self._press)

    def _press(self, net, **kwargs):
        if len(net.history) == self.epoch:
            signal.raise_signal(signal.SIGINT)


class Snapshots(Callback):
    """Keep a copy of the weights after every epoch."""

    def on_train_begin(self, net, **kwargs):
        self.weights = []

    def on_epoch_end(self, net, **kwargs):
        self.weights.append(copy.deepcopy(net.module_.state_dict()))


@pytest.fixture(scope="module")
def cancer_raw_rows():
    return load_breast_cancer(return_X_y=True)


def encoder(**changes):
    settings = {"hidden_layer_sizes": 6, "batch_size": 32, "max_iter": 8, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("epoch", [2, 4])
@pytest.mark.parametrize("batch", [1, 3])
def test_interruption_goes_back_to_the_last_finished_epoch(blob_rows, epoch, batch):
    X, y = blob_rows
    snapshots = Snapshots()
    model = encoder(callbacks=[snapshots, Interrupt(epoch, batch)])
    with pytest.raises(
        KeyboardInterrupt, match=rf"interrupted; the weights of epoch {epoch - 1} are"
    ):
        model.fit(X, y)
    assert len(snapshots.weights) == epoch - 1
    assert_equal_weights(model.module_.state_dict(), snapshots.weights[-1])
    assert model.n_iter_ == len(model.loss_curve_) == len(model.penalty_curve_) == epoch - 1
    straight = encoder(max_iter=epoch - 1).fit(X, y)
    assert_equal_weights(model.module_.state_dict(), straight.module_.state_dict())
    np.testing.assert_array_equal(model.predict_proba(X), straight.predict_proba(X))


@pytest.mark.parametrize("batch", [1, 4])
def test_interruption_in_the_first_epoch_reaches_the_user(blob_rows, batch):
    X, y = blob_rows
    model = encoder(callbacks=[Interrupt(1, batch)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_interruption_in_the_first_epoch_of_a_warm_start_keeps_the_last_fit(blob_rows):
    X, y = blob_rows
    model = encoder(warm_start=True, max_iter=3).fit(X, y)
    before = copy.deepcopy(model.module_.state_dict())
    model.set_params(callbacks=[Interrupt(4, 2)])
    with pytest.raises(KeyboardInterrupt, match="interrupted; the weights of epoch 3"):
        model.fit(X, y)
    assert_equal_weights(model.module_.state_dict(), before)
    assert model.n_iter_ == 3


def test_interruption_between_epochs_keeps_the_finished_one(blob_rows):
    X, y = blob_rows

    class AfterTheSecond(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    model = encoder(callbacks=[AfterTheSecond()]).fit(X, y)
    straight = encoder(max_iter=2).fit(X, y)
    assert_equal_weights(model.module_.state_dict(), straight.module_.state_dict())
    assert model.n_iter_ == 2


@pytest.mark.parametrize(
    ("hook", "kept"),
    [("on_epoch_begin", 2), ("on_batch_end", 2), ("on_epoch_end", 3), ("on_train_end", 3)],
)
def test_ctrl_c_reaches_the_caller_whenever_it_comes(blob_rows, hook, kept):
    """Between epochs too, where callbacks of skorch end a fit by the same exception."""
    X, y = blob_rows
    model = encoder(callbacks=[CtrlC(3, hook)], max_iter=3 if hook == "on_train_end" else 8)
    with pytest.raises(KeyboardInterrupt, match=f"weights of epoch {kept} are kept"):
        model.fit(X, y)
    straight = encoder(max_iter=kept).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), straight.predict_proba(X))
    assert model.n_iter_ == len(model.loss_curve_) == kept
    assert sorted(vars(model)) == sorted({**vars(straight)})


@pytest.mark.parametrize("make", [encoder, lambda **k: SelfSupervisedEncoder(max_iter=8, **k)])
def test_ctrl_c_ends_a_search(blob_rows, make):
    X, y = blob_rows
    fits = []

    class Second(Callback):
        def on_train_begin(self, net, **kwargs):
            fits.append(0)

        def on_batch_end(self, net, **kwargs):
            if len(fits) == 2 and len(net.history) == 3:
                signal.raise_signal(signal.SIGINT)

    model = make(callbacks=[Second()])
    scoring = None if hasattr(model, "score") else lambda fitted, X, y=None: 0.0
    search = GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=2, scoring=scoring)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert len(fits) == 2
    assert not hasattr(search, "cv_results_")


def test_an_interrupted_fit_of_a_classifier_is_whole(blob_rows):
    X, y = blob_rows
    names = np.array(["a", "b", "c"])[y]
    model = encoder(callbacks=[Interrupt(4, 2)], early_stopping=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, names)
    assert len(model.validation_scores_) == 3
    assert set(model.predict(X)) <= {"a", "b", "c"}
    again = pickle.loads(pickle.dumps(model.set_params(callbacks=None)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("penalty", [None, "rep_spectral", "l2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_warns_with_the_knob_and_leaves_finite_weights(
    blob_rows, solver, penalty, dtype
):
    X, y = blob_rows
    model = encoder(solver=solver, penalty=penalty, learning_rate_init=1e200, alpha=1.0)
    with pytest.warns(
        ConvergenceWarning, match=r"stopped being finite.*learning_rate_init=1e\+200"
    ):
        model.fit(X.astype(dtype), y)
    assert all(bool(p.isfinite().all()) for p in model.module_.parameters())
    assert np.isfinite(model.predict_proba(X)).all()
    assert np.isfinite(model.loss_curve_).all()
    assert all(np.isfinite(norm) for norm in model.spectral_norms_.values())


@pytest.mark.parametrize("penalty", [None, "rep_spectral", "ll_spectral", "l2"])
def test_an_ordinary_divergence_on_raw_columns(cancer_raw_rows, penalty):
    """The everyday case: columns not scaled, a rate of 10, several batches an epoch."""
    X, y = cancer_raw_rows
    model = encoder(
        hidden_layer_sizes=100, solver="sgd", learning_rate_init=10, penalty=penalty, max_iter=20
    )
    with pytest.warns(ConvergenceWarning, match="learning_rate_init=10"):
        model.fit(X, y)
    assert all(bool(p.isfinite().all()) for p in model.module_.parameters())


def test_divergence_in_a_later_epoch_keeps_the_epochs_before_it(blob_rows):
    X, y = blob_rows
    snapshots = Snapshots()

    class RaiseTheRate(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                net.optimizer_.param_groups[0]["lr"] = 1e300

    model = encoder(callbacks=[snapshots, RaiseTheRate()])
    with pytest.warns(ConvergenceWarning, match="weights of epoch 3 are kept"):
        model.fit(X, y)
    assert model.n_iter_ == 3
    assert_equal_weights(model.module_.state_dict(), snapshots.weights[2])


def test_a_fit_that_diverged_can_be_continued_at_a_lower_rate(blob_rows):
    X, y = blob_rows
    model = encoder(learning_rate_init=1e300, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="stopped being finite"):
        model.fit(X, y)
    model.set_params(learning_rate_init=1e-2, max_iter=40).fit(X, y)
    assert model.score(X, y) > 0.9


class Sink(Callback):
    """Put a subnormal number and the smallest normal one into the first layer."""

    def on_grad_computed(self, net, **kwargs):
        weight = net.module_.backbone.hidden1.weight
        tiny = torch.finfo(weight.dtype).tiny
        # A rate of zero: the optimizer's step leaves the weights as they are.
        with torch.no_grad():
            weight[0, :2] = torch.tensor([tiny / 8, tiny], dtype=weight.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_below_the_smallest_normal_number_become_zero(blob_rows, dtype):
    """Products with them take a CPU several times as long, and come to nothing."""
    X, y = blob_rows[0].astype(dtype), blob_rows[1]
    settings = {"solver": torch.optim.SGD, "learning_rate_init": 1e-300, "max_iter": 2}
    settings |= {"penalty": None, "weight_decay": 0.0, "callbacks": [Sink()]}
    model = encoder(**settings).fit(X, y)
    first, second, third = model.module_.backbone.hidden1.weight[0, :3].tolist()
    assert first == 0
    assert second == torch.finfo(model.module_.dtype).tiny
    assert third != 0
