"""What the guide says of safetensors and MLflow."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.export import SKOPS_TRUSTED_TYPES

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": 8, "max_iter": 2}


@pytest.mark.parametrize("image", [{}, {"module": "convnet", "input_shape": (1, 2, 2)}])
def test_weights_move_to_another_encoder_through_safetensors(tmp_path, image):
    first = SpectrallyRegularizedEncoder(**SMALL, **image, random_state=0).fit(X, Y)
    second = SpectrallyRegularizedEncoder(**SMALL, **image, random_state=1).fit(X, Y)
    weights = first.module_.state_dict()
    save_file({name: w.contiguous() for name, w in weights.items()}, tmp_path / "w.safetensors")
    second.module_.load_state_dict(load_file(tmp_path / "w.safetensors"))
    np.testing.assert_array_equal(second.predict_proba(X), first.predict_proba(X))


@pytest.mark.slow
def test_mlflow_logs_and_loads_with_its_default_format(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    mlflow = pytest.importorskip("mlflow")
    encoder = SpectrallyRegularizedEncoder(**SMALL, random_state=0)
    model = make_pipeline(StandardScaler(), encoder, RobustLinearProbe()).fit(X, Y)
    mlflow.set_experiment("robustness")
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            skops_trusted_types=list(SKOPS_TRUSTED_TYPES),
            pip_requirements=["specreg-sklearn"],
        )
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    again = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
