"""Files of skops: equal answers, nothing to trust but types of this library, warm starts go on."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
)
from specreg_sklearn.export import SKOPS_TRUSTED_TYPES
from specreg_sklearn.modules import ConvNet, ResNet18
from specreg_sklearn.objectives import Trades
from specreg_sklearn.objectives.self_supervised import SimCLR, TableViews
from specreg_sklearn.penalties import Jacobian, LLSpectral, Sum

X, Y = load_iris(return_X_y=True)
IMAGES = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)


def encoder(**settings):
    given = {"hidden_layer_sizes": 8, "max_iter": 2, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**given, **settings})


def self_supervised(**settings):
    given = {"hidden_layer_sizes": 8, "projector": (8, 4), "max_iter": 2, "random_state": 0}
    return SelfSupervisedEncoder(**{**given, **settings})


def stored_and_loaded(model):
    return skops.io.loads(skops.io.dumps(model), trusted=SKOPS_TRUSTED_TYPES)


def answers(model, rows):
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.transform(rows)


PENALTIES = Sum(LLSpectral(), Jacobian(), weights=(1, 0.3))
MODELS = {
    "encoder": encoder(),
    "probe": RobustLinearProbe(epsilon=0.1),
    "without labels": self_supervised(),
    "penalty and constraint": encoder(penalty=PENALTIES, constraint="spectral_norm"),
    "objective": encoder(objective=Trades(epsilon=0.1), solver="sgd"),
    "views": self_supervised(objective=SimCLR(views=TableViews(0.5))),
    "early stopping": encoder(early_stopping=True, activation="groupsort"),
    "chosen strength": encoder(alpha="auto", class_weight="balanced"),
    "pipeline": make_pipeline(StandardScaler(), encoder(), RobustLinearProbe()),
    "features for others": make_pipeline(self_supervised(), LogisticRegression()),
    "some columns": ColumnTransformer([("features", encoder(), [0, 1])], remainder="passthrough"),
    "fine-tuned": encoder(module=FrozenEstimator(encoder().fit(X, Y))),
}


@pytest.mark.parametrize("name", MODELS)
def test_twelve_models_answer_the_same_after_a_round_trip(name):
    model = MODELS[name].fit(X, Y)
    again = stored_and_loaded(model)
    np.testing.assert_array_equal(answers(again, X), answers(model, X))


@pytest.mark.parametrize(
    "module", [ConvNet(channels=4, n_features=4, batch_norm=True), ResNet18(width=1)]
)
def test_networks_of_images_answer_the_same(module):
    model = encoder(module=module, max_iter=1, warm_start=True).fit(IMAGES, np.arange(20) % 2)
    again = stored_and_loaded(model)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))
    for copied in (model, again):
        copied.fit(IMAGES, np.arange(20) % 2)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))


@pytest.mark.parametrize("solver", ["adam", "sgd", torch.optim.AdamW])
def test_a_warm_start_goes_on_as_if_nothing_had_been_stored(solver):
    """Weights, moments of the optimizer and the order of the rows all come back."""
    model = encoder(warm_start=True, solver=solver, batch_size=32).fit(X, Y)
    kinds = [*SKOPS_TRUSTED_TYPES, "torch.optim.adamw.AdamW"]
    again = skops.io.loads(skops.io.dumps(model), trusted=kinds)
    assert again.loss_curve_ == model.loss_curve_
    for copied in (model, again):
        copied.fit(X, Y)
    assert again.n_iter_ == 4
    assert again.loss_curve_ == model.loss_curve_
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_rows_in_parts_go_on_too():
    model = encoder().partial_fit(X[::2], Y[::2], classes=[0, 1, 2])
    again = stored_and_loaded(model)
    for copied in (model, again):
        copied.partial_fit(X[1::2], Y[1::2])
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_probe_starts_from_its_coefficients():
    model = stored_and_loaded(RobustLinearProbe(warm_start=True, epsilon=0.1).fit(X, Y))
    n_first = model.n_iter_
    assert model.fit(X, Y).n_iter_ < n_first


def test_features_that_do_not_learn_stay_so():
    model = encoder().fit(X, Y)
    model.module_.backbone.requires_grad_(False)
    weights = stored_and_loaded(model).module_.named_parameters()
    assert {name: w.requires_grad for name, w in weights} == {
        "backbone.hidden1.weight": False,
        "backbone.hidden1.bias": False,
        "head.weight": True,
        "head.bias": True,
    }


def test_names_of_columns_are_kept_and_compared():
    frame = pd.DataFrame(X, columns=list("abcd"))
    for model in (encoder(), self_supervised(), RobustLinearProbe()):
        again = stored_and_loaded(model.fit(frame, Y))
        assert list(again.feature_names_in_) == list("abcd")
        with pytest.raises(ValueError, match="feature names should match"):
            answers(again, frame[list("dcba")])


def test_a_file_that_brings_a_pickle_is_not_loaded():
    """What a pickle of a net holds is a pickle itself; a file of skops cannot smuggle it in."""
    kinds = {name.rpartition(".")[2] for name in SKOPS_TRUSTED_TYPES}
    assert "PenalizedNet" in kinds and "_Everything" not in kinds
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(encoder().fit(X, Y).net_)))
    assert b"pickle" not in source.read("schema.json")
    forged = io.BytesIO()
    net = skops.io.dumps(
        {"__cuda_dependent_attributes__": b"cos\nsystem\n(S'true'\ntR.", "device": "cpu"}
    )
    with zipfile.ZipFile(io.BytesIO(net)) as old, zipfile.ZipFile(forged, "w") as new:
        schema = json.loads(old.read("schema.json"))
        content = {key: schema[key] for key in schema if key not in ("protocol", "_skops_version")}
        schema |= {
            "__class__": "PenalizedNet",
            "__module__": "specreg_sklearn.training._net",
            "__loader__": "ObjectNode",
            "__id__": 1,
            "content": content,
        }
        new.writestr("schema.json", json.dumps(schema))
        for name in old.namelist():
            if name != "schema.json":
                new.writestr(name, old.read(name))
    with pytest.raises(KeyError, match="network"):
        skops.io.loads(forged.getvalue(), trusted=SKOPS_TRUSTED_TYPES)


def test_a_network_that_is_no_plain_data_is_refused_by_name():
    model = encoder().fit(X, Y)
    model.module_.backbone.append(torch.nn.Hardswish())
    with pytest.raises(
        ValueError, match=r"backbone\.2 of the network is a torch.*Hardswish.*joblib"
    ):
        skops.io.dumps(model)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_hook_is_no_plain_data():
    model = encoder().fit(X, Y)
    model.module_.head.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="head of the network has hooks"):
        skops.io.dumps(model)


def test_every_type_to_trust_exists_and_has_settings_only():
    for name in SKOPS_TRUSTED_TYPES:
        module, _, kind = name.rpartition(".")
        assert module.startswith("specreg_sklearn.")
        assert hasattr(__import__(module, fromlist=[kind]), kind)
