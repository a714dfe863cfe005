"""How scorers of robustness are made, and one that is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from specreg_sklearn._typing import Certify, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.metrics._scorer import Metric, RobustScorer
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, check_seed


def make_robust_scorer(
    metric: Metric | Callable[..., Any] = "robust_accuracy",
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
    pos_label: object = None,
    name: str | None = None,
) -> RobustScorer:
    """Make a scorer that measures robustness, for ``GridSearchCV`` and ``cross_validate``.

    Parameters
    ----------
    metric : str or callable, default="robust_accuracy"
        What is measured:

        - "robust_accuracy": :func:`robust_accuracy_score`.
        - "robust_balanced_accuracy", "robust_recall", "robust_precision", "robust_f1", or a
          function ``(y_true, y_pred) -> float``: :func:`robustness_score` with this metric.
        - "median_adversarial_distance": the median of :func:`adversarial_distances`, misclassified
          rows (0) and undecided rows (``inf``) included. It is an upper bound of the true median,
          and ``inf`` where half of the rows or more are undecided.
        - "certified_accuracy": :func:`certified_accuracy_score`.
        - "median_certified_radius": the median of :func:`certified_radius`, where misclassified
          rows count 0.

        The last two prove instead of attacking. They are quick, and defined for the models that
        :func:`certified_radius` accepts.
    eps : float, default=0.5
        Size of the attack, in scaled units. The medians do not use it.
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
        Measure only so many rows of a fold, the same for every candidate, chosen as in
        :func:`robust_accuracy_score`; for the medians with the shares of the classes kept. "all",
        or None, takes every row. The repr of the scorer says which.
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
    pos_label : object, default=None
        The class of recall, precision and f1, as in :func:`robustness_score`.
    name : str or None, default=None
        What tables, displays and logs call the scorer, its ``__name__``; None makes it of metric,
        norm, eps and attack, such as "robust_accuracy_l2_eps0.5".

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None) -> float``, greater is better. With metadata
        routing it asks for sample weights after
        ``scorer.set_score_request(sample_weight=True)``, as the scorers of scikit-learn do.

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
        pos_label=pos_label,
        name=name,
    )


robust_accuracy = make_robust_scorer(eps=0.5)
# A text of its own. The attributes of a frozen object are set like this only.
object.__setattr__(
    robust_accuracy,
    "__doc__",
    """Scorer ``(estimator, X, y) -> float``: robust accuracy at distance 0.5.

The share of rows that are classified correctly and for which the black-box attack CGBA found no
adversarial row within 0.5 standard deviations (L2 norm of ``(X_adv - X) / std(X)``), among 100 of
the rows. Use it as ``scoring=robust_accuracy`` in a search, or call it. For another distance, norm,
attack, unit or number of rows, see :func:`make_robust_scorer`.
""",
)
