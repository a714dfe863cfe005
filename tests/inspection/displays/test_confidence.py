import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.inspection import ConfidenceDisplay


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(size=(400, 3)) * 2, axis=1)
    return rng.integers(0, 3, 400), p


def by_brute_force(confidence, hits, n_bins):
    """Confidence, accuracy and share of every bin ``(low, high]``, the first one closed."""
    found = []
    for k in range(n_bins):
        low, high = k / n_bins, (k + 1) / n_bins
        inside = [i for i, c in enumerate(confidence) if low < c <= high or (k == 0 and c == 0)]
        c, h = confidence[inside], hits[inside]
        filled = bool(inside)
        mean = (c.mean(), h.mean()) if filled else (np.nan, np.nan)
        found.append((*mean, len(inside) / len(hits)))
    return np.array(found).T


def test_bins_error_and_artists(predictions, axes):
    y, p = predictions
    display = ConfidenceDisplay.from_predictions(y, p, n_bins=8, ax=axes)
    confidence, hits = p.max(axis=1), p.argmax(axis=1) == y
    mean, accuracy, share = by_brute_force(confidence, hits, 8)
    np.testing.assert_allclose(display.bin_confidence, mean)
    np.testing.assert_allclose(display.bin_accuracy, accuracy)
    np.testing.assert_allclose(display.bin_share, share)
    filled = share > 0
    assert 0 < filled.sum() < 8
    np.testing.assert_allclose(display.line_.get_xdata(), mean[filled])
    np.testing.assert_allclose(display.line_.get_ydata(), accuracy[filled])
    np.testing.assert_allclose(display.histogram_.get_data().values, share)
    error = np.sum((share * np.abs(mean - accuracy))[filled])
    assert display.calibration_error == pytest.approx(error)
    assert axes.get_legend().get_texts()[0].get_text() == f"Classifier (ECE {error:.3f})"


def test_from_estimator_uses_its_probabilities(iris_rows, axes):
    X, y = iris_rows
    model = LogisticRegression(C=0.05).fit(X, y)
    display = ConfidenceDisplay.from_estimator(model, X, y, n_bins=5, ax=axes)
    p = model.predict_proba(X)
    np.testing.assert_allclose(display.confidence, p.max(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(display.correct, model.predict(X) == y)
    accuracy = by_brute_force(p.max(axis=1), model.predict(X) == y, 5)[1]
    np.testing.assert_allclose(display.bin_accuracy, accuracy)


def test_two_classes_and_labels_that_are_words(axes):
    display = ConfidenceDisplay.from_predictions(
        ["no", "yes", "yes"], [0.2, 0.9, 0.4], n_bins=2, ax=axes
    )
    np.testing.assert_allclose(display.confidence, [0.8, 0.9, 0.6])
    np.testing.assert_array_equal(display.correct, [True, True, False])


def test_a_row_on_an_edge_is_in_the_lower_bin():
    display = ConfidenceDisplay(confidence=[0.5, 0.5, 0.8, 1.0], correct=[1, 0, 1, 1], n_bins=2)
    np.testing.assert_array_equal(display.bin_share, [0.5, 0.5])
    np.testing.assert_array_equal(display.bin_accuracy, [0.5, 1.0])


def test_markers_are_hollow_where_rows_are_few(axes):
    confidence = np.r_[np.full(30, 0.95), np.full(3, 0.55)]
    display = ConfidenceDisplay(confidence=confidence, correct=confidence > 0.9, n_bins=10)
    display.plot(axes)
    assert display.line_.get_markerfacecolor() == "white"
    solid = axes.get_lines()[-1]
    assert solid.get_xdata() == pytest.approx([0.95])
    assert solid.get_markerfacecolor() == display.line_.get_color()


def test_displays_share_the_distribution_on_top(predictions, axes):
    y, p = predictions
    first = ConfidenceDisplay.from_predictions(y, p, name="a", ax=axes)
    sure = np.eye(3)[p.argmax(axis=1)]
    second = ConfidenceDisplay.from_predictions(y, sure, name="b", ax=axes)
    assert first.ax_histogram_ is second.ax_histogram_
    assert len(axes.child_axes) == 1
    assert second.ax_histogram_.get_ylim()[1] > 1  # all rows are in one bin
    assert second.ax_histogram_.get_xlim() == axes.get_xlim()


@pytest.mark.parametrize(
    ("y_true", "y_prob", "message"),
    [
        ([0, 1, 1], [0.5, 0.5], "y_true has 3 labels, but y_prob has 2 rows"),
        ([0, 1], [0.5, 1.5], "no probabilities"),
        ([0, 1], [[0.5, 0.4], [0.5, 0.5]], "no probabilities"),
        ([0, 1], np.full((2, 3), 1 / 3), "y_true holds 2 classes, but y_prob has scores of 3"),
    ],
)
def test_bad_predictions(axes, y_true, y_prob, message):
    with pytest.raises(ValueError, match=message):
        ConfidenceDisplay.from_predictions(y_true, y_prob, ax=axes)


def test_bad_options(iris_rows, axes):
    X, y = iris_rows
    model = LogisticRegression(max_iter=500).fit(X, y)
    with pytest.raises(ValueError, match="n_bins=0"):
        ConfidenceDisplay.from_estimator(model, X, y, n_bins=0, ax=axes)
    with pytest.raises(ValueError, match="true labels are needed"):
        ConfidenceDisplay.from_estimator(model, X, None, ax=axes)
    with pytest.raises(ValueError, match="correct has 1 entries, but confidence has 2"):
        ConfidenceDisplay(confidence=[0.5, 0.6], correct=[True])
