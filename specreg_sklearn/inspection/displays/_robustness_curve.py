"""Robust accuracy against the size of the perturbation, as a band between proof and attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Certify, Classifier, Eps, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.inspection.displays._display import ModelDisplay, name_of
from specreg_sklearn.inspection.displays._display_arguments import named_estimators
from specreg_sklearn.inspection.displays._measured_curves import eps_grid, measured_curves
from specreg_sklearn.inspection.displays._style import light_grid, merged, tagged_line, unit_of
from specreg_sklearn.inspection.model import as_numbers
from specreg_sklearn.metrics.measurement import Measurement, read_eps, shares_beyond
from specreg_sklearn.space import NORMS, FeatureSpace, as_norm, check_norm
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, as_labels, same_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RobustnessCurveDisplay(ModelDisplay):
    """Robust accuracy against eps: what withstood an attack above, what is proved below.

    The true robust accuracy lies between the two curves. Use :meth:`from_estimator`,
    :meth:`from_estimators` or :meth:`from_predictions` to create one.

    Parameters
    ----------
    eps : array-like of shape (n_eps,)
        Sizes of the perturbations, increasing.
    attack : array-like of shape (n_eps,), default=None
        Share of rows that are classified correctly and withstood the attack: an upper bound.
    certified : array-like of shape (n_eps,), default=None
        Share of rows that are right and proved to stay so: a lower bound.
    name : str, default=None
        Name in the legend.
    norm : {0, 1, 2, inf}, default=2
        Norm of the perturbations.
    unit : str, default="units of X"
        What eps counts.
    n_rows : int, default=None
        How many rows the shares are of, for the y axis; None if it is not known.

    Attributes
    ----------
    attack_line_, certified_line_ : matplotlib Line2D or None
        The two curves.
    band_ : matplotlib collection or None
        What lies between them.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    specreg_sklearn.metrics.robust_accuracy_score : The upper curve.
    specreg_sklearn.metrics.certified_accuracy_score : The lower curve.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import RobustnessCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> display = RobustnessCurveDisplay.from_estimator(model, X, y, max_samples=20)
    >>> bool((display.certified <= display.attack).all())
    True
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        eps: ArrayLike,
        attack: ArrayLike | None = None,
        certified: ArrayLike | None = None,
        name: str | None = None,
        norm: float = 2,
        unit: str = "units of X",
        n_rows: int | None = None,
    ) -> None:
        if attack is None and certified is None:
            raise ValueError("attack=None and certified=None: there is no curve to draw.")
        self.eps = read_eps(as_numbers(eps, "eps"))[0]
        self.attack, self.certified = (
            None if curve is None else as_numbers(curve, key, length=len(self.eps), of="eps")
            for key, curve in (("attack", attack), ("certified", certified))
        )
        self.name = name
        self.norm = check_norm(norm, NORMS, type(self).__name__)
        self.unit = unit
        self.n_rows = n_rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: Any,
        *,
        eps: Eps | None = None,
        norm: float = 2,
        attack: str | BlackBoxAttack | None = "auto",
        certify: Certify = "auto",
        space: FeatureSpace | None = None,
        scale: Scale = "std",
        max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
        random_state: RandomState = 0,
        n_jobs: int | None = None,
        unit: str | None = None,
        pool: Any = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Attack and certify a fitted classifier; return the display, drawn.

        Parameters
        ----------
        estimator : object with a method predict
            A fitted classifier, pipeline or search.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            True labels.
        eps : array-like of shape (n_eps,), default=None
            Sizes, increasing. None goes from 0 to the largest distance that was found.
        norm, space, scale, max_samples, random_state, n_jobs
            As in :func:`~specreg_sklearn.metrics.robust_accuracy_score`, for both curves, which are
            shares of 100 rows unless `max_samples` says otherwise.
        attack : str, BlackBoxAttack or None, default="auto"
            The attack. None draws the proved curve alone.
        certify : {"auto", True, False}, default="auto"
            Whether to draw the proved curve: "auto" where the model has a certificate. True raises
            if it has none.
        unit : str, default=None
            What a distance of 1 is, for the x axis. None says what follows from `scale`; of a
            `space` it is not known.
        pool : array-like or DataFrame of shape (n_pool, n_features), default=None
            Rows that the attack starts from, as in
            :func:`~specreg_sklearn.metrics.robust_accuracy_score`.
        max_nodes : int, default=5000
            How many nodes the search of a proof looks at for a row; the two curves meet where it
            closes.
        name : str, default=None
            Name in the legend; None takes the class of the estimator.
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        TypeError, ValueError, ImportError, sklearn.exceptions.NotFittedError
            As the two scores, ``TypeError`` with ``certify=True`` if a step has no certificate, and
            ``ImportError`` if matplotlib is not installed.
        """
        displays = cls.from_estimators(
            {name_of(estimator, name): estimator},
            X,
            y,
            eps=eps,
            norm=norm,
            attack=attack,
            certify=certify,
            space=space,
            scale=scale,
            max_samples=max_samples,
            random_state=random_state,
            n_jobs=n_jobs,
            unit=unit,
            pool=pool,
            max_nodes=max_nodes,
            ax=ax,
            **plot_kw,
        )
        return next(iter(displays.values()))

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Classifier] | Sequence[tuple[str, Classifier]],
        X: Any,
        y: Any,
        *,
        eps: Eps | None = None,
        norm: float = 2,
        attack: str | BlackBoxAttack | None = "auto",
        certify: Certify = "auto",
        space: FeatureSpace | None = None,
        scale: Scale = "std",
        max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
        random_state: RandomState = 0,
        n_jobs: int | None = None,
        unit: str | None = None,
        pool: Any = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> dict[str, Self]:
        """Draw the curves of several classifiers, on the same rows, sizes and axes.

        Parameters
        ----------
        estimators : dict of str to estimator, or list of (str, estimator)
            Fitted classifiers by name.
        X, y, eps, norm, attack, certify, space, scale, max_samples, random_state, n_jobs, unit
            As in :meth:`from_estimator`.
        pool : array-like or DataFrame of shape (n_pool, n_features), default=None
            As in :meth:`from_estimator`, for all classifiers.
        max_nodes : int, default=5000
            As in :meth:`from_estimator`.
        ax, **plot_kw
            Passed to :meth:`plot`.

        Returns
        -------
        dict of str to RobustnessCurveDisplay
            The displays by name, drawn on the same axes.
        """
        cls._require_matplotlib("from_estimator")
        models = named_estimators(estimators)
        used = "auto" if attack is None else attack
        measurement = Measurement(
            norm, used, space, scale, max_samples, random_state, n_jobs, pool, max_nodes
        )
        grid, upper, lower = measured_curves(
            models,
            X,
            y,
            measurement,
            eps=eps,
            attacks=attack is not None,
            certify=certify,
            caller=f"{cls.__name__}.from_estimator",
        )
        unit = unit_of(space, scale) if unit is None else unit
        displays = {}
        for label in models:
            curves = {"attack": upper[label], "certified": lower[label]}
            display = cls(
                eps=grid, **curves, name=label, norm=norm, unit=unit, n_rows=measurement.n_rows(y)
            )
            displays[label] = display.plot(ax=ax, **plot_kw)
            ax = display.ax_
        return displays

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        distances: ArrayLike | None = None,
        radii: ArrayLike | None = None,
        eps: Eps | None = None,
        norm: float = 2,
        unit: str = "units of X",
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw predictions and distances that are known already; return the display.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels of the clean rows.
        distances : array-like of shape (n_samples,), default=None
            Adversarial distances, as :class:`~specreg_sklearn.attacks.AttackResult` holds them.
            ``inf`` stands for undecided rows, which count as withstanding, with a warning.
        radii : array-like of shape (n_samples,), default=None
            Certified radii, as :func:`~specreg_sklearn.metrics.certified_radius` returns them.
        eps : array-like of shape (n_eps,), default=None
            Sizes, increasing. None goes from 0 to the largest distance.
        norm, unit
            As in :class:`RobustnessCurveDisplay`.
        name : str, default=None
            Name in the legend; None is "Classifier".
        ax, **plot_kw
            Passed to :meth:`plot`.

        Raises
        ------
        ValueError
            If lengths differ, or both `distances` and `radii` are missing.
        """
        cls._require_matplotlib("from_predictions")
        predicted = as_labels(y_pred, "y_pred")
        truth = as_labels(y_true, "y_true")
        if len(truth) != len(predicted):
            raise ValueError(
                f"y_true has {len(truth)} labels, but y_pred has {len(predicted)} predictions."
            )
        if predicted.dtype.kind == "f" and (predicted != np.rint(predicted)).any():
            raise ValueError(
                f"y_pred holds numbers like {predicted[predicted != np.rint(predicted)][0]:.4g}, "
                "which are probabilities or scores; give the predicted labels."
            )
        right = same_labels(truth, predicted)
        n = len(truth)
        given = {"distances": distances, "radii": radii}
        known = {
            key: np.where(right, as_numbers(values, key, length=n, of="y_true"), 0.0)
            for key, values in given.items()
            if values is not None
        }
        if not known:
            raise ValueError("distances=None and radii=None: there is no curve to draw.")
        grid = eps_grid(list(known.values())) if eps is None else read_eps(np.atleast_1d(eps))[0]
        attack = certified = None
        if "distances" in known:
            attack = shares_beyond(known["distances"], grid, f"{cls.__name__}.from_predictions")
        if "radii" in known:
            certified = np.where(grid[:, None] > 0, known["radii"] > grid[:, None], right).mean(1)
        name = "Classifier" if name is None else name
        display = cls(
            eps=grid,
            attack=attack,
            certified=certified,
            name=name,
            norm=norm,
            unit=unit,
            n_rows=n,
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
        """Draw the curves, and the band between them where there are two; return the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure. Several displays on the same axes get
            different line styles.
        name : str, default=None
            Name in the legend; None takes that of the display.
        line_kw : dict, default=None
            Passed to ``Axes.plot`` for both curves.
        legend : bool, default=True
            Whether to draw a legend.
        """
        number, own = self._start(ax)
        spaced = (number % 3 / 3 * 0.12, 0.12)  # markers of different curves keep apart
        style = own.keywords(markevery=spaced, markersize=5.5, label=self._label(name))
        self.attack_line_ = self.certified_line_ = self.band_ = None
        if self.attack is not None and self.certified is not None:
            self.band_ = self.ax_.fill_between(
                self.eps,
                self.certified,
                self.attack,
                where=self.attack >= self.certified,
                facecolor=own.color,
                alpha=0.15,
                linewidth=0,
            )
        if self.attack is not None:
            upper = merged({**style, "linestyle": "-", "linewidth": 1.8}, line_kw)
            self.attack_line_ = tagged_line(self.ax_, number, self.eps, self.attack, upper)
        if self.certified is not None:
            lower = {**style, "linestyle": "--", "linewidth": 1.4, "markerfacecolor": "white"}
            lower = merged(lower, line_kw)
            if self.attack is not None:  # the name stands beside the upper curve
                lower["label"] = None
            self.certified_line_ = tagged_line(self.ax_, number, self.eps, self.certified, lower)
        rows = "rows" if self.n_rows is None else f"{self.n_rows} rows"
        self.ax_.set(
            xlabel=f"eps ({as_norm(self.norm).name} distance, {self.unit})",
            ylabel=f"share of {rows}",
            ylim=(0, 1.02),
            xlim=(0, max(float(self.eps[-1]), self.ax_.get_xlim()[1] if number else 0.0)),
        )
        light_grid(self.ax_)
        if legend:
            drawn = {line.get_linestyle() for line in self.ax_.get_lines()}
            if {"-", "--"} <= drawn:
                lines = {"withstood the attack": "-", "proved": "--"}
            else:
                lines = {}
                proved = self.attack is None
                self.ax_.set_ylabel(
                    f"share of {rows} proved robust"
                    if proved
                    else f"robust accuracy (share of {rows})"
                )
            self._draw_legend({kind: {"linestyle": line} for kind, line in lines.items()})
        return self
