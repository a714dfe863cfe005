"""What is refused, and what the messages say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows, register_tree_reader
from specreg_sklearn.certificates.trees.readers import read_trees
from specreg_sklearn.space import FeatureSpace
from tests.certificates.trees.models import toy_rows


@pytest.fixture
def rows():
    return toy_rows(0)


@pytest.mark.parametrize(("model", "words"), [
    (LogisticRegression(), "not a classifier made of trees"),
    (BaggingClassifier(LogisticRegression(), random_state=0), "over LogisticRegression"),
    (AdaBoostClassifier(LogisticRegression(), random_state=0), "over LogisticRegression"),
    (GradientBoostingClassifier(init=LogisticRegression(), random_state=0), "init=LogisticReg"),
])  # fmt: skip
def test_models_that_are_not_sums_of_trees(model, words, rows):
    with pytest.raises(NoCertificateError, match=words):
        TreeEnsemble.from_estimator(model.fit(*rows))


def test_several_outputs(rows):
    X, y = rows
    for model in (
        RandomForestClassifier(3, random_state=0),
        DecisionTreeClassifier(random_state=0),
    ):
        with pytest.raises(NoCertificateError, match="2 outputs per row"):
            TreeEnsemble.from_estimator(model.fit(X, np.column_stack([y, y])))


def test_not_fitted():
    with pytest.raises(NotFittedError):
        TreeEnsemble.from_estimator(RandomForestClassifier())


class Contrary(RandomForestClassifier):
    def predict(self, X):
        return 1 - super().predict(X)


class Quiet(RandomForestClassifier):
    pass


def test_subclasses_that_predict_otherwise(rows):
    with pytest.raises(NoCertificateError, match="overrides predict"):
        TreeEnsemble.from_estimator(Contrary(3, random_state=0).fit(*rows))
    assert TreeEnsemble.from_estimator(Quiet(3, random_state=0).fit(*rows)).trees.n_columns == 3


class Renamed(Contrary):
    pass


@register_tree_reader(Renamed)
def _read_wrongly(estimator):
    """Leave out that predict turns labels round."""
    trees = DecisionTreeClassifier(random_state=0).fit(*toy_rows(0))
    return read_trees(trees)


def test_a_reader_that_is_wrong_is_found_out(rows):
    with pytest.raises(NoCertificateError, match="another label"):
        TreeEnsemble.from_estimator(Renamed(3, random_state=0).fit(*rows))


def test_another_threshold_is_found_out(rows):
    model = RandomForestClassifier(9, max_depth=3, random_state=0).fit(*rows)
    ensemble = TreeEnsemble.from_estimator(model)
    model.estimators_[0].tree_.threshold[0] += 0.5
    space = FeatureSpace.from_data(rows[0])
    with pytest.raises(NoCertificateError, match="has no certificate"):
        for norm in (1, 2):
            nearest_rows(ensemble, space.bind(rows[0]), norm=norm)


def test_spaces_that_are_not_moves_between_cells(rows):
    X, y = rows
    ensemble = TreeEnsemble.from_estimator(DecisionTreeClassifier(random_state=0).fit(X, y))
    repaired = FeatureSpace.from_data(X, repair=lambda moved, clean: moved)
    with pytest.raises(NoCertificateError, match="space with a repair"):
        nearest_rows(ensemble, repaired.bind(X))
    with pytest.raises(ValueError, match="X has 2 features"):
        nearest_rows(ensemble, FeatureSpace.from_data(X[:, :2]).bind(X[:, :2]))


def _squares(y, score):
    return score - y, np.ones_like(score)


@pytest.mark.parametrize(("settings", "words"), [
    ({"booster": "gblinear"}, "booster='gblinear'"),
    ({"booster": "dart"}, "booster='dart'"),
    ({"objective": "binary:hinge"}, "objective='binary:hinge'"),
    ({"missing": -1.0}, "missing=-1.0"),
    ({"objective": _squares}, "objective=_squares"),
])  # fmt: skip
def test_xgboost_settings(settings, words, rows):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, **settings).fit(*rows)
    with pytest.raises(NoCertificateError, match=words):
        TreeEnsemble.from_estimator(model)


@pytest.mark.parametrize(("settings", "words"), [
    ({"cat_features": [0]}, "cat_features.*encode these columns"),
    ({"loss_function": "Focal:focal_alpha=0.5;focal_gamma=1"}, "loss_function='Focal'"),
])  # fmt: skip
def test_catboost_settings(settings, words, rows):
    catboost = pytest.importorskip("catboost")
    X, y = rows
    if "cat_features" in settings:
        X = pd.DataFrame(X).astype({0: int})
    quiet = {"verbose": 0, "allow_writing_files": False}
    model = catboost.CatBoostClassifier(iterations=3, **quiet, **settings).fit(X, y)
    with pytest.raises(NoCertificateError, match=words):
        TreeEnsemble.from_estimator(model)


@pytest.mark.parametrize(("settings", "words"), [
    ({"linear_tree": True}, "linear_tree=True"),
    ({"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "boosting_type='rf'"),
    ({"zero_as_missing": True}, "zero_as_missing=True"),
    ({"objective": _squares}, "objective=_squares"),
])  # fmt: skip
def test_lightgbm_settings(settings, words, rows):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1, **settings).fit(*rows)
    with pytest.raises(NoCertificateError, match=words):
        TreeEnsemble.from_estimator(model)
