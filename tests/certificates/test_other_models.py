"""What proofs of single kinds of models promise: norms, spaces, precision, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import DotProduct
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.certificates.moves import shortest_move
from specreg_sklearn.certificates.pipelines import split_pipeline
from specreg_sklearn.space import L1, L2, LINF, FeatureSpace
from tests.certificates.test_every_classifier import nearest_found
from tests.grids import diagonal


def _two_classes():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:, :6], y


@pytest.mark.parametrize("norm", [L1, L2, LINF])
def test_shortest_moves_are_those_of_a_general_solver(norm):
    rng = np.random.default_rng(0)
    for _ in range(10):
        G = rng.normal(size=(8, 3))
        h = np.append(rng.uniform(0.2, 1.0, size=3), rng.uniform(-2, -0.5, size=5))
        low, high = np.full(3, -2.0), np.full(3, 2.0)
        found = shortest_move(G, h, np.zeros(8), norm, low=low, high=high)
        if found.move is None:
            continue
        assert (G @ found.move >= h - 1e-9).all()
        assert (np.abs(found.move) <= 2 + 1e-9).all()
        length = norm.length(found.move[None])[0]
        assert found.lower <= length <= found.lower * (1 + 1e-7)
        # Smooth in more variables: the length is at most s.
        start = np.append(found.move, length) + 0.01
        limits = [{"type": "ineq", "fun": lambda z, G=G, h=h: G @ z[:3] - h}]
        if norm is L2:
            other = minimize(
                lambda z: z @ z, start[:3], bounds=[(-2, 2)] * 3, constraints=limits
            ).fun
            assert np.sqrt(other) == pytest.approx(length, rel=1e-4)


def test_a_polyhedron_without_points_is_infinitely_far():
    G = np.array([[1.0, 0.0], [-1.0, 0.0]])
    far = shortest_move(
        G, np.array([1.0, 1.0]), np.zeros(2), L2, low=np.full(2, -9.0), high=np.full(2, 9.0)
    )
    assert far.lower > 1e6 or far.move is None
    flat = shortest_move(
        np.zeros((1, 2)), np.ones(1), np.zeros(1), L2, low=np.full(2, -9.0), high=np.full(2, 9.0)
    )
    assert flat.lower == np.inf


def test_shares_of_flags_are_whole_numbers_of_flips():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(80, 7)).astype(float)
    y = (X[:, :3].sum(axis=1) + rng.normal(size=80) > 1.5).astype(int)
    model = BernoulliNB(binarize=0.5).fit(X, y)
    rows = FeatureSpace.from_data(X, types=dict.fromkeys(range(7), "integer"), scale=None).bind(
        X[:8]
    )
    bounds = distance_prover(model, X).bounds(rows, norm=0)
    assert bounds.closed.all()
    every = np.array(np.meshgrid(*[[0.0, 1.0]] * 7)).reshape(7, -1).T
    labels = model.predict(every)
    for i, x in enumerate(X[:8]):
        other = labels != model.predict(x[None])
        assert bounds.upper[i] == np.abs(every[other] - x).sum(axis=1).min()
    with pytest.raises(NoCertificateError, match="float32"):
        narrow = X.astype(np.float32)
        cut = BernoulliNB(binarize=0.3).fit(narrow, y)
        rows = FeatureSpace.from_data(narrow).bind(narrow[:2])
        distance_prover(cut, narrow).bounds(rows, norm=2)


def test_without_a_threshold_bernoulli_scores_are_linear():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, size=(80, 6))
    y = (X[:, :3].sum(axis=1) + rng.normal(size=80) > 1.5).astype(int)
    model = BernoulliNB(binarize=None).fit(X, y)
    prover = distance_prover(model, X)
    assert prover.name == "linear"
    every = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    labels = model.predict(every)
    rows = FeatureSpace.from_data(X, scale=None).bind(X[:9])
    for norm in (0, 1, 2, np.inf):
        bounds = prover.bounds(rows, norm=norm)
        assert bounds.closed.all()
        for i, x in enumerate(X[:9]):
            steps = every[labels != model.predict(x[None])] - x
            nearest = np.linalg.norm(steps, norm, axis=1).min()
            np.testing.assert_allclose(bounds.upper[i], nearest, rtol=1e-12)


def test_categories_are_cut_off_cells():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 5, size=(120, 3)).astype(float)
    y = ((X[:, 0] > 2) ^ (X[:, 1] == 1)).astype(int)
    model = CategoricalNB().fit(X, y)
    rows = FeatureSpace.from_data(X, types=dict.fromkeys(range(3), "integer"), scale=None).bind(
        X[:9]
    )
    every = np.array(np.meshgrid(*[np.arange(5.0)] * 3)).reshape(3, -1).T
    labels = model.predict(every)
    for norm in (1, np.inf):
        bounds = distance_prover(model, X).bounds(rows, norm=norm)
        for i, x in enumerate(X[:9]):
            steps = np.abs(every[labels != model.predict(x[None])] - x)
            nearest = steps.sum(axis=1) if norm == 1 else steps.max(axis=1)
            assert bounds.closed[i]
            assert bounds.upper[i] == nearest.min()


@pytest.mark.parametrize(
    "last", [KNeighborsClassifier(1), NearestCentroid(), GaussianNB(), LogisticRegression()]
)
def test_units_and_columns_that_stay(last):
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(MinMaxScaler(), last).fit(X, y)
    one = FeatureSpace.from_data(X, scale=None, bounds=None)
    two = FeatureSpace.from_data(X, scale=[2.0] * 4, bounds=None)
    few = FeatureSpace.from_data(X, scale=None, bounds=None, mutable=[0, 2])
    prover = distance_prover(model, X)
    lower, half, fewer = (
        prover.bounds(space.bind(X[::10]), norm=2).lower for space in (one, two, few)
    )
    assert half == pytest.approx(lower / 2, rel=1e-9)
    assert (fewer >= lower * (1 - 1e-9)).all()
    witness = prover.bounds(few.bind(X[::10]), norm=2).witness
    assert witness.shape == (15, 2)


@pytest.mark.parametrize(
    "last",
    [
        KNeighborsClassifier(1),
        KNeighborsClassifier(),
        NearestCentroid(),
        GaussianNB(),
        SVC(random_state=0),
    ],
)
def test_float32_rows_never_prove_more(last):
    X, y = load_iris(return_X_y=True)
    narrow = X.astype(np.float32)
    model = last.fit(narrow, y)
    wide, short = (
        distance_prover(model, Z)
        .bounds(FeatureSpace.from_data(Z, scale=None, bounds=None).bind(Z[::10]), norm=2)
        .lower
        for Z in (narrow.astype(np.float64), narrow)
    )
    assert (short <= wide * (1 + 1e-12)).all()
    assert short == pytest.approx(wide, rel=0.02, abs=5e-3)


_COMPOSED = [
    VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
    VotingClassifier(
        [
            ("a", LogisticRegression()),
            ("b", GaussianNB()),
            ("c", DecisionTreeClassifier(random_state=0)),
        ]
    ),
    BaggingClassifier(LogisticRegression(), n_estimators=4, max_features=0.7, random_state=0),
    StackingClassifier([("a", LinearSVC(random_state=0)), ("b", GaussianNB())], cv=2),
    CalibratedClassifierCV(LinearSVC(random_state=0), cv=2),
    CalibratedClassifierCV(GaussianNB(), cv=2, method="isotonic"),
    OneVsRestClassifier(SVC(random_state=0)),
    OneVsRestClassifier(GaussianNB()),
    OneVsOneClassifier(LinearSVC(random_state=0)),
    OutputCodeClassifier(LogisticRegression(), random_state=0),
]


@pytest.mark.parametrize(("last", "n_classes"), diagonal(_COMPOSED, [2, 3]))
def test_classifiers_made_of_classifiers(last, n_classes):
    X, y = _two_classes() if n_classes == 2 else load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    rng = np.random.default_rng(0)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X[:: len(X) // 4])
    model = make_pipeline(StandardScaler(), last).fit(X[::2], y[::2])
    norm = 2 if n_classes == 2 else np.inf
    lower = distance_prover(model, X).bounds(rows, norm=norm).lower
    own, labels = model.predict(rows.raw), model.predict(X)
    for i, x in enumerate(rows.raw):
        others = X[labels != own[i]][:10]
        found = nearest_found(model.predict, x, own[i], 1.0, norm, others, rng, 10)
        assert lower[i] <= found
    assert (lower > 0).mean() > 0.6


def test_a_vote_holds_as_long_as_most_members_do():
    X, y = _two_classes()
    X = StandardScaler().fit_transform(X)
    kinds = [LogisticRegression(C=c) for c in (1e-3, 1e-2, 1.0)]
    vote = VotingClassifier([(str(i), kind) for i, kind in enumerate(kinds)]).fit(X, y)
    labels = vote.predict(X)
    agree = np.all([member.predict(X) == labels for member in vote.estimators_], axis=0)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X[agree][:20])
    each = [distance_prover(member, X).bounds(rows, norm=2).lower for member in vote.estimators_]
    lower = distance_prover(vote, X).bounds(rows, norm=2).lower
    assert lower == pytest.approx(np.sort(each, axis=0)[1], rel=1e-5)


@pytest.mark.parametrize("threshold", [0.2, 0.8])
@pytest.mark.parametrize(
    "inside", [LogisticRegression(), GaussianNB(), DecisionTreeClassifier(random_state=0)]
)
def test_thresholds_of_ones_own(inside, threshold):
    X, y = _two_classes()
    X = StandardScaler().fit_transform(X)
    model = FixedThresholdClassifier(inside, threshold=threshold, pos_label=0).fit(X, y)
    rng = np.random.default_rng(0)
    rows = FeatureSpace.from_data(X, scale=None, bounds=None).bind(X[::80])
    bounds = distance_prover(model, X).bounds(rows, norm=2)
    own, labels = model.predict(rows.raw), model.predict(X)
    for i, x in enumerate(rows.raw):
        others = X[labels != own[i]][:20]
        found = nearest_found(model.predict, x, own[i], 1.0, 2, others, rng)
        assert 0 < bounds.lower[i] <= found


def test_constants_are_infinitely_far():
    X, y = load_iris(return_X_y=True)
    model = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    bounds = distance_prover(model, X).bounds(FeatureSpace.from_data(X).bind(X[:3]), norm=2)
    assert np.isinf(bounds.lower).all()
    assert bounds.closed.all()


class _Sampler:
    """What imbalanced-learn's samplers have: fit_resample, and no transform."""

    def fit_resample(self, X, y):
        return X, y


def test_samplers_do_nothing_at_predict():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1)).fit(X, y)
    model.steps.insert(1, ("sampler", _Sampler()))
    steps, last = split_pipeline(model)
    assert [type(step) for step in steps] == [StandardScaler]
    assert isinstance(last, KNeighborsClassifier)


def _distance(a, b):
    return float(np.abs(a - b).sum())


_PAIR = [("a", LogisticRegression()), ("b", LinearSVC(random_state=0))]


# scikit-learn 1.8 and later have it.
_TEMPERATURE = [
    (CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2), "temperature")
    for accepted in CalibratedClassifierCV._parameter_constraints["method"]
    if accepted.is_satisfied_by("temperature")
]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (KNeighborsClassifier(metric="cosine"), "metric='cosine'"),
        (KNeighborsClassifier(metric=_distance), "metric"),
        (KNeighborsClassifier(weights=np.exp), "weights"),
        (NearestCentroid(metric="manhattan"), "metric='manhattan'"),
        (SVC(kernel=lambda a, b: a @ b.T, random_state=0), "kernel"),
        (SVC(break_ties=True, random_state=0), "break_ties"),
        (GaussianProcessClassifier(), "more than two classes"),
        (LabelPropagation(kernel="knn"), "kernel='knn'"),
        (DummyClassifier(strategy="stratified"), "stratified"),
        *_TEMPERATURE,
        (StackingClassifier(_PAIR, passthrough=True, cv=2), "passthrough=True"),
        (StackingClassifier(_PAIR, final_estimator=GaussianNB(), cv=2), "final_estimator"),
    ],
)
def test_refusals_name_the_setting(model, reason):
    X, y = load_iris(return_X_y=True)
    model.fit(X, y)
    rows = FeatureSpace.from_data(X).bind(X[:2])
    with pytest.raises(NoCertificateError, match=reason):
        distance_prover(model, X).bounds(rows, norm=2)


def test_kernels_of_gaussian_processes_that_are_unknown_are_named():
    X, y = load_iris(return_X_y=True)
    model = GaussianProcessClassifier(DotProduct(), optimizer=None).fit(X[:100], y[:100])
    with pytest.raises(NoCertificateError, match="DotProduct"):
        distance_prover(model, X)


def test_several_outputs_and_gaps_are_refused():
    X, y = load_iris(return_X_y=True)
    several = KNeighborsClassifier(1).fit(X, np.column_stack([y, y]))
    with pytest.raises(NoCertificateError, match="several outputs"):
        distance_prover(several, X)
    model = GaussianNB().fit(X, y)
    gap = X[:3].copy()
    gap[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        distance_prover(model, X).bounds(FeatureSpace.from_data(X).bind(gap), norm=2)
