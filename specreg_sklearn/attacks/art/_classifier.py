"""A scikit-learn classifier as a model that ART's own classes accept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn._typing import Classifier
from specreg_sklearn.attacks.art._one_hot import OneHotPredictor
from specreg_sklearn.attacks.art._session import import_art
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import (
    CATEGORICAL,
    INTEGER,
    as_labels,
    check_estimator,
    check_names,
)


def as_art_classifier(
    estimator: Classifier,
    space: FeatureSpace | None = None,
    *,
    scores: bool = False,
    dtype: DTypeLike = np.float64,
) -> Any:
    """Wrap a fitted classifier for the Adversarial Robustness Toolbox (ART).

    ART's ``SklearnClassifier`` refuses pipelines, searches and most estimators, mixes up labels
    that are not 0, 1, 2, ..., and cannot predict from a frame. This wrapper asks nothing but
    ``predict``, so it takes whatever has that method.

    Parameters
    ----------
    estimator : object with a method predict and an attribute ``classes_``
        A fitted classifier, pipeline or search.
    space : FeatureSpace or None, default=None
        Gives the clip values and, if it was built from a frame, the names and whole-number columns
        of the frames that the estimator is asked with. Without a space there are no clip values:
        ART then uses the range of the rows it is given, so a row's result depends on the others.
        The names are then those that the estimator was fitted on, if it was fitted on a frame.
    scores : bool, default=False
        False: predictions are one-hot rows. True: they are those of ``predict_proba``, for attacks
        such as ``ZooAttack`` that look for a slope. Where the largest probability is not that of
        the predicted label, the two change places, so ``argmax`` is right either way.
    dtype : {numpy.float64, numpy.float32}, default=numpy.float64
        What real numbers are before the estimator sees them. ART itself computes in float32.

    Returns
    -------
    art.estimators.classification.BlackBoxClassifier
        Column k of its predictions belongs to ``classes_[k]``, which is set on it.
        ``classifier.predict_fn.rows(X)`` gives rows as the estimator sees them. It pickles as far
        as the estimator does. scikit-learn's ``clone`` does not take ART's classes: call this
        function again.

    Raises
    ------
    TypeError
        If the estimator is no classifier, has no ``classes_``, has no ``predict_proba`` although
        `scores` are wanted, or `space` is not a FeatureSpace.
    ValueError
        If the number of features is not known, the columns of `space` and estimator differ, a
        column holds no numbers, or a bound is infinite.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    ARTAttack : ART's attacks, from data as starts, verified, on frames of any columns.

    Notes
    -----
    **Units.** Rows and clip values are in the units of X. `space.scale` plays no part: distances
    inside ART weigh all columns alike, and its steps assume columns of similar range.

    **What is enforced.** Bounds are, by ART, as clip values: rounded to float32 towards the inside
    of the box. A column that has no room gets the least that float32 knows, since ART refuses a box
    of no width. Whole numbers are, in what the estimator is asked; ART's own rows still hold
    fractions, and ``predict_fn.rows`` rounds them. Immutable columns are not: ART's classifiers do
    not know the clean row. Some attacks can keep them, up to a rounding of float32, as in
    ``HopSkipJump(...).generate(X, mask=space.mutable)``. A `repair` is not called, and rules,
    groups and prices play no part. ``ZooAttack`` clips the *step* to the clip values, so it works
    only without a space.

    **Precision.** ART's attacks cast rows to float32. Columns with a large offset (values near a
    million, steps near a hundredth) lose it; :class:`ARTAttack` does not.

    **Speed.** ART asks in batches of its attack's `batch_size`, 64 by default. Larger is faster.

    References
    ----------
    Nicolae et al., "Adversarial Robustness Toolbox", arXiv:1807.01069.

    Examples
    --------
    >>> from art.attacks.evasion import HopSkipJump
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn.attacks import FeatureSpace, as_art_classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> names = load_iris().target_names[y]
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)
    >>> classifier = as_art_classifier(model, FeatureSpace.from_data(X))
    >>> classifier.predict(X[:2]).tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    >>> attack = HopSkipJump(classifier, max_iter=2, init_eval=20, batch_size=1024, verbose=False)
    >>> X_adv = attack.generate(X[:2])
    >>> found = classifier.classes_[classifier.predict(X_adv).argmax(axis=1)]
    >>> bool((found == model.predict(X_adv)).all())
    True
    """
    check_estimator(estimator)
    if space is not None and not isinstance(space, FeatureSpace):
        raise TypeError(f"space={type(space).__name__} is not a FeatureSpace or None.")
    if dtype not in (np.float64, np.float32, "float64", "float32"):
        raise ValueError(f"dtype={dtype!r} is not accepted; give np.float64 or np.float32.")
    classes = _classes(estimator)
    probabilities = getattr(estimator, "predict_proba", None) if scores else None
    if scores and not callable(probabilities):
        raise TypeError(
            f"scores=True needs predict_proba, which estimator={type(estimator).__name__} does not "
            "have."
        )
    fitted = getattr(estimator, "feature_names_in_", None)
    names = None if fitted is None else list(fitted)
    whole = None
    if space is not None:
        if names is not None and space.names is not None:
            check_names(space.names, names, "space", "the estimator was fitted on")
        names = space.names if names is None else names
        _check_numbers(space)
        whole = space.kinds == INTEGER
    n_features = _n_features(estimator, space)
    predict_fn = OneHotPredictor(
        estimator,
        classes,
        names=names,
        whole=whole,
        dtype=np.dtype(dtype),
        probabilities=probabilities,
    )
    classifier = import_art("art.estimators.classification").BlackBoxClassifier(
        predict_fn,
        input_shape=(n_features,),
        nb_classes=len(classes),
        clip_values=None if space is None else _clip_values(space),
        # ART's default subtracts 0, divides by 1 and casts to float32 on the way.
        preprocessing=None,
    )
    classifier.classes_ = classes
    return classifier


def _classes(estimator: Classifier) -> np.ndarray:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        if isinstance(estimator, BaseEstimator):
            check_is_fitted(estimator)
        raise TypeError(
            f"estimator={type(estimator).__name__} has no attribute classes_; a fitted classifier "
            "is needed."
        )
    return as_labels(classes, "estimator.classes_")


def _n_features(estimator: Classifier, space: FeatureSpace | None) -> int:
    known = getattr(estimator, "n_features_in_", None)
    if space is None:
        if known is None:
            raise ValueError(
                f"estimator={type(estimator).__name__} does not say how many features it takes (it "
                "has no n_features_in_); give a space."
            )
        return int(known)
    if known is not None and known != space.n_features:
        raise ValueError(
            f"The space has {space.n_features} columns, but the estimator was fitted on {known}."
        )
    return space.n_features


def _check_numbers(space: FeatureSpace) -> None:
    names = space.names if space.names is not None else list(range(space.n_features))
    other = [names[j] for j in np.flatnonzero(space.kinds == CATEGORICAL)]
    if other:
        raise ValueError(
            f"The columns {other} of the space are categorical, and ART passes nothing but numbers "
            "between bounds. ARTAttack attacks rows with such columns."
        )
    mobile = np.isinf(space.minimum) | np.isinf(space.maximum)
    unbounded = [names[j] for j in np.flatnonzero(mobile)]
    if unbounded:
        raise ValueError(
            f"The columns {unbounded} of the space have no bounds, and ART draws between them. "
            "Give finite bounds to FeatureSpace.from_data."
        )


def _clip_values(space: FeatureSpace) -> tuple[np.ndarray, np.ndarray]:
    """Return the box in float32: inside the space's where it has room, and never empty."""
    low, high = space.minimum.astype(np.float32), space.maximum.astype(np.float32)
    low = np.where(low < space.minimum, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > space.maximum, np.nextafter(high, np.float32(-np.inf)), high)
    empty = low >= high
    low[empty] = space.minimum[empty]
    high[empty] = np.nextafter(low[empty], np.float32(np.inf))
    return low, high
