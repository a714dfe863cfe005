"""All singular values of all layers, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specreg_sklearn.inspection.displays._style import (
    axes_or_new,
    light_grid,
    look_of,
    name_of,
    next_look,
    numbers,
    require_matplotlib,
    side_by_side,
    tag,
)
from specreg_sklearn.inspection.weights import singular_value_spectrum

# Distance between the strips of two models, and half the width of a strip, in layers.
_STEP, _HALF = 0.22, 0.055
# More values than this could not be told apart: evenly spaced ranks stand for all of them.
_MOST = 200


class SpectrumDisplay:
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
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

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

    def __init__(self, *, values: Mapping[str, Any], name: str | None = None) -> None:
        if not isinstance(values, Mapping) or not values:
            raise ValueError(
                f"values={values!r} is not accepted; give a dict from layer name to values."
            )
        self.values = {key: _values(found, key) for key, found in values.items()}
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layers: str | Sequence[str] | None = None,
        fold_batch_norm: bool = True,
        name: str | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> SpectrumDisplay:
        """Compute the singular values of a fitted classifier, and draw them.

        Parameters
        ----------
        estimator : classifier, pipeline or search
            Fitted; a network or a linear model at the end. No rows are needed.
        layers : str or sequence of str, default=None
            Names of layers, as in :func:`singular_value_spectrum`; None takes all.
        fold_batch_norm : bool, default=True
            Whether a batch norm behind a layer is part of it.
        name : str, default=None
            Name in the legend; None takes the class of the estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        SpectrumDisplay
            The display, drawn.

        Raises
        ------
        TypeError, ValueError, sklearn.exceptions.NotFittedError
            As :func:`singular_value_spectrum`.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        spectrum = singular_value_spectrum(estimator, layers, fold_batch_norm=fold_batch_norm)
        values = {layer: found.values for layer, found in spectrum.items()}
        return cls(values=values, name=name_of(estimator, name)).plot(ax=ax, **plot_kw)

    def plot(
        self, ax: Any = None, *, name: str | None = None, show_cv: bool = True, legend: bool = True
    ) -> SpectrumDisplay:
        """Draw one strip per layer; several displays on the same axes stand beside each other.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        name : str, default=None
            Name in the legend; None takes that of the display.
        show_cv : bool, default=True
            Whether to write standard deviation over mean above each strip.
        legend : bool, default=True
            Whether to draw a legend.

        Returns
        -------
        SpectrumDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the axes show other layers already.
        """
        self.ax_ = axes_or_new(ax, f"{type(self).__name__}.plot")
        self.figure_ = self.ax_.figure
        number = next_look(self.ax_)
        look = look_of(number)
        places = side_by_side(self.ax_, list(self.values), number, _STEP)
        self.strips_ = {}
        for place, (layer, values) in zip(places, self.values.items(), strict=True):
            shown = np.sort(values)
            if len(shown) > _MOST:
                shown = shown[np.linspace(0, len(shown) - 1, _MOST).round().astype(int)]
            self.strips_[layer] = self.ax_.hlines(
                shown, place - _HALF, place + _HALF, color=look.color, linewidth=0.9, alpha=0.65
            )
            if show_cv and values.mean() > 0:
                self.ax_.annotate(
                    f"{values.std() / values.mean():.2f}",
                    (place, values.max()),
                    (0, 3),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize="x-small",
                    color="0.25",
                )
        self.means_ = self.ax_.errorbar(
            places + 1.6 * _HALF,
            [values.mean() for values in self.values.values()],
            [values.std() for values in self.values.values()],
            fmt=look.marker,
            color=look.color,
            markersize=5,
            markerfacecolor="white",
            capsize=2.5,
            elinewidth=1.3,
            label=self.name if name is None else name,
        )
        tag(self.means_.lines[0], number)
        self.ax_.set_ylabel("singular value (output units per input unit)")
        top = max(values.max() for values in self.values.values())
        self.ax_.set_ylim(0, max(1.08 * top, self.ax_.get_ylim()[1] if number else 0.0))
        light_grid(self.ax_, "y")
        if legend and (self.name if name is None else name):
            note = "mean ± std" + ("; above: cv" if show_cv else "")
            self.ax_.legend(frameon=False, title=note, title_fontsize="small")
        return self


def _values(values: Any, layer: str) -> np.ndarray:
    array = numbers(values, f"values[{layer!r}]")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"values[{layer!r}] holds numbers that are no singular values.")
    return array
