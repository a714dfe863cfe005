"""Starts by class means: what they cost, when they come, and what they bring with many columns."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, TangentAttack
from specreg_sklearn.attacks.boundary._mean_starts import LEAST_COLUMNS


class Plane:
    """Label 1 beyond the plane at right angles to `normal` through the origin; counts its rows."""

    def __init__(self, normal):
        self.normal, self.n_asked = normal / np.linalg.norm(normal), 0

    def predict(self, X):
        self.n_asked += len(X)
        return (X @ self.normal > 0).astype(int)


def rows_of(d, seed=0):
    rng = np.random.default_rng(seed)
    model = Plane(rng.normal(size=d))
    X = rng.normal(size=(400, d)) + rng.choice([-1, 1], size=(400, 1)) * model.normal
    return model, X[:300], X[300:320]


@pytest.mark.parametrize("attack", [CGBA, TangentAttack, HopSkipJump])
def test_few_queries_reach_a_plane_with_many_columns(attack):
    model, pool, X = rows_of(2 * LEAST_COLUMNS)
    y = model.predict(X)
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)
    found = attack(max_queries=100).run(model, X, y, space=space, pool=pool)
    # The difference of two means of 150 rows is about this far from the normal; nearest rows of
    # data lead to ten times the distance.
    cosine = 2 / np.sqrt(4 + 2 * 2 * LEAST_COLUMNS / 150)
    exact = np.abs(X @ model.normal)
    assert np.median(found.distances / exact) < 1.15 / cosine
    assert (found.n_queries <= 100).all()


def test_columns_that_are_missing_stay_missing():
    model, pool, X = rows_of(LEAST_COLUMNS)
    X, pool = X.copy(), pool.copy()
    X[:, :5], pool[::7, 3:9] = np.nan, np.nan

    class Filled:
        def predict(self, Z):
            return model.predict(np.nan_to_num(Z))

    y = Filled().predict(X)
    space = FeatureSpace.from_data(pool, scale=None)
    found = CGBA(max_queries=100).run(Filled(), X, y, space=space, pool=pool)
    assert found.success.all()
    assert (np.isnan(found.X_adv) == np.isnan(X)).all()


def test_rows_that_the_user_gave_are_the_only_starts():
    model, pool, X = rows_of(LEAST_COLUMNS)
    y = model.predict(X)
    space = FeatureSpace.from_data(pool, bounds=None, scale=None)
    wrong = [pool[model.predict(pool) != label][:1] for label in y]
    given = np.concatenate(wrong)[:, None]
    first = CGBA(max_queries=60, starts=given).run(model, X, y, space=space, pool=pool)
    other = CGBA(max_queries=60, starts=given).run(model, X, y, space=space, pool=pool[::-2])
    assert (first.X_adv == other.X_adv).all()
