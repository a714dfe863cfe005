"""A hunt for rows inside their radius that `predict` gives another label, as it computes.

Models of every kind of step, fitted and asked in float32 and float64, on columns far from zero and
of tiny scale. The rows are drawn near the boundary, where roundings are as large as the radius.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import LinearSVC
from torch import nn

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.certificates.pipelines import classifier_stages
from specreg_sklearn.certificates.stages import apply_stages
from specreg_sklearn.metrics import StatedLipschitz, certified_radius

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = {
    "none": lambda: None,
    "standard": StandardScaler,
    "robust": RobustScaler,
    "min-max": lambda: MinMaxScaler(clip=True),
    "max-abs": MaxAbsScaler,
    "pca": lambda: PCA(3),
    "whitening": lambda: PCA(3, whiten=True),
    "incremental": lambda: IncrementalPCA(3, whiten=True),
    "svd": lambda: TruncatedSVD(3, random_state=0),
    "gaussian": lambda: GaussianRandomProjection(4, random_state=0),
    "sparse": lambda: SparseRandomProjection(4, density=0.5, random_state=0),
    "discriminant": LinearDiscriminantAnalysis,
    "selected": lambda: SelectKBest(k=3),
    "imputer": SimpleImputer,
    "function": lambda: FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0)),
    "union": lambda: make_union(StandardScaler(), PCA(2)),
    "columns": lambda: make_column_transformer(
        (StandardScaler(), [3, 0]), (MinMaxScaler(clip=True), [1]), remainder="passthrough"
    ),
}
SHALLOW = {
    "logistic": lambda: LogisticRegression(C=100),
    "svc": lambda: LinearSVC(random_state=0),
    "sgd": lambda: SGDClassifier(random_state=0),
    "perceptron": lambda: Perceptron(random_state=0),
    "ridge": RidgeClassifier,
    "lda": LinearDiscriminantAnalysis,
    "probe": lambda: RobustLinearProbe(epsilon=0.05, max_iter=50),
}
DEEP = {
    "relu": lambda: MLPClassifier((6,), max_iter=10, random_state=0),
    "tanh": lambda: MLPClassifier((6, 4), activation="tanh", max_iter=10, random_state=0),
    "sigmoid": lambda: MLPClassifier((5,), activation="logistic", max_iter=10, random_state=0),
    "encoder": lambda: SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(6,), max_iter=3, random_state=0
    ),
}
NAMES = np.array(list("abcdef"))
OFFSETS, SCALES = (0.0, 100.0, 1e4), (1.0, 1e-3, 1e-6)
DTYPES = (np.float32, np.float64)


class Asked:
    """A model, and its radii."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict(X)

    def radii(self, X, norm):
        return certified_radius(self.model, X, norm=norm, scale=None)

    def stages(self, X):
        """Return what the stages of the model give for rows, as a tensor with gradients."""
        return apply_stages(classifier_stages(self.model), X)


class Turned(Asked):
    """A model that was fitted on a frame, asked on one whose columns are in another order."""

    def __init__(self, model, order):
        super().__init__(model)
        self.order = order

    def frame(self, X):
        return pd.DataFrame(X, columns=NAMES[self.order])

    def predict(self, X):
        return self.model.predict(self.frame(X))

    def radii(self, X, norm):
        try:
            return certified_radius(self.model, self.frame(X), norm=norm, scale=None)
        except ValueError as refusal:
            assert "another order" in str(refusal)
            return np.zeros(len(X))

    def stages(self, X):
        return super().stages(X[:, np.argsort(self.order)])


REASONS = ("hook", "in place", "something else", "overrides")


class Odd(Asked):
    """A model with something that its stages do not say."""

    def radii(self, X, norm):
        try:
            return super().radii(X, norm)
        except TypeError as refusal:
            assert any(reason in str(refusal) for reason in REASONS)
            return np.zeros(len(X))


class InPlace(nn.Module):
    """Triples its input, which a recording takes for what goes out untouched."""

    def forward(self, x):
        y = x * 1.0
        y.mul_(3.0)
        return y


class ByMode(nn.Module):
    """Triples its input where predictions are made."""

    def forward(self, x):
        return x * 3.0 if torch.is_inference_mode_enabled() else x * 1.0


def append(layer, encoder):
    network = encoder.module_
    network.backbone = nn.Sequential(*network.backbone, layer)


def triple_rows(encoder):
    """Triple what an encoder is given, in front of its network."""
    checked = encoder._validated
    encoder._validated = lambda X: 3.0 * checked(X)


ODDITIES = {
    "in place": partial(append, InPlace()),
    "mode": partial(append, ByMode()),
    "hook inside": lambda encoder: encoder.module_.backbone[-1].register_forward_hook(
        lambda layer, inputs, output: 3.0 * output
    ),
    "hook outside": lambda encoder: encoder.module_.register_forward_pre_hook(
        lambda layer, inputs: (3.0 * inputs[0],)
    ),
    "method outside": triple_rows,
}


def draw_odd(rng, oddity=None):
    """Return an encoder with one of the oddities, and rows."""
    oddity = rng.choice([*ODDITIES]) if oddity is None else oddity
    X = (rng.normal(size=(90, 6)) + 0.5).astype(np.float32)
    y = (X[:, 0] + 0.3 * X[:, 1] > 0.5).astype(int)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(6,), max_iter=5, random_state=0)
    encoder.fit(X, y)
    ODDITIES[oddity](encoder)
    model = Odd(encoder)
    return model, near_boundary(model, X, rng), (oddity,)


def draw_turned(rng):
    """Return a model that takes columns by name behind a step that does not, and rows."""
    X = rng.normal(size=(90, 6)) * 10.0 ** rng.integers(-2, 3, 6)
    frame, y = pd.DataFrame(X, columns=NAMES), np.arange(90) % 2
    frame["a"] += 3 * X.std(axis=0)[0] * y
    columns = make_column_transformer(
        (StandardScaler(), ["c", "a"]), (RobustScaler(), ["b"]), remainder="passthrough"
    )
    fitted = make_pipeline("passthrough", columns, LogisticRegression(C=100)).fit(frame, y)
    model = Turned(fitted, rng.permutation(6))
    return model, near_boundary(model, X[:, model.order], rng), ("turned frame",)


def draw(rng):
    """Return a fitted model, rows near its boundary, and a name of it all."""
    if rng.random() < 0.1:
        return draw_turned(rng)
    if rng.random() < 0.05:
        return draw_odd(rng)
    deep = rng.random() < 0.3
    step = rng.choice([*STEPS])
    kind = rng.choice([*(DEEP if deep else SHALLOW)])
    fitted, asked = DTYPES[rng.integers(2)], DTYPES[rng.integers(2)]
    offset, scale = rng.choice(OFFSETS), rng.choice(SCALES)
    n_classes = int(rng.integers(2, 4))
    parts = [] if step == "none" else [STEPS[step]()]
    if deep and step in ("none", "function", "imputer", "selected"):
        parts.append(StandardScaler())
    model = make_pipeline(*parts, (DEEP if deep else SHALLOW)[kind]())
    centres = 2 * rng.normal(size=(n_classes, 6))
    y = np.arange(90) % n_classes
    X = (centres[y] + rng.normal(size=(90, 6))) * scale * 2.0 ** rng.integers(-3, 4, 6) + offset
    X = X.astype(fitted)
    if not np.ptp(X, axis=0).all():  # nothing is left of a tiny scale so far from zero
        return draw(rng)
    try:
        model.fit(X, y)
    except (IndexError, ValueError):  # nor does every step bear what is left
        return draw(rng)
    name = (str(step), str(kind), fitted.__name__, asked.__name__, float(offset), float(scale))
    model = Asked(model)
    return model, near_boundary(model, X.astype(asked), rng), name


def near_boundary(model, X, rng, n_rows=4):
    """Return rows between pairs of rows with two labels, some a rounding from where it changes."""
    labels = model.predict(X)
    rows = []
    for _ in range(20 * n_rows):
        a, b = X[rng.integers(len(X), size=2)].astype(float)
        own, other = model.predict(np.array([a, b], dtype=X.dtype))
        if own == other or len(rows) == n_rows:
            continue
        near, far, steps = 0.0, 1.0, int(rng.integers(0, 24))
        for _ in range(steps):
            middle = (near + far) / 2
            row = (a + middle * (b - a)).astype(X.dtype)[None]
            near, far = (middle, far) if model.predict(row)[0] == own else (near, middle)
        rows.append((a + near * (b - a)).astype(X.dtype))
    return np.array(rows) if rows else X[labels == labels[0]][:n_rows]


def slopes(model, x):
    """Return the gradients of each score minus the largest one, as the float64 stages have it."""
    x = torch.from_numpy(x.astype(float)[None]).requires_grad_(True)
    scores = model.stages(x)[0]
    if len(scores) == 1:
        scores = torch.cat([scores - scores, scores])
    gaps = scores - scores.max()
    found = [
        torch.autograd.grad(gap, x, retain_graph=True)[0][0].numpy()
        for gap in gaps
        if gap.detach() < 0
    ]
    return [slope for slope in found if np.isfinite(slope).all() and slope.any()]


def candidates(model, x, radius, norm, rng, n=200):
    """Return rows of x's dtype at most `radius` away, straight to the boundary and around."""
    points = []
    for slope in slopes(model, x):
        if norm == 2:
            way = slope / np.linalg.norm(slope)
        elif norm == np.inf:
            way = np.sign(slope)
        else:
            way = np.where(np.abs(slope) == np.abs(slope).max(), np.sign(slope), 0.0)
        shares = 1 - np.concatenate([[0.0, 1e-12], np.geomspace(1e-9, 0.9, n // 4)])
        points.append(x.astype(float) + radius * shares[:, None] * way)
        # One after the other in steps of its own, as gradient attacks go.
        point = x.astype(float)
        for _ in range(8):
            here = slopes(model, point.astype(x.dtype))
            if not here:
                break
            step = here[rng.integers(len(here))]
            point = point + radius / 4 * step / np.linalg.norm(step)
            point = x + (point - x) * min(1.0, radius / length(point - x, norm))
            points.append(point[None])
    around = rng.normal(size=(n, len(x)))
    points.append(x + around * (radius * rng.random(n) / length(around, norm))[:, None])
    # The rows next to it, which differ in a few last bits.
    ulps = np.spacing(x).astype(float) * rng.integers(-3, 4, (n, len(x)))
    points.append(x.astype(float) + ulps)
    rows = np.vstack(points).astype(x.dtype)
    away = length(rows.astype(float) - x.astype(float), norm)
    return rows[away < radius]


def length(moves, norm):
    return np.linalg.norm(moves, norm, axis=-1)


def hunt(n_pairs, seed, draw=draw):
    """Return the pairs in which a row inside the radius has another label, and how many ran."""
    rng = np.random.default_rng(seed)
    broken, done, positive = [], 0, 0
    while done < n_pairs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, X, name = draw(rng)
        norm = float(rng.choice([1, 2, np.inf]))
        radii = model.radii(X, norm)
        labels = model.predict(X)
        for x, radius, label in zip(X, radii, labels, strict=True):
            done += 1
            if not 0 < radius < np.inf:
                continue
            positive += 1
            rows = candidates(model, x, radius, norm, rng)
            if len(rows) and (model.predict(rows) != label).any():
                broken.append((*name, norm))
        if norm == 2 and type(model) is Asked and rng.random() < 0.2:
            space = FeatureSpace.from_data(X, bounds=None, scale=None)
            attack = CGBA(max_queries=200)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = attack.run(model.model, X, labels, space=space).distances
            broken += [(*name, "CGBA")] * int((radii > found).sum())
    return broken, done, positive


def test_no_row_inside_its_radius_has_another_label():
    broken, done, positive = hunt(40, seed=0)
    assert broken == []
    # The radii are not all zero.
    assert positive > done / 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_hunt_finds_nothing(seed):
    broken, done, positive = hunt(200, seed)
    assert broken == []
    assert positive > done / 3


NETWORKS = "specreg_sklearn.certificates.networks"
SCORES = "specreg_sklearn.certificates.pipelines._predicted_scores"


def nothing(*args, **kwargs):
    """Stand in for a check that is left out."""


def in_any_order(patch):
    patch.setattr("specreg_sklearn.tables._columns.recorded_names", lambda estimator: [])


def without_comparison(patch):
    patch.setattr(f"{NETWORKS}._against_module.Comparison._compare", nothing)


def in_place(patch):
    without_comparison(patch)
    patch.setattr(f"{NETWORKS}._tracing.check_in_place", nothing)


def hooks_inside(patch):
    without_comparison(patch)
    patch.setattr(f"{NETWORKS}._module_checks.check_no_hooks", nothing)


def outside(patch):
    for file in ("_encoder", "_certified_network"):  # stages of proofs, networks of relaxations
        patch.setattr(f"specreg_sklearn.estimators.{file}.check_only_backbone_and_head", nothing)


def float32_as_float64(patch):
    patch.setattr(f"{SCORES}.FLOAT32_ROUNDING", 1.0)


def no_rounding_of_its_own(patch):
    own = f"{SCORES}.PredictedScores"
    patch.setattr(f"{own}.errors", lambda self, X, in_float64: 0.0 * in_float64)
    patch.setattr(f"{own}.growth", lambda self, reach, length: (np.zeros(1), np.inf))


# What is left out, on which models, and among how many pairs it shows.
FAULTS = {
    "columns in another order": (in_any_order, draw_turned, 40),
    "steps in place": (in_place, partial(draw_odd, oddity="in place"), 40),
    "functions of the mode": (without_comparison, partial(draw_odd, oddity="mode"), 40),
    "hooks": (hooks_inside, partial(draw_odd, oddity="hook inside"), 40),
    "outside of backbone and head": (outside, partial(draw_odd, oddity="method outside"), 40),
    "rounding of float32": (float32_as_float64, draw, 200),
    "rounding of predict": (no_rounding_of_its_own, draw, 200),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_odd_networks_are_refused(oddity):
    assert hunt(4, 0, partial(draw_odd, oddity=oddity))[::2] == ([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_hunt_finds_a_fault_that_is_put_back(fault, monkeypatch):
    put_back, models, n_pairs = FAULTS[fault]
    put_back(monkeypatch)
    broken, _, _ = hunt(n_pairs, 1, models)
    assert broken, "the hunt does not see it"
