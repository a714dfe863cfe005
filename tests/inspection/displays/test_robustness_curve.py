import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.inspection import RobustnessCurveDisplay
from specreg_sklearn.metrics import robust_accuracy_score

Y_TRUE, Y_PRED = [0, 0, 1, 1], [0, 1, 1, 1]
EPS = [0.0, 0.4, 0.5, 1.0, 3.0]


@pytest.fixture
def axes():
    return Figure().add_subplot()


def test_from_predictions_counts_by_hand(axes):
    display = RobustnessCurveDisplay.from_predictions(
        Y_TRUE,
        Y_PRED,
        distances=[0.5, 7.0, 1.0, 2.0],  # the wrong row counts 0, whatever is said of it
        radii=[0.2, 9.0, 0.45, 0.5],
        eps=EPS,
        ax=axes,
    )
    np.testing.assert_array_equal(display.attack, [0.75, 0.75, 0.5, 0.25, 0.0])
    np.testing.assert_array_equal(display.certified, [0.75, 0.5, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(display.attack_line_.get_xydata(), np.c_[EPS, display.attack])
    lower = np.c_[EPS, display.certified]
    np.testing.assert_array_equal(display.certified_line_.get_xydata(), lower)
    corners = {tuple(point) for path in display.band_.get_paths() for point in path.vertices}
    assert {*map(tuple, lower), *zip(EPS, display.attack.tolist(), strict=True)} <= corners


def test_undecided_rows_count_as_withstanding_with_a_warning(axes):
    with pytest.warns(UserWarning, match="1 of 3 correctly classified rows are undecided") as seen:
        display = RobustnessCurveDisplay.from_predictions(
            Y_TRUE, Y_PRED, distances=[0.5, 0.0, np.inf, 2.0], eps=EPS, ax=axes
        )
    # The undecided row stays up, at every size.
    np.testing.assert_allclose(display.attack, [0.75, 0.75, 0.5, 0.5, 0.25])
    assert seen[0].filename == __file__
    assert display.certified_line_ is None and display.band_ is None


def test_both_curves_enclose_the_truth_of_a_linear_model(linear_model, axes):
    weight, bias = np.array([3.0, -4.0]), 0.5
    model = linear_model([weight], bias)
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = np.where(np.arange(40) % 9 == 0, 1 - model.predict(X), model.predict(X))
    right = model.predict(X) == y
    truth = np.abs(X @ weight + bias) / 5
    eps = np.linspace(0, 2, 21)
    display = RobustnessCurveDisplay.from_estimator(model, X, y, eps=eps, scale=None, ax=axes)
    exact = ((truth > eps[:, None]) & right).mean(axis=1)
    np.testing.assert_array_equal(display.certified, exact)
    assert (display.attack >= exact).all()
    slack = ((truth * 1.05 + 0.02 > eps[:, None]) & right).mean(axis=1)
    within_data = eps <= 0.5  # farther rows may not be there within the range of the data
    assert (display.attack <= slack)[within_data].all()


def test_sizes_left_out_go_to_the_largest_distance(cancer_rows, linear_model, axes):
    X, y = cancer_rows[0][:60], cancer_rows[1][:60]
    model = linear_model([np.linspace(-1, 0.5, 30)])
    display = RobustnessCurveDisplay.from_estimator(model, X, y, max_samples=15, ax=axes)
    assert display.eps[0] == 0 and display.attack[-1] == 0 and display.attack[-2] > 0
    some = display.eps[[0, 5, 20]]
    direct = robust_accuracy_score(model, X, y, eps=some, max_samples=15)
    np.testing.assert_array_equal(display.attack[[0, 5, 20]], direct)
    assert axes.get_xlabel() == "eps (L2 distance, standard deviations)"


def test_several_estimators_share_sizes_and_axes(iris_rows, linear_model, axes):
    X, y = iris_rows[0][:100], iris_rows[1][:100]
    models = {"steep": linear_model([[2, -1, 2, 2]]), "flat": linear_model([[1, 0, 0, 0]])}
    found = RobustnessCurveDisplay.from_estimators(models, X, y, max_samples=12, ax=axes)
    assert list(found) == ["steep", "flat"]
    np.testing.assert_array_equal(found["steep"].eps, found["flat"].eps)
    assert {display.ax_ for display in found.values()} == {axes}
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["steep", "flat", "withstood the attack", "proved"]
    alone = RobustnessCurveDisplay.from_estimators(
        list(models.items()), X, y, eps=0.3, attack=None, max_samples=12, ax=Figure().add_subplot()
    )
    assert alone["flat"].attack is None and alone["flat"].certified.shape == (1,)


def test_proved_curve_alone(iris_rows, linear_model, axes):
    X, y = iris_rows[0][:100], iris_rows[1][:100]
    model = linear_model([[2.0, -1.0, 2.0, 2.0]])
    display = RobustnessCurveDisplay.from_estimator(
        model, X, y, attack=None, norm=1, scale=None, ax=axes
    )
    right = model.predict(X) == y
    truth = np.abs(X @ model.coef_[0]) / 2  # the dual norm of L1
    grid = display.eps[1:]
    exact = ((truth > grid[:, None] * (1 + 1e-6)) & right).mean(axis=1)
    # the largest size is the largest radius: nothing is proved beyond it
    np.testing.assert_allclose(display.certified[1:], exact, atol=1 / 150)
    assert display.attack_line_ is None
    assert axes.get_ylabel() == "share of 100 rows proved robust"
    assert axes.get_xlabel() == "eps (L1 distance, units of X)"


class Opaque(LogisticRegression):
    def predict(self, X):
        return super().predict(X)


def test_the_curves_of_trees_meet(iris_rows, axes):
    X, y = iris_rows
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    for options in ({}, {"eps": [0, 0.2, 0.5]}, {"attack": "strongest"}):
        display = RobustnessCurveDisplay.from_estimator(
            forest, X, y, max_samples=10, ax=axes, **options
        )
        # A size may be the distance of a row, which proofs stay below by a billionth.
        assert (display.certified <= display.attack).all()
        assert np.mean(display.certified < display.attack) <= 2 / 61
    rows = {"max_samples": 10, "ax": axes}
    alone = RobustnessCurveDisplay.from_estimator(forest, X, y, attack=None, norm=0, **rows)
    assert alone.attack is None and alone.certified[0] > 0


def test_model_without_a_certificate(iris_rows, axes):
    X, y = iris_rows
    model = Opaque().fit(X, y)
    display = RobustnessCurveDisplay.from_estimator(
        model, X, y, eps=[0, 0.2], max_samples=5, ax=axes
    )
    assert display.certified is None
    assert axes.get_ylabel() == "robust accuracy (share of 5 rows)"
    for options in ({"certify": True}, {"attack": None}):
        with pytest.raises(TypeError, match="Opaque"):
            RobustnessCurveDisplay.from_estimator(
                model, X, y, eps=[0.2], max_samples=5, ax=axes, **options
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": None, "certify": False}, "there is no curve"),
        ({"certify": "maybe"}, "certify='maybe' is not accepted"),
        ({"eps": [0.5, 0.2]}, "not increasing"),
        ({"eps": [-1.0]}, "not a distance"),
        ({"norm": 3}, "norm=3"),
        ({"attack": "none"}, "none"),
    ],
)
def test_unknown_options(iris_rows, linear_model, axes, options, message):
    X, y = iris_rows[0][:20], iris_rows[1][:20]
    with pytest.raises(ValueError, match=message):
        RobustnessCurveDisplay.from_estimator(
            linear_model([[1, 0, 0, 0]]), X, y, ax=axes, **options
        )


def test_predictions_and_labels_of_different_length(axes):
    with pytest.raises(ValueError, match="y_true has 4 labels, but y_pred has 3 predictions"):
        RobustnessCurveDisplay.from_predictions(Y_TRUE, Y_PRED[:3], radii=[1] * 4, ax=axes)
    with pytest.raises(ValueError, match="radii has 3 entries, but y_true has 4"):
        RobustnessCurveDisplay.from_predictions(Y_TRUE, Y_PRED, radii=[1] * 3, ax=axes)
    with pytest.raises(ValueError, match="distances=None and radii=None"):
        RobustnessCurveDisplay.from_predictions(Y_TRUE, Y_PRED, ax=axes)
    with pytest.raises(ValueError, match="attack has 1 entries, but eps has 2"):
        RobustnessCurveDisplay(eps=[0, 1], attack=[1.0])
    with pytest.raises(ValueError, match="attack=None and certified=None"):
        RobustnessCurveDisplay(eps=[0, 1])


@pytest.mark.parametrize("estimators", [3, [], ["a", "b"], [("a", 1, 2)]])
def test_estimators_without_names(iris_rows, estimators):
    with pytest.raises(ValueError, match="give a dict from name to fitted estimator"):
        RobustnessCurveDisplay.from_estimators(estimators, *iris_rows)


def test_estimators_of_the_same_name(iris_rows):
    with pytest.raises(ValueError, match="same name twice"):
        RobustnessCurveDisplay.from_estimators([("a", 1), ("a", 2)], *iris_rows)
