"""Pictures against pictures that somebody has looked at, without text: fonts differ by version.

After a change that is meant to change them, look at what this file writes when it is run as a
script: ``python tests/inspection/displays/test_images.py``.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from specreg_sklearn.inspection import (
    AdversarialExamplesDisplay,
    ConfidenceDisplay,
    LayerStretchDisplay,
    MarginDisplay,
    RobustnessCurveDisplay,
    SpectrumDisplay,
    StrengthPathDisplay,
)

BASELINE = Path(__file__).parent / "baseline"
# Root mean square over 0 to 255: antialiasing may differ a little. A moved curve is far above it.
TOLERANCE = 1.5


def robustness_curve(ax, shift=0.0):
    eps = np.linspace(0, 2, 21)
    for k, name in enumerate("ab"):
        upper = np.exp(-(eps**2) / (1 + k))
        lower = np.exp(-((eps * 1.6 + shift) ** 2) / (1 + k))
        RobustnessCurveDisplay(eps=eps, attack=upper, certified=lower, name=name).plot(ax)


def margin(ax, shift=0.0):
    train, test = np.linspace(-1, 4, 60) + shift, np.linspace(-2, 4, 30) ** 3 / 16
    MarginDisplay(margins={"train": train, "test": test}, name="a").plot(ax)
    lower = {"": np.linspace(0, 2, 20)}
    MarginDisplay(margins=lower, upper={"": np.linspace(0.5, 3, 20)}, name="b").plot(ax)


def margin_histogram(ax, shift=0.0):
    test = np.linspace(0, 2, 200) ** 2 + shift
    sets = {"train": np.linspace(0, 1.5, 300), "test": test}
    MarginDisplay(margins=sets, name="a").plot(ax, style="histogram", bins=np.linspace(0, 5, 15))


def spectrum(ax, shift=0.0):
    for k in (1, 2):
        values = {"one": np.linspace(0.2, 3 + shift, 20) ** k, "two": np.linspace(1, 2, 5) * k}
        SpectrumDisplay(values=values, name=str(k)).plot(ax)


def confidence(ax, shift=0.0):
    sure = np.linspace(0.3, 1, 200)
    for k in (2, 7):
        right = (np.arange(200) * k % 10) / 10 < sure**2 + shift
        ConfidenceDisplay(confidence=sure, correct=right, name=str(k)).plot(ax)


def layer_stretch(ax, shift=0.0):
    for k in (1, 2):
        random = {"one": [0.5 * k, 0.7], "two": [1.0, 1.2 * k]}
        worst = {"one": [2.0 + shift, 3.0], "two": [4.0, 5.0 * k]}
        LayerStretchDisplay(random=random, adversarial=worst, name=str(k)).plot(ax)


def strength_path(ax, shift=0.0):
    spread = np.array([-0.05, 0.0, 0.05])
    scores = {
        "accuracy": np.array([0.95, 0.95, 0.9, 0.8])[:, None] + spread,
        "robust": np.array([0.4, 0.5 + shift, 0.7, 0.7])[:, None] + 0.5 * spread,
    }
    StrengthPathDisplay(strength=[0, 1e-3, 1e-2, 1e-1], scores=scores).plot(ax)


def adversarial_images(ax, shift=0.0):
    clean = np.arange(32.0).reshape(2, 16) % 7
    moved = clean + np.sin(np.arange(32)).reshape(2, 16) + shift * (clean > 3)
    AdversarialExamplesDisplay(
        X=clean, X_adv=moved, y_true=[0, 1], y_pred=[0, 1], y_pred_adv=[1, 0], image_shape=(4, 4)
    ).plot(ax)


def adversarial_table(ax, shift=0.0):
    clean = np.ones((2, 5))
    change = [[0.5, -1.0 - shift, 0.0, 2.0, 0.1], [0.0, 0.0, 0.3, -0.2, 0.0]]
    AdversarialExamplesDisplay(
        X=clean,
        X_adv=clean + np.array(change),
        y_true=[0, 1],
        y_pred=[0, 1],
        y_pred_adv=[1, 0],
    ).plot(ax)


DRAWINGS = [
    robustness_curve,
    margin,
    margin_histogram,
    spectrum,
    confidence,
    layer_stretch,
    strength_path,
    adversarial_images,
    adversarial_table,
]


def render(draw, path, **change):
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = Figure(figsize=(4, 3), dpi=60)
        FigureCanvasAgg(figure)
        # Fixed in place: a layout would follow the size of the text.
        ax = figure.add_axes((0.08, 0.08, 0.88, 0.7))
        draw(ax, **change)
        if ax.get_legend() is not None:
            ax.get_legend().remove()
        for text in figure.findobj(Text):
            text.set_visible(False)
        figure.savefig(path, dpi=60, metadata={"Software": None})


@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_picture_is_the_one_that_was_looked_at(draw, tmp_path):
    path = tmp_path / f"{draw.__name__}.png"
    render(draw, path)
    difference = compare_images(BASELINE / path.name, path, tol=TOLERANCE)
    assert difference is None, difference


@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_another_picture_is_noticed(draw, tmp_path):
    path = tmp_path / f"{draw.__name__}.png"
    render(draw, path, shift=0.25)
    assert compare_images(BASELINE / path.name, path, tol=TOLERANCE) is not None


if __name__ == "__main__":
    BASELINE.mkdir(exist_ok=True)
    for drawing in DRAWINGS:
        render(drawing, BASELINE / f"{drawing.__name__}.png")
