import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.inspection import AdversarialExamplesDisplay

CLEAN = pd.DataFrame({"size": [2.0, 4.0], "kind": ["a", "b"], "count": [10, 20], "age": [1.0, 1.0]})
MOVED = CLEAN.assign(size=[2.5, 4.0], count=[7, 21])
LABELS = {"y_true": ["p", "q"], "y_pred": ["p", "p"], "y_pred_adv": ["q", "p"]}


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


@pytest.fixture(scope="module")
def linear_digits(linear_model, digits):
    """Nearest class mean, written as a linear model: right on most rows, and quick."""
    X, y = digits
    means = np.array([X[y == k].mean(axis=0) for k in range(10)])
    return linear_model(means, -0.5 * (means**2).sum(axis=1))


def test_table_lists_the_columns_that_changed_most(axes):
    display = AdversarialExamplesDisplay.from_predictions(
        X=CLEAN, X_adv=MOVED, scale=[0.1, 1.0, 2.0, 1.0], ax=axes, **LABELS
    )
    assert display.changed_columns(0) == [("size", 2.0, 2.5), ("count", 10.0, 7.0)]
    assert display.changed_columns(1) == [("count", 20.0, 21.0)]
    assert display.changed_columns(0, n_columns=1) == [("size", 2.0, 2.5)]
    np.testing.assert_allclose(display.distances, [np.hypot(5, 1.5), 0.5])
    panel = display.axes_[0]
    np.testing.assert_allclose([bar.get_width() for bar in panel.patches], [5.0, -1.5])
    assert [text.get_text() for text in panel.get_yticklabels()] == ["size", "count"]
    assert [text.get_text() for text in panel.texts] == ["2 → 2.5", "10 → 7"]
    assert panel.get_title(loc="left") == f"p → q, distance {np.hypot(5, 1.5):.2f}"
    assert not axes.axison and set(axes.child_axes) == set(display.axes_)


def test_cells_are_written_with_the_digits_that_changed(axes):
    clean = np.array([[1234567.0, 0.1234561, 1e-7, 0.0]])
    moved = np.array([[1234568.0, 0.1234569, 2e-7, 0.5]])
    display = AdversarialExamplesDisplay.from_predictions(
        [0], [0], [1], X=clean, X_adv=moved, scale=[1.0, 1e-6, 1e-7, 1e9], ax=axes
    )
    texts = {text.get_text() for text in display.axes_[0].texts}
    assert texts == {"1234567 → 1234568", "0.123456 → 0.123457", "1e-07 → 2e-07", "0 → 0.5"}


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_distances_left_out_are_computed(axes, norm):
    clean, moved = np.zeros((1, 3)), np.array([[1.0, -4.0, 2.0]])
    display = AdversarialExamplesDisplay.from_predictions(
        [0], [0], [1], X=clean, X_adv=moved, norm=norm, scale=[1, 2, 1], ax=axes
    )
    assert display.distances[0] == pytest.approx({1: 5, 2: 3, np.inf: 2}[norm])


def test_images_side_by_side(linear_digits, digits):
    X, y = digits
    space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
    figure = Figure()
    display = AdversarialExamplesDisplay.from_estimator(
        linear_digits, X, y, n_examples=3, space=space, image_shape=(8, 8), ax=figure.add_subplot()
    )
    assert display.axes_.shape == (3, 3)
    assert len(set(display.y_true)) == 3  # of different classes
    np.testing.assert_array_equal(linear_digits.predict(display.clean), display.y_true)
    moved = linear_digits.predict(display.adversarial)
    np.testing.assert_array_equal(moved, display.y_pred_adv)
    assert (moved != display.y_true).all()
    size = np.linalg.norm(display.adversarial - display.clean, axis=1)
    np.testing.assert_allclose(display.distances, size)
    for row, (clean, change, adversarial) in enumerate(display.axes_):
        drawn = [panel.images[0].get_array() for panel in (clean, change, adversarial)]
        np.testing.assert_array_equal(drawn[0].ravel(), display.clean[row])
        np.testing.assert_array_equal(drawn[2].ravel(), display.adversarial[row])
        np.testing.assert_allclose(drawn[0] + drawn[1], drawn[2])
        low, high = change.images[0].get_clim()
        assert low == -high  # no change is in the middle
        assert clean.images[0].get_clim() == adversarial.images[0].get_clim()
        title = f"says {moved[row]}, L2 {size[row]:.2f}"
        assert adversarial.get_title().splitlines()[-1] == title


def test_rows_are_of_different_classes_where_rows_are_sorted(linear_digits, digits, axes):
    X, y = (part[np.argsort(digits[1], kind="stable")] for part in digits)
    display = AdversarialExamplesDisplay.from_estimator(
        linear_digits, X, y, n_examples=4, scale=None, ax=axes
    )
    right = linear_digits.predict(X) == y
    first = [np.flatnonzero(right & (y == k))[0] for k in range(4)]
    np.testing.assert_array_equal(display.clean, X[first])


def test_rows_can_be_chosen(linear_digits, digits, axes):
    X, y = digits
    right = np.flatnonzero(linear_digits.predict(X) == y)[[5, 2]]
    display = AdversarialExamplesDisplay.from_estimator(
        linear_digits, X, y, rows=right, scale=None, ax=axes
    )
    np.testing.assert_array_equal(display.clean, X[right])
    wrong = np.flatnonzero(linear_digits.predict(X) != y)[0]
    with pytest.warns(UserWarning, match=r"1 of 2 rows are not shown.*already_wrong"):
        AdversarialExamplesDisplay.from_estimator(
            linear_digits, X, y, rows=[right[0], wrong], scale=None, ax=Figure().add_subplot()
        )


def test_colours_are_channels_in_front(axes):
    rng = np.random.default_rng(0)
    clean = rng.random((1, 12))
    moved = clean + rng.normal(size=(1, 12)) * 0.1
    display = AdversarialExamplesDisplay.from_predictions(
        [0], [0], [1], X=clean, X_adv=moved, image_shape=(3, 2, 2), ax=axes
    )
    drawn = display.axes_[0, 0].images[0].get_array()
    low, high = min(clean.min(), moved.min()), max(clean.max(), moved.max())
    expected = (clean.reshape(3, 2, 2)[1] - low) / (high - low)  # the green channel
    np.testing.assert_allclose(drawn[:, :, 1], expected)
    change = display.axes_[0, 1].images[0].get_array()
    assert change.min() >= 0 and change.max() <= 1


def test_a_model_that_cannot_be_fooled(linear_model, axes):
    X = np.random.default_rng(0).normal(size=(20, 2))
    constant = linear_model([[0.0, 0.0]], 1.0)
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match=r"No adversarial row was found.*start_failed"),
    ):
        AdversarialExamplesDisplay.from_estimator(
            constant, X, np.ones(20, dtype=int), attack=CGBA(max_queries=100), ax=axes
        )
    with pytest.raises(ValueError, match="wrong on all rows"):
        AdversarialExamplesDisplay.from_estimator(constant, X, np.zeros(20, dtype=int), ax=axes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_pred": ["p"]}, "y_pred has 1 labels, but X has 2 rows"),
        ({"X_adv": MOVED[:1]}, r"X has shape \(2, 4\), but X_adv has shape \(1, 4\)"),
        ({"X_adv": MOVED.rename(columns={"age": "old"})}, "different column names"),
        ({"distances": [1.0]}, "distances has 1 entries, but X has 2"),
        ({"scale": [1.0, 0.0, 1.0, 1.0]}, "positive, finite"),
        ({"image_shape": (3, 3)}, r"image_shape=\(3, 3\) is not accepted"),
        ({"image_shape": (2, 2, 1)}, "1 or 3 channels"),
        ({"image_shape": "8x8"}, "image_shape='8x8'"),
        ({"norm": 3}, "norm=3"),
        ({"n_columns": 0}, "n_columns=0"),
    ],
)
def test_bad_input(axes, change, message):
    given = {"X": CLEAN, "X_adv": MOVED, "ax": axes, **LABELS, **change}
    with pytest.raises(ValueError, match=message):
        AdversarialExamplesDisplay.from_predictions(**given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_examples": 0}, "n_examples=0"),
        ({"rows": [0, 999]}, "give positions from 0 to 299"),
        ({"rows": 0.5}, "rows=0.5"),
        ({"image_shape": (8, 9)}, "64"),
        ({"attack": "nothing"}, "nothing"),
    ],
)
def test_unknown_options(linear_digits, digits, axes, options, message):
    with pytest.raises(ValueError, match=message):
        AdversarialExamplesDisplay.from_estimator(linear_digits, *digits, ax=axes, **options)
