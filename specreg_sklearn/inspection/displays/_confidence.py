"""How sure a model is, and how often it is right when it is that sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.confidence import confidence_profile, expected_calibration_error
from specreg_sklearn.inspection.displays._display import ModelDisplay, name_of
from specreg_sklearn.inspection.displays._display_arguments import scores_and_codes
from specreg_sklearn.inspection.displays._style import from_zero, light_grid, merged, tagged_line
from specreg_sklearn.inspection.model import as_numbers
from specreg_sklearn.tables import check_positive_int

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A share of right predictions among fewer rows than this says little.
_FEW = 10
_HISTOGRAM = "specreg-confidence-histogram"


class ConfidenceDisplay(ModelDisplay):
    """Reliability diagram with the distribution of the confidence on top.

    Below the diagonal a model is surer than it is right, above it less sure. Use
    :meth:`from_estimator` or :meth:`from_predictions` to create one.

    Parameters
    ----------
    confidence : array-like of shape (n_samples,)
        Probability that the model gives to its prediction.
    correct : array-like of shape (n_samples,), bool
        Whether the prediction is right.
    n_bins : int, default=15
        Bins of equal width from 0 to 1.
    name : str, default=None
        Name in the legend.

    Attributes
    ----------
    bin_confidence, bin_accuracy : ndarray of shape (n_bins,)
        Mean confidence and share of right predictions of each bin, NaN where it is empty.
    bin_share : ndarray of shape (n_bins,)
        Share of rows in each bin.
    calibration_error : float
        Their mean distance, see :func:`expected_calibration_error`.
    line_ : matplotlib Line2D
        Accuracy against confidence. Markers are hollow where a bin holds few rows.
    histogram_ : matplotlib artist
        The distribution of the confidence.
    ax_ : matplotlib Axes
        The axes of the reliability diagram.
    ax_histogram_ : matplotlib Axes
        The axes of the distribution, on top of `ax_`.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    confidence_profile : The numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import ConfidenceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> display = ConfidenceDisplay.from_estimator(model, X, y, n_bins=5)
    >>> display.bin_share.shape
    (5,)
    >>> plt.close(display.figure_)
    """

    _size = (5.0, 5.4)

    def __init__(
        self,
        *,
        confidence: ArrayLike,
        correct: ArrayLike,
        n_bins: int = 15,
        name: str | None = None,
    ) -> None:
        n_bins = check_positive_int(n_bins, "n_bins")
        self.confidence = as_numbers(confidence, "confidence")
        hits = as_numbers(correct, "correct", length=len(self.confidence), of="confidence")
        self.calibration_error = expected_calibration_error(self.confidence, hits, n_bins=n_bins)
        self.correct = hits.astype(bool)
        self.n_bins = n_bins
        self.name = name
        self.edges = np.linspace(0.0, 1.0, n_bins + 1)
        # A row on the edge of two bins is in the lower one, as in the calibration error.
        place = np.searchsorted(self.edges[1:-1], self.confidence, side="left")
        counts = np.bincount(place, minlength=n_bins)
        with np.errstate(invalid="ignore"):
            self.bin_confidence = np.bincount(place, self.confidence, n_bins) / counts
            self.bin_accuracy = np.bincount(place, hits, n_bins) / counts
        self.bin_share = counts / len(hits)

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: Any,
        *,
        n_bins: int = 15,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Measure the confidence of a fitted classifier; return the display, drawn.

        Parameters
        ----------
        estimator, X, y
            As in :func:`confidence_profile`; here true labels are needed.
        n_bins : int, default=15
            Bins of equal width from 0 to 1.
        name, ax, **plot_kw
            As in :meth:`RobustnessCurveDisplay.from_estimator`.

        Raises
        ------
        TypeError, ValueError, ImportError, sklearn.exceptions.NotFittedError
            As :func:`confidence_profile`, and if `y` is None or matplotlib is not installed.
        """
        cls._require_matplotlib("from_estimator")
        if y is None:
            raise ValueError("y=None: true labels are needed to see how often the model is right.")
        profile = confidence_profile(estimator, X, y, n_bins=n_bins)
        assert profile.correct is not None
        display = cls(
            confidence=np.minimum(profile.max_probability, 1.0),
            correct=profile.correct,
            n_bins=n_bins,
            name=name_of(estimator, name),
        )
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        n_bins: int = 15,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw probabilities that are known already; return the display.

        Parameters
        ----------
        y_true, classes, name, ax, **plot_kw
            As in :meth:`MarginDisplay.from_predictions`.
        y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
            Probabilities: one column per class, or for two classes those of the second.
        n_bins : int, default=15
            Bins of equal width from 0 to 1.

        Raises
        ------
        ValueError
            If lengths differ, labels are unknown, or rows are no probabilities.
        """
        cls._require_matplotlib("from_predictions")
        p, codes = scores_and_codes(y_true, y_prob, classes, "y_prob")
        if p.ndim == 1:
            p = np.stack([1 - p, p], axis=1)
        if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError("y_prob holds rows that are no probabilities: they must sum to 1.")
        display = cls(
            confidence=np.minimum(p.max(axis=1), 1.0),
            correct=p.argmax(axis=1) == codes,
            n_bins=n_bins,
            name="Classifier" if name is None else name,
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        line_kw: dict[str, Any] | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the diagram, and the distribution on top of it; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure. Several displays on the same axes share the
            axes of the distribution, too.
        name, line_kw, legend
            As in :meth:`RobustnessCurveDisplay.plot`.
        """
        number, own = self._start(ax)
        if not number:
            self.ax_.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        self.ax_histogram_ = _axes_on_top(self.ax_)
        filled = self.bin_share > 0
        label = self._label(name)
        label = f"{label} (ECE {self.calibration_error:.3f})" if label else None
        style = merged(own.keywords(markersize=5.5, linewidth=1.5, label=label), line_kw)
        style["markerfacecolor"] = "white"
        points = self.bin_confidence[filled], self.bin_accuracy[filled]
        self.line_ = tagged_line(self.ax_, number, *points, style)
        many = self.bin_share * len(self.confidence) >= _FEW
        solid = {**style, "linestyle": "none", "label": None}
        solid["markerfacecolor"] = self.line_.get_color()
        self.ax_.plot(self.bin_confidence[many], self.bin_accuracy[many], **solid)
        self.histogram_ = self.ax_histogram_.stairs(
            self.bin_share,
            self.edges,
            edgecolor=self.line_.get_color(),
            linestyle=own.line,
            linewidth=1.5,
        )
        least = min(float(self.confidence.min()), float(self.bin_accuracy[filled].min()))
        # Confidence is never below one over the number of classes: leave out what stays empty.
        left = np.floor(least * 10) / 10
        left = min(left, self.ax_.get_xlim()[0]) if number else left
        self.ax_.set(
            xlim=(left, 1.01),
            ylim=(left, 1.01),
            xlabel="confidence (probability of the predicted class)",
            ylabel="accuracy (share of rows that are right)",
        )
        light_grid(self.ax_)
        light_grid(self.ax_histogram_)
        self.ax_histogram_.set_ylabel("share\nof rows")
        from_zero(self.ax_histogram_, "y")
        if legend:
            self._draw_legend(title=f"hollow: fewer than {_FEW} rows")
        return self


def _axes_on_top(ax: Axes) -> Any:
    """Return the axes of the distribution, new or those of an earlier display."""
    for child in ax.child_axes:
        if child.get_gid() == _HISTOGRAM:
            return child
    top = ax.inset_axes((0.0, 1.04, 1.0, 0.24), sharex=ax)
    top.set_gid(_HISTOGRAM)
    top.tick_params(labelbottom=False)
    return top
