"""Robustness as a scorer for model selection."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Certify, Classifier, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.metrics.measurement import (
    Measurement,
    certified_shares,
    check_certify,
    nearest_rows_found,
    radii_of_labels,
    read_eps,
    robust_shares,
    warn_of_undecided,
)
from specreg_sklearn.space import NORMS, FeatureSpace, check_norm
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, check_eps, check_seed

Metric: TypeAlias = Literal[
    "robust_accuracy",
    "median_adversarial_distance",
    "certified_accuracy",
    "median_certified_radius",
]
METRICS = get_args(Metric)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RobustScorer(Measurement):
    """Callable ``(estimator, X, y) -> float`` that measures robustness; greater is better.

    Made by :func:`make_robust_scorer`, which explains the parameters. The scorer holds plain
    settings and builds the attack inside the call, so it pickles and copies cheaply.
    """

    metric: Metric
    eps: float
    certify: Certify = "auto"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric={self.metric!r} is not one of {list(METRICS)}.")
        check_eps(self.eps)
        check_certify(self.certify)
        if "certified" in self.metric:
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

    def __call__(
        self, estimator: Classifier, X: Any, y: Any, sample_weight: object = None
    ) -> float:
        """Return the score; a warning says how many rows the attack could not decide.

        `X` and `y` are rows of shape (n_samples, n_features) and their true labels. A TypeError
        says so if `sample_weight` is given, or if a certified score meets a model without proof.
        """
        if sample_weight is not None:
            raise TypeError(
                f"{self!r} does not support sample_weight: rows are attacked, not weighted. "
                "Leave it out of the scoring call."
            )
        grid, _ = read_eps(self.eps)
        if self.metric == "robust_accuracy":
            return float(robust_shares(estimator, X, y, grid, self, certify=self.certify)[0])
        if self.metric == "certified_accuracy":
            return float(certified_shares(estimator, X, y, grid, self)[0])
        if self.metric == "median_certified_radius":
            radii, right = radii_of_labels(estimator, X, y, self, "this score")
            return float(np.median(np.where(right, radii, 0.0)))
        result = nearest_rows_found(estimator, X, y, self, certify=self.certify)
        warn_of_undecided(result.distances, self.metric, result.status, counts="distance inf")
        return float(np.median(result.distances))

    @property
    def _score_func(self) -> Any:
        # TunedThresholdClassifierCV looks for a function of labels and predictions here.
        raise AttributeError(
            f"{self!r} moves rows and cannot score predictions alone, so it cannot "
            "serve meta-estimators that do, such as TunedThresholdClassifierCV."
        )

    def _accept_sample_weight(self) -> bool:
        # scikit-learn asks this of every scorer in a dict when fit was given sample_weight.
        return False

    def __repr__(self) -> str:
        inside = "".join(f", {name}={value!r}" for name, value in self._shown().items())
        return f"make_robust_scorer({self.metric!r}{inside})"

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<tr><td>{name}</td><td>{escape(repr(value))}</td></tr>"
            for name, value in self._shown().items()
        )
        space = "" if self.space is None else self.space._repr_html_()
        return f"<div><p>Scorer: {self.metric}</p><table>{lines}</table>{space}</div>"

    def _shown(self) -> dict[str, object]:
        """Return the settings that tell this scorer from others."""
        shown: dict[str, object] = {"eps": self.eps} if self.metric.endswith("_accuracy") else {}
        shown["norm"] = self.norm
        for field in fields(self):
            value = getattr(self, field.name)
            # On how many rows a number was measured belongs to the number.
            shows = field.name == "max_samples" or not _same(value, field.default)
            if field.name not in ("metric", "eps", "norm") and shows:
                long = field.name in ("space", "pool")
                shown[field.name] = f"{type(value).__name__}(...)" if long else value
        return shown


def make_robust_scorer(
    metric: Metric = "robust_accuracy",
    *,
    eps: float = 0.5,
    norm: float = 2,
    attack: str | BlackBoxAttack = "auto",
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    certify: Certify = "auto",
    pool: ArrayLike | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> RobustScorer:
    """Make a scorer that measures robustness, for ``GridSearchCV`` and ``cross_validate``.

    Parameters
    ----------
    metric : str, default="robust_accuracy"
        What is measured:

        - "robust_accuracy": :func:`robust_accuracy_score`.
        - "median_adversarial_distance": the median of :func:`adversarial_distances`, misclassified
          rows (0) and undecided rows (``inf``) included. It is an upper bound of the true median,
          and ``inf`` where half of the rows or more are undecided.
        - "certified_accuracy": :func:`certified_accuracy_score`.
        - "median_certified_radius": the median of :func:`certified_radius`, where misclassified
          rows count 0.

        The last two prove instead of attacking. They are quick, and defined for the models that
        :func:`certified_radius` accepts.
    eps : float, default=0.5
        Size of the attack, in scaled units. Only the two accuracies use it.
    norm : {0, 1, 2, inf}, default=2
        The norm of the distance; 0, the number of columns that change, for what is attacked, and
        for proofs about trees.
    attack : str or BlackBoxAttack, default="auto"
        As in :func:`robust_accuracy_score`. A certified metric has no attack.
    space : FeatureSpace or None, default=None
        What may change and in which units. None makes one of the rows that are scored, so that each
        fold has its own, or of the `pool`; give a space to have all folds share one.
    scale : "std", "range", None, float or array, default="std"
        As in :func:`robust_accuracy_score`.
    max_samples : int, "all" or None, default=100
        Measure only so many rows of a fold, the same for every candidate, with the shares of the
        classes kept. The standard error of a share of 100 rows is at most 0.05. "all", or None,
        takes every row. The repr of the scorer says which.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the choice of rows and of the attack. It is turned into one integer when the scorer
        is made, so that all candidates of a search meet the same attack.
    n_jobs : int or None, default=None
        Workers inside one call. Leave it alone when the search itself runs in parallel.
    certify : {"auto", True, False}, default="auto"
        Whether "robust_accuracy" and "median_adversarial_distance" leave rows out of the attack
        that a proof decides, see :func:`robust_accuracy_score`.
    pool : array-like or DataFrame of shape (n_pool, n_features), default=None
        Rows that the attack starts from, the same for all folds. None means the rows that are
        scored. A certified metric has none.
    max_nodes : int, default=5000
        How many nodes the search of a proof looks at for a row, as in
        :func:`robust_accuracy_score` and :func:`certified_radius`.

    Returns
    -------
    callable
        ``scorer(estimator, X, y) -> float``, greater is better. It takes no ``sample_weight``.

    Raises
    ------
    ValueError, TypeError
        If a setting is not accepted.

    Notes
    -----
    ``TunedThresholdClassifierCV`` scores thresholds on predicted scores and cannot use it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from specreg_sklearn.metrics import make_robust_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> scorer = make_robust_scorer(eps=0.3, max_samples=10)
    >>> scorer
    make_robust_scorer('robust_accuracy', eps=0.3, norm=2, max_samples=10)
    >>> scoring = {"accuracy": "accuracy", "robust": scorer}
    >>> scores = cross_validate(LogisticRegression(max_iter=500), X, y, scoring=scoring, cv=3)
    >>> bool((scores["test_robust"] <= 1).all())
    True
    """
    return RobustScorer(
        metric=metric,
        eps=eps,
        norm=norm,
        attack=attack,
        space=space,
        scale=scale,
        max_samples=max_samples,
        random_state=check_seed(random_state),
        n_jobs=n_jobs,
        certify=certify,
        pool=pool,
        max_nodes=max_nodes,
    )


def _same(value: object, default: object) -> bool:
    # Arrays and frames do not say in one word whether they are equal.
    return value is default or (isinstance(value, (str, int)) and value == default)


robust_accuracy = make_robust_scorer(eps=0.5)
# A text of its own. The attributes of a frozen object are set like this only.
vars(robust_accuracy).update(
    __doc__="""Scorer ``(estimator, X, y) -> float``: robust accuracy at distance 0.5.

The share of rows that are classified correctly and for which the black-box attack CGBA found no
adversarial row within 0.5 standard deviations (L2 norm of ``(X_adv - X) / std(X)``), among 100 of
the rows, with the shares of the classes kept. Use it as ``scoring=robust_accuracy`` in a search, or
call it. For another distance, norm, attack, unit or number of rows, see
:func:`make_robust_scorer`.
"""
)
