"""Bad parameters and bad rows: the message names what is wrong and what is accepted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import RepSpectral


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "transformer"}, r"module='transformer'.*'mlp'"),
        (
            {"penalty": "spectral"},
            r"penalty='spectral'.*'l2', 'l2_sp', 'll_spectral'.*'rep_spectral'",
        ),
        ({"objective": "hinge"}, r"objective='hinge'.*'cross_entropy'"),
        ({"solver": "lbfgs"}, r"solver.*'adam'.*'lbfgs'"),
        ({"solver": torch.nn.Linear}, r"solver=.*'adam', 'sgd'"),
        ({"device": "gpu"}, r"device='gpu' is not available; use 'auto', 'cpu'"),
        ({"activation": "swish"}, r"activation.*'relu'.*'swish'"),
        ({"alpha": -1}, r"alpha.*\[0\.0, inf\).*-1"),
        ({"alpha": None}, r"alpha.*None"),
        ({"weight_decay": -0.1}, r"weight_decay.*\[0\.0, inf\).*-0\.1"),
        ({"learning_rate_init": 0}, r"learning_rate_init.*\(0\.0, inf\).*0"),
        ({"batch_size": 0}, r"batch_size.*'auto'.*0"),
        ({"batch_size": "all"}, r"batch_size.*'auto'.*'all'"),
        ({"max_iter": 0}, r"max_iter.*\[1, inf\).*0"),
        ({"burn_in": 1.0}, r"burn_in.*\[0\.0, 1\.0\).*1\.0"),
        ({"burn_in": -0.1}, r"burn_in.*\[0\.0, 1\.0\).*-0\.1"),
        ({"tol": -1}, r"tol.*\[0\.0, inf\).*-1"),
        ({"n_iter_no_change": 0}, r"n_iter_no_change.*\[1, inf\).*0"),
        ({"validation_fraction": 0}, r"validation_fraction.*\(0\.0, 1\.0\).*0"),
        ({"validation_fraction": 1.0}, r"validation_fraction.*\(0\.0, 1\.0\).*1\.0"),
        ({"class_weight": "even"}, r"class_weight.*'balanced'.*'even'"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes=\(\).*positive integer"),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes=\(8, 0\).*positive integer"),
        ({"hidden_layer_sizes": 0}, r"hidden_layer_sizes.*0"),
        ({"penalty": RepSpectral(n_vectors=0)}, r"n_vectors=0 must be a positive integer"),
        ({"input_shape": (3,)}, r"input_shape=\(3,\).*number of features of X, 4"),
        ({"input_shape": (2, -2)}, r"input_shape=\(2, -2\).*positive integers"),
        ({"input_shape": (2.0, 2.0)}, r"input_shape=\(2\.0, 2\.0\).*positive integers"),
        ({"random_state": "lucky"}, r"random_state.*'lucky'"),
    ],
)
def test_bad_parameters_name_themselves(iris_rows, changes, message):
    with pytest.raises(ValueError, match=message):
        encoder(**changes).fit(*iris_rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty": RepSpectral}, r"penalty=.*instance with a `bind` method"),
        ({"module": lambda input_shape: None}, r"module=.*torch\.nn\.Module"),
    ],
)
def test_objects_of_the_wrong_type(iris_rows, changes, message):
    with pytest.raises(TypeError, match=message):
        encoder(**changes).fit(*iris_rows)


def test_an_object_that_cannot_bind_is_no_penalty(iris_rows):
    with pytest.raises((ValueError, TypeError), match=r"penalty"):
        encoder(penalty=object()).fit(*iris_rows)


def test_layers_without_a_norm_are_refused_by_the_spectral_penalty_by_name():
    def convnet(input_shape):
        return torch.nn.Sequential(torch.nn.LayerNorm(4), torch.nn.Flatten())

    X = np.random.default_rng(0).normal(size=(20, 16))
    with pytest.raises(ValueError, match=r"RepSpectral.*'backbone\.0' \(LayerNorm\)"):
        encoder(module=convnet, input_shape=(1, 4, 4)).fit(X, np.arange(20) % 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite(iris_rows, bad):
    X, y = np.array(iris_rows[0]), iris_rows[1]
    model = encoder().fit(X, y)
    X[3, 1] = bad
    for method in (lambda rows: encoder().fit(rows, y), model.predict, model.transform):
        with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
            method(X)


def test_one_class(iris_rows):
    X, y = iris_rows
    with pytest.raises(ValueError, match=r"one class, .*at least two classes"):
        encoder().fit(X[y == 1], y[y == 1])


def test_one_class_among_the_rows_that_weigh_something(iris_rows):
    X, y = iris_rows
    with pytest.raises(ValueError, match=r"one class, .*rows of positive weight"):
        encoder().fit(X, y, sample_weight=(y == 1).astype(float))


def test_labels_of_the_wrong_length_or_kind(iris_rows):
    X, y = iris_rows
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[150, 149\]"):
        encoder().fit(X, y[:-1])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        encoder().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="requires y to be passed"):
        encoder().fit(X, None)


def test_unknown_labels_in_class_weight(iris_rows):
    with pytest.raises(ValueError, match="not in class_weight"):
        encoder(class_weight={7: 2.0}).fit(*iris_rows)


def test_another_number_of_columns_at_prediction(iris_rows):
    X, y = iris_rows
    model = encoder().fit(X, y)
    for method in (model.predict, model.predict_proba, model.decision_function, model.transform):
        with pytest.raises(ValueError, match=r"3 features, but .* expecting 4"):
            method(X[:, :3])


def test_columns_in_another_order_at_prediction(iris_rows):
    X, y = iris_rows
    table = pd.DataFrame(np.array(X), columns=list("abcd"))
    model = encoder().fit(table, y)
    for method in (model.predict, model.transform):
        with pytest.raises(ValueError, match="must be in the same order"):
            method(table[["b", "a", "c", "d"]])
        with pytest.raises(ValueError, match="unseen at fit time"):
            method(table.rename(columns={"a": "z"}))


def test_methods_before_the_fit(iris_rows):
    X, _ = iris_rows
    model = encoder()
    for method in (model.predict, model.predict_proba, model.decision_function, model.transform):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            method(X)


def test_a_failed_fit_leaves_the_fitted_model_in_use(iris_rows):
    X, y = iris_rows
    model = encoder().fit(X, y)
    proba = model.predict_proba(X)
    with pytest.raises(ValueError, match="penalty='spectral'"):
        model.set_params(penalty="spectral").fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        model.set_params(penalty=None).fit(X, np.zeros(150))
    np.testing.assert_array_equal(model.predict_proba(X), proba)
