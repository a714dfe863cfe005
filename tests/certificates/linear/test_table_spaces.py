"""Linear models in the spaces of tables: whole numbers, prices, one-way columns, and L0.

The truth is enumerated where all columns are whole, and a mixed-integer program where some are not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, milp
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.metrics import adversarial_band, certified_radius
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import as_table
from tests.certificates.every_whole_row import IN_EVERY_SPACE, NORMS, assert_exact
from tests.grids import diagonal

MODELS = [
    LogisticRegression(),
    make_pipeline(StandardScaler(), RidgeClassifier()),
    SGDClassifier(random_state=0),
    RobustLinearProbe(epsilon=0.1),
    make_pipeline(StandardScaler(), Perceptron(random_state=0)),
]


def whole_rows(seed, n_classes, n_columns=4, n_rows=90):
    """Return rows of small whole numbers, and labels that lines separate in part."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-4, 5, size=(n_rows, n_columns))
    score = X @ rng.normal(size=n_columns) + rng.normal(size=n_rows)
    return X, np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))


@pytest.mark.parametrize(
    ("model", "n_classes"), diagonal(MODELS, [2, 3]), ids=lambda value: str(value)[:40]
)
@IN_EVERY_SPACE
def test_whole_numbers_against_every_row_there_is(model, options, n_classes):
    X, y = whole_rows(len(options), n_classes)
    assert_exact(model.fit(X, y), X, X[:12], options)


def cheapest_by_milp(model, x, whole, units, box, norm):
    """Return the distance to the boundary of a two-class model, by HiGHS."""
    d, slope, gap = len(x), model.coef_[0], float(model.decision_function(x[None])[0])
    sign = -np.sign(gap)
    # Per column: how far up and down, in cells, and whether it moves.
    gains = np.concatenate([sign * slope, -sign * slope])
    size = np.concatenate([1 / units, 1 / units])
    room = np.concatenate([box[1] - x, x - box[0]])
    is_whole = np.concatenate([whole, whole])
    rows, n = [np.concatenate([gains, np.zeros(2 * d + 1)])], 4 * d + 1
    for j in range(2 * d):
        moves = np.zeros(n)  # only where its flag is up
        moves[j], moves[2 * d + j] = -1.0, room[j]
        longest = np.zeros(n)
        longest[j], longest[-1] = -size[j], 1.0
        rows += [moves, longest]
    low = np.array([abs(gap), *np.zeros(4 * d)])
    cost = {
        0: np.concatenate([np.zeros(2 * d), np.ones(2 * d), [0]]),
        1: np.concatenate([size, np.zeros(2 * d + 1)]),
        np.inf: np.append(np.zeros(4 * d), 1.0),
    }[norm]
    found = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), low, np.full(len(low), np.inf)),
        integrality=np.concatenate([is_whole, np.ones(2 * d), [0]]),
        bounds=(np.zeros(n), np.concatenate([room, np.ones(2 * d), [np.inf]])),
        options={"mip_rel_gap": 0.0},
    )
    return found.fun if found.success else np.inf


@pytest.mark.parametrize("seed", range(4))
def test_some_whole_columns_against_milp(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 6)) * [1, 3, 1, 10, 1, 0.3]
    whole = np.array([0, 1, 0, 1, 1, 0], dtype=bool)
    X[:, whole] = np.rint(X[:, whole])
    y = X @ rng.normal(size=6) / [1] + rng.normal(size=80) > 0
    model = LogisticRegression(C=0.1).fit(X, y)
    units = X.std(axis=0)
    space = FeatureSpace.from_data(X, types=dict.fromkeys(np.flatnonzero(whole), "integer"))
    box = X.min(axis=0), X.max(axis=0)
    rows = space.bind(X[:8])
    for norm in (0, 1, np.inf):
        found = distance_prover(model, X).bounds(rows, norm=norm)
        exact = [cheapest_by_milp(model, x, whole, units, box, norm) for x in X[:8]]
        np.testing.assert_allclose(found.lower, exact, rtol=1e-6)
        assert found.closed.all()


def test_many_whole_columns_are_bracketed_where_they_do_not_close():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(300, 60))
    y = X @ rng.normal(size=60) > 0
    model = LogisticRegression(max_iter=1000).fit(X, y)
    space = FeatureSpace.from_data(X)
    few, many = (
        adversarial_band(model, X, y, space=space, attack=None, max_samples=20, max_nodes=nodes)
        for nodes in (20, 20_000)
    )
    assert (few.lower <= many.lower * (1 + 1e-9)).all() and (many.upper <= few.upper).all()
    assert many.closed.sum() > few.closed.sum()
    # Never on the wrong side of the other, whatever the budget.
    assert (many.lower <= few.upper).all() and (few.lower <= many.upper).all()


def test_frames_with_flags_and_prices():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(
        {
            "age": pd.array(rng.integers(18, 80, 200), dtype="Int8"),
            "member": rng.random(200) < 0.5,
            "debt": rng.normal(size=200),
        }
    )
    y = np.where(X["age"].astype(float) / 20 + X["member"] - X["debt"] > 3, "no", "yes")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    space = FeatureSpace.from_data(X, mutable=["age", "member", "debt"], cost={"age": (4.0, 1.0)})
    for norm in NORMS:
        band = adversarial_band(model, X, y, space=space, norm=norm, max_samples=30)
        assert band.closed.all(), (norm, band)
        found = np.isfinite(band.upper) & (band.upper > 0)
        assert (model.predict(band.X_adv) != y[band.places])[found].all()
        again = space.bind(X.iloc[band.places]).distance_to(as_table(band.X_adv), norm)
        np.testing.assert_allclose(again[found], band.upper[found], rtol=1e-12)


def test_fewest_columns_are_counted_by_gains():
    """The columns that can gain most inside their bounds come first."""
    X, y = np.random.default_rng(0).normal(size=(200, 6)), None
    y = X @ [3, 2, 1, 1, 0.5, 0.1] > 0
    model = LogisticRegression().fit(X, y)
    space = FeatureSpace.from_data(X, bounds=(-1.5, 1.5), scale=None)
    radius = certified_radius(model, X, norm=0, space=space)
    score = model.decision_function(X)
    ends = np.clip(-1.5 * np.sign(score)[:, None] * np.sign(model.coef_), -1.5, 1.5)
    moves = np.where(np.abs(X) > 1.5, np.where(np.sign(ends) == np.sign(X), X, ends), ends)
    gains = np.sort(np.abs(model.coef_ * (moves - X)), axis=1)[:, ::-1].cumsum(axis=1)
    expected = 1 + (gains < np.abs(score)[:, None]).sum(axis=1)
    never = expected > 6
    np.testing.assert_array_equal(radius[~never], expected[~never])
    assert np.isinf(radius[never]).all()
