"""Containers, dtypes and labels that go in, and what comes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import L2, LLSpectral, RepSpectral

LAYOUTS = ["read-only", "fortran", "strided", "list", "reversed", "upside down", "big-endian"]
COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 20, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float64),
        (np.int64, np.float64),
        (np.uint8, np.float64),
    ],
)
@pytest.mark.parametrize("penalty", [None, "l2", "rep_spectral", "ll_spectral"])
def test_dtype_follows_the_rows(iris_rows, given, computed, penalty):
    X, y = iris_rows
    X = (10 * np.abs(X)).astype(given)
    model = encoder(penalty=penalty).fit(X, y)
    assert {p.detach().numpy().dtype for p in model.module_.parameters()} == {np.dtype(computed)}
    for output in (model.transform(X), model.predict_proba(X), model.decision_function(X)):
        assert output.dtype == computed
    assert model.predict(X).dtype == y.dtype


def test_prediction_in_another_dtype_keeps_the_dtype_of_the_fit(iris_rows):
    X, y = iris_rows
    model = encoder().fit(X.astype(np.float32), y)
    assert model.transform(X).dtype == np.float32
    np.testing.assert_array_equal(model.transform(X), model.transform(X.astype(np.float32)))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["setosa", "versicolor", "virginica"]),
        np.array(["setosa", "versicolor", "virginica"], dtype=object),
        np.array([10, 20, 30]),
        np.array([-1.0, 0.0, 1.0]),
    ],
)
def test_labels_of_any_kind(iris_rows, labels):
    X, y = iris_rows
    model = encoder().fit(X, labels[y])
    plain = encoder().fit(X, y)
    np.testing.assert_array_equal(model.classes_, labels)
    np.testing.assert_array_equal(model.predict(X), labels[plain.predict(X)])
    assert model.predict(X).dtype == labels.dtype


def test_boolean_labels(cancer_rows):
    X, y = cancer_rows
    model = encoder(max_iter=5).fit(X, y.astype(bool))
    assert model.predict(X).dtype == bool


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_with_string_columns(iris_rows, frame):
    X, y = iris_rows
    table = frame(dict(zip(COLUMNS, np.array(X).T, strict=True)))
    model = encoder().fit(table, y)
    plain = encoder().fit(X, y)
    # Which frames have names is scikit-learn's choice: 1.6 does not read those of polars 2.
    names = getattr(StandardScaler().fit(table), "feature_names_in_", None)
    assert frame is pl.DataFrame or list(names) == COLUMNS
    np.testing.assert_array_equal(getattr(model, "feature_names_in_", None), names)
    np.testing.assert_array_equal(model.predict_proba(table), plain.predict_proba(X))


def test_labels_in_a_pandas_series_with_another_index(iris_rows):
    X, y = iris_rows
    table = pd.DataFrame(np.array(X), columns=COLUMNS, index=range(1000, 1150))
    names = pd.Series(np.array(["a", "b", "c"])[y], index=range(150))
    model = encoder().fit(table, names)
    np.testing.assert_array_equal(model.predict(table), np.array(["a", "b", "c"])[
        encoder().fit(X, y).predict(X)
    ])  # fmt: skip


@pytest.mark.parametrize(("api", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output(iris_rows, api, frame):
    X, y = iris_rows
    model = encoder(hidden_layer_sizes=(5, 3)).fit(X, y)
    expected = model.transform(X)
    features = model.set_output(transform=api).transform(X)
    names = [f"spectrallyregularizedencoder{number}" for number in range(3)]
    assert isinstance(features, frame)
    assert list(features.columns) == names == list(model.get_feature_names_out())
    np.testing.assert_array_equal(features.to_numpy(), expected)


def test_set_output_keeps_the_index(iris_rows):
    X, y = iris_rows
    table = pd.DataFrame(np.array(X), columns=COLUMNS, index=range(1000, 1150))
    model = encoder().set_output(transform="pandas")
    assert list(model.fit_transform(table, y).index) == list(table.index)


def test_features_are_the_last_hidden_layer(iris_rows):
    X, y = iris_rows
    model = encoder(hidden_layer_sizes=(7, 5), activation="gelu").fit(X, y)
    hidden1, hidden2 = model.module_.backbone.hidden1, model.module_.backbone.hidden2
    with torch.no_grad():
        first = nn.functional.gelu(torch.tensor(X) @ hidden1.weight.T + hidden1.bias)
        second = nn.functional.gelu(first @ hidden2.weight.T + hidden2.bias)
        logits = second @ model.module_.head.weight.T + model.module_.head.bias
    np.testing.assert_allclose(model.transform(X), second.numpy(), atol=1e-12)
    np.testing.assert_allclose(model.decision_function(X), logits.numpy(), atol=1e-12)


def test_the_three_outputs_of_two_classes_agree(cancer_rows):
    X, y = cancer_rows
    model = encoder().fit(X, y)
    margin = model.decision_function(X)
    assert margin.shape == y.shape
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(-margin)))
    np.testing.assert_array_equal(model.predict(X), (margin > 0).astype(int))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layouts(iris_rows, layout):
    X, y = np.array(iris_rows[0]), np.array(iris_rows[1])
    expected = encoder().fit(X, y).predict_proba(X)
    if layout == "read-only":
        X.setflags(write=False)
        y.setflags(write=False)
    elif layout == "fortran":
        X = np.asfortranarray(X)
    elif layout == "strided":
        X = np.repeat(X, 2, axis=0)[::2]
    elif layout == "reversed":
        X = np.ascontiguousarray(X[:, ::-1])[:, ::-1]
    elif layout == "upside down":
        X, y = X[::-1].copy()[::-1], y[::-1].copy()[::-1]
    elif layout == "big-endian":
        X = X.astype(">f8")
    elif layout == "list":
        X, y = X.tolist(), y.tolist()
    model = encoder().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-9)


def test_fit_leaves_its_input_alone(iris_rows):
    X, y = (np.array(array) for array in iris_rows)
    weight = np.linspace(0, 1, len(y))
    kept = X.copy(), y.copy(), weight.copy()
    encoder(class_weight="balanced").fit(X, y, sample_weight=weight).transform(X)
    for before, after in zip(kept, (X, y, weight), strict=True):
        np.testing.assert_array_equal(before, after)


def test_constant_column(iris_rows):
    X, y = iris_rows
    table = np.column_stack([X, np.full(len(X), 7.0)])
    model = make_pipeline(StandardScaler(), encoder(max_iter=100, learning_rate_init=0.01))
    assert model.fit(table, y).score(table, y) > 0.9


def test_many_rows_are_predicted_in_blocks_equal_to_one_by_one(iris_rows):
    X, y = iris_rows
    model = encoder().fit(X, y)
    many = np.tile(X, (120, 1))  # 18000 rows: more than one block
    np.testing.assert_allclose(
        model.predict_proba(many), np.tile(model.predict_proba(X), (120, 1)), rtol=1e-12
    )


def test_images_for_a_convolutional_backbone_come_as_flat_rows():
    def convnet(input_shape):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )

    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    model = encoder(
        module=convnet, input_shape=(1, 8, 8), penalty="l2", alpha=1e-4, learning_rate_init=1e-2
    ).fit(X, y)
    assert model.transform(X).shape == (300, 4 * 4 * 4)
    assert model.score(X, y) > 0.9
    with torch.no_grad():
        images = torch.tensor(X).reshape(-1, 1, 8, 8)
        expected = model.module_.backbone(images).numpy()
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-12)


def test_batch_norm_and_dropout_are_off_in_predictions(iris_rows):
    def with_norm(input_shape):
        return nn.Sequential(nn.Linear(*input_shape, 6), nn.BatchNorm1d(6), nn.ReLU())

    X, y = iris_rows
    model = encoder(module=with_norm, penalty="l2", max_iter=5).fit(X, y)
    together = model.predict_proba(X)
    alone = np.vstack([model.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_every_form_of_a_penalty_can_be_searched(iris_rows):
    forms = [None, "l2", "rep_spectral", RepSpectral(n_vectors=2), LLSpectral(), L2()]
    search = GridSearchCV(encoder(max_iter=5), {"penalty": forms}, cv=2, error_score="raise")
    search.fit(*iris_rows)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 6
    assert scores[1] == scores[5]  # the name and the object are the same penalty


def test_settings_of_a_penalty_object_can_be_searched(iris_rows):
    search = GridSearchCV(
        encoder(penalty=RepSpectral(), max_iter=5),
        {"penalty__n_vectors": [1, 4], "alpha": [0.01, 0.1]},
        cv=2,
        error_score="raise",
    ).fit(*iris_rows)
    assert search.best_estimator_.penalty.n_vectors in (1, 4)
    assert len(search.cv_results_["params"]) == 4


def test_a_penalty_object_is_not_changed_by_fits(iris_rows):
    penalty = RepSpectral(n_vectors=3)
    before = dict(vars(penalty))
    model = encoder(penalty=penalty).fit(*iris_rows)
    assert model.penalty is penalty
    assert vars(penalty) == before
