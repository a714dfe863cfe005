"""Distributions of margins, of training and test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.inspection.displays._display import ModelDisplay, name_of
from specreg_sklearn.inspection.displays._display_arguments import (
    check_dict,
    one_of,
    scores_and_codes,
)
from specreg_sklearn.inspection.displays._style import (
    from_zero,
    light_grid,
    merged,
    tagged_line,
    unit_of,
)
from specreg_sklearn.inspection.margins import (
    feature_margins,
    instance_margins,
    logit_margins,
    margins_of,
)
from specreg_sklearn.inspection.model import as_numbers, check_numbers
from specreg_sklearn.space import CONVEX_NORMS, as_norm, check_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("logit", "feature", "instance")
STYLES = ("ecdf", "histogram")

_TEST_LINE, _TRAIN_LINE, _UPPER_LINE = "-", (0, (4, 1.6)), ":"


class MarginDisplay(ModelDisplay):
    """Distribution of the margins of a classifier, for one or several sets of rows.

    Use :meth:`from_estimator` or :meth:`from_predictions` to create one.

    Parameters
    ----------
    margins : dict of str to array-like of shape (n_samples,)
        Margins by the name of the set of rows, such as "train" and "test"; "" for a single one.
        Of margins that are known by bounds, the lower ones.
    upper : dict of str to array-like of shape (n_samples,), default=None
        Upper bounds of the same margins, where they are known by bounds.
    name : str, default=None
        Name in the legend.
    label : str, default="margin"
        What the x axis shows, with its unit.

    Attributes
    ----------
    lines_ : dict of str to matplotlib artist
        The line of each set: that of the lower bounds, where there are two.
    upper_lines_ : dict of str to matplotlib artist
        The lines of upper bounds.
    bands_ : dict of str to matplotlib collection
        What lies between them.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    logit_margins : Margins of the logits.
    feature_margins : Distances in feature space.
    instance_margins : Distances of rows to another label, by bounds.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import MarginDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X[::2], y[::2])
    >>> display = MarginDisplay.from_estimator(
    ...     model, X[::2], y[::2], X_test=X[1::2], y_test=y[1::2]
    ... )
    >>> list(display.margins)
    ['train', 'test']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        margins: Mapping[str, ArrayLike],
        upper: Mapping[str, ArrayLike] | None = None,
        name: str | None = None,
        label: str = "margin",
    ) -> None:
        check_dict(margins, "margins", "the name of a set of rows to its margins")
        self.margins = {
            key: check_numbers(values, f"margins[{key!r}]") for key, values in margins.items()
        }
        self.upper = None
        if upper is not None:
            if list(upper) != list(margins):
                raise ValueError(f"upper holds {list(upper)}, but margins holds {list(margins)}.")
            self.upper = {
                key: as_numbers(
                    values, f"upper[{key!r}]", length=len(self.margins[key]), of="margins"
                )
                for key, values in upper.items()
            }
        self.name = name
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: Any = None,
        *,
        X_test: ArrayLike | None = None,
        y_test: ArrayLike | None = None,
        kind: Literal["logit", "feature", "instance"] = "logit",
        normalize: bool = False,
        norm: float = 2,
        method: str = "auto",
        scale: Scale = None,
        attack: str | BlackBoxAttack = "auto",
        random_state: RandomState = 0,
        n_jobs: int | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Measure the margins of a fitted classifier; return the display of them, drawn.

        Parameters
        ----------
        estimator : classifier, pipeline or search
            Fitted.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows: training rows, if there are test rows as well.
        y : array-like of shape (n_samples,), default=None
            True labels. With them the logit margins of misclassified rows are negative; None takes
            the predicted labels. The other kinds are about predicted labels and do not need them.
        X_test, y_test : as X and y, default=None
            Other rows, drawn beside the first ones.
        kind : {"logit", "feature", "instance"}, default="logit"
            Which margins: :func:`logit_margins`, :func:`feature_margins` or
            :func:`instance_margins`.
        normalize : bool, default=False
            Whether feature margins are divided by the spread of the features.
        norm, method, scale, attack, random_state, n_jobs
            As in :func:`instance_margins`; other kinds do not use them.
        name, ax, **plot_kw
            As in :meth:`RobustnessCurveDisplay.from_estimator`.

        Raises
        ------
        TypeError, ValueError, ImportError, sklearn.exceptions.NotFittedError
            As the functions that measure, and if matplotlib is not installed.
        """
        cls._require_matplotlib("from_estimator")
        one_of(kind, KINDS, "kind")
        check_norm(norm, CONVEX_NORMS, cls.__name__)
        if X_test is None and y_test is not None:
            raise ValueError("y_test is given without X_test.")
        if X_test is not None and (y is None) != (y_test is None):
            raise ValueError("Give both y and y_test, or none of them: margins would not compare.")
        sets = {"": (X, y)} if X_test is None else {"train": (X, y), "test": (X_test, y_test)}
        margins: dict[str, np.ndarray] = {}
        upper: dict[str, np.ndarray] = {}
        for key, (rows, labels) in sets.items():
            if kind == "logit":
                margins[key] = logit_margins(estimator, rows, labels)
            elif kind == "feature":
                margins[key] = feature_margins(estimator, rows, normalize=normalize)
            else:
                found = instance_margins(
                    estimator,
                    rows,
                    norm=norm,
                    method=method,
                    scale=scale,
                    attack=attack,
                    random_state=random_state,
                    n_jobs=n_jobs,
                )
                margins[key], upper[key] = found.lower, found.upper
        if kind == "logit":
            what = "of the true class" if y is not None else "of the predicted class"
            label = f"logit margin {what}"
        elif kind == "feature":
            unit = "spreads of the features" if normalize else "units of the features"
            label = f"feature margin (L2 distance, {unit})"
        else:
            unit = unit_of(None, scale)
            label = f"instance margin ({as_norm(norm).name} distance, {unit})"
            if all(not np.any(values) for values in margins.values()):
                margins, upper = upper, {}  # an attack alone proves nothing
                label = f"{label}, from above"
            elif all(np.isinf(values).all() for values in upper.values()):
                upper = {}
                label = f"{label}, from below"
            elif all(np.array_equal(margins[key], upper[key]) for key in margins):
                upper = {}
        name = name_of(estimator, name)
        display = cls(margins=margins, upper=upper or None, name=name, label=label)
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the margins of scores that are known already; return the display.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
            Logits, as `decision_function` returns them: one column per class, or for two classes
            one score that is positive for the second.
        classes : array-like of shape (n_classes,), default=None
            The label of every column. None takes the sorted labels of `y_true`.
        name : str, default=None
            Name in the legend; None is "Classifier".
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        ValueError
            If lengths differ, labels are unknown or scores are not finite.
        """
        cls._require_matplotlib("from_predictions")
        scores, codes = scores_and_codes(y_true, y_score, classes, "y_score")
        if scores.ndim == 1:
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        display = cls(
            margins={"": margins_of(scores, codes)},
            name="Classifier" if name is None else name,
            label="logit margin of the true class",
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        style: Literal["ecdf", "histogram"] = "ecdf",
        bins: int | str | Sequence[float] | np.ndarray = 30,
        name: str | None = None,
        line_kw: dict[str, Any] | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the distribution of the margins; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure. Several displays on the same axes get
            different colours; training rows are dashed, test rows are not.
        style : {"ecdf", "histogram"}, default="ecdf"
            "ecdf" draws the share of rows up to each margin, which needs no bins, "histogram" the
            share in each bin.
        bins : int or array-like, default=30
            Number or edges of the bins of a histogram.
        name, line_kw, legend
            As in :meth:`RobustnessCurveDisplay.plot`.

        Raises
        ------
        ValueError
            If `style` is unknown, or a histogram is asked for margins known by bounds.
        """
        one_of(style, STYLES, "style")
        if style == "histogram" and self.upper is not None:
            raise ValueError(
                "style='histogram' cannot show margins that are known by bounds; take style='ecdf'."
            )
        number, own = self._start(ax)
        self.lines_: dict[str, Any] = {}
        self.upper_lines_: dict[str, Any] = {}
        self.bands_: dict[str, Any] = {}
        edges = _edges(self.margins, bins) if style == "histogram" else None
        for key, values in self.margins.items():
            keyword = own.keywords(
                linewidth=1.3 if key == "train" else 1.8,
                label=", ".join(part for part in (self._label(name), key) if part) or None,
                markevery=(0.07 + number % 3 * 0.05, 0.15),
                markersize=5,
                markerfacecolor="white" if key == "train" else own.color,
            )
            keyword["linestyle"] = _TRAIN_LINE if key == "train" else _TEST_LINE
            keyword = merged(keyword, line_kw)
            if edges is None:
                x, share = _ecdf(values)
                keyword = {"drawstyle": "steps-post", **keyword}
            else:
                # Corners of a histogram are no data: markers would make them look like it.
                keyword = {**keyword, "marker": "", **merged({}, line_kw)}
                counts = np.histogram(values, edges)[0] / len(values)
                x, share = np.repeat(edges, 2)[1:-1], np.repeat(counts, 2)
            self.lines_[key] = tagged_line(self.ax_, number, x, share, keyword)
            if self.upper is not None:
                self._draw_upper(key, keyword)
        self.ax_.set(
            xlabel=self.label, ylabel="share of rows" if edges is None else "share of rows per bin"
        )
        from_zero(self.ax_, "x")
        from_zero(self.ax_, "y")
        if edges is None:
            self.ax_.set_ylim(0, 1.02)
        if not number:  # left of it rows are wrong; on the edge of the axes it does not show
            self.ax_.axvline(0, color="0.55", linewidth=0.9, zorder=0)
        light_grid(self.ax_)
        if legend:
            lines = {"lower bound": _TEST_LINE, "upper bound": _UPPER_LINE} if self.upper else {}
            self._draw_legend({kind: {"linestyle": line} for kind, line in lines.items()})
        return self

    def _draw_upper(self, key: str, keyword: dict[str, Any]) -> None:
        """Draw the curve of the upper bounds, and fill what lies between."""
        assert self.upper is not None
        style = {**keyword, "label": None, "linestyle": _UPPER_LINE, "markerfacecolor": "white"}
        x, share = _ecdf(self.upper[key])
        (self.upper_lines_[key],) = self.ax_.plot(x, share, **style)
        # Both curves have a step per row: at the same height lies the row of the same rank.
        n_finite = int(np.isfinite(self.upper[key]).sum())
        ranks = np.arange(n_finite + 1) / len(self.upper[key])
        low, high = (np.sort(bound)[:n_finite] for bound in (self.margins[key], self.upper[key]))
        self.bands_[key] = self.ax_.fill_betweenx(
            ranks,
            np.concatenate([low[:1], low]),
            np.concatenate([high[:1], high]),
            step="pre",
            facecolor=keyword["color"],
            alpha=0.15,
            linewidth=0,
        )


def _ecdf(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of the empirical distribution; infinite margins keep it below 1."""
    ordered = np.sort(values)
    shares = np.arange(len(values) + 1) / len(values)
    ordered = ordered[np.isfinite(ordered)]
    if not len(ordered):
        return np.array([0.0]), np.array([0.0])
    return np.concatenate([ordered[:1], ordered]), shares[: len(ordered) + 1]


def _edges(
    margins: Mapping[str, np.ndarray], bins: int | str | Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return edges shared by all sets."""
    every = np.concatenate(list(margins.values()))
    every = every[np.isfinite(every)]
    return np.histogram_bin_edges(every if len(every) else np.zeros(1), bins)
