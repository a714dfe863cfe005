"""What holds for every display: where it draws, what it needs, and what it refuses."""

import io
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from specreg_sklearn.inspection import (
    AdversarialExamplesDisplay,
    ConfidenceDisplay,
    LayerStretchDisplay,
    MarginDisplay,
    RobustnessCurveDisplay,
    SpectrumDisplay,
    StrengthPathDisplay,
)


def _curve(model, X, y, **kw):
    return RobustnessCurveDisplay.from_estimator(model, X, y, max_samples=9, **kw)


def _margin(model, X, y, **kw):
    return MarginDisplay.from_estimator(model, X, y, **kw)


def _spectrum(model, X, y, **kw):
    return SpectrumDisplay.from_estimator(model, **kw)


def _confidence(model, X, y, **kw):
    return ConfidenceDisplay.from_estimator(model, X, y, **kw)


def _stretch(model, X, y, **kw):
    options = {"radius": 0.5, "n_directions": 3, "n_steps": 2}
    return LayerStretchDisplay.from_estimator(model, X[:9], y[:9], **options, **kw)


def _examples(model, X, y, **kw):
    return AdversarialExamplesDisplay.from_estimator(model, X, y, n_examples=2, **kw)


def _path(model, X, y, **kw):
    search = GridSearchCV(model, {"C": [0.1, 1.0]}, cv=2)
    fitted = hasattr(model, "coef_")
    return StrengthPathDisplay.from_search(search.fit(X, y) if fitted else search, **kw)


MAKERS = [_curve, _margin, _spectrum, _confidence, _stretch, _examples, _path]
every_display = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[1:])


@pytest.fixture(scope="module")
def fitted(iris_rows):
    X, y = iris_rows
    return LogisticRegression(max_iter=500).fit(X, y), X, y


@pytest.fixture
def axes():
    return Figure(layout="constrained").add_subplot()


@every_display
def test_draws_on_the_axes_given_without_pyplot(make, fitted, axes, monkeypatch):
    matplotlib.use("agg")  # as long as no backend is chosen, reading rcParams imports pyplot
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it raises
    before = dict(matplotlib.rcParams)
    display = make(*fitted, ax=axes)
    assert display.ax_ is axes
    assert display.figure_ is axes.figure
    assert dict(matplotlib.rcParams) == before
    axes.figure.savefig(io.BytesIO(), format="png")


@every_display
def test_makes_a_figure_of_its_own_and_leaves_it_open(make, fitted):
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    mine = plt.figure()
    try:
        display = make(*fitted)
        assert plt.fignum_exists(mine.number)
        assert plt.fignum_exists(display.figure_.number)
        assert display.figure_ is not mine
        assert display.ax_ in display.figure_.axes
    finally:
        plt.close(mine)
        plt.close(display.figure_)


@every_display
def test_plot_returns_the_display_and_draws_again(make, fitted, axes):
    display = make(*fitted, ax=axes)
    other = Figure().add_subplot()
    assert display.plot(ax=other) is display
    assert display.ax_ is other


@every_display
def test_unfitted_model(make, fitted, axes):
    model, X, y = fitted
    with pytest.raises(NotFittedError):
        make(clone(model), X, y, ax=axes)


@every_display
def test_ax_that_is_no_axes(make, fitted):
    with pytest.raises(TypeError, match="ax=Figure is not a matplotlib Axes or None"):
        make(*fitted, ax=Figure())


@every_display
def test_without_matplotlib_the_error_names_the_extra(make, fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display\.from_.*pip install specreg-sklearn\[plot\]"):
        make(*fitted)


@pytest.mark.parametrize("make", [_curve, _margin, _confidence, _examples])
def test_rows_and_labels_of_different_length(make, fitted, axes):
    model, X, y = fitted
    with pytest.raises(ValueError, match="X has 150 rows, y has 149 labels"):
        make(model, X, y[:-1], ax=axes)


@pytest.mark.parametrize("make", [_curve, _margin, _confidence])
def test_displays_on_the_same_axes_look_different(make, fitted, axes):
    displays = [make(*fitted, name=name, ax=axes) for name in ("first", "second")]
    lines = [getattr(d, "attack_line_", getattr(d, "line_", None)) for d in displays]
    if lines[0] is None:
        lines = [display.lines_[""] for display in displays]
    assert lines[0].get_color() != lines[1].get_color()
    assert lines[0].get_marker() != lines[1].get_marker()
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.split(" ")[0] for text in texts[:2]] == ["first", "second"]


@pytest.mark.parametrize(
    ("display", "data", "options"),
    [
        (MarginDisplay, "Xy", {"kind": "feature", "style": "histogram"}),
        (ConfidenceDisplay, "Xy", {"n_bins": 4}),
        (SpectrumDisplay, "", {"show_cv": False}),
        (LayerStretchDisplay, "X", {"radius": 0.5, "n_directions": 3, "n_steps": 2}),
        (RobustnessCurveDisplay, "Xy", {"eps": [0, 0.2], "max_samples": 9}),
    ],
)
def test_several_models_are_measured_like_one_and_share_the_axes(fitted, display, data, options):
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    model, X, y = fitted
    models = {"first": model, "second": LogisticRegression(C=0.01).fit(X, y)}
    data = [{"X": X, "y": y}[key] for key in data]
    before = set(plt.get_fignums())
    found = display.from_estimators(models, *data, **options)
    new = set(plt.get_fignums()) - before
    assert len(new) == 1
    (axes,) = {one.ax_ for one in found.values()}
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.split(" ")[0] for text in texts[:2]] == list(models) == list(found)
    for name, one in found.items():
        alone = display.from_estimator(models[name], *data, ax=Figure().add_subplot(), **options)
        assert one.name == name and alone.name == "LogisticRegression"
        measured = [vars(which) for which in (one, alone)]
        for key in measured[0]:
            if not key.endswith("_") and key != "name":
                np.testing.assert_equal(measured[0][key], measured[1][key])
    for number in new:
        plt.close(number)


def test_neighbouring_styles_differ_in_grey():
    from specreg_sklearn.inspection.displays._style import LINE_STYLES

    rgb = np.array([matplotlib.colors.to_rgb(style.color) for style in LINE_STYLES])
    grey = rgb @ [0.299, 0.587, 0.114]
    assert (np.abs(np.diff(grey)) > 0.1).all()
    assert len({style.marker for style in LINE_STYLES}) == len(LINE_STYLES)
    assert len({str(style.line) for style in LINE_STYLES}) == len(LINE_STYLES)
