"""The base of displays: the axes they draw on, names, and the legend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.displays._display_arguments import named_estimators
from specreg_sklearn.inspection.displays._style import LineStyle, next_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class Display(ABC):
    """Base of displays: what was measured, and how to draw it, once or again.

    matplotlib is imported when something is drawn, and pyplot only when there are no axes yet.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    # Width and height of a new figure, in inches.
    _size = (6.4, 4.2)

    @abstractmethod
    def plot(self, *args: Any, **kwargs: Any) -> Self:
        """Draw what was measured, and return the display itself."""

    @classmethod
    def _require_matplotlib(cls, method: str) -> None:
        """Raise ImportError with the remedy, before anything is measured that cannot be drawn."""
        try:
            import_module("matplotlib")
        except ImportError as error:
            raise ImportError(
                f"{cls.__name__}.{method} draws with matplotlib, which is not installed; "
                "`pip install specreg-sklearn[plot]` brings it."
            ) from error

    def _axes_or_new(self, ax: object) -> Axes:
        """Return the axes given, or those of a new figure."""
        self._require_matplotlib("plot")
        return new_axes(self._size)[0, 0] if ax is None else check_axes(ax)

    def _start(self, ax: Axes | None) -> tuple[int, LineStyle]:
        """Set `ax_` and `figure_`; return the number of this display on them, and its style."""
        self.ax_ = self._axes_or_new(ax)
        self.figure_ = self.ax_.figure
        return next_style(self.ax_)


class ModelDisplay(Display):
    """Base of displays of a model: several of them on the same axes have a style and a name each.

    Attributes
    ----------
    name : str or None
        Name of the model in the legend.
    """

    name: str | None

    @classmethod
    @abstractmethod
    def from_estimator(cls, *args: Any, **options: Any) -> Self:
        """Measure a fitted classifier, and draw the result."""

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Classifier] | Sequence[tuple[str, Classifier]],
        *data: Any,
        **options: Any,
    ) -> dict[str, Self]:
        """Measure several fitted classifiers in the same way, and draw them on the same axes.

        Parameters
        ----------
        estimators : dict of str to estimator, or list of (str, estimator)
            Fitted classifiers by name.
        *data, **options
            As in :meth:`from_estimator`; without `ax`, a new figure is made for all of them.

        Returns
        -------
        dict of str to display
            The displays by name.
        """
        displays: dict[str, Self] = {}
        for name, estimator in named_estimators(estimators).items():
            displays[name] = cls.from_estimator(estimator, *data, name=name, **options)
            options["ax"] = displays[name].ax_
        return displays

    def _label(self, name: str | None) -> str | None:
        """Return the name to print: the given one, or that of the display."""
        return self.name if name is None else name

    def _draw_legend(
        self, kinds: Mapping[str, dict[str, Any]] | None = None, title: str | None = None
    ) -> None:
        """Name what is drawn, and below it the kinds of lines or markers, once for all of them."""
        from matplotlib.lines import Line2D

        handles, labels = self.ax_.get_legend_handles_labels()
        for kind, style in (kinds or {}).items():
            handles.append(Line2D([], [], **{"color": "0.35", **style}))
            labels.append(kind)
        if labels:
            self.ax_.legend(handles, labels, frameon=False, title=title, title_fontsize="small")


def name_of(estimator: Classifier, name: str | None) -> str:
    """Return the name to print: the given one, or the class of the estimator."""
    return type(estimator).__name__ if name is None else name


def new_axes(size: tuple[float, float], n_rows: int = 1, n_columns: int = 1) -> np.ndarray:
    """Return the axes of a new figure, of shape (n_rows, n_columns)."""
    import matplotlib.pyplot as plt

    grid = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)[1]
    return np.asarray(grid)


def check_axes(ax: object) -> Axes:
    """Raise TypeError unless `ax` can be drawn on."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax={type(ax).__name__} is not a matplotlib Axes or None.")
    return ax
