"""Certified radii: how far a row can move and provably keep its label."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier

from specreg_sklearn._typing import (
    Classifier,
    Eps,
    FloatArray,
    MaxSamples,
    RandomState,
    Scale,
    Sizes,
)
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES, lower_bounds
from specreg_sklearn.certificates.pipelines import classifier_stages, transformer_stages
from specreg_sklearn.metrics.measurement import (
    Measurement,
    bound_rows,
    certified_shares,
    demanded_proof,
    read_eps,
)
from specreg_sklearn.space import NORMS, FeatureSpace, check_norm
from specreg_sklearn.tables import DEFAULT_MAX_SAMPLES, check_positive_int


def certified_radius(
    estimator: Classifier,
    X: Any,
    *,
    norm: float = 2,
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_nodes: int = DEFAULT_MAX_NODES,
    n_jobs: int | None = None,
) -> FloatArray:
    """Distance within which no row has another predicted label, proved.

    A lower bound of the distance from each row to the nearest row that the model gives another
    label than this one; for most rows of trees it is the distance itself. It is about the predicted
    label, right or wrong: :func:`certified_accuracy_score` asks whether it is right, too.

    Parameters
    ----------
    estimator : object with a method predict
        A fitted classifier, pipeline or search. Trees and ensembles of trees are searched, and so
        is what :func:`~specreg_sklearn.certificates.register_distance_prover` adds, with steps in
        front that map each column by itself. Of other models all steps need certificates: scalers,
        linear projections, column selections, linear classifiers, ``MLPClassifier``,
        :class:`~specreg_sklearn.SpectrallyRegularizedEncoder`,
        :class:`~specreg_sklearn.RobustLinearProbe`, and what :func:`register_certified_step` adds.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows in the columns that the estimator expects. For Lipschitz constants they are numbers
        without gaps; a gap that trees accept stays a gap.
    norm : {0, 1, 2, inf}, default=2
        The norm of ``(X_moved - X) / scale``; 0, the number of columns that change, for trees.
        Exact dual norms where the whole model is affine, and in the linear relaxation of networks.
        Lipschitz constants of networks are those of L2, and the other norms follow from them: a row
        at Linf distance r is at most r times the root of the number of movable columns away in L2,
        and L1 distances are never below L2 distances.
    space : FeatureSpace or None, default=None
        Which columns can move and in which units. Columns that cannot move make radii larger. The
        search of trees uses bounds and whole numbers, too, and refuses a repair; exact distances of
        other classifiers use bounds. Lipschitz constants use none of them, and radii hold with
        them. None makes one of `X` with units by `scale`.
    scale : "std", "range", None, float or array of shape (n_features,), default="std"
        Units of the distance, when there is no `space`: those of :func:`adversarial_distances`, so
        that the two stand side by side. "std" and "range" are those of the rows in `X`; columns
        that do not vary there have no unit and are taken not to move. All others can move without
        bounds.
    max_nodes : int, default=5000
        How many nodes a search looks at for a row. The more, the more radii are exact. A node of a
        fully connected network, a set of signs of its neurons, counts as five, in L2 and in large
        networks as more; networks of other layers or activations have no search.
    n_jobs : int or None, default=None
        Workers of joblib, for a search.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Radii. 0 at ties and where nothing is proved, ``inf`` where no move changes the label.

    Raises
    ------
    TypeError
        If the model, or a step, has no certificate; the message names it.
    ValueError
        If a parameter is not accepted, or the proof does not know the norm, or `X` holds NaN that
        it cannot take, or its columns are not those of the model, in the order of fit.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    adversarial_band : Both ends, with the rows that show the upper one.
    adversarial_distances : Upper bounds of the same distances, by an attack.
    certified_accuracy_score : Share of rows that are right and certified.

    Notes
    -----
    With scores f and the predicted class y, the radius is the smallest of
    ``(f_y - f_j) / L_yj`` over the other classes j, where ``L_yj`` is a proved Lipschitz constant
    of the difference of the two scores. Scalers and other affine steps are folded into the first
    layer, so no looseness comes from them. Of a sequence of dense layers with ReLU it is the larger
    one of that and of what linear relaxations prove, with branch and bound on signs of neurons.

    The claim is about ``estimator.predict`` as it computes, on rows in the dtype of `X`: no such
    row nearer than the radius has another label. Scores are computed here in float64, and the
    margin is lowered by what rounding may have added, here and in the estimator. For the latter
    each step counts in its own type, float32 if `X` or a fitted number of the step is float32, and
    on rows as far away as the radius. That costs little unless columns are far from zero in units
    of their spread, or a float32 network is deep: centre and scale the columns, or fit in float64.

    A frame must have its columns in the order of fit, as far as any part of the model has a record
    of them. Models that compute in float16 or bfloat16 have no certificate.

    References
    ----------
    Tsuzuku, Sato, Sugiyama, "Lipschitz-margin training: scalable certification of perturbation
    invariance for deep neural networks", NeurIPS 2018, for margins over Lipschitz constants. Xu,
    Sivaranjani, "ECLipsE", NeurIPS 2024, for the constants of networks. Zhang, Weng, Chen, Hsieh,
    Daniel, "Efficient neural network robustness certification with general activation functions",
    NeurIPS 2018, and Wang et al., "Beta-CROWN", NeurIPS 2021, for relaxations.

    Examples
    --------
    For a linear model the radius is the exact distance to the boundary.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn.metrics import certified_radius
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = LogisticRegression().fit(X, y)
    >>> exact = np.abs(model.decision_function(X)) / np.linalg.norm(model.coef_)
    >>> bool(np.allclose(certified_radius(model, X), exact, rtol=1e-6))
    True

    For trees it is the exact distance, as far as `max_nodes` reach.

    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> trees = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> certified_radius(trees, X, norm=np.inf)[:3].round(3)
    array([...])
    """
    norm = check_norm(norm, NORMS, "certified_radius")
    check_positive_int(max_nodes, "max_nodes")
    prover = demanded_proof(estimator, X, norm, "certified_radius")
    rows = bound_rows(estimator, X, _radius_space(space, X, scale))
    return lower_bounds(prover, rows, norm=norm, max_nodes=max_nodes, n_jobs=n_jobs)


class CertifiedOptions(TypedDict, total=False):
    """The options of a score that is proved, for its overloads."""

    norm: float
    space: FeatureSpace | None
    scale: Scale
    sample_weight: ArrayLike | None
    max_samples: MaxSamples
    random_state: RandomState
    n_jobs: int | None
    max_nodes: int


@overload
def certified_accuracy_score(
    estimator: Classifier, X: Any, y: Any, *, eps: float, **options: Unpack[CertifiedOptions]
) -> float: ...


@overload
def certified_accuracy_score(
    estimator: Classifier, X: Any, y: Any, *, eps: Sizes, **options: Unpack[CertifiedOptions]
) -> FloatArray: ...


def certified_accuracy_score(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    sample_weight: ArrayLike | None = None,
    norm: float = 2,
    space: FeatureSpace | None = None,
    scale: Scale = "std",
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> float | FloatArray:
    """Share of rows that are classified correctly and provably stay so within `eps`.

    A lower bound of the true robust accuracy, while :func:`robust_accuracy_score` is an upper
    bound: with the same arguments the truth lies between the two.

    Parameters
    ----------
    estimator, X
        As in :func:`certified_radius`.
    y : array-like of shape (n_samples,)
        True labels.
    eps : float or array-like of shape (n_eps,)
        Size of the moves, in the norm of ``(X_moved - X) / scale``. Several values, in increasing
        order, give a curve.
    sample_weight : array-like of shape (n_samples,), default=None
        What each row counts.
    norm : {0, 1, 2, inf}, default=2
        The norm; 0 for trees.
    space : FeatureSpace or None, default=None
        As in :func:`robust_accuracy_score`: None means every numeric column that varies in `X`,
        within its range there, with units by `scale`.
    scale, max_samples, random_state
        As in :func:`robust_accuracy_score`, which measures the same rows: 100 of them unless
        `max_samples` says otherwise.
    n_jobs, max_nodes
        As in :func:`certified_radius`.

    Returns
    -------
    float or ndarray of shape (n_eps,)
        The score, or one per entry of `eps`. At ``eps=0`` it is the accuracy on the
        measured rows.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`certified_radius`, and if `y` or `eps` is not accepted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.metrics import certified_accuracy_score, robust_accuracy_score
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> low = certified_accuracy_score(model, X, y, eps=[0.1, 0.3], max_samples=20)
    >>> high = robust_accuracy_score(model, X, y, eps=[0.1, 0.3], max_samples=20)
    >>> bool((low <= high).all())
    True
    """
    grid, several = read_eps(eps)
    measurement = Measurement(
        norm,
        space=space,
        scale=scale,
        max_samples=max_samples,
        random_state=random_state,
        n_jobs=n_jobs,
        max_nodes=max_nodes,
    )
    scores = certified_shares(estimator, X, y, grid, measurement, sample_weight=sample_weight)
    return scores if several else float(scores[0])


def lipschitz_bound(estimator: object, *, input_shape: tuple[int, ...] | None = None) -> float:
    """Certified upper bound of a model's Lipschitz constant, L2 in and L2 out.

    Parameters
    ----------
    estimator : estimator, Pipeline or torch.nn.Module
        Fitted. Of a classifier the scores are bounded (`decision_function`; for two classes and one
        score, that score), of a transformer what `transform` returns, of a module its output, in
        eval mode whatever mode it is in.
    input_shape : tuple of int, default=None
        Shape of one sample, needed for modules that do not start with a linear layer.

    Returns
    -------
    float
        A number L with ``||f(a) - f(b)||_2 <= L * ||a - b||_2`` for all rows `a` and `b` in the
        units of the input.

    Raises
    ------
    TypeError
        If a step or layer has no Lipschitz constant; the message names it.
    ValueError
        If `input_shape` is missing, or weights are NaN or infinite.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.metrics import lipschitz_bound
    >>> layer = torch.nn.Linear(2, 2)
    >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> round(lipschitz_bound(torch.nn.Sequential(layer, torch.nn.ReLU())), 6)
    4.0
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(estimator, torch.nn.Module):
        from specreg_sklearn.certificates.networks import input_shape_of, module_lipschitz_bound

        return float(module_lipschitz_bound(estimator, input_shape_of(estimator, input_shape)))
    if input_shape is not None:
        raise ValueError(
            f"input_shape={input_shape!r} is for torch modules; a fitted "
            f"{type(estimator).__name__} knows its own."
        )
    from specreg_sklearn.certificates.bounds import CertifiedMap
    from specreg_sklearn.certificates.stages import product_bound

    scores = not isinstance(estimator, type) and hasattr(estimator, "fit")
    scores = scores and is_classifier(estimator)
    stages = classifier_stages(estimator) if scores else transformer_stages(estimator)
    if all(stage.n_outputs is None for stage in stages):
        # Nothing but functions of single cells, of any number of them.
        return product_bound(stages)
    return float(CertifiedMap(stages).lipschitz())


def _radius_space(space: FeatureSpace | None, X: Any, scale: Scale) -> FeatureSpace:
    if space is None and not isinstance(scale, (str, Mapping)):
        return FeatureSpace.from_data(X, bounds=None, scale=scale)
    given = Measurement(space=space, scale=scale).space_of(X)
    if space is not None:
        return given
    # A few rows span a small box, within which every label may be safe: a radius that holds there
    # alone says nothing of the rows outside.
    moves = np.zeros(given.n_features, dtype=bool)
    moves[given.movable] = True
    low, high = (np.where(moves, end, 0.0) for end in (-np.inf, np.inf))
    return replace(given, mutable=moves, minimum=low, maximum=high)
