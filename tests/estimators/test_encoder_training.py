"""What a fit minimises, and what it reports."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch.callbacks import Callback

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.estimators._training_report import warn_of_trouble
from specreg_sklearn.objectives import Objective
from specreg_sklearn.penalties import RepSpectral


class Weights(Callback):
    """Keep a flat copy of all parameters after every epoch."""

    def on_train_begin(self, net, **kwargs):
        self.epochs = []

    def on_epoch_end(self, net, **kwargs):
        parts = [parameter.detach().flatten() for parameter in net.module_.parameters()]
        self.epochs.append(torch.cat(parts).clone())


def encoder(**changes):
    settings = {"hidden_layer_sizes": (10, 6), "max_iter": 30, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


def epochs_of(rows, **changes):
    weights = Weights()
    encoder(callbacks=[weights], **changes).fit(*rows)
    return weights.epochs


def weight_matrices(model):
    return {
        name.removesuffix(".weight"): parameter.detach().numpy().astype(np.float64)
        for name, parameter in model.module_.named_parameters()
        if name.endswith(".weight")
    }


def norms_by_svd(model):
    return {name: np.linalg.norm(w, 2) for name, w in weight_matrices(model).items()}


@pytest.mark.parametrize("penalty", ["rep_spectral", "ll_spectral", "l2"])
def test_the_penalty_acts_from_the_first_update(iris_rows, penalty):
    off, on = (epochs_of(iris_rows, penalty=penalty, alpha=a, max_iter=1) for a in (0, 0.1))
    assert float((off[0] - on[0]).abs().max()) > 1e-5


@pytest.mark.parametrize("penalty", ["rep_spectral", "ll_spectral", "l2"])
@pytest.mark.parametrize("batch_size", ["auto", 32])
def test_strength_zero_equals_no_penalty(iris_rows, penalty, batch_size):
    settings = {"batch_size": batch_size, "max_iter": 5}
    none = epochs_of(iris_rows, penalty=None, **settings)
    zero = epochs_of(iris_rows, penalty=penalty, alpha=0, **settings)
    torch.testing.assert_close(none, zero, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch_size", ["auto", 32])
def test_burn_in_equals_no_penalty_up_to_the_switch(iris_rows, batch_size):
    settings = {"batch_size": batch_size, "max_iter": 10}
    none = epochs_of(iris_rows, penalty=None, **settings)
    late = epochs_of(iris_rows, alpha=0.1, burn_in=0.5, **settings)
    torch.testing.assert_close(none[:5], late[:5], rtol=1e-10, atol=1e-12)
    for before, after in zip(none[5:], late[5:], strict=True):
        assert float((before - after).abs().max()) > 1e-4


def test_the_optimizer_goes_on_across_the_burn_in(iris_rows):
    model = encoder(burn_in=0.5, max_iter=10, batch_size=50).fit(*iris_rows)
    assert {float(state["step"]) for state in model.net_.optimizer_.state.values()} == {30.0}


def test_the_whole_burn_in_is_trained_even_when_the_loss_stands_still(iris_rows):
    model = encoder(burn_in=0.6, max_iter=40, tol=10.0, n_iter_no_change=3).fit(*iris_rows)
    # 24 epochs of burn-in, one best epoch by definition, three without improvement
    assert model.n_iter_ == 28


@pytest.mark.parametrize("penalty", [None, "rep_spectral", "ll_spectral", "l2"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_loss_curve_falls(iris_rows, penalty, solver):
    rate = {"adam": 1e-2, "sgd": 0.1}[solver]
    model = encoder(penalty=penalty, solver=solver, learning_rate_init=rate).fit(*iris_rows)
    assert len(model.loss_curve_) == model.n_iter_
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]
    assert np.mean(np.diff(model.loss_curve_) < 0) > 0.9


@pytest.mark.parametrize("penalty", [None, "rep_spectral", "ll_spectral", "l2"])
def test_loss_curve_is_the_documented_objective(iris_rows, penalty):
    """An epoch of one full batch records the loss before its step and the penalties after it."""
    X, y = iris_rows
    settings = {"penalty": penalty, "alpha": 0.05, "weight_decay": 0.02, "max_iter": 4}
    model = encoder(**settings).fit(X, y)
    before = encoder(**{**settings, "max_iter": 3}).fit(X, y)
    logits = before.decision_function(X)
    mean_loss = -log_softmax(logits, axis=1)[np.arange(len(y)), y].mean()
    squares = sum((w**2).sum() for w in weight_matrices(model).values())
    norms = norms_by_svd(model)
    readout = norms.pop("head")
    hidden = sum(norm**2 for norm in norms.values())
    ours = {None: 0, "rep_spectral": hidden, "ll_spectral": hidden + readout**2, "l2": squares}
    expected = mean_loss + 0.05 * ours[penalty] + 0.02 * squares
    assert model.loss_curve_[-1] == pytest.approx(expected, rel=1e-9)
    assert model.penalty_curve_[-1] == pytest.approx(ours[penalty], rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spectral_norms_are_those_of_numpy(iris_rows, dtype):
    X, y = iris_rows
    model = encoder().fit(X.astype(dtype), y)
    assert list(model.spectral_norms_) == ["backbone.hidden1", "backbone.hidden2", "head"]
    for name, norm in norms_by_svd(model).items():
        assert model.spectral_norms_[name] == pytest.approx(norm, rel=1e-10)


def test_norms_of_layers_that_are_not_linear_are_nan_not_guessed(iris_rows):
    class Gain(torch.nn.Module):
        def __init__(self, input_shape):
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(input_shape))

        def forward(self, X):
            return X * self.gain

    model = encoder(module=Gain, penalty=None).fit(*iris_rows)
    assert np.isnan(model.spectral_norms_["backbone"])
    assert model.spectral_norms_["head"] > 0


def test_rep_spectral_shrinks_the_hidden_norms(iris_rows):
    settings = {"max_iter": 150, "alpha": 0.02, "learning_rate_init": 1e-2}
    plain = encoder(penalty=None, **settings).fit(*iris_rows).spectral_norms_
    smooth = encoder(penalty="rep_spectral", **settings).fit(*iris_rows).spectral_norms_
    for layer in ("backbone.hidden1", "backbone.hidden2"):
        assert smooth[layer] < 0.7 * plain[layer]


def test_weight_decay_shrinks_all_weights(iris_rows):
    settings = {"penalty": None, "max_iter": 100, "learning_rate_init": 1e-2}
    free, held = (encoder(weight_decay=d, **settings).fit(*iris_rows) for d in (0, 1e-2))
    for name, weight in weight_matrices(held).items():
        assert (weight**2).sum() < 0.8 * (weight_matrices(free)[name] ** 2).sum()


@pytest.mark.parametrize(
    "solver", [torch.optim.RMSprop, torch.optim.NAdam, torch.optim.Rprop, torch.optim.LBFGS]
)
def test_weight_decay_acts_with_every_solver_class(iris_rows, solver):
    def squares(weight_decay):
        settings = {"solver": solver, "penalty": None, "learning_rate_init": 2e-2, "max_iter": 8}
        model = encoder(weight_decay=weight_decay, **settings).fit(*iris_rows)
        return sum((w**2).sum() for w in weight_matrices(model).values())

    assert squares(0.1) < 0.95 * squares(0)


def test_penalty_works_with_a_solver_that_needs_a_closure(iris_rows):
    settings = {"solver": torch.optim.LBFGS, "weight_decay": 0, "learning_rate_init": 0.06}
    settings["max_iter"] = 15
    plain = encoder(penalty=None, **settings).fit(*iris_rows)
    smooth = encoder(alpha=0.05, **settings).fit(*iris_rows)
    for layer in ("backbone.hidden1", "backbone.hidden2"):
        assert smooth.spectral_norms_[layer] < 0.5 * plain.spectral_norms_[layer]
    assert smooth.score(*iris_rows) > 0.9


def test_stops_after_n_iter_no_change_epochs_without_improvement(iris_rows):
    model = encoder(tol=10.0, n_iter_no_change=4, max_iter=50).fit(*iris_rows)
    assert model.n_iter_ == 5


def test_a_large_patience_uses_all_epochs(iris_rows):
    assert encoder(tol=0, n_iter_no_change=1000, max_iter=37).fit(*iris_rows).n_iter_ == 37


def test_a_custom_objective_is_what_is_minimised(iris_rows):
    class Constant(Objective):
        def per_sample_loss(self, network, X, y):
            return 0 * network(X).sum(dim=1) + 0.5

    settings = {"objective": Constant(), "penalty": None, "weight_decay": 0}
    short, long = (epochs_of(iris_rows, max_iter=n, **settings)[-1] for n in (1, 3))
    assert torch.equal(short, long)  # no gradient: nothing moves
    model = encoder(max_iter=3, **settings).fit(*iris_rows)
    np.testing.assert_allclose(model.loss_curve_, 0.5)


# --- early stopping ---------------------------------------------------------------------------


def test_early_stopping_goes_back_to_the_best_epoch(iris_rows):
    X, y = iris_rows
    states = []

    class Copies(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append(copy.deepcopy(net.module_.state_dict()))

    model = encoder(
        early_stopping=True,
        validation_fraction=0.3,
        learning_rate_init=0.05,
        n_iter_no_change=5,
        max_iter=60,
        callbacks=[Copies()],
    ).fit(X, y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 60
    best = int(np.argmax(scores))
    assert best < len(scores) - 1  # it went past the best epoch, so there is something to undo
    for name, value in model.module_.state_dict().items():
        assert torch.equal(value, states[best][name])


def test_held_out_rows_are_not_trained_on(iris_rows):
    """A tenth of the rows is held out; the optimizer takes one step per batch of the rest."""
    model = encoder(early_stopping=True, batch_size=1, max_iter=1, validation_fraction=0.2)
    model.fit(*iris_rows)
    assert {float(state["step"]) for state in model.net_.optimizer_.state.values()} == {120.0}


def test_validation_scores_are_accuracies(iris_rows):
    model = encoder(early_stopping=True, validation_fraction=0.2, max_iter=10).fit(*iris_rows)
    counts = np.array(model.validation_scores_) * 30
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    assert not hasattr(encoder(max_iter=1).fit(*iris_rows), "validation_scores_")


@pytest.mark.parametrize("n_per_class", [1, 2, 3])
def test_early_stopping_with_hardly_any_rows(n_per_class):
    X = np.random.default_rng(0).normal(size=(3 * n_per_class, 4))
    y = np.repeat(["a", "b", "c"], n_per_class)
    model = encoder(early_stopping=True, max_iter=3).fit(X, y)
    assert list(model.classes_) == ["a", "b", "c"]
    assert model.predict_proba(X).shape == (len(X), 3)


# --- warnings ---------------------------------------------------------------------------------


def test_collapse_names_the_strength(iris_rows):
    model = encoder(alpha=1e3, max_iter=200, learning_rate_init=1e-2)
    with pytest.warns(ConvergenceWarning, match=r"same prediction\. Lower alpha=1000\.0"):
        model.fit(*iris_rows)
    assert len(np.unique(model.predict(iris_rows[0]))) == 1


@pytest.mark.parametrize(("n_of_first_class", "collapsed"), [(50, True), (149, False)])
def test_a_collapse_with_an_exception_is_one_too(iris_rows, n_of_first_class, collapsed):
    """All rows but one get the first label: wrong for three equal classes, right for one large."""
    net = encoder().fit(*iris_rows).net_
    logits = np.tile([1.0, 0.0, 0.0], (150, 1))
    logits[-1] = 0.0, 0.0, 1.0
    codes = np.repeat([0, 2], [n_of_first_class, 150 - n_of_first_class])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_trouble(net, logits, codes)
    messages = [str(warning.message) for warning in caught]
    messages = [m for m in messages if not m.startswith("max_iter=")]
    assert any("99.3% of the training rows" in m and "label of 33.3%" in m for m in messages) == (
        collapsed
    )
    assert collapsed or not messages


def test_a_loss_worse_than_guessing_names_the_rate(cancer_rows):
    X, y = cancer_rows
    model = encoder(learning_rate_init=1e-5, max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"worse than guessing \(0\.693\).*=1e-05.*scale"):
        model.fit(1e6 * X, y)


def test_a_lagging_estimate_names_the_remedy(cancer_rows):
    """One vector, one step, a strong penalty: the recipe for a lag."""
    settings = {"hidden_layer_sizes": 300, "solver": "sgd", "batch_size": 16, "max_iter": 3}
    lagging = encoder(
        penalty=RepSpectral(n_vectors=1), alpha=0.3, learning_rate_init=3e-2, **settings
    )
    with pytest.warns(ConvergenceWarning, match=r"lags the exact one.*n_power_iterations=3"):
        lagging.fit(*cancer_rows)


def names_max_iter(caught):
    return [str(w.message) for w in caught if str(w.message).startswith("max_iter=")]


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_iter_no_change", [2, 10])
def test_it_is_said_when_max_iter_ends_the_fit_as_in_mlp_classifier(
    iris_rows, early_stopping, n_iter_no_change
):
    """With the epochs that the fit takes by itself there is no warning, with one less there is."""
    X, y = iris_rows
    settings = {"n_iter_no_change": n_iter_no_change, "early_stopping": early_stopping}
    settings |= {"learning_rate_init": 3e-2, "tol": 1e-2}
    long = encoder(max_iter=3000, **settings).fit(X, y)
    assert long.n_iter_ < 3000
    for n_epochs, warned in ((long.n_iter_, False), (long.n_iter_ - 1, True), (1, True)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            encoder(max_iter=n_epochs, **settings).fit(X, y)
        told = names_max_iter(caught)
        assert len(told) == warned
        assert not warned or told[0].startswith(f"max_iter={n_epochs} epochs were reached")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            MLPClassifier(max_iter=1, random_state=0).fit(X, y)
        assert [w.category for w in caught] == [ConvergenceWarning]


def test_a_stop_by_a_callback_is_no_lack_of_epochs(iris_rows):
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 5:
                raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for max_iter in (5, 9):
            assert encoder(max_iter=max_iter, callbacks=[Enough()]).fit(*iris_rows).n_iter_ == 5
    assert not names_max_iter(caught)


def test_the_unsupervised_encoder_says_it_too(iris_rows):
    with pytest.warns(ConvergenceWarning, match="max_iter=3 epochs were reached.*Raise max_iter"):
        SelfSupervisedEncoder(max_iter=3, random_state=0).fit(iris_rows[0])


@pytest.mark.filterwarnings("error", "ignore:max_iter=200 epochs were reached")
@pytest.mark.parametrize("penalty", [None, "rep_spectral", "ll_spectral", "l2"])
def test_an_ordinary_fit_is_silent(iris_rows, penalty):
    model = encoder(penalty=penalty, learning_rate_init=1e-2, max_iter=200).fit(*iris_rows)
    assert model.score(*iris_rows) > 0.95
