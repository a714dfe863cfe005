"""Sample weights and class weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder

PENALTIES = [None, "l2", "rep_spectral", "ll_spectral"]


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 40, "random_state": 0}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


@pytest.fixture
def unbalanced(blob_rows):
    """Sixty rows in classes of 10, 20 and 30."""
    X, y = blob_rows
    rows = np.concatenate([np.flatnonzero(y == code)[: 10 * (code + 1)] for code in range(3)])
    return X[rows], y[rows]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_integer_weights_equal_repeated_and_left_out_rows(unbalanced, penalty, dtype):
    X, y = unbalanced
    X = X.astype(dtype)
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted = encoder(penalty=penalty).fit(X, y, sample_weight=weight)
    repeated = encoder(penalty=penalty).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    tolerance = {np.float32: 1e-4, np.float64: 1e-9}[dtype]
    np.testing.assert_allclose(
        weighted.decision_function(X), repeated.decision_function(X), atol=tolerance
    )


def test_only_the_proportions_of_the_weights_matter(unbalanced):
    X, y = unbalanced
    weight = np.random.default_rng(0).uniform(0.1, 2, size=len(y))
    first, second = (encoder().fit(X, y, sample_weight=w) for w in (weight, 1000 * weight))
    np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=1e-9)


def test_unit_weights_equal_none(unbalanced):
    X, y = unbalanced
    weighted = encoder().fit(X, y, sample_weight=np.ones(len(y)))
    plain = encoder().fit(X, y)
    np.testing.assert_array_equal(weighted.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("layout", ["read-only", "list", "reversed", "strided"])
def test_memory_layouts_of_weights(unbalanced, layout):
    X, y = unbalanced
    weight = np.linspace(1, 2, len(y))
    expected = encoder(max_iter=3).fit(X, y, sample_weight=weight).predict_proba(X)
    if layout == "read-only":
        weight.setflags(write=False)
    elif layout == "list":
        weight = weight.tolist()
    elif layout == "reversed":
        weight = weight[::-1].copy()[::-1]
    elif layout == "strided":
        weight = np.repeat(weight, 2)[::2]
    model = encoder(max_iter=3).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_weights_change_the_model(unbalanced):
    X, y = unbalanced
    weighted = encoder().fit(X, y, sample_weight=np.where(y == 0, 10, 1))
    gain = weighted.predict_proba(X)[:, 0] - encoder().fit(X, y).predict_proba(X)[:, 0]
    assert gain.min() > 0.01


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0, 2: 0.5}])
def test_class_weights_equal_sample_weights(unbalanced, class_weight):
    X, y = unbalanced
    by_class = encoder(class_weight=class_weight).fit(X, y)
    by_row = encoder().fit(X, y, sample_weight=compute_sample_weight(class_weight, y))
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X), atol=1e-9)


def test_class_weights_multiply_sample_weights(unbalanced):
    X, y = unbalanced
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    factors = {0: 5.0, 1: 1.0, 2: 0.5}
    both = encoder(class_weight=factors).fit(X, y, sample_weight=weight)
    product = weight * compute_sample_weight(factors, y)
    by_row = encoder().fit(X, y, sample_weight=product)
    np.testing.assert_allclose(both.predict_proba(X), by_row.predict_proba(X), atol=1e-9)


def test_balanced_counts_a_row_of_weight_two_as_two_rows(unbalanced):
    X, y = unbalanced
    weight = np.random.default_rng(1).integers(1, 4, size=len(y))
    weighted = encoder(class_weight="balanced").fit(X, y, sample_weight=weight)
    repeated = encoder(class_weight="balanced").fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-9)


def test_class_weights_of_string_labels(unbalanced):
    X, y = unbalanced
    names = np.array(["low", "mid", "top"])
    by_name = encoder(class_weight={"low": 5.0}).fit(X, names[y])
    by_code = encoder(class_weight={0: 5.0}).fit(X, y)
    np.testing.assert_array_equal(by_name.predict_proba(X), by_code.predict_proba(X))


def test_a_class_of_zero_weight_is_no_class(unbalanced):
    X, y = unbalanced
    model = encoder().fit(X, y, sample_weight=(y != 1).astype(float))
    assert list(model.classes_) == [0, 2]
    assert set(model.predict(X)) <= {0, 2}


def test_weights_of_zero_leave_early_stopping_alone(unbalanced):
    """Rows that weigh nothing are held out as little as they are trained on."""
    X, y = unbalanced
    weight = np.ones(len(y))
    weight[::3] = 0
    kept = weight > 0
    settings = {"early_stopping": True, "validation_fraction": 0.25}
    weighted = encoder(**settings).fit(X, y, sample_weight=weight)
    fewer = encoder(**settings).fit(X[kept], y[kept])
    assert weighted.validation_scores_ == fewer.validation_scores_
    np.testing.assert_array_equal(weighted.predict_proba(X), fewer.predict_proba(X))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(60), "at least one non-zero"),
        (np.ones(59), r"sample_weight\.shape == \(59,\)"),
        (-np.ones(60), "[Nn]egative values in data passed to `sample_weight`"),
        (np.full(60, np.nan), "NaN"),
        (np.full(60, np.inf), "infinity"),
        (np.ones((60, 1)), "[Ss]ample weights must be 1D"),
    ],
)
def test_bad_weights_are_refused(unbalanced, weight, message):
    with pytest.raises(ValueError, match=message):
        encoder().fit(*unbalanced, sample_weight=weight)


BAD_FACTORS = [-1.0, np.nan, np.inf, "2", None, -np.float32(1)]


@pytest.mark.parametrize("factor", BAD_FACTORS)
@pytest.mark.parametrize("make", [encoder, RobustLinearProbe])
def test_class_weights_that_are_none(unbalanced, make, factor):
    message = rf"class_weight\[1\]={factor!r} must be a finite number of at least 0".replace(
        "(", r"\("
    )
    with pytest.raises(ValueError, match=message.replace(")", r"\)")):
        make(class_weight={0: 1.0, 1: factor, 2: 1.0}).fit(*unbalanced)


@pytest.mark.parametrize("make", [encoder, RobustLinearProbe])
def test_class_weights_that_leave_one_class(unbalanced, make):
    with pytest.raises(ValueError, match="leaves 1 class of positive weight"):
        make(class_weight={0: 0, 1: 0, 2: 1.0}).fit(*unbalanced)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("make", [encoder, RobustLinearProbe])
def test_sample_weights_that_are_none(unbalanced, make, bad):
    X, y = unbalanced
    weight = np.ones(len(y))
    weight[3] = bad
    with pytest.raises(ValueError, match=r"(?i)sample.weight|negative"):
        make().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [1, 7, 60])
def test_a_class_of_weight_zero_is_a_class_without_rows(unbalanced, dtype, batch_size):
    """Its rows would make whole batches that weigh nothing: 0 / 0."""
    X, y = unbalanced[0].astype(dtype), unbalanced[1]
    settings = {"batch_size": batch_size, "max_iter": 5}
    model = encoder(class_weight={0: 1.0, 1: 0.0, 2: 2.0}, **settings).fit(X, y)
    nearly = encoder(**settings).fit(X, y, sample_weight=np.array([1.0, 1e-30, 2.0])[y])
    assert model.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(model.loss_curve_).all() and len(model.loss_curve_) == 5
    assert np.isfinite(nearly.loss_curve_).all()
    if batch_size == 60:  # the same batches but for the rows that weigh nothing
        np.testing.assert_allclose(model.predict_proba(X), nearly.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e40, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [lambda: encoder(max_iter=5, batch_size=16), RobustLinearProbe])
def test_weights_of_any_size(unbalanced, make, dtype, scale):
    X, y = unbalanced[0].astype(dtype), unbalanced[1]
    weight = np.random.default_rng(0).uniform(0.1, 2, size=len(y))
    plain = make().fit(X, y, sample_weight=weight).predict_proba(X)
    scaled = make().fit(X, y, sample_weight=scale * weight).predict_proba(X)
    np.testing.assert_allclose(scaled, plain, atol=1e-4 if dtype is np.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_far_below_the_largest_make_no_empty_batch(unbalanced, dtype):
    X, y = unbalanced[0].astype(dtype), unbalanced[1]
    weight = np.where(np.arange(len(y)) % 4, 1e-320 if dtype is np.float64 else 1e-60, 1.0)
    model = encoder(max_iter=5, batch_size=1).fit(X, y, sample_weight=weight)
    assert np.isfinite(model.loss_curve_).all() and len(model.loss_curve_) == 5
