"""Scores and diagnostics against a strength, with their spread over folds or seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from specreg_sklearn.inspection.displays._display import Display, check_axes, new_axes
from specreg_sklearn.inspection.displays._display_arguments import check_dict, one_of
from specreg_sklearn.inspection.displays._search_path import path_of_encoder, path_of_search
from specreg_sklearn.inspection.displays._style import light_grid, merged, next_style, tagged_line
from specreg_sklearn.inspection.model import as_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPREADS = ("std", "range")
# An axis of strengths is logarithmic from this ratio of the largest to the smallest positive one.
_WIDE = 25


class StrengthPathDisplay(Display):
    """Any scores against the strength of a regulariser: their means, and their spread.

    Use :meth:`from_search`, :meth:`from_estimator` or :meth:`from_arrays` to create one.

    Parameters
    ----------
    strength : array-like of shape (n_strengths,)
        Strengths, increasing.
    scores : dict of str to array-like of shape (n_strengths,) or (n_strengths, n_repeats)
        Scores or diagnostics by name. Repeats are folds or seeds; NaN stands for a missing one.
    strength_name : str, default="strength"
        What the x axis shows, with its unit.
    chosen : float, default=None
        A strength to mark.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The means, by name.
    bands_ : dict of str to matplotlib collection
        The spreads, by name; without repeats there are none.
    ax_ : matplotlib Axes
        The axes, the first of them if there are several.
    axes_ : list of matplotlib Axes
        All axes.
    figure_ : matplotlib Figure
        The figure.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from specreg_sklearn.inspection import StrengthPathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> search = GridSearchCV(model, {"C": [0.01, 0.1, 1.0]}, cv=3).fit(X, y)
    >>> display = StrengthPathDisplay.from_search(search)
    >>> display.scores["score"].shape
    (3, 3)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        strength: ArrayLike,
        scores: Mapping[str, ArrayLike],
        strength_name: str = "strength",
        chosen: float | None = None,
    ) -> None:
        self.strength = as_numbers(strength, "strength")
        if not np.isfinite(self.strength).all() or (np.diff(self.strength) <= 0).any():
            raise ValueError(
                f"strength={self.strength.tolist()} is not increasing; give each finite strength "
                "once, from the smallest to the largest."
            )
        check_dict(scores, "scores", "name to the scores")
        self.scores = {key: self._checked(values, key) for key, values in scores.items()}
        self.strength_name = strength_name
        self.chosen = chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        ax: Axes | Sequence[Axes] | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw what ``alpha="auto"`` or "scale" has seen of each strength, and mark the chosen one.

        Held-out accuracy, certificate and log loss have axes of their own. A network without a
        certificate has two.

        Parameters
        ----------
        estimator : SpectrallyRegularizedEncoder, or a pipeline or search that ends in one
            Fitted with ``alpha="auto"`` or "scale".
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        ValueError
            If there is no path: the strength was a number, or "scale" found no certificate.
        TypeError, sklearn.exceptions.NotFittedError
            If `estimator` is no encoder with a strength, or is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        cls._require_matplotlib("from_estimator")
        chosen, path = path_of_encoder(estimator)
        strength = path.pop("alpha")
        names = {"accuracy": "held-out accuracy", "log_loss": "held-out log loss"}
        scores = {
            names.get(key, key): values
            for key, values in path.items()
            if not np.isnan(values).all()
        }
        display = cls(strength=strength, scores=scores, strength_name="alpha", chosen=chosen)
        if ax is None:
            plot_kw.setdefault("subplots", True)
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_search(
        cls,
        search: BaseEstimator,
        *,
        param: str | None = None,
        scores: str | Sequence[str] | None = None,
        fixed: Mapping[str, Any] | None = None,
        return_train_score: bool = False,
        ax: Axes | Sequence[Axes] | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the cross-validated scores of a fitted search; return the display.

        Parameters
        ----------
        search : GridSearchCV or another search with ``cv_results_``
            Fitted.
        param : str, default=None
            The parameter on the x axis, which must hold numbers. None takes the one that varies, if
            there is only one.
        scores : str or sequence of str, default=None
            Names of scores, as in `scoring`; None takes all. The score of a single metric is
            called "score".
        fixed : dict of str to value, default=None
            Values of the other parameters that vary: one path is drawn, not a tangle.
        return_train_score : bool, default=False
            Whether to draw training scores, too; the search must have been told to keep them.
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        ValueError
            If the parameter or a score is unknown, does not hold numbers, or several candidates
            have the same strength; the message names what varies.
        TypeError, sklearn.exceptions.NotFittedError
            If `search` is no search, or is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        cls._require_matplotlib("from_search")
        drawn, strength, found = path_of_search(
            search, param, scores, dict(fixed or {}), return_train_score
        )
        display = cls(strength=strength, scores=found, strength_name=drawn.split("__")[-1])
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_arrays(
        cls,
        strength: ArrayLike,
        scores: Mapping[str, ArrayLike],
        *,
        strength_name: str = "strength",
        ax: Axes | Sequence[Axes] | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw scores or diagnostics that are known already; return the display.

        Parameters
        ----------
        strength, scores, strength_name
            As in :class:`StrengthPathDisplay`.
        ax, **plot_kw
            Passed to :meth:`plot`.
        """
        cls._require_matplotlib("from_arrays")
        display = cls(strength=strength, scores=scores, strength_name=strength_name)
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        subplots: bool = False,
        spread: Literal["std", "range"] | None = "std",
        prefix: str | None = None,
        line_kw: dict[str, Any] | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the means over repeats as lines, their spread as bands; return the display.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Axes to draw on: one for everything, or one for each of the scores. None makes a new
            figure.
        subplots : bool, default=False
            Whether a new figure has axes of its own for each of the scores, as quantities in
            different units need. A sequence of axes does the same.
        spread : {"std", "range"} or None, default="std"
            What the bands show: a standard deviation to either side, or smallest to largest.
        prefix : str, default=None
            Put before the names of the scores, such as the name of a model; in axes of their own
            the scores are named by the y axis, and this alone is in the legend.
        line_kw : dict, default=None
            Passed to ``Axes.plot``.
        legend : bool, default=True
            Whether to draw a legend where there is more than one line.

        Raises
        ------
        ValueError
            If the number of axes is not that of the scores, or `spread` is unknown.
        """
        if spread is not None:
            one_of(spread, SPREADS, "spread")
        panels, single = self._panels(ax, subplots)
        self.axes_ = list(dict.fromkeys(panels))
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, Any] = {}
        self.bands_: dict[str, Any] = {}
        for (name, values), panel in zip(self.scores.items(), panels, strict=True):
            number, style = next_style(panel)
            mean = _over_repeats(values, np.mean)
            label = prefix
            if single:
                label = f"{prefix}, {name}" if prefix else name
            else:
                panel.set_ylabel(name)
            keyword = merged(style.keywords(markersize=5.5, linewidth=1.7, label=label), line_kw)
            line = self.lines_[name] = tagged_line(panel, number, self.strength, mean, keyword)
            if spread is not None and values.shape[1] > 1:
                deviation = _over_repeats(values, np.std)
                low, high = mean - deviation, mean + deviation
                if spread == "range":
                    low, high = (_over_repeats(values, edge) for edge in (np.min, np.max))
                self.bands_[name] = panel.fill_between(
                    self.strength, low, high, facecolor=line.get_color(), alpha=0.15, linewidth=0
                )
        for panel in self.axes_:
            if self.chosen is not None:
                panel.axvline(self.chosen, color="0.35", linewidth=1.0, linestyle=":", zorder=0)
            self._scale_x(panel)
            light_grid(panel)
            handles = panel.get_legend_handles_labels()[1]
            if single and len(handles) == 1 and not prefix:
                panel.set_ylabel(handles[0])
            elif legend and handles:
                panel.legend(frameon=False)
            if single and len(handles) > 1:
                panel.set_ylabel(f"score{self._spread_text(spread)}")
        return self

    def _spread_text(self, spread: str | None) -> str:
        """Say what line and band are."""
        repeats = {values.shape[1] for values in self.scores.values()}
        if repeats == {1}:
            return ""
        count = f" of {repeats.pop()}" if len(repeats) == 1 else " of the repeats"
        band = {None: "", "std": " ± std", "range": " and range"}[spread]
        return f": mean{band}{count}"

    def _panels(self, ax: Axes | Sequence[Axes] | None, subplots: bool) -> tuple[list[Axes], bool]:
        """Return the axes of every score, and whether they are all the same."""
        n = len(self.scores)
        self._require_matplotlib("plot")
        if ax is None and subplots:
            wide, high = min(n, 3), -(-n // 3)
            grid = new_axes((3.6 * wide, 3.0 * high), high, wide).ravel()
            for unused in grid[n:]:
                unused.remove()
            return list(grid[:n]), False
        if isinstance(ax, (list, tuple, np.ndarray)):
            panels = [check_axes(panel) for panel in np.ravel(np.array(ax, dtype=object))]
            if len(panels) != n:
                raise ValueError(f"ax holds {len(panels)} axes for {n} scores.")
            return panels, False
        return [self._axes_or_new(ax)] * n, True

    def _scale_x(self, panel: Axes) -> None:
        """Take a logarithmic axis for strengths of different orders; 0 gets a place on it."""
        panel.set_xlabel(self.strength_name)
        positive = self.strength[self.strength > 0]
        if len(positive) < 2 or self.strength[0] < 0 or positive[-1] / positive[0] < _WIDE:
            return
        if self.strength[0] > 0:
            panel.set_xscale("log")
            return
        panel.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
        panel.set_xlim(-0.15 * positive[0], positive[-1] * 1.4)

    def _checked(self, values: ArrayLike, name: str) -> np.ndarray:
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"scores[{name!r}] must hold numbers.") from error
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] == 0 or len(array) != len(self.strength):
            raise ValueError(
                f"scores[{name!r}] has shape {np.shape(values)}; one row for each of the "
                f"{len(self.strength)} strengths is needed."
            )
        return array


def _over_repeats(values: np.ndarray, number: Callable[[np.ndarray], float]) -> np.ndarray:
    """Return a number of the known repeats of every strength, NaN where none is known."""
    known = (row[~np.isnan(row)] for row in values)
    return np.array([number(row) if len(row) else np.nan for row in known])
