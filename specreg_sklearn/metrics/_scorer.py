"""Robustness as a scorer for model selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from html import escape
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from specreg_sklearn._sklearn_compat import BaseScorer
from specreg_sklearn._typing import (
    Certify,
    Classifier,
    FloatArray,
)
from specreg_sklearn.metrics._robustness_score import measured_score
from specreg_sklearn.metrics.measurement import (
    Measurement,
    certified_shares,
    check_certify,
    nearest_rows_found,
    radii_of_labels,
    read_eps,
    warn_of_undecided,
)
from specreg_sklearn.metrics.statistics import check_metric, metric_name, takes_weights
from specreg_sklearn.space import NORMS, as_norm, check_norm
from specreg_sklearn.tables import (
    as_labels,
    check_eps,
    check_weights,
)

Metric: TypeAlias = Literal[
    "robust_accuracy",
    "robust_balanced_accuracy",
    "robust_recall",
    "robust_precision",
    "robust_f1",
    "median_adversarial_distance",
    "certified_accuracy",
    "median_certified_radius",
]
METRICS = get_args(Metric)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RobustScorer(Measurement, BaseScorer):
    """Callable ``(estimator, X, y) -> float`` that measures robustness; greater is better.

    Made by :func:`make_robust_scorer`, which explains the parameters. The scorer holds plain
    settings and builds the attack inside the call, so it pickles and copies cheaply.
    """

    metric: Metric | Callable[..., Any]
    eps: float
    certify: Certify = "auto"
    pos_label: object = None
    name: str | None = None

    # What scikit-learn asks its own scorers for.
    _sign: ClassVar[int] = 1
    _kwargs: ClassVar[Mapping[str, object]] = MappingProxyType({})
    _response_method: ClassVar[str] = "predict"

    def __post_init__(self) -> None:
        if isinstance(self.metric, str) and self.metric not in METRICS:
            raise ValueError(
                f"metric={self.metric!r} is not one of {list(METRICS)}, and no function "
                "(y_true, y_pred) -> float."
            )
        if self._label_metric is not None:
            check_metric(self._label_metric, self.pos_label)
        elif self.pos_label is not None:
            raise ValueError(
                f"pos_label={self.pos_label!r} is given, but metric={self.metric!r} is about all "
                "classes. Leave it out."
            )
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise ValueError(f"name={self.name!r} is not accepted; give a word, or None.")
        check_eps(self.eps)
        check_certify(self.certify)
        if self._certified:
            check_norm(self.norm, NORMS, f"the metric {self.metric!r}")
            if not (isinstance(self.attack, str) and self.attack == "auto"):
                raise ValueError(
                    f"attack={self.attack!r} is given, but the metric {self.metric!r} proves and "
                    "does not attack. Leave attack out."
                )
            if self.pool is not None:
                raise ValueError(
                    f"pool is given, but the metric {self.metric!r} proves and does not attack. "
                    "Leave pool out; units and columns are those of a space."
                )
        else:
            attack = self.resolved_attack()
            if self.metric == "median_adversarial_distance" and attack._within_eps:
                raise ValueError(
                    f"{type(attack).__name__} looks for rows within a fixed eps and gives no "
                    "distances; take CGBA (L2) or RayS (Linf)."
                )
        self.check()

    @property
    def __name__(self) -> str:
        """What tables, displays and logs call the scorer."""
        if self.name is not None:
            return self.name
        metric = self.metric if isinstance(self.metric, str) else metric_name(self.metric)
        parts = [metric, as_norm(self.norm).name.lower()]
        if not metric.startswith("median"):
            parts.append(f"eps{self.eps:g}")
        if not (isinstance(self.attack, str) and self.attack == "auto"):
            attack = self.attack
            parts.append(attack if isinstance(attack, str) else type(attack).__name__)
        return "_".join(parts)

    def __call__(
        self, estimator: Classifier, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the score; a warning says how many rows the attack could not decide.

        `X` and `y` are rows of shape (n_samples, n_features) and their true labels, and
        `sample_weight`, (n_samples,), is what each counts. A TypeError says so if a certified score
        meets a model without proof.
        """
        grid, _ = read_eps(self.eps)
        if self.metric == "certified_accuracy":
            shares = certified_shares(estimator, X, y, grid, self, sample_weight=sample_weight)
            return float(shares[0])
        if self._label_metric is not None:
            result = measured_score(
                estimator,
                X,
                y,
                grid,
                self,
                metric=self._label_metric,
                pos_label=self.pos_label,
                sample_weight=sample_weight,
                certify=self.certify,
                caller=f"{self.metric}" if isinstance(self.metric, str) else self.__name__,
            )
            return float(result.score[0])
        weight = None
        if sample_weight is not None:
            weight = check_weights(sample_weight, len(as_labels(y, "y")))[self.places_of(X, y)]
        if self.metric == "median_certified_radius":
            radii, right = radii_of_labels(estimator, X, y, self, "this score")
            return weighted_median(np.where(right, radii, 0.0), weight)
        found = nearest_rows_found(estimator, X, y, self, certify=self.certify)
        warn_of_undecided(found.distances, str(self.metric), found.status, counts="distance inf")
        return weighted_median(found.distances, weight)

    def set_score_request(self, **kwargs: bool | str | None) -> RobustScorer:
        """Say whether routed metadata is for this scorer, such as ``sample_weight=True``.

        Parameters
        ----------
        **kwargs : bool, str or None by name
            As for the scorers of scikit-learn; only `sample_weight` is known.

        Returns
        -------
        RobustScorer
            The scorer itself.
        """
        unknown = sorted(set(kwargs) - {"sample_weight"})
        if unknown:
            raise TypeError(f"set_score_request knows sample_weight, not {unknown}.")
        if not get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request works with metadata routing only: call "
                "sklearn.set_config(enable_metadata_routing=True) first."
            )
        # The settings are frozen; what is routed is none of them.
        object.__setattr__(self, "_metadata_request", self._request(kwargs.get("sample_weight")))
        return self

    def _request(self, alias: bool | str | None) -> MetadataRequest:
        request = MetadataRequest(owner=repr(self))
        request.score.add_request(param="sample_weight", alias=alias)
        return request

    def _get_metadata_request(self) -> MetadataRequest:
        request = getattr(self, "_metadata_request", None)
        return self._request(None) if request is None else get_routing_for_object(request)

    def _score(
        self,
        method_caller: object,
        estimator: Classifier,
        X: Any,
        y_true: ArrayLike,
        **kwargs: ArrayLike | None,
    ) -> float:
        # scikit-learn calls scorers in a dict this way, and would share predictions among them.
        return self(estimator, X, y_true, **kwargs)

    @property
    def _certified(self) -> bool:
        return self.metric in ("certified_accuracy", "median_certified_radius")

    @property
    def _label_metric(self) -> str | Callable[..., Any] | None:
        """What is computed from labels; None if it is something else."""
        if not isinstance(self.metric, str):
            return self.metric
        return self.metric.removeprefix("robust_") if self.metric.startswith("robust_") else None

    @property
    def _score_func(self) -> Any:
        # TunedThresholdClassifierCV looks for a function of labels and predictions here.
        raise AttributeError(
            f"{self!r} moves rows and cannot score predictions alone, so it cannot "
            "serve meta-estimators that do, such as TunedThresholdClassifierCV."
        )

    def _accept_sample_weight(self) -> bool:
        # scikit-learn asks this of every scorer in a dict when fit was given sample_weight.
        return self._label_metric is None or takes_weights(self._label_metric)

    def __repr__(self) -> str:
        inside = "".join(f", {name}={value!r}" for name, value in self._shown().items())
        metric = repr(self.metric) if isinstance(self.metric, str) else metric_name(self.metric)
        return f"make_robust_scorer({metric}{inside})"

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<tr><td>{name}</td><td>{escape(repr(value))}</td></tr>"
            for name, value in self._shown().items()
        )
        space = "" if self.space is None else self.space._repr_html_()
        title = escape(metric_name(self.metric))
        return f"<div><p>Scorer: {title}</p><table>{lines}</table>{space}</div>"

    def _shown(self) -> dict[str, object]:
        """Return the settings that tell this scorer from others."""
        is_median = isinstance(self.metric, str) and self.metric.startswith("median")
        shown: dict[str, object] = {} if is_median else {"eps": self.eps}
        shown["norm"] = self.norm
        for field in fields(self):
            value = getattr(self, field.name)
            # On how many rows a number was measured belongs to the number.
            shows = field.name == "max_samples" or not _same(value, field.default)
            if field.name not in ("metric", "eps", "norm") and shows:
                long = field.name in ("space", "pool")
                shown[field.name] = f"{type(value).__name__}(...)" if long else value
        return shown


def weighted_median(values: FloatArray, weight: FloatArray | None) -> float:
    """Return the median of values that count `weight` each; None is once."""
    if weight is None or (weight == weight[0]).all():
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    at = int(np.searchsorted(below, 0.5))
    tie = below[at] == 0.5 and at + 1 < len(order)
    return float(np.mean(values[order[at : at + 1 + tie]]))


def _same(value: object, default: object) -> bool:
    # Arrays and frames do not say in one word whether they are equal.
    return value is default or (isinstance(value, (str, int)) and value == default)
