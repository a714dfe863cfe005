"""All singular values of all layers, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.displays._display import ModelDisplay, name_of
from specreg_sklearn.inspection.displays._display_arguments import check_dict
from specreg_sklearn.inspection.displays._style import light_grid, note_above, side_by_side, tag
from specreg_sklearn.inspection.model import as_numbers
from specreg_sklearn.inspection.weights import singular_value_spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Distance between the strips of two models, and half the width of a strip, in layers.
_STEP, _HALF = 0.22, 0.055
# More values than this could not be told apart: evenly spaced ranks stand for all of them.
_MOST = 200


class SpectrumDisplay(ModelDisplay):
    """Singular values of every layer as strips of short lines, with mean and standard deviation.

    Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    values : dict of str to array-like of shape (n_values,)
        Singular values by layer.
    name : str, default=None
        Name in the legend.

    Attributes
    ----------
    strips_ : dict of str to matplotlib LineCollection
        The values, by layer.
    means_ : matplotlib ErrorbarContainer
        Mean and standard deviation of each layer.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    singular_value_spectrum : The numbers.

    Notes
    -----
    Above each strip stands its coefficient of variation (cv), standard deviation over mean. Weight
    decay shrinks all values, and with them their standard deviation; it does not shrink the cv.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from specreg_sklearn.inspection import SpectrumDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), max_iter=600, solver="lbfgs", random_state=0).fit(X, y)
    >>> display = SpectrumDisplay.from_estimator(model)
    >>> list(display.values)
    ['hidden1', 'logits']
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, values: Mapping[str, ArrayLike], name: str | None = None) -> None:
        check_dict(values, "values", "layer name to values")
        self.values = {key: _values(found, key) for key, found in values.items()}
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        *,
        layers: str | Sequence[str] | None = None,
        fold_batch_norm: bool = True,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Compute the singular values of a fitted classifier; return the display, drawn.

        Parameters
        ----------
        estimator, layers, fold_batch_norm
            As in :func:`singular_value_spectrum`. No rows are needed.
        name, ax, **plot_kw
            As in :meth:`RobustnessCurveDisplay.from_estimator`.

        Raises
        ------
        TypeError, ValueError, ImportError, sklearn.exceptions.NotFittedError
            As :func:`singular_value_spectrum`, and if matplotlib is not installed.
        """
        cls._require_matplotlib("from_estimator")
        spectrum = singular_value_spectrum(estimator, layers, fold_batch_norm=fold_batch_norm)
        values = {layer: found.values for layer, found in spectrum.items()}
        return cls(values=values, name=name_of(estimator, name)).plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        show_cv: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw one strip per layer, several displays beside each other; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        name, legend
            As in :meth:`RobustnessCurveDisplay.plot`.
        show_cv : bool, default=True
            Whether to write standard deviation over mean above each strip.

        Raises
        ------
        ValueError
            If the axes show other layers already.
        """
        number, style = self._start(ax)
        places = side_by_side(self.ax_, list(self.values), number, _STEP)
        self.strips_ = {}
        for place, (layer, values) in zip(places, self.values.items(), strict=True):
            shown = np.sort(values)
            if len(shown) > _MOST:
                shown = shown[np.linspace(0, len(shown) - 1, _MOST).round().astype(int)]
            self.strips_[layer] = self.ax_.hlines(
                shown, place - _HALF, place + _HALF, color=style.color, linewidth=0.9, alpha=0.65
            )
            if show_cv and values.mean() > 0:
                cv = values.std() / values.mean()
                note_above(self.ax_, f"{cv:.2f}", (place, values.max()), 3)
        self.means_ = self.ax_.errorbar(
            places + 1.6 * _HALF,
            [values.mean() for values in self.values.values()],
            [values.std() for values in self.values.values()],
            fmt=style.marker,
            color=style.color,
            markersize=5,
            markerfacecolor="white",
            capsize=2.5,
            elinewidth=1.3,
            label=self._label(name),
        )
        tag(self.means_.lines[0], number)
        self.ax_.set_ylabel("singular value (output units per input unit)")
        top = max(values.max() for values in self.values.values())
        self.ax_.set_ylim(0, max(1.08 * top, self.ax_.get_ylim()[1] if number else 0.0))
        light_grid(self.ax_, "y")
        if legend:
            self._draw_legend(title="mean ± std" + ("; above: cv" if show_cv else ""))
        return self


def _values(values: ArrayLike, layer: str) -> np.ndarray:
    array = as_numbers(values, f"values[{layer!r}]")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"values[{layer!r}] holds numbers that are no singular values.")
    return array
