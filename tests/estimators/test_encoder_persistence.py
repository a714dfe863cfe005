"""Pickles, joblib files, copies and clones."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import LRScheduler

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import RepSpectral


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 10, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


def weights(model):
    return [parameter.detach().clone() for parameter in model.module_.parameters()]


def through_pickle(model, _):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


WAYS = [through_pickle, through_joblib, lambda model, _: copy.deepcopy(model)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"penalty": RepSpectral()}])
def test_a_copy_predicts_the_same(iris_rows, tmp_path, way, dtype, settings):
    X, y = iris_rows[0].astype(dtype), iris_rows[1]
    model = encoder(**settings).fit(X, y)
    copied = way(model, tmp_path)
    assert copied is not model
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(copied.transform(X), model.transform(X))
    assert copied.loss_curve_ == model.loss_curve_
    assert copied.spectral_norms_ == model.spectral_norms_


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_holds_one_network_not_two(iris_rows, tmp_path, way):
    """What is loaded into the net must show in the predictions, as it does before the copy."""
    model = encoder().fit(*iris_rows)
    assert model.net_.module_ is model.module_
    copied = way(model, tmp_path)
    same = copied.net_.module_ is copied.module_
    assert same, "net_.module_ and module_ are two networks"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch_size", ["auto", 32])
def test_a_copy_goes_on_like_the_original(iris_rows, tmp_path, way, batch_size):
    """Weights, optimizer state and the generator of the row order all travel."""
    model = encoder(warm_start=True, batch_size=batch_size).fit(*iris_rows)
    copied = way(model, tmp_path)
    before = weights(model)
    copied.fit(*iris_rows)
    assert copied.n_iter_ == 20
    for kept, now in zip(before, weights(model), strict=True):
        assert torch.equal(kept, now)  # the copy shares nothing with the original
    model.fit(*iris_rows)
    for original, duplicate in zip(weights(model), weights(copied), strict=True):
        assert torch.equal(original, duplicate)


def test_a_pickle_does_not_grow_with_the_rows(iris_rows):
    X, y = iris_rows
    settings = {"batch_size": 75, "tol": 0, "n_iter_no_change": 1000, "max_iter": 3}
    sizes = [
        len(pickle.dumps(encoder(**settings).fit(np.tile(X, (times, 1)), np.tile(y, times))))
        for times in (1, 40)
    ]
    assert abs(sizes[1] - sizes[0]) < 500


def test_a_pickle_holds_no_rows_of_a_fit_with_everything_on(iris_rows):
    X, y = iris_rows
    marker = 123.456789
    table = np.column_stack([X, np.full(len(X), marker)])
    model = encoder(early_stopping=True, warm_start=True, verbose=1, max_iter=3).fit(table, y)
    assert np.float64(marker).tobytes() not in pickle.dumps(model)


def test_an_unfitted_encoder_pickles():
    model = pickle.loads(pickle.dumps(encoder(penalty=RepSpectral(n_vectors=2))))
    assert model.get_params()["penalty__n_vectors"] == 2


def test_a_clone_is_unfitted_and_has_the_same_parameters(iris_rows):
    callbacks = [LRScheduler("StepLR", step_size=3)]
    model = encoder(penalty=RepSpectral(n_vectors=2), callbacks=callbacks).fit(*iris_rows)
    cloned = clone(model)
    assert not hasattr(cloned, "net_")
    assert cloned.penalty is not model.penalty
    assert cloned.penalty.n_vectors == 2
    cloned.fit(*iris_rows)
    for first, second in zip(weights(model), weights(cloned), strict=True):
        assert torch.equal(first, second)


def test_a_clone_of_a_clone_keeps_every_parameter():
    model = encoder(alpha=0.5, solver=torch.optim.AdamW, class_weight={0: 2.0}, input_shape=(2, 2))
    again = clone(clone(model))
    assert again.get_params() == model.get_params()
