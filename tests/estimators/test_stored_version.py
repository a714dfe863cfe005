"""A model that another version has stored is loaded with a warning."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import skops.io
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning as SklearnVersionWarning

import specreg_sklearn
import specreg_sklearn.estimators._stored_version as stored_version
from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.estimators import InconsistentVersionWarning

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
MODELS = [
    RobustLinearProbe().fit(X, Y),
    SpectrallyRegularizedEncoder(**SMALL).fit(X, Y),
    SelfSupervisedEncoder(projector=4, **SMALL).fit(X),
]


def load_skops(data):
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


FORMATS = [(pickle.dumps, pickle.loads), (skops.io.dumps, load_skops)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(("dump", "load"), FORMATS, ids=["pickle", "skops"])
def test_another_version_warns(monkeypatch, model, dump, load):
    with monkeypatch.context() as older:
        older.setattr(stored_version, "__version__", "0.0.7")
        data = dump(model)
    says = rf"was stored by specreg-sklearn 0\.0\.7, and this is {specreg_sklearn.__version__}"
    with pytest.warns(InconsistentVersionWarning, match=says):
        load(data)
    with pytest.warns(SklearnVersionWarning):  # whoever filters that one filters ours
        load(data)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(("dump", "load"), FORMATS, ids=["pickle", "skops"])
def test_the_same_version_does_not(model, dump, load):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load(dump(model))
        copy.deepcopy(clone(again))
    assert vars(again).keys() == vars(model).keys()  # the version is no attribute
