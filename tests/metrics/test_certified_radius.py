"""Radii against closed forms, against attacks, and against what must be refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump, RayS, SquareAttack
from specreg_sklearn.certificates import TorchGraph, torch_stages
from specreg_sklearn.metrics import adversarial_distances, certified_radius, lipschitz_bound
from tests.grids import diagonal, few_fast

DUAL = {1: np.inf, 2: 2, np.inf: 1}


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def slopes(model, X):
    """Return the weights and biases of an affine decision function, by differences."""
    middle, step = X.mean(axis=0), X.std(axis=0) + 1e-3
    there = model.decision_function(middle + np.diag(step)).reshape(len(step), -1)
    back = model.decision_function(middle - np.diag(step)).reshape(len(step), -1)
    return ((there - back) / (2 * step[:, None])).T


def exact_distance(model, X, norm):
    """Return the distance of rows from the boundary of a linear model."""
    weight, scores = slopes(model, X), model.decision_function(X)
    if scores.ndim == 1:
        return np.abs(scores) / np.linalg.norm(weight[0], DUAL[norm])
    top = scores.argmax(axis=1)
    gap = np.linalg.norm(weight[:, None] - weight, DUAL[norm], axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = (scores.max(axis=1)[:, None] - scores) / gap[top]
    away[np.arange(len(X)), top] = np.inf
    return away.min(axis=1)


LINEAR = [
    LogisticRegression(max_iter=3000),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), LinearSVC(random_state=0)),
    make_pipeline(StandardScaler(), PCA(4, whiten=True), LogisticRegression()),
    make_pipeline(StandardScaler(), RobustLinearProbe(epsilon=0.1)),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "data", "norm"),
    diagonal(LINEAR, [load_breast_cancer, load_iris], [1, 2, np.inf]),
    ids=lambda value: getattr(value, "__name__", str(value)[:70]),
)
def test_linear_models_have_the_exact_distance(model, data, norm):
    X, y = data(return_X_y=True)
    model = clone(model).fit(X, y)
    exact = exact_distance(model, X, norm)
    found = certified_radius(model, X, norm=norm, scale=None)
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_a_radius_is_never_above_the_exact_distance():
    """With weights and rows of few bits the distance is known without rounding."""
    rng = np.random.default_rng(0)
    model = LogisticRegression().fit(np.eye(2), [0, 1])
    for _ in range(50):
        model.coef_ = rng.integers(-8, 8, size=(1, 2)) / 4 + 1 / 8
        model.intercept_ = rng.integers(-8, 8, size=1) / 4
        X = rng.integers(-64, 64, size=(20, 2)) / 16
        margin = np.abs(X @ model.coef_[0] + model.intercept_)
        found = certified_radius(model, X, scale=None)
        # Compare squares: they are exact here.
        assert (found**2 * (model.coef_**2).sum() <= margin**2).all()
        np.testing.assert_allclose(found, margin / np.linalg.norm(model.coef_), rtol=1e-8)


def test_ties_are_zero_and_constant_differences_infinite():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    model.coef_ = np.zeros((3, 4))
    model.intercept_ = np.array([0.0, 1.0, 0.0])
    assert (certified_radius(model, X, scale=None) == np.inf).all()
    assert (certified_radius(model, X, norm=np.inf, scale=None) == np.inf).all()
    # Equal weights cancel in real arithmetic; predict adds both up, and loses the 1 in the end.
    model.coef_ = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert set(model.predict(X)) == {1}
    assert model.predict([[1e17, 0, 0, 0]])[0] == 0
    assert (certified_radius(model, X, scale=None) > 1e14).all()
    assert (certified_radius(model, X, scale=None) < 1e17).all()
    model.intercept_ = np.array([0.0, 1.0, 1.0])
    assert (certified_radius(model, X, scale=None) == 0).all()
    # Two of three scores are equal everywhere, and the third is far away.
    model.coef_, model.intercept_ = np.eye(3, 4) * [[1], [0], [0]], np.array([0.0, 0.0, 0.0])
    rows = np.array([[5.0, 0, 0, 0], [-5.0, 0, 0, 0], [0.0, 1, 1, 1]])
    np.testing.assert_allclose(certified_radius(model, rows, scale=None), [5, 0, 0], rtol=1e-8)


def test_units_and_columns_that_cannot_move(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    standard = LogisticRegression().fit(StandardScaler().fit_transform(X), y)
    scaled = certified_radius(standard, StandardScaler().fit_transform(X), scale=None)
    open_ = FeatureSpace.from_data(X, scale="std", bounds=None)
    np.testing.assert_allclose(certified_radius(model, X, space=open_), scaled, rtol=1e-8)
    np.testing.assert_allclose(certified_radius(model, X, scale=X.std(axis=0)), scaled, rtol=1e-8)
    # The range of the rows bounds the columns, which may stand in the way.
    assert (certified_radius(model, X, scale="std") >= scaled * (1 - 1e-9)).all()
    np.testing.assert_allclose(
        certified_radius(model, X, scale=2.0), certified_radius(model, X, scale=None) / 2, rtol=1e-8
    )
    columns = [0, 7, 12]
    space = FeatureSpace.from_data(X, mutable=columns, scale=None, bounds=None)
    weight = slopes(model, X)[0][columns]
    exact = np.abs(model.decision_function(X)) / np.linalg.norm(weight)
    np.testing.assert_allclose(certified_radius(model, X, space=space), exact, rtol=1e-6)
    by_room = certified_radius(model, X, space=space, norm=np.inf)
    exact = np.abs(model.decision_function(X)) / np.abs(weight).sum()
    np.testing.assert_allclose(by_room, exact, rtol=1e-6)
    # Bounds that stand in the way make radii larger.
    bounded = FeatureSpace.from_data(X, mutable=columns, scale=None)
    inside = certified_radius(model, X, space=bounded, norm=np.inf)
    assert (inside >= by_room * (1 - 1e-9)).all()
    assert (inside > by_room * 1.01).any()


def test_columns_without_room_help_networks_too(cancer):
    X, y = cancer
    # Of GELU, which falls somewhere, there are constants only; networks with functions that rise
    # have bounds of their own in every norm.
    network = SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(16,), activation="gelu", max_iter=10, random_state=0
    )
    model = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    every = FeatureSpace.from_data(X)
    few = FeatureSpace.from_data(X, mutable=list(range(5)))
    wide, narrow = (certified_radius(model, X, space=s) for s in (every, few))
    assert (narrow >= wide * (1 - 1e-9)).all()
    assert np.median(narrow) > 1.2 * np.median(wide)
    # Linf radii follow from L2 by the number of columns that can move.
    flat = certified_radius(model, X, space=few, norm=np.inf)
    np.testing.assert_allclose(flat, narrow / np.sqrt(5), rtol=1e-9)
    np.testing.assert_array_equal(certified_radius(model, X, space=few, norm=1), narrow)


def test_a_column_that_does_not_vary_has_no_unit(digits):
    X, y = digits
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, y)
    moving = X.std(axis=0) > 0
    assert not moving.all()
    space = FeatureSpace.from_data(X, mutable=moving)
    np.testing.assert_array_equal(
        certified_radius(model, X[:50], space=space),
        certified_radius(model, X[:50], space=FeatureSpace.from_data(X)),
    )
    assert certified_radius(model, X, scale="range").shape == (len(X),)


def fitted_models(data):
    X, y = data
    first = {"max_iter": 15, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield make_pipeline(StandardScaler(), MLPClassifier((24, 12), **first)).fit(X, y)
        encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(24,), alpha=0.02, **first)
        yield make_pipeline(StandardScaler(), encoder).fit(X, y)
        deep = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16, 16), activation="gelu", **first)
        yield make_pipeline(StandardScaler(), PCA(20), deep, RobustLinearProbe()).fit(X, y)


ATTACKS = [
    CGBA(max_queries=150),
    RayS(max_queries=150),
    HopSkipJump(max_queries=150, norm=np.inf),
]


@pytest.mark.parametrize("data", few_fast(["digits", "cancer"], 1))
def test_no_attack_gets_inside_the_radius(data, request):
    X, y = request.getfixturevalue(data)
    for model in fitted_models((X, y)):
        rows = np.arange(0, len(X), len(X) // 6)
        radii = {
            norm: certified_radius(model, X[rows], norm=norm, scale=None) for norm in (2, np.inf)
        }
        for attack in ATTACKS:
            # What the model predicts plays the part of the truth: the radius is about that.
            options = {"attack": attack, "norm": attack.norm, "scale": None, "certify": False}
            found = adversarial_distances(model, X[rows], model.predict(X[rows]), **options)
            radius = radii[attack.norm]
            assert (radius <= found).all()
            assert (radius > 0).all() and np.isfinite(found).mean() > 0.75


def test_square_attack_fails_inside_the_radius(digits):
    X, y = digits
    model = next(fitted_models((X, y)))
    X, y = X[:30], model.predict(X[:30])
    radius = certified_radius(model, X, scale=None)
    space = FeatureSpace.from_data(X, bounds=(0, 16), scale=None)
    for eps in np.quantile(radius, [0.1, 0.5]):
        result = SquareAttack(max_queries=100).run(model, X, y, eps=eps, space=space)
        assert not result.success[radius > eps].any()


def test_gradient_steps_fail_inside_the_radius(digits):
    """Projected gradient steps on the float64 network, in raw pixels through the scaler."""
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(
            StandardScaler(),
            SpectrallyRegularizedEncoder(hidden_layer_sizes=(24,), max_iter=15, random_state=0),
        ).fit(X, y)
    X = X[:60]
    radius = certified_radius(model, X, scale=None)
    label = torch.as_tensor(model.predict(X))
    scale, mean = (torch.as_tensor(a) for a in (model[0].scale_, model[0].mean_))
    for share in (0.5, 0.999):
        clean, size = torch.as_tensor(X), torch.as_tensor(share * radius)[:, None]
        moved = clean.clone()
        for _ in range(30):
            moved.requires_grad_(True)
            logits = model[1].module_((moved - mean) / scale)
            own = logits.gather(1, label[:, None])[:, 0]
            other = logits.scatter(1, label[:, None], -torch.inf).max(dim=1).values
            (slope,) = torch.autograd.grad((other - own).sum(), moved)
            step = moved.detach() + 0.2 * size * slope / slope.norm(dim=1, keepdim=True)
            away = step - clean
            moved = clean + away * torch.clamp(size / away.norm(dim=1, keepdim=True), max=1.0)
        np.testing.assert_array_equal(model.predict(moved.detach().numpy()), label.numpy())


def test_the_readme_pipeline_in_raw_units(digits):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(
            StandardScaler(),
            SpectrallyRegularizedEncoder(hidden_layer_sizes=(32,), max_iter=20, random_state=0),
            RobustLinearProbe(),
        ).fit(X, y)
    X = X[::40]
    radius = certified_radius(model, X, scale=None)
    assert radius.shape == (len(X),) and radius.dtype == np.float64
    assert (radius > 0).mean() > 0.99
    assert np.median(radius) > 0.02
    half = make_pipeline(StandardScaler(), clone(model[1]), clone(model[2]))
    with pytest.raises(NotFittedError, match="StandardScaler instance is not fitted"):
        certified_radius(half, X, scale=None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_float32_rows_and_float64_rows_agree_up_to_rounding(cancer):
    """The scaler computes in the type of its rows, and is certified as it computes."""
    X, y = cancer
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    narrow = X.astype(np.float32)
    found, wide = (
        certified_radius(model, rows, scale=None) for rows in (narrow, narrow.astype(np.float64))
    )
    assert (found <= wide).all()
    np.testing.assert_allclose(found, wide, rtol=1e-4, atol=1e-5)
    # The model alone holds float64, in which both are multiplied.
    model = LogisticRegression(max_iter=10).fit(X, y)
    found, wide = (
        certified_radius(model, rows, scale=None) for rows in (narrow, narrow.astype(np.float64))
    )
    np.testing.assert_array_equal(found, wide)


def test_containers(cancer):
    X, y = cancer
    names = [f"c{j}" for j in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows without names
        wanted = certified_radius(model, X, scale=None)
        listed = certified_radius(model, X[:9].tolist(), scale=None)
    # Products of nine rows may round otherwise than those of all.
    np.testing.assert_allclose(listed, wanted[:9], rtol=1e-14)
    np.testing.assert_array_equal(certified_radius(model, frame, scale=None), wanted)
    np.testing.assert_array_equal(
        certified_radius(model, pl.DataFrame(X, schema=names), scale=None), wanted
    )
    with pytest.raises(ValueError, match="another order"):
        certified_radius(model, frame[names[::-1]], scale=None)


def test_columns_that_the_model_drops(cancer):
    X, y = cancer
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    frame["text"], frame["flag"] = "word", X[:, 3] > X[:, 3].mean()
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["c", "a"]), ("passthrough", ["flag"])),
        LogisticRegression(),
    ).fit(frame, y)
    # The flag and the text are read or dropped, but never move.
    weight = model[1].coef_[0][:2] / model[0].transformers_[0][1].scale_
    exact = np.abs(model.decision_function(frame)) / np.linalg.norm(weight)
    np.testing.assert_allclose(certified_radius(model, frame, scale=None), exact, rtol=1e-6)
    encoded = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["text"]), (StandardScaler(), ["a"])),
        LogisticRegression(),
    ).fit(frame, y)
    # What is made of words that do not move is constant.
    weight = encoded[1].coef_[0][-1] / encoded[0].transformers_[1][1].scale_[0]
    exact = np.abs(encoded.decision_function(frame)) / abs(weight)
    np.testing.assert_allclose(certified_radius(encoded, frame, scale=None), exact, rtol=1e-6)
    numbers = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["a"]), ("passthrough", ["b"])
        ),
        LogisticRegression(),
    ).fit(frame, y)
    with pytest.raises(TypeError, match="step 'onehotencoder': OneHotEncoder has no certificate"):
        certified_radius(numbers, frame, scale=None)


def test_rounding_of_the_estimator_makes_zero_not_wrong():
    """Near ties that float32 decides otherwise than float64 are not certified."""
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpectrallyRegularizedEncoder(max_iter=3, random_state=0).fit(
            X.astype(np.float32), y
        )
    low, high = X[model.predict(X) == 0][0], X[model.predict(X) != 0][0]
    for _ in range(60):  # float64 rows right at the boundary of the float32 network
        middle = (low + high) / 2
        if model.predict(middle[None])[0] == model.predict(low[None])[0]:
            low = middle
        else:
            high = middle
    radius = certified_radius(model, np.array([low, high]), scale=None)
    assert (radius <= 1e-5).all()


def unfitted_last(X, y):
    return make_pipeline(StandardScaler().fit(X), LogisticRegression())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), "LogisticRegression instance is not fitted"),
        (SpectrallyRegularizedEncoder(), "SpectrallyRegularizedEncoder instance is not fitted"),
        (RobustLinearProbe(), "RobustLinearProbe instance is not fitted"),
        (MLPClassifier(), "MLPClassifier instance is not fitted"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "not fitted"),
    ],
)
def test_unfitted(model, message):
    for measure in (lambda m: certified_radius(m, np.eye(3), scale=None), lipschitz_bound):
        with pytest.raises(NotFittedError, match=message):
            measure(model)


def test_a_pipeline_with_an_unfitted_end():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(NotFittedError, match="not fitted"):
        certified_radius(unfitted_last(X, y), X, scale=None)


def test_a_norm_that_the_proof_does_not_know():
    model = MLPClassifier((3,), max_iter=5, random_state=0).fit(np.eye(2), [0, 1])
    with pytest.raises(ValueError, match="norm=0 is not supported by certified_radius of MLP"):
        certified_radius(model, np.eye(2), scale=None, norm=0)


def test_what_is_no_estimator():
    with pytest.raises(TypeError, match="LogisticRegression is a class"):
        certified_radius(LogisticRegression, np.eye(2), scale=None)
    with pytest.raises(TypeError, match="StandardScaler has no method predict"):
        certified_radius(StandardScaler().fit(np.eye(2)), np.eye(2), scale=None)
    with pytest.raises(TypeError, match="is a regressor"):
        certified_radius(LinearRegression().fit(np.eye(2), [0, 1]), np.eye(2), scale=None)
    with pytest.raises(TypeError, match="LogisticRegression is a class"):
        lipschitz_bound(LogisticRegression)
    with pytest.raises(TypeError, match="LinearRegression has no certificate"):
        lipschitz_bound(LinearRegression().fit(np.eye(2), [0, 1]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"norm": 3}, ValueError, "norm=3 is not supported by certified_radius; accepted: 0 or 1"),
        ({"max_nodes": 0}, ValueError, "max_nodes=0 is not accepted; give an integer >= 1"),
        ({"max_nodes": 2.5}, ValueError, "max_nodes=2.5 is not accepted"),
        ({"norm": "l2"}, ValueError, "norm='l2' is not supported"),
        ({"scale": "spread"}, ValueError, "scale='spread' is not one of"),
        ({"scale": [1.0, 2.0]}, ValueError, "does not give one number for 4 columns"),
        ({"scale": -1.0}, ValueError, "must be positive"),
        ({"space": {}}, TypeError, "space=dict is not a FeatureSpace"),
        ({"space": FeatureSpace.from_data(np.eye(3))}, ValueError, "4 columns.*built for 3"),
        (
            {"space": FeatureSpace.from_data(np.eye(4)), "scale": 2.0},
            ValueError,
            "has its own units",
        ),
        (
            {"space": FeatureSpace.from_data(np.eye(4), mutable=[])},
            ValueError,
            "no column to move",
        ),
    ],
)
def test_bad_options(options, error, message):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    with pytest.raises(error, match=message):
        certified_radius(model, X, **options)


def test_bad_rows():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    for gap, message in ((np.nan, "contains NaN in column 2"), (np.inf, "infinit.*column 2")):
        spoiled = X.copy()
        spoiled[7, 2] = gap
        with pytest.raises(ValueError, match=message):
            certified_radius(model, spoiled, scale=None)
    with pytest.raises(ValueError, match=r"X has 3 features.*expecting 4 features"):
        certified_radius(model, X[:, :3], scale=None)
    with pytest.raises(ValueError, match="Expected 2D array"):
        certified_radius(model, X[0], scale=None)
    imputed = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=500)).fit(X, y)
    plain = LogisticRegression(max_iter=500).fit(X, y)
    np.testing.assert_array_equal(
        certified_radius(imputed, X, scale=None), certified_radius(plain, X, scale=None)
    )
    # A gap that the imputer fills is a column that does not move.
    spoiled, filled = X.copy(), X.copy()
    spoiled[3, 1], filled[3, 1] = np.nan, X[:, 1].mean()
    still = FeatureSpace.from_data(filled, scale=None, bounds=None, mutable=[0, 2, 3])
    np.testing.assert_allclose(
        certified_radius(imputed, spoiled, scale=None)[3],
        certified_radius(plain, filled, space=still)[3],
        rtol=1e-12,
    )


def test_spoiled_weights():
    X, y = load_iris(return_X_y=True)
    for bad in (np.nan, np.inf):
        model = LogisticRegression(max_iter=500).fit(X, y)
        model.coef_[0, 0] = bad
        with pytest.raises(ValueError, match="NaN or inf"):
            certified_radius(model, X, scale=None)
    model = LogisticRegression(max_iter=500).fit(X, y)
    model.coef_ *= 1e300
    with pytest.raises(ValueError, match="NaN or infinite"):
        certified_radius(model, X * 1e10, scale=None)


@pytest.mark.parametrize("factor", [1e20, 1e-20])
def test_weights_of_any_size(factor):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    before = certified_radius(model, X, scale=None)
    model.coef_, model.intercept_ = model.coef_ * factor, model.intercept_ * factor
    np.testing.assert_allclose(certified_radius(model, X, scale=None), before, rtol=1e-9)


def test_lipschitz_bound_of_models(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    exact = np.linalg.norm(model[1].coef_[0] / model[0].scale_)
    assert exact <= lipschitz_bound(model) <= exact * (1 + 1e-9)
    exact = 1 / model[0].scale_.min()
    assert exact <= lipschitz_bound(model[0]) <= exact * (1 + 1e-9)
    with pytest.raises(ValueError, match=r"input_shape=\(30,\) is for torch modules"):
        lipschitz_bound(model, input_shape=(30,))
    chain = torch.nn.Sequential(torch.nn.Flatten(), layer([[3.0, 0.0], [0.0, 4.0]]))
    assert 4.0 <= lipschitz_bound(chain) <= 4.0 * (1 + 1e-9)
    with pytest.raises(ValueError, match=r"input_shape=None.*Conv2d"):
        lipschitz_bound(torch.nn.utils.skip_init(torch.nn.Conv2d, 1, 1, 3))


def layer(weight):
    weight = torch.tensor(weight, dtype=torch.float64)
    module = torch.nn.utils.skip_init(torch.nn.Linear, weight.shape[1], len(weight), bias=False)
    module.weight = torch.nn.Parameter(weight)
    return module


def test_probabilities_in_place_of_logits_are_refused():
    """A backbone that ends in probabilities would make margins of them."""
    network = torch.nn.Sequential(layer([[3.0, 0.0], [0.0, 4.0]]), torch.nn.Softmax(dim=1))
    with pytest.raises(TypeError, match=r"(?i)softmax"):
        torch_stages(network, (2,))
    assert TorchGraph is not None


@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier(random_state=0)])
def test_rows_that_span_a_small_box_are_not_safe_beyond_it(cancer_rows, model):
    """The units are those of a few rows, but not the range: all of them have one label."""
    X, y = cancer_rows
    model = clone(model).fit(X, y)
    few = X[model.predict(X) == 1][:4]
    radii = certified_radius(model, few)
    expected = certified_radius(model, few, scale=few.std(axis=0))
    np.testing.assert_allclose(radii, expected, rtol=1e-12)
    assert np.isfinite(radii).all()


@pytest.mark.parametrize(("norm", "activation"), diagonal([1, 2, np.inf], ["relu", "tanh"]))
def test_units_of_networks(iris_rows, activation, norm):
    """In units four times as large distances are a quarter, to the last bit of a power of two."""
    X, y = iris_rows
    network = MLPClassifier((6,), activation=activation, max_iter=300, random_state=0).fit(X, y)
    raw = certified_radius(network, X[::10], norm=norm, scale=None)
    np.testing.assert_allclose(
        certified_radius(network, X[::10], norm=norm, scale=4.0), raw / 4, rtol=1e-9
    )
    assert (raw > 0).all()
