import numpy as np
import pytest
from matplotlib.figure import Figure

from specreg_sklearn.inspection import MarginDisplay

LAYERS = [
    (np.array([[1.0, 0.5], [-0.5, 1.0], [0.3, -0.8]]), np.array([0.1, 0.0, 0.2])),
    (np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]]), np.zeros(3)),
]


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    return rng.normal(size=(30, 2)), rng.integers(0, 2, 30)


def logit_of(X):
    return X @ [3.0, -4.0] + 0.5


def test_logit_margins_of_train_and_test(linear_model, rows, axes):
    model, (X, y) = linear_model([[3.0, -4.0]], 0.5), rows
    display = MarginDisplay.from_estimator(
        model, X[:20], y[:20], X_test=X[20:], y_test=y[20:], name="m", ax=axes
    )
    signed = np.where(y == 1, 1, -1) * logit_of(X)
    for key, part in {"train": slice(20), "test": slice(20, None)}.items():
        np.testing.assert_allclose(display.margins[key], signed[part], rtol=1e-6)
        x, share = display.lines_[key].get_data()
        # A step curve is right from each margin on.
        exact = [np.mean(signed[part] <= at + 1e-9) for at in x[1:]]
        np.testing.assert_allclose(share[1:], exact)
        assert share[0] == 0
        assert display.lines_[key].get_drawstyle() == "steps-post"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["m, train", "m, test"]
    styles = {line.get_linestyle() for line in display.lines_.values()}
    assert len(styles) == 2
    assert axes.get_xlabel() == "logit margin of the true class"
    assert axes.get_xlim()[0] < signed.min() and axes.get_xlim()[1] > signed.max()


def test_histogram_holds_the_share_of_each_bin(linear_model, rows, axes):
    model, (X, _) = linear_model([[3.0, -4.0]], 0.5), rows
    display = MarginDisplay.from_estimator(model, X, style="histogram", bins=7, ax=axes)
    counts, edges = np.histogram(np.abs(logit_of(X)), 7)
    x, share = display.lines_[""].get_data()
    np.testing.assert_allclose(x, np.repeat(edges, 2)[1:-1], rtol=1e-6)
    np.testing.assert_allclose(share, np.repeat(counts / 30, 2))
    assert axes.get_xlabel() == "logit margin of the predicted class"
    assert axes.get_xlim()[0] == 0 and axes.get_ylim()[0] == 0


def test_a_later_display_is_not_cut_off(axes):
    for top in (1.0, 8.0):
        MarginDisplay(margins={"": np.linspace(0, top, 5)}, name=str(top)).plot(
            axes, style="histogram", bins=3
        )
    assert axes.get_xlim()[1] > 8
    MarginDisplay(margins={"": np.full(9, 4.0)}).plot(axes, style="histogram", bins=3)
    assert axes.get_ylim()[1] > 1  # all rows in one bin


@pytest.mark.parametrize("kind", ["feature", "instance"])
def test_distances_to_a_line(linear_model, rows, axes, kind):
    model, (X, y) = linear_model([[3.0, -4.0]], 0.5), rows
    display = MarginDisplay.from_estimator(model, X, y, kind=kind, ax=axes)
    np.testing.assert_allclose(display.margins[""], np.abs(logit_of(X)) / 5, rtol=1e-6)
    assert display.upper is None and not display.bands_
    unit = {"feature": "units of the features", "instance": "units of X"}[kind]
    assert axes.get_xlabel() == f"{kind} margin (L2 distance, {unit})"


def test_bounds_of_a_network_are_a_band_around_the_truth(mlp_model, rows, axes):
    model, X = mlp_model(LAYERS), rows[0]
    options = {"kind": "instance", "ax": axes}
    display = MarginDisplay.from_estimator(model, X, **options)
    lower, upper = display.margins[""], display.upper[""]
    exact = MarginDisplay.from_estimator(model, X, method="exact", **options).margins[""]
    assert (lower <= exact * (1 + 1e-9)).all() and (exact <= upper * (1 + 1e-6)).all()
    x, share = display.upper_lines_[""].get_data()
    finite = np.sort(upper[np.isfinite(upper)])
    np.testing.assert_array_equal(x, [finite[0], *finite])
    np.testing.assert_allclose(share, np.arange(len(finite) + 1) / len(upper))
    corners = display.bands_[""].get_paths()[0].vertices
    assert corners[:, 0].min() == lower.min() and corners[:, 0].max() == finite[-1]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "MLPClassifier" in labels
    with pytest.raises(ValueError, match=r"histogram.*bounds; take style='ecdf'"):
        display.plot(axes, style="histogram")


@pytest.mark.parametrize(("method", "side"), [("lipschitz", "below"), ("attack", "above")])
def test_one_bound_alone_says_which(mlp_model, rows, axes, method, side):
    model, X = mlp_model(LAYERS), rows[0]
    display = MarginDisplay.from_estimator(model, X, kind="instance", method=method, ax=axes)
    assert display.upper is None
    assert (display.margins[""] > 0).any()
    assert axes.get_xlabel().endswith(f"from {side}")


def test_infinite_margins_keep_the_curve_below_one(axes):
    display = MarginDisplay(margins={"": [0.5, np.inf, 1.0, np.inf]}).plot(axes)
    np.testing.assert_array_equal(display.lines_[""].get_ydata(), [0, 0.25, 0.5])


def test_from_predictions(axes):
    two = MarginDisplay.from_predictions(["b", "a", "b"], [2.0, 3.0, -1.0], ax=axes)
    np.testing.assert_array_equal(two.margins[""], [2.0, -3.0, -1.0])
    scores = [[1.0, 4.0, 2.0], [3.0, 0.0, 2.5]]
    three = MarginDisplay.from_predictions(
        ["z", "x"], scores, classes=["x", "y", "z"], ax=Figure().add_subplot()
    )
    np.testing.assert_array_equal(three.margins[""], [-2.0, 0.5])


@pytest.mark.parametrize(
    ("y_true", "y_score", "options", "message"),
    [
        ([0, 1, 1], [1.0, 2.0], {}, "y_true has 3 labels, but y_score has 2 rows"),
        ([0, 1], [np.nan, 2.0], {}, "NaN or infinity"),
        ([0, 0], [1.0, 2.0], {}, "y_true holds 1 classes, but y_score has scores of 2"),
        ([0, 5], [1.0, 2.0], {"classes": [0, 1]}, "not in classes: 5"),
        ([0, 1], np.zeros((2, 2, 2)), {}, "shape"),
    ],
)
def test_bad_predictions(axes, y_true, y_score, options, message):
    with pytest.raises(ValueError, match=message):
        MarginDisplay.from_predictions(y_true, y_score, ax=axes, **options)


def test_bad_options(linear_model, rows, axes):
    model, (X, y) = linear_model([[3.0, -4.0]]), rows
    for options, message in [
        ({"kind": "input"}, "kind='input' is not one of"),
        ({"style": "violin"}, "style='violin' is not one of"),
        ({"y_test": y}, "y_test is given without X_test"),
        ({"X_test": X}, "Give both y and y_test"),
    ]:
        with pytest.raises(ValueError, match=message):
            MarginDisplay.from_estimator(model, X, y, ax=axes, **options)
    with pytest.raises(ValueError, match="holds NaN in 1 rows"):
        MarginDisplay(margins={"": [np.nan, 1.0]})
    with pytest.raises(ValueError, match="give a dict"):
        MarginDisplay(margins=[1.0, 2.0])
    with pytest.raises(ValueError, match="upper holds"):
        MarginDisplay(margins={"a": [1.0]}, upper={"b": [1.0]})
