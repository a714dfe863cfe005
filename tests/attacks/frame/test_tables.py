"""Attacks on real tables: frames with mixed columns, pipelines, integers, immutable columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from specreg_sklearn.attacks import ARTAttack, FeatureSpace

ATTACK = ARTAttack("HopSkipJump", max_iter=2, init_eval=20)


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(np.int32),
            "income": rng.lognormal(3, 1, n).astype(np.float32),
            "city": rng.choice(["A", "B", "C"], n),
            "debt": rng.normal(size=n) * 1e4,
            "member": rng.random(n) < 0.5,
            "constant": np.full(n, 7.7),
        },
        index=[f"p{i}" for i in range(n)],
    )
    score = frame["age"] / 20 - np.log(frame["income"]) + frame["debt"] / 1e4
    labels = np.where(score > score.median(), "pays", "fails")
    return frame, labels


def pipeline():
    columns = make_column_transformer(
        (StandardScaler(), ["age", "income", "debt", "constant"]),
        (OneHotEncoder(), ["city", "member"]),
    )
    return make_pipeline(columns, LogisticRegression())


def check_rows(model, frame, labels, result, space):
    X_adv = result.X_adv
    assert (model.predict(X_adv) != labels).all()
    assert list(X_adv.columns) == list(frame.columns)
    np.testing.assert_allclose(result.distances, space.distances(X_adv, frame), rtol=1e-12)


def test_mixed_frame_in_a_pipeline(people):
    frame, labels = people
    model = pipeline().fit(frame, labels)
    space = FeatureSpace.from_data(frame)
    part, y = frame[:10], labels[:10]
    result = ATTACK.run(model, part, y, space=space, pool=frame)
    check_rows(model, part, y, result, space)
    assert result.X_adv.dtypes.equals(part.dtypes)
    assert result.X_adv.index.equals(part.index)
    fixed = ["city", "member", "constant"]
    pd.testing.assert_frame_equal(result.X_adv[fixed], part[fixed], check_exact=True)
    moved = result.X_adv[["age", "income", "debt"]]
    assert (moved >= frame[moved.columns].min()).all(axis=None)
    assert (moved <= frame[moved.columns].max()).all(axis=None)
    right = model.predict(part) == y
    assert (result.distances[right] > 0).all()
    assert (result.distances[~right] == 0).all()


def test_only_mutable_columns_move(people):
    frame, labels = people
    model = pipeline().fit(frame, labels)
    space = FeatureSpace.from_data(frame, mutable=["debt"])
    result = ATTACK.run(model, frame[:8], labels[:8], space=space, pool=frame)
    rest = frame.columns.drop("debt")
    pd.testing.assert_frame_equal(result.X_adv[rest], frame[:8][rest], check_exact=True)
    assert (result.X_adv["debt"] != frame["debt"][:8])[result.status == "found"].all()


class OnPolars:
    """A model that selects its columns by name; old ColumnTransformers do not know new polars."""

    columns = ("age", "income", "debt")

    def fit(self, frame, labels):
        self.model = make_pipeline(StandardScaler(), LogisticRegression())
        self.model.fit(frame.select(self.columns).to_numpy(), labels)
        return self

    def predict(self, frame):
        assert isinstance(frame, pl.DataFrame)
        return self.model.predict(frame.select(self.columns).to_numpy())


def test_polars_frame(people):
    frame, labels = people
    frame = pl.from_pandas(frame)
    model = OnPolars().fit(frame, labels)
    space = FeatureSpace.from_data(frame)
    result = ATTACK.run(model, frame[:15], labels[:15], space=space, pool=frame)
    assert isinstance(result.X_adv, pl.DataFrame)
    assert result.X_adv.schema == frame.schema
    check_rows(model, frame[:15], labels[:15], result, space)
    for column in ("city", "member", "constant"):
        assert result.X_adv[column].to_list() == frame[column][:15].to_list()


def test_search_as_the_model(people):
    frame, labels = people
    grid = {"logisticregression__C": [0.1, 1]}
    model = GridSearchCV(pipeline(), grid, cv=2).fit(frame, labels)
    result = ATTACK.run(model, frame[:5], labels[:5], pool=frame)
    assert (model.predict(result.X_adv) != labels[:5]).all()


def test_integer_array():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100, size=(200, 4))
    y = (X.sum(axis=1) > 200).astype(int)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    result = ATTACK.run(model, X[:20], y[:20], pool=X)
    assert result.X_adv.dtype == X.dtype
    assert (model.predict(result.X_adv) != y[:20]).all()
    expected = np.linalg.norm((result.X_adv - X[:20]) / X.std(axis=0), axis=1)
    np.testing.assert_allclose(result.distances, expected, rtol=1e-12)


def test_missing_values_stay_missing(cancer):
    X, y, _ = cancer
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    result = ATTACK.run(model, X[:8], y[:8], pool=X)
    assert result.success.all()
    assert (model.predict(result.X_adv) != y[:8]).all()
    np.testing.assert_array_equal(np.isnan(result.X_adv), np.isnan(X[:8]))
    step = np.where(np.isnan(X[:8]), 0, result.X_adv - X[:8]) / np.nanstd(X, axis=0)
    np.testing.assert_allclose(result.distances, np.linalg.norm(step, axis=1), rtol=1e-12)


def test_lists_of_lists(iris):
    X, y, model = iris
    result = ATTACK.run(model, X[:5].tolist(), y[:5].tolist(), pool=X.tolist())
    assert isinstance(result.X_adv, list)
    assert (model.predict(result.X_adv) != y[:5]).all()


def test_space_of_another_table_is_refused(people):
    frame, labels = people
    model = pipeline().fit(frame, labels)
    space = FeatureSpace.from_data(frame[["age", "income", "debt"]])
    with pytest.raises(ValueError, match=r"unknown \['city', 'member', 'constant'\]"):
        ATTACK.run(model, frame, labels, space=space)


def test_misclassified_rows_are_not_attacked(iris):
    X, y, model = iris
    wrong = model.predict(X) != y
    result = ATTACK.run(model, X, y, pool=X)
    assert wrong.any()
    assert (result.status[wrong] == "already_wrong").all()
    assert (result.distances[wrong] == 0).all()
    np.testing.assert_array_equal(result.X_adv[wrong], X[wrong])
    # An untargeted attack on them would have turned some into right answers.
    assert (model.predict(result.X_adv) != y).all()
