"""The displays of layers: singular values and stretch."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from specreg_sklearn.inspection import LayerStretchDisplay, SpectrumDisplay

HIDDEN = np.diag([1.0, 2.0, 4.0])
READOUT = 3.0 * np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def network(mlp_model):
    return mlp_model([(HIDDEN, np.full(3, 50.0)), (READOUT, np.zeros(3))])


def heights(lines):
    return sorted(segment[0][1] for segment in lines.get_segments())


def test_strips_are_the_singular_values(network, axes):
    display = SpectrumDisplay.from_estimator(network, ax=axes)
    assert heights(display.strips_["hidden1"]) == pytest.approx([1, 2, 4])
    assert heights(display.strips_["logits"]) == pytest.approx([3, 3, 3])
    marks, _, bars = display.means_
    assert marks.get_ydata() == pytest.approx([7 / 3, 3])
    low, high = bars[0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(np.sqrt(14 / 9))  # mean square less squared mean
    texts = [text.get_text() for text in axes.texts]
    assert texts == [f"{np.sqrt(14 / 9) / (7 / 3):.2f}", "0.00"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["hidden1", "logits"]
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 4


def test_a_second_model_stands_beside_the_first(network, axes):
    first = SpectrumDisplay.from_estimator(network, name="a", ax=axes)
    second = SpectrumDisplay(values={"hidden1": [9.0, 1.0], "logits": [2.0, 2.0]}, name="b").plot(
        axes, show_cv=False
    )
    places = [display.means_[0].get_xdata() for display in (first, second)]
    assert (places[1] - places[0] > 0.1).all() and (places[1] - places[0] < 0.5).all()
    assert axes.get_ylim()[1] > 9
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert len(axes.texts) == 2
    with pytest.raises(ValueError, match=r"ax shows the layers \['hidden1', 'logits'\]"):
        SpectrumDisplay.from_estimator(network, layers="logits", ax=axes)


def test_long_spectra_are_drawn_by_evenly_spaced_ranks(axes):
    values = np.arange(1000.0)
    display = SpectrumDisplay(values={"conv": values}).plot(axes)
    drawn = heights(display.strips_["conv"])
    assert len(drawn) == 200 and drawn[0] == 0 and drawn[-1] == 999
    assert np.ptp(np.diff(drawn)) <= 1
    assert display.means_[0].get_ydata() == pytest.approx([values.mean()])


def test_bad_spectra(network, axes):
    with pytest.raises(ValueError, match="no layer 'hidden7'"):
        SpectrumDisplay.from_estimator(network, layers="hidden7", ax=axes)
    with pytest.raises(ValueError, match="no singular values"):
        SpectrumDisplay(values={"a": [1.0, -1.0]})
    with pytest.raises(ValueError, match="give a dict from layer name"):
        SpectrumDisplay(values=[1.0])


def test_stretch_of_a_network_that_is_linear_around_its_rows(network, axes):
    X = np.random.default_rng(0).normal(size=(6, 3))
    display = LayerStretchDisplay.from_estimator(
        network, X, radius=0.1, n_steps=60, n_directions=40, ax=axes
    )
    np.testing.assert_allclose(display.adversarial_line_.get_ydata(), [4.0, 12.0], rtol=1e-2)
    # E ||W u||_2 for u uniform on the sphere, by a sample of its own
    u = np.random.default_rng(1).normal(size=(200_000, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    mean = np.linalg.norm(u @ HIDDEN, axis=1).mean()
    np.testing.assert_allclose(display.random_line_.get_ydata(), [mean, 3 * mean], rtol=0.1)
    ratios = display.adversarial_line_.get_ydata() / display.random_line_.get_ydata()
    np.testing.assert_allclose(list(display.anisotropy.values()), ratios)
    assert [text.get_text() for text in axes.texts] == [f"×{ratio:.1f}" for ratio in ratios]
    assert axes.get_yscale() == "log"


def test_an_orthogonal_layer_stretches_all_directions_alike(linear_model, axes):
    model = linear_model(np.eye(3))
    display = LayerStretchDisplay.from_estimator(
        model, np.zeros((2, 3)), radius=1.0, name="orthogonal", ax=axes
    )
    assert display.anisotropy["logits"] == pytest.approx(1.0)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["orthogonal", "worst direction", "random directions"]


def test_bad_stretches(network, axes):
    X = np.zeros((2, 3))
    with pytest.raises(ValueError, match="radius=-1"):
        LayerStretchDisplay.from_estimator(network, X, radius=-1, ax=axes)
    with pytest.raises(ValueError, match="adversarial holds"):
        LayerStretchDisplay(random={"a": [1.0]}, adversarial={"b": [1.0]})
    with pytest.raises(ValueError, match=r"adversarial\['a'\] has 1 entries, but random has 2"):
        LayerStretchDisplay(random={"a": [[1.0], [2.0]]}, adversarial={"a": [1.0]})
    with pytest.raises(ValueError, match="dicts from layer name"):
        LayerStretchDisplay(random=[1.0], adversarial=[1.0])
