"""A frame in another column order than at fit: certified as predict reads it, or refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from specreg_sklearn.attacks import CGBA
from specreg_sklearn.certificates import Affine
from specreg_sklearn.inspection import logit_margins
from specreg_sklearn.metrics import StatedLipschitz, certified_radius, robust_accuracy_score

FRAME = pd.DataFrame(
    np.random.default_rng(0).normal(size=(80, 3)) * [1, 100, 0.1], columns=list("xyz")
)
LABELS = (FRAME["x"] + 3 * FRAME["z"] > 0).astype(int).to_numpy()


class Loose(TransformerMixin, BaseEstimator):
    """Passes frames on, and records no names."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X

    def __certified_stages__(self, role):
        return [Affine(np.ones(3))]


class Renaming(Loose):
    """Passes frames on under other names."""

    def transform(self, X):
        return X.add_prefix("new_") if isinstance(X, pd.DataFrame) else X

    def __certified_stages__(self, role):
        return [Affine(np.ones(3))]


def by_name(prefix="", **settings):
    x, y, z = (prefix + name for name in "xyz")
    return ColumnTransformer(
        [("a", StandardScaler(), [x]), ("b", "passthrough", [z]), ("c", StandardScaler(), [y])],
        **settings,
    )


def positions():
    return ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", MinMaxScaler(), [1])])


def last():
    return LogisticRegression(C=100)


MODELS = {
    "passthrough": lambda: make_pipeline("passthrough", by_name(), last()),
    "none": lambda: Pipeline([("n", None), ("c", by_name()), ("m", last())]),
    "first": lambda: make_pipeline(by_name(), last()),
    "by position": lambda: make_pipeline(positions(), last()),
    "by position behind": lambda: make_pipeline("passthrough", positions(), last()),
    "identity": lambda: make_pipeline(FunctionTransformer(), by_name(), last()),
    "function": lambda: make_pipeline(
        FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0)), by_name(), last()
    ),
    "union": lambda: make_pipeline(FeatureUnion([("p", "passthrough"), ("c", by_name())]), last()),
    "union behind": lambda: make_pipeline(
        "passthrough", FeatureUnion([("d", "drop"), ("c", by_name())]), last()
    ),
    "nested": lambda: make_pipeline(
        "passthrough", Pipeline([("p", "passthrough"), ("c", by_name())]), last()
    ),
    "remainder": lambda: make_pipeline(
        "passthrough",
        ColumnTransformer([("a", StandardScaler(), ["y"])], remainder="passthrough"),
        last(),
    ),
    "verbose": lambda: make_pipeline(
        "passthrough", by_name(verbose_feature_names_out=False), last()
    ).set_output(transform="pandas"),
    "inner": lambda: make_pipeline(
        StandardScaler().set_output(transform="pandas"), by_name(), last()
    ),
    "search": lambda: GridSearchCV(make_pipeline("passthrough", by_name(), last()), {}, cv=2),
    "loose": lambda: make_pipeline(Loose(), by_name(), last()),
    "plain": lambda: make_pipeline("passthrough", StandardScaler(), last()),
}


def exact(model, X):
    """Return the distance of rows from the boundary of an affine decision function on a frame."""
    slope = np.empty(X.shape[1])
    start = model.decision_function(X)
    for j, name in enumerate(X.columns):
        step = X[name].std()
        slope[j] = (model.decision_function(X.assign(**{name: X[name] + step})) - start).mean()
        slope[j] /= step
    return np.abs(start) / np.linalg.norm(slope)


@pytest.mark.parametrize("order", ["xyz", "yxz", "zyx"])
@pytest.mark.parametrize("name", MODELS)
def test_a_radius_is_right_or_refused(name, order):
    model, X = MODELS[name]().fit(FRAME, LABELS), FRAME[list(order)]
    for asked in (model, FrozenEstimator(model)):
        if order == "xyz":
            radius = certified_radius(asked, X, scale=None)
            if name != "function":  # which is not affine, and bounded by its constant
                np.testing.assert_allclose(radius, exact(model, X), rtol=1e-5)
            continue
        with pytest.raises(ValueError, match=r"another order|in the same order") as refusal:
            certified_radius(asked, X, scale=None)
        if "another order" in str(refusal.value):
            assert "Expected ['x', 'y', 'z'], given " in str(refusal.value)
            assert "pass X[['x', 'y', 'z']]" in str(refusal.value)
    if order == "yxz" and name == "passthrough":
        with pytest.raises(ValueError, match=r"the step 'columntransformer' \(ColumnTransformer\)"):
            logit_margins(model, X, LABELS)
        # A score does without proofs where there are none.
        eps = {"eps": 0.5, "scale": None, "max_samples": 8, "attack": CGBA(max_queries=100)}
        plain = robust_accuracy_score(model, X, LABELS, certify=False, **eps)
        assert robust_accuracy_score(model, X, LABELS, **eps) == plain


def test_columns_that_nobody_saw_are_left_out():
    model = MODELS["passthrough"]().fit(FRAME, LABELS)
    wide = FRAME.assign(more=7.0)[["more", "x", "y", "z"]]
    np.testing.assert_allclose(
        certified_radius(model, wide, scale=None),
        certified_radius(model, FRAME, scale=None),
        rtol=1e-12,
    )


@pytest.mark.parametrize("order", ["xyz", "zyx"])
@pytest.mark.parametrize("name", ["by position", "by position behind", "plain"])
def test_frames_for_a_model_fitted_on_an_array_go_by_position(name, order):
    model, X = MODELS[name]().fit(FRAME.to_numpy(), LABELS), FRAME[list(order)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(
            certified_radius(model, X, scale=None), exact(model, X), rtol=1e-5
        )


def test_arrays_for_a_model_fitted_on_a_frame_go_by_position_or_not_at_all():
    rows = FRAME.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = MODELS["plain"]().fit(FRAME, LABELS)
        wanted = certified_radius(plain, FRAME, scale=None)
        np.testing.assert_allclose(certified_radius(plain, rows, scale=None), wanted, rtol=1e-12)
        with pytest.raises(ValueError, match="only supported for dataframes"):
            certified_radius(MODELS["passthrough"]().fit(FRAME, LABELS), rows, scale=None)


def test_names_that_cannot_be_followed_are_refused():
    model = make_pipeline(Renaming(), by_name("new_"), last()).fit(FRAME, LABELS)
    with pytest.raises(ValueError, match=r"cannot be followed to the step 'columntransformer'"):
        certified_radius(model, FRAME, scale=None)
    turned = FRAME[["z", "y", "x"]]
    wide = FRAME.assign(more=1.0)
    parts = [FrozenEstimator(by_name().fit(wide[[*"xyz"]]))]
    pick = ColumnTransformer([("a", "passthrough", ["more", "x", "y"])])
    parts.append(FrozenEstimator(pick.fit(wide[["more", "x", "y"]])))
    model = make_pipeline(make_union(*parts), last()).fit(wide, LABELS)
    with pytest.raises(ValueError, match="fitted on frames with different columns"):
        certified_radius(model, wide[["more", "x", "y", "z"]], scale=None)
    with pytest.raises(ValueError, match="another order"):
        certified_radius(MODELS["loose"]().fit(FRAME, LABELS), turned, scale=None)
