"""How far the outputs of layers change when a row is perturbed: at random and at worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.inspection.displays._display import ModelDisplay, name_of
from specreg_sklearn.inspection.displays._style import (
    light_grid,
    note_above,
    side_by_side,
    tagged_line,
    unit_of,
)
from specreg_sklearn.inspection.inputs import layer_stretch
from specreg_sklearn.inspection.model import as_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Distance between two models on the x axis, in layers.
_STEP = 0.22


class LayerStretchDisplay(ModelDisplay):
    """Stretch of every layer in random directions, and in the worst one found.

    A filled marker is the mean of the largest stretch over rows, a hollow one that over random
    directions, on a logarithmic axis: the length of the line between them is their ratio, the
    anisotropy. Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    random : dict of str to array-like of shape (n_samples,) or (n_samples, n_directions)
        Stretch in random directions, by layer.
    adversarial : dict of str to array-like of shape (n_samples,)
        The largest stretch found for each row, by layer.
    name : str, default=None
        Name in the legend.
    unit : str, default="units of X"
        Unit of the perturbations.

    Attributes
    ----------
    random_line_, adversarial_line_ : matplotlib Line2D
        The markers.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    layer_stretch : The numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from specreg_sklearn.inspection import LayerStretchDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), max_iter=600, solver="lbfgs", random_state=0).fit(X, y)
    >>> display = LayerStretchDisplay.from_estimator(model, X[::10], radius=0.5)
    >>> bool(display.adversarial["logits"].mean() > display.random["logits"].mean())
    True
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        random: Mapping[str, ArrayLike],
        adversarial: Mapping[str, ArrayLike],
        name: str | None = None,
        unit: str = "units of X",
    ) -> None:
        if not isinstance(random, Mapping) or not isinstance(adversarial, Mapping) or not random:
            raise ValueError("random and adversarial must be dicts from layer name to stretches.")
        if list(random) != list(adversarial):
            raise ValueError(
                f"random holds the layers {list(random)}, but adversarial holds "
                f"{list(adversarial)}."
            )
        self.random = {}
        for layer, found in random.items():
            as_numbers(np.ravel(np.asarray(found, dtype=float)), f"random[{layer!r}]")
            self.random[layer] = np.asarray(found, dtype=float)
        self.adversarial = {
            layer: as_numbers(
                found, f"adversarial[{layer!r}]", length=len(self.random[layer]), of="random"
            )
            for layer, found in adversarial.items()
        }
        self.name = name
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: Any = None,
        *,
        radius: float,
        n_directions: int = 32,
        n_steps: int = 20,
        layers: str | Sequence[str] | None = None,
        scale: Scale = None,
        random_state: RandomState = 0,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Measure the stretch of a fitted classifier's layers; return the display, drawn.

        Parameters
        ----------
        estimator, X, radius, n_directions, n_steps, layers, scale, random_state
            As in :func:`layer_stretch`.
        y : ignored
            For the sake of a common signature.
        name, ax, **plot_kw
            As in :meth:`RobustnessCurveDisplay.from_estimator`.

        Raises
        ------
        TypeError, ValueError, ImportError, sklearn.exceptions.NotFittedError
            As :func:`layer_stretch`, and if matplotlib is not installed.
        """
        cls._require_matplotlib("from_estimator")
        found = layer_stretch(
            estimator,
            X,
            radius=radius,
            n_directions=n_directions,
            n_steps=n_steps,
            layers=layers,
            scale=scale,
            random_state=random_state,
        )
        display = cls(
            random={layer: stretch.random for layer, stretch in found.items()},
            adversarial={layer: stretch.adversarial for layer, stretch in found.items()},
            name=name_of(estimator, name),
            unit=unit_of(None, scale),
        )
        return display.plot(ax=ax, **plot_kw)

    @property
    def anisotropy(self) -> dict[str, float]:
        """Mean largest stretch over mean random stretch, by layer."""
        return {
            layer: float(self.adversarial[layer].mean() / values.mean())
            if values.mean() > 0
            else float("nan")
            for layer, values in self.random.items()
        }

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        show_anisotropy: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw the layers, several displays beside each other; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        name, legend
            As in :meth:`RobustnessCurveDisplay.plot`.
        show_anisotropy : bool, default=True
            Whether to write the ratio of the two means above each layer.

        Raises
        ------
        ValueError
            If the axes show other layers already.
        """
        number, style = self._start(ax)
        places = side_by_side(self.ax_, list(self.random), number, _STEP)
        low = np.array([values.mean() for values in self.random.values()])
        high = np.array([values.mean() for values in self.adversarial.values()])
        self.ax_.vlines(places, low, high, color=style.color, linewidth=1.3, zorder=1.5)
        dots = {**style.keywords(markersize=6.5), "linestyle": "none"}
        worst = {**dots, "label": self._label(name)}
        self.adversarial_line_ = tagged_line(self.ax_, number, places, high, worst)
        (self.random_line_,) = self.ax_.plot(places, low, markerfacecolor="white", **dots)
        if show_anisotropy:
            for place, top, ratio in zip(places, high, self.anisotropy.values(), strict=True):
                if np.isfinite(ratio):
                    note_above(self.ax_, f"×{ratio:.1f}", (place, top), 6)
        self.ax_.set_yscale("log")
        if not number:
            self.ax_.margins(y=0.18)
        self.ax_.set_ylabel(f"stretch (L2 move of the output per\nL2 move of the row, {self.unit})")
        _plain_ticks(self.ax_)
        light_grid(self.ax_, "y")
        if legend:
            grey = {"linestyle": "none", "marker": "o", "color": "0.45", "markersize": 5.5}
            hollow = {**grey, "markerfacecolor": "white"}
            self._draw_legend({"worst direction": grey, "random directions": hollow})
        return self


def _plain_ticks(ax: Axes) -> None:
    """Write 0.5, 1, 2, 5 on the logarithmic axis instead of powers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
