"""Adversarial rows beside the clean ones: as images, or as the columns that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.inspection.displays._display import Display, check_axes, new_axes
from specreg_sklearn.inspection.displays._display_arguments import (
    checked_image_shape,
    column_units,
    labels_of_rows,
)
from specreg_sklearn.inspection.displays._example_panels import (
    as_image,
    draw_images,
    draw_table,
    panels_inside,
)
from specreg_sklearn.inspection.displays._example_rows import attacked_rows, numeric_cells
from specreg_sklearn.inspection.displays._style import unit_of
from specreg_sklearn.inspection.model import as_numbers
from specreg_sklearn.metrics.measurement import Measurement
from specreg_sklearn.space import NORMS, FeatureSpace, as_norm, check_norm
from specreg_sklearn.tables import as_table, check_estimator, check_positive_int

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


class AdversarialExamplesDisplay(Display):
    """Adversarial rows beside the clean rows they came from.

    Rows that are images are drawn side by side: clean, change, adversarial. Rows of a table are
    drawn as the columns that changed most, with their cells before and after. Use
    :meth:`from_estimator` or :meth:`from_predictions` to create one.

    Parameters
    ----------
    X, X_adv : array-like or DataFrame of shape (n_samples, n_features)
        Clean and adversarial rows.
    y_true, y_pred, y_pred_adv : array-like of shape (n_samples,)
        True labels, and the predictions of the clean and of the adversarial rows.
    distances : array-like of shape (n_samples,), default=None
        Distances between the two. None computes L2 distances in units of `scale`.
    norm : {0, 1, 2, inf}, default=2
        Norm of the distances.
    unit : str, default="units of X"
        Unit of the distances.
    image_shape : tuple (height, width) or (channels, height, width), default=None
        Shape of a row as an image, with 1 or 3 channels. None shows tables.
    scale : array-like of shape (n_features,), default=None
        Unit of every column, in which the changes of tables are measured. None is the units of `X`.

    Attributes
    ----------
    clean, adversarial : ndarray of shape (n_samples, n_features)
        The rows as numbers; NaN in columns that do not hold numbers.
    feature_names : list
        Names of the columns, their numbers if they have no names.
    axes_ : ndarray of matplotlib Axes, of shape (n_samples, 3) for images, else (n_samples,)
        The panels.
    ax_ : matplotlib Axes
        The axes given as bounding box, or the first panel.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    specreg_sklearn.attacks.AttackResult : What an attack hands back.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import AdversarialExamplesDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> display = AdversarialExamplesDisplay.from_estimator(model, X, y, n_examples=2)
    >>> bool((display.y_pred_adv != display.y_true).all())
    True
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        X: Any,
        X_adv: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_pred_adv: ArrayLike,
        distances: ArrayLike | None = None,
        norm: float = 2,
        unit: str = "units of X",
        image_shape: Sequence[int] | None = None,
        scale: ArrayLike | None = None,
    ) -> None:
        before, after = as_table(X), as_table(X_adv, parameter="X_adv")
        if (before.n_rows, before.n_columns) != (after.n_rows, after.n_columns):
            raise ValueError(
                f"X has shape ({before.n_rows}, {before.n_columns}), but X_adv has shape "
                f"({after.n_rows}, {after.n_columns})."
            )
        if before.names != after.names:
            raise ValueError("X and X_adv have different column names.")
        self.y_true = labels_of_rows(y_true, "y_true", before.n_rows)
        self.y_pred = labels_of_rows(y_pred, "y_pred", before.n_rows)
        self.y_pred_adv = labels_of_rows(y_pred_adv, "y_pred_adv", before.n_rows)
        self.clean, self.adversarial = numeric_cells(before), numeric_cells(after)
        self.feature_names = list(before.names or range(before.n_columns))
        self.scale = column_units(scale, before.n_columns)
        self.norm = check_norm(norm, NORMS, type(self).__name__)
        # In units of `scale`; 0 in columns that do not hold numbers.
        self._change = np.nan_to_num(self.adversarial - self.clean) / self.scale
        if distances is None:
            distances = as_norm(self.norm).length(self._change)
        self.distances = as_numbers(distances, "distances", length=before.n_rows, of="X")
        self.unit = unit
        self.image_shape = checked_image_shape(image_shape, before.n_columns)

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: Any,
        *,
        n_examples: int = 4,
        rows: ArrayLike | None = None,
        attack: str | BlackBoxAttack = "auto",
        norm: float = 2,
        space: FeatureSpace | None = None,
        scale: Scale = "std",
        random_state: RandomState = 0,
        unit: str | None = None,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Attack a few rows of a fitted classifier; return the display of what fools it, drawn.

        Parameters
        ----------
        estimator, X, y
            As in :func:`~specreg_sklearn.metrics.adversarial_distances`. All rows of `X` serve as
            starts of the attack.
        n_examples : int, default=4
            How many rows to attack: the first correctly classified ones, of different classes as
            far as possible.
        rows : array-like of int, default=None
            Positions of the rows to attack instead.
        attack, norm, space, scale, random_state
            As in :func:`~specreg_sklearn.metrics.adversarial_distances`.
        unit : str, default=None
            What a distance of 1 is. None says what follows from `scale`; of a `space` it is not
            known.
        image_shape
            As in :class:`AdversarialExamplesDisplay`.
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        TypeError, ValueError, sklearn.exceptions.NotFittedError
            As :func:`~specreg_sklearn.metrics.adversarial_distances`, if `rows` holds no
            positions of `X`, or if no adversarial row was found.
        ImportError
            If matplotlib is not installed.

        Warns
        -----
        UserWarning
            If rows are left out, because the attack found nothing for them or the model is wrong on
            them anyway.
        """
        cls._require_matplotlib("from_estimator")
        check_positive_int(n_examples, "n_examples")
        check_estimator(estimator)
        checked_image_shape(image_shape, as_table(X).n_columns)
        measurement = Measurement(norm, attack, space, scale, random_state=random_state)
        units = measurement.space_of(X).scale
        display = cls(
            **attacked_rows(estimator, X, y, measurement, n_examples, rows),
            norm=norm,
            unit=unit_of(space, scale) if unit is None else unit,
            image_shape=image_shape,
            scale=np.where(np.isfinite(units), units, 1.0),
        )
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_pred_adv: ArrayLike,
        *,
        X: Any,
        X_adv: ArrayLike,
        distances: ArrayLike | None = None,
        norm: float = 2,
        unit: str = "units of X",
        image_shape: Sequence[int] | None = None,
        scale: ArrayLike | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw adversarial rows that are known already; return the display.

        Parameters
        ----------
        y_true, y_pred, y_pred_adv : array-like of shape (n_samples,)
            True labels, and the predictions of the clean and of the adversarial rows.
        X, X_adv : array-like or DataFrame of shape (n_samples, n_features)
            Clean and adversarial rows.
        distances, norm, unit, image_shape, scale
            As in :class:`AdversarialExamplesDisplay`.
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        ValueError
            If lengths or columns differ.
        """
        cls._require_matplotlib("from_predictions")
        display = cls(
            X=X,
            X_adv=X_adv,
            y_true=y_true,
            y_pred=y_pred,
            y_pred_adv=y_pred_adv,
            distances=distances,
            norm=norm,
            unit=unit,
            image_shape=image_shape,
            scale=scale,
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self, ax: Axes | None = None, *, cmap: str | Colormap = "gray_r", n_columns: int = 6
    ) -> Self:
        """Draw all rows below each other; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Bounding box: the panels are drawn inside, and the axes themselves are hidden. None
            makes a new figure.
        cmap : str or Colormap, default="gray_r"
            Colours of images with one channel.
        n_columns : int, default=6
            The most columns of a table that are listed for a row.
        """
        check_positive_int(n_columns, "n_columns")
        self._require_matplotlib("plot")
        n, image = len(self.clean), self.image_shape is not None
        wide = 3 if image else 1
        if ax is None:
            size = (1.75 * 3, 1.85 * n + 0.2) if image else (6.4, n * (0.75 + 0.22 * n_columns))
            panels = new_axes(size, n, wide)
            self.ax_ = panels[0, 0]
        else:
            self.ax_ = check_axes(ax)
            self.ax_.set_axis_off()
            panels = panels_inside(self.ax_, n, wide, gap=(0.06, 0.3) if image else (0.0, 0.55))
        self.figure_ = self.ax_.figure
        for row, line in enumerate(panels):
            if image:
                self._draw_images(line, row, cmap)
            else:
                self._draw_table(line[0], row, n_columns)
        self.axes_ = panels if image else panels[:, 0]
        return self

    def _draw_images(self, line: np.ndarray, row: int, cmap: str | Colormap) -> None:
        assert self.image_shape is not None
        truth = "" if self.y_pred[row] == self.y_true[row] else f" (is {self.y_true[row]})"
        both = np.stack([self.clean, self.adversarial])
        draw_images(
            line,
            as_image(self.clean[row], self.image_shape),
            as_image(self.adversarial[row], self.image_shape),
            limits=(float(both.min()), float(both.max())),
            cmap=cmap,
            titles=(
                f"says {self.y_pred[row]}{truth}",
                f"says {self.y_pred_adv[row]}, {as_norm(self.norm).name} {self.distances[row]:.2f}",
            ),
            headings=row == 0,
        )

    def changed_columns(self, row: int, *, n_columns: int = 6) -> list[tuple[Any, float, float]]:
        """Return the columns of a row that changed most, in units of `scale`.

        Parameters
        ----------
        row : int
            Position of the row in the display.
        n_columns : int, default=6
            The most columns to return.

        Returns
        -------
        list of (name, before, after)
            Columns in falling order of their change; fewer where fewer changed.
        """
        return [
            (self.feature_names[j], float(self.clean[row, j]), float(self.adversarial[row, j]))
            for j in self._most_changed(row, n_columns)
        ]

    def _most_changed(self, row: int, n_columns: int) -> np.ndarray:
        change = np.abs(self._change[row])
        order = np.argsort(-change, kind="stable")[:n_columns]
        return order[change[order] > 0]

    def _draw_table(self, panel: Axes, row: int, n_columns: int) -> None:
        every = self._change
        found = self.changed_columns(row, n_columns=n_columns)
        n_changed = int(np.count_nonzero(every[row]))
        more = f", {n_changed} columns changed" if n_changed > len(found) else ""
        draw_table(
            panel,
            found,
            every[row, self._most_changed(row, n_columns)],
            # The same scale for all rows: a small change looks small.
            limits=(min(0.0, float(every.min())), max(0.0, float(every.max()))),
            title=f"{self.y_pred[row]} → {self.y_pred_adv[row]}, "
            f"distance {self.distances[row]:.2f}{more}",
            xlabel=f"change ({self.unit})" if row == len(self.clean) - 1 else None,
        )
