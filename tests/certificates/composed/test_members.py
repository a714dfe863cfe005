"""What members may answer within a distance, against rows that were moved at random."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris, make_moons
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.certificates.composed import member_ranges
from specreg_sklearn.certificates.trees import TreeEnsemble, TreeScoreRanges
from specreg_sklearn.space import FeatureSpace, as_norm
from tests.grids import diagonal

FOREST = RandomForestClassifier(12, max_depth=6, random_state=0)
BOOSTING = GradientBoostingClassifier(n_estimators=12, random_state=0)
HISTOGRAM = HistGradientBoostingClassifier(max_iter=12, random_state=0)
TREES = {
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": FOREST,
    "extra trees": ExtraTreesClassifier(8, random_state=0),
    "bagging": BaggingClassifier(n_estimators=6, random_state=0),
    "boosting": BOOSTING,
    "boosting by another loss": GradientBoostingClassifier(
        n_estimators=12, loss="exponential", random_state=0
    ),
    "histogram boosting": HISTOGRAM,
}


def _data(n_classes):
    return load_iris(return_X_y=True) if n_classes == 3 else load_breast_cancer(return_X_y=True)


def _moved(rows, radius, norm, rng, n=300):
    """Return rows moved by at most a radius, and whose they are; most of few columns."""
    own = np.repeat(np.arange(len(rows.raw)), n)
    steps = rng.normal(size=(len(own), rows.raw.shape[1]))
    steps *= rng.random(steps.shape) < rng.choice([0.1, 0.3, 1.0], size=(len(own), 1))
    steps *= (radius / np.maximum(as_norm(norm).length(steps), 1e-12))[:, None]
    return rows.fit(rows.raw[own] + steps * rows.scale, *rows.box(own)), own


@pytest.mark.parametrize(("name", "n_classes", "norm"), diagonal([*TREES], [2, 3], [1, 2, np.inf]))
def test_sums_of_trees_stay_in_their_ranges(name, n_classes, norm):
    n_classes = 2 if name == "boosting by another loss" else n_classes
    X, y = _data(n_classes)
    model, rng = TREES[name].fit(X, y), np.random.default_rng(0)
    ensemble = TreeEnsemble.from_estimator(model)
    space = FeatureSpace.from_data(X, increase_only=[1])
    rows = space.bind(X[:: len(X) // 8])
    ranges = TreeScoreRanges(ensemble, rows, norm)
    low, high = ranges(np.zeros(len(rows)))
    now = ensemble.scores(rows.raw)
    assert ((low <= now) & (now <= high)).all()
    np.testing.assert_allclose(low, high, rtol=1e-9, atol=1e-9)
    for radius in (0.02, 0.2, 1.0):
        low, high = ranges(np.full(len(rows), radius))
        moved, own = _moved(rows, radius, norm, rng)
        sums = ensemble.scores(moved)
        assert (sums >= low[own]).all()
        assert (sums <= high[own]).all()
    # Of the whole space they are the sums of the least and the greatest leaves.
    low, high = ranges(np.full(len(rows), 1e9))
    assert (low <= now).all()
    assert (low < high).any()


def test_the_range_of_one_tree_is_that_of_its_leaves_in_reach():
    X, y = make_moons(300, noise=0.2, random_state=0)
    model = DecisionTreeClassifier(random_state=0).fit(X, y)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[::30])
    ranges = TreeScoreRanges(TreeEnsemble.from_estimator(model), rows, np.inf)
    grid = np.array(np.meshgrid(*[np.linspace(-1, 1, 401)] * 2)).reshape(2, -1).T
    for radius in (0.05, 0.2):
        low, high = ranges(np.full(len(rows), radius))
        inside = rows.box(np.arange(len(rows)))
        for i, x in enumerate(rows.raw):
            ends = [np.broadcast_to(end, rows.raw.shape)[i] for end in inside]
            shares = model.predict_proba(np.clip(x + radius * grid, *ends))
            np.testing.assert_allclose(low[i], shares.min(axis=0), atol=1e-9)
            np.testing.assert_allclose(high[i], shares.max(axis=0), atol=1e-9)


def test_gaps_and_whole_numbers_keep_their_cells():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 6, 300), rng.normal(size=(300, 2))]).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X).sum(axis=1) > 2).astype(int)
    model = HISTOGRAM.fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model)
    space = FeatureSpace.from_data(X, scale=None, types={0: "integer"})
    rows = space.bind(X[::25])
    ranges = TreeScoreRanges(ensemble, rows, 2)
    for radius in (0.5, 1.0, 2.5):
        low, high = ranges(np.full(len(rows), radius))
        cells, own = _moved(rows, radius, 2, rng)
        near = rows.distance(rows.settle(cells, own), own, 2) <= radius
        sums = model.decision_function(rows.write(rows.settle(cells, own), own))
        assert near.sum() > 500
        assert (sums[near] >= low[own[near], 0]).all()
        assert (sums[near] <= high[own[near], 0]).all()


SHARES = {
    **TREES,
    "machine": SVC(probability=True, random_state=0),
    "machine and scaler": make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)),
}


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize("name", SHARES)
def test_shares_and_labels_stay_in_their_ranges(name):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model, rng = SHARES[name].fit(X, y), np.random.default_rng(2)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[::60])
    member = member_ranges(model, rows, 2, 2000, 1e-12)
    for radius in (0.0, 0.05, 0.3, 1.0):
        moved, own = _moved(rows, radius, 2, rng, n=60)
        radii = np.full(len(rows), radius)
        low, high = member.shares(radii)
        shares = model.predict_proba(moved)
        assert (shares >= low[own] - 1e-9).all()
        assert (shares <= high[own] + 1e-9).all()
        possible = member.labels(radii)[own]
        assert possible[np.arange(len(own)), model.predict(moved)].all()
        if hasattr(model, "decision_function"):
            low, high = member.decision(radii)
            scores = model.decision_function(moved)
            assert (scores >= low[own, 0]).all()
            assert (scores <= high[own, 0]).all()
        if radius == 0 and name != "boosting by another loss":
            low, high = member.shares(radii)
            assert (high - low < 0.02).all()


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", SHARES)
def test_nothing_is_known_of_rows_that_are_anywhere(name):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = SHARES[name].fit(X, y)
    member = member_ranges(model, FeatureSpace.from_data(X, scale=None).bind(X[:4]), 2, 50, 1e-12)
    for radius in (1e2, 1e6, 1e12):
        low, high = member.shares(np.full(4, radius))
        assert (low >= -1e-5).all()
        assert (high <= 1 + 1e-5).all()
        assert (high - low > 0.3).all()
        assert member.labels(np.full(4, radius)).all()


COMPOSED = {
    "vote by shares": VotingClassifier(
        [("a", LogisticRegression()), ("b", FOREST), ("c", BOOSTING)], voting="soft"
    ),
    "calibrated forests": CalibratedClassifierCV(FOREST, cv=3),
    "calibrated boosting": CalibratedClassifierCV(BOOSTING, cv=2, method="isotonic"),
    "stack": StackingClassifier([("a", LogisticRegression()), ("b", HISTOGRAM)], cv=2),
    "machines": BaggingClassifier(SVC(), n_estimators=3, random_state=0),
    "vote with a machine": VotingClassifier(
        [("a", FOREST), ("b", SVC(probability=True, random_state=0))], voting="soft"
    ),
}


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize(("name", "norm"), diagonal([*COMPOSED], [2, np.inf]))
def test_both_ends_of_what_is_made_of_trees_and_machines(name, norm):
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), COMPOSED[name]).fit(X[::2], y[::2])
    space = FeatureSpace.from_data(X)
    rows = X[1::110]
    found = resolve_attack("auto", norm=norm, max_queries=200).run(
        model, rows, model.predict(rows), space=space, pool=X
    )
    lower = distance_prover(model, X).bounds(space.bind(rows), norm=norm).lower
    assert (lower <= found.distances).all()
    assert (lower > 0).all()
    assert np.median(lower / found.distances) > 0.3


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("inside", [FOREST, BOOSTING, HISTOGRAM, TREES["tree"]])
def test_one_calibrated_ensemble_is_cut_at_a_threshold(inside, method):
    X, y = make_moons(400, noise=0.25, random_state=1)
    model = CalibratedClassifierCV(inside, method=method, ensemble=False, cv=3).fit(X, y)
    prover = distance_prover(model, X)
    assert prover.name == "trees"
    rows = FeatureSpace.from_data(X, scale=None).bind(X[::25])
    bounds = prover.bounds(rows, norm=np.inf)
    assert bounds.closed.all()
    labels = model.predict(rows.raw)
    assert (model.predict(bounds.witness) != labels).all()
    grid = np.array(np.meshgrid(*[np.linspace(-1, 1, 201)] * 2)).reshape(2, -1).T
    ends = rows.box(np.arange(len(rows)))
    for i, x in enumerate(rows.raw):
        low, high = (np.broadcast_to(end, rows.raw.shape)[i] for end in ends)
        near = np.clip(x + 0.999 * bounds.lower[i] * grid, low, high)
        assert (model.predict(near) == labels[i]).all()


def test_a_calibrator_that_never_crosses_a_half_has_no_threshold():
    X, y = make_moons(300, noise=0.25, random_state=1)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    rare = np.flatnonzero((y == 0) | (np.arange(len(y)) % 7 == 0))
    model = CalibratedClassifierCV(FrozenEstimator(forest), method="sigmoid")
    model.fit(X[rare], np.random.default_rng(0).permutation(y[rare]))
    bounds = distance_prover(model, X).bounds(FeatureSpace.from_data(X).bind(X[:5]), norm=2)
    assert (bounds.lower > 0).all()
