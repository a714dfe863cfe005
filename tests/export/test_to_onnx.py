"""ONNX models compute what the estimators compute: asked through onnxruntime."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from specreg_sklearn import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
)
from specreg_sklearn.export import to_onnx
from specreg_sklearn.modules import ConvNet, ResNet18

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)
WORDS = np.array(["setosa", "versicolor", "virginica"])[Y]
FEW = X[::5]
IMAGES = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)
IMAGE_LABELS = np.arange(40) % 2
IMAGES[IMAGE_LABELS == 1, :, :4] += 1  # bright above


def encoder(**settings):
    given = {"hidden_layer_sizes": (8, 4), "max_iter": 5, "random_state": 0}
    given |= {"learning_rate_init": 0.02, "batch_size": 30}
    return SpectrallyRegularizedEncoder(**{**given, **settings})


def self_supervised():
    return SelfSupervisedEncoder(hidden_layer_sizes=8, projector=8, max_iter=2, random_state=0)


def linear_layer():
    """A layer of the user's with weights that are drawn from no global generator."""
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 4, 4)
    layer.load_state_dict({"weight": torch.eye(4) - 0.3, "bias": torch.arange(4.0) - 2})
    return layer


def answers(model, rows):
    """Ask the ONNX model for all its outputs."""
    session = onnxruntime.InferenceSession(
        to_onnx(model, rows[:1]).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    if hasattr(rows, "columns"):
        asked = {name: rows[[name]].to_numpy() for name in rows.columns}
        asked = {
            name: column.astype(np.float32) if column.dtype.kind == "f" else column
            for name, column in asked.items()
        }
    else:
        asked = {"X": np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, asked), strict=True))


def assert_same_classifier(model, rows):
    found = answers(model, rows)
    assert list(found) == ["label", "probabilities"]
    labels = model.predict(rows)
    assert len(set(labels)) > 1  # else equal labels say little
    np.testing.assert_array_equal(found["label"], labels)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)
    assert found["probabilities"].dtype == np.float32


CLASSIFIERS = {
    "encoder": encoder(),
    "probe": RobustLinearProbe(),
    "scaled encoder": make_pipeline(StandardScaler(), encoder(activation="tanh")),
    "scaled probe": make_pipeline(StandardScaler(), PCA(2), RobustLinearProbe(epsilon=0.1)),
    "encoder and probe": make_pipeline(MinMaxScaler(), encoder(), RobustLinearProbe()),
    "encoder and other": make_pipeline(StandardScaler(), encoder(), LogisticRegression()),
    "encoder and trees": make_pipeline(
        encoder(), RandomForestClassifier(3, max_depth=3, random_state=0)
    ),
    "without labels": make_pipeline(self_supervised(), RobustLinearProbe()),
    "two kinds of features": make_pipeline(
        FeatureUnion([("features", encoder()), ("itself", StandardScaler())]), RobustLinearProbe()
    ),
    "some columns": make_pipeline(
        ColumnTransformer([("features", encoder(), [0, 1])], remainder=StandardScaler()),
        RobustLinearProbe(),
    ),
    "pipeline in a pipeline": make_pipeline(
        make_pipeline(StandardScaler(), encoder(activation="maxmin")), RobustLinearProbe()
    ),
    "frozen encoder": make_pipeline(FrozenEstimator(encoder().fit(X, Y)), RobustLinearProbe()),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("labels", [Y, WORDS], ids=["numbers", "words"])
def test_twelve_pipelines_answer_the_same(name, labels):
    assert_same_classifier(CLASSIFIERS[name].fit(X, labels), FEW)


@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "elu", "gelu", "groupsort"])
def test_every_activation_is_written_down(activation):
    assert_same_classifier(encoder(activation=activation).fit(X, Y), FEW)


@pytest.mark.parametrize("layer", [torch.nn.Softplus(beta=2.0), torch.nn.LeakyReLU(0.2)])
def test_layers_of_the_users_own_module(layer):
    module = torch.nn.Sequential(linear_layer(), layer)
    assert_same_classifier(encoder(module=module, max_iter=20).fit(X, Y), FEW)


@pytest.mark.parametrize(
    ("module", "activation"),
    [
        (ConvNet(channels=(4, 8), n_features=8), "groupsort"),
        (ConvNet(channels=4, n_features=None, batch_norm=True), "relu"),
        (ResNet18(width=1), "tanh"),
    ],
)
def test_networks_of_images(module, activation):
    settings = {"max_iter": 3, "batch_size": 5, "penalty": None}
    model = encoder(module=module, activation=activation, **settings).fit(IMAGES, IMAGE_LABELS)
    assert_same_classifier(model, IMAGES)


def test_two_classes_of_a_probe_and_of_flags():
    model = RobustLinearProbe().fit(X, Y == 1)
    found = answers(model, FEW)
    np.testing.assert_array_equal(found["label"], model.predict(FEW))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(FEW), atol=1e-5)


@pytest.mark.parametrize(
    "model", [self_supervised(), make_pipeline(StandardScaler(), self_supervised())]
)
def test_a_transformer_gives_its_features(model):
    (features,) = answers(model.fit(X), FEW).values()
    np.testing.assert_allclose(features, model.transform(FEW), atol=1e-5)


def test_a_search_gives_its_best_model():
    search = GridSearchCV(encoder(), {"alpha": [0.0, 0.1]}, cv=2).fit(X, Y)
    assert_same_classifier(search, FEW)


def test_a_frame_has_one_input_for_each_column():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["colour"] = np.where(Y == 0, "red", "blue")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b", "c", "d"]),
         ("words", OneHotEncoder(sparse_output=False), ["colour"])]
    )  # fmt: skip
    model = make_pipeline(columns, encoder(), RobustLinearProbe()).fit(frame, WORDS)
    assert_same_classifier(model, frame)


def test_an_encoder_takes_a_frame_of_numbers():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["a"] = np.round(frame["a"]).astype(np.int64)
    assert_same_classifier(encoder().fit(frame, Y), frame)


def test_a_model_fitted_in_double_precision_agrees_to_single_precision():
    rows = X.astype(np.float64)
    model = make_pipeline(StandardScaler(), encoder()).fit(rows, Y)
    found = answers(model, rows)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)


def test_the_model_itself_is_left_alone():
    model = make_pipeline(StandardScaler(), encoder(), RobustLinearProbe()).fit(X, Y)
    steps = [step for _, step in model.steps]
    to_onnx(model, FEW)
    assert [step for _, step in model.steps] == steps


class OwnAnswer(RobustLinearProbe):
    def predict(self, X):
        return super().predict(X)[::-1]


class OwnEncoder(SpectrallyRegularizedEncoder):
    def _logits(self, X):
        return -super()._logits(X)


@pytest.mark.parametrize("kind", [OwnAnswer, OwnEncoder])
def test_a_subclass_with_answers_of_its_own_is_refused(kind):
    settings = {} if kind is OwnAnswer else {"max_iter": 2}
    with pytest.raises(TypeError, match=rf"{kind.__name__} computes something else"):
        to_onnx(kind(**settings).fit(X, Y), FEW)


def test_an_unknown_layer_is_named():
    module = torch.nn.Sequential(linear_layer(), torch.nn.Hardswish())
    model = encoder(module=module).fit(X, Y)
    with pytest.raises(ValueError, match=r"no rule for backbone\.1.*Hardswish.*It knows"):
        to_onnx(model, FEW)


def test_labels_without_a_counterpart_are_named():
    model = RobustLinearProbe().fit(X, Y.astype(float))
    with pytest.raises(ValueError, match=r"classes_ of RobustLinearProbe hold \[0\.0, 1\.0"):
        to_onnx(model, FEW)


def test_sparse_rows_and_words_in_an_array_are_refused():
    model = RobustLinearProbe().fit(X, Y)
    with pytest.raises(TypeError, match=r"X is a sparse matrix.*toarray"):
        to_onnx(model, sparse.csr_array(FEW))
    with pytest.raises(TypeError, match=r"X has dtype object.*Give a frame"):
        to_onnx(model, FEW.astype(object))


def test_features_in_place_of_labels_are_refused():
    model = make_pipeline(RobustLinearProbe().fit(X, Y), RobustLinearProbe().fit(X[:, :3], Y))
    with pytest.raises(TypeError, match="transform of RobustLinearProbe, which has none"):
        to_onnx(model, FEW)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r'pip install "specreg-sklearn\[onnx\]"'):
        to_onnx(RobustLinearProbe().fit(X, Y), FEW)
