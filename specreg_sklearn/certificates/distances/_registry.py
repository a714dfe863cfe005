"""Which proof knows the distances of which classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from inspect import getattr_static
from typing import Any, TypeVar

from scipy import sparse

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.distances._behind_steps import (
    WithSecondProof,
    prover_behind_steps,
)
from specreg_sklearn.certificates.distances._gaps import GapsProver
from specreg_sklearn.certificates.distances._lipschitz import LipschitzProver
from specreg_sklearn.certificates.distances._prover import DistanceProver
from specreg_sklearn.certificates.distances._swaps import SwapsProver
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    has_stages,
    name_of_step,
    split_pipeline,
)
from specreg_sklearn.tables import check_estimator, dispatches_to

Factory = Callable[[Any, Any], DistanceProver]
F = TypeVar("F", bound=Callable[..., Any])

# Folders whose `__init__` registers provers as it is imported. They stand above this one; a folder
# that is added here is asked as well. Classes are named by strings there, so that nothing loads.
_PROVER_FOLDERS = (
    "specreg_sklearn.certificates.trees",
    "specreg_sklearn.certificates.linear",
    "specreg_sklearn.certificates.neighbours",
    "specreg_sklearn.certificates.quadratic",
    "specreg_sklearn.certificates.kernels",
    "specreg_sklearn.certificates.composed",
    "specreg_sklearn.certificates.rising_steps",
)
# The same for proofs about models whose steps are read as stages, which loads torch.
_CONSTANTS_FOLDERS = (
    "specreg_sklearn.certificates.gradients",
    "specreg_sklearn.certificates.relaxations",
)
# Proofs whose account of rounding holds for any order of sums; sparse rows are summed in their own.
_ON_SPARSE_ROWS = ("linear", "lipschitz")
# A subclass with its own version of one of these decides otherwise than its parent does.
_MEANING = ("predict", "predict_proba", "decision_function")

_PROVABLE = (
    "Accepted are trees, forests and boosting of scikit-learn, XGBoost, LightGBM and CatBoost; "
    "linear classifiers and RobustLinearProbe; MLPClassifier and the networks of this package; "
    "nearest neighbours and NearestCentroid; SVC, NuSVC and Gaussian processes with usual kernels; "
    "naive Bayes and discriminant analysis; and votes, bagging, boosting, stacking, calibration, "
    "thresholds, one-vs-one and one-vs-rest of these. They may stand alone, in pipelines or in "
    "searches. register_distance_prover adds proofs, register_certified_step Lipschitz constants"
)

_by_class: dict[str, Factory] = {}
_by_question: list[tuple[Callable[[Any], bool], Factory]] = []
_before_constants: list[Callable[[LipschitzProver], DistanceProver]] = []


def register_distance_prover(
    kind: type | str | Callable[[Any], bool], *others: type | str | Callable[[Any], bool]
) -> Callable[[F], F]:
    """Teach the certificates how to prove distances for a class of classifiers.

    Parameters
    ----------
    kind, *others : type, str or callable
        Classes of fitted classifiers, or where they are defined, as in
        "sklearn.naive_bayes.GaussianNB", which needs no import; subclasses are served, too, unless
        they predict in their own way. Or a function that says of a fitted classifier whether it is
        served; such proofs are asked before those of classes.

    Returns
    -------
    callable
        A decorator for a function ``factory(estimator, X) -> DistanceProver``, which returns it
        unchanged. `estimator` is the whole model, searches and pipelines around the classifier
        included, and `X` holds rows such as those that distances are wanted for. It raises
        :class:`NoCertificateError` with the reason where it has no proof, and other proofs are
        asked then.

    Examples
    --------
    A model with one threshold in its first column, of which everything is known.

    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, ClassifierMixin
    >>> from specreg_sklearn.certificates import (
    ...     DistanceBounds,
    ...     distance_prover,
    ...     register_distance_prover,
    ... )
    >>> from specreg_sklearn.space import FeatureSpace
    >>> class Above(ClassifierMixin, BaseEstimator):
    ...     def fit(self, X, y):
    ...         self.classes_, self.cut_ = np.unique(y), np.mean(X[:, 0])
    ...         return self
    ...     def predict(self, X):
    ...         return self.classes_[(X[:, 0] > self.cut_).astype(int)]
    >>> class CutProver:
    ...     name, norms = "cut", (1, 2, np.inf)
    ...     def __init__(self, model):
    ...         self.cut = model.cut_
    ...     def bounds(self, rows, *, norm, **options):
    ...         first = np.flatnonzero(rows.columns == 0)[0]
    ...         lower = np.abs(rows.raw[:, first] - self.cut) / rows.scale[first] * (1 - 1e-9)
    ...         nothing = np.full(lower.shape, np.inf)
    ...         no_rows = np.full(rows.raw.shape, np.nan)
    ...         open_, n_nodes = np.zeros(len(rows), bool), np.zeros(len(rows), int)
    ...         return DistanceBounds(lower, nothing, no_rows, open_, n_nodes)
    >>> @register_distance_prover(Above)
    ... def prove_above(estimator, X):
    ...     return CutProver(estimator)
    >>> X = np.array([[0.0, 5.0], [1.0, 7.0], [5.0, 6.0]])
    >>> prover = distance_prover(Above().fit(X, [0, 0, 1]), X)
    >>> rows = FeatureSpace.from_data(X, scale=None).bind(X)
    >>> prover.bounds(rows, norm=2).lower.round(6)
    array([2., 1., 3.])
    """

    def register(factory: F) -> F:
        for each in (kind, *others):
            if isinstance(each, type):
                _by_class[_full_name(each)] = factory
            elif isinstance(each, str):
                _by_class[each] = factory
            elif callable(each):
                _by_question.append((each, factory))
            else:
                raise TypeError(
                    f"{each!r} is not a class, the full name of one, or a function that says "
                    "whether an estimator is served."
                )
        return factory

    return register


def distance_prover(estimator: Classifier, X: Any, *, constants: bool = True) -> DistanceProver:
    """Return a proof of the distances of a fitted classifier.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier, alone, in a search, or at the end of a pipeline.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows such as those that distances are wanted for.
    constants : bool, default=True
        Whether Lipschitz constants are taken where no other proof is known, which loads torch.

    Returns
    -------
    DistanceProver
        The first one that accepts the model. Where a space swaps categories, it is asked about the
        numbers of a row with each set of swaps made, up to 256 of them.

    Raises
    ------
    NoCertificateError
        If there is none; the message says of each one why.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from specreg_sklearn.certificates import distance_prover
    >>> from specreg_sklearn.space import FeatureSpace
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> prover = distance_prover(model, X)
    >>> prover.name, prover.norms
    ('trees', (0, 1, 2, inf))
    >>> rows = FeatureSpace.from_data(X, scale=None).bind(X[:5])
    >>> bool(prover.bounds(rows, norm=2).closed.all())
    True
    """
    check_estimator(estimator)
    if dispatches_to(X):
        raise NoCertificateError(
            f"{type(estimator).__name__} has no certificate for arrays of another library: X is a "
            f"{type(X).__module__}.{type(X).__qualname__}, and proofs read models that were fitted "
            "on numpy arrays. Fit on such arrays, and prove on them."
        )
    prover = _first_prover(estimator, X, constants=constants)
    if sparse.issparse(X) and prover.name not in _ON_SPARSE_ROWS:
        raise NoCertificateError(
            f"{type(estimator).__name__} has no certificate for sparse rows, on which it may "
            "compute in another way than on dense ones; linear classifiers have one. If it takes "
            "dense rows, prove on X.toarray()."
        )
    return prover


def _first_prover(estimator: Classifier, X: Any, *, constants: bool) -> DistanceProver:
    steps, _ = split_pipeline(estimator)
    try:
        prover = _prover_of_whole(estimator, X, constants=constants)
        if steps:
            prover = WithSecondProof(prover, estimator, X, constants)
    except NoCertificateError as reason:
        prover = prover_behind_steps(estimator, X, constants, reason)
    # Swaps come first: gaps are those of the numbers of rows with the swaps made.
    return SwapsProver(GapsProver(prover, estimator), estimator)


def _prover_of_whole(estimator: Classifier, X: Any, *, constants: bool) -> DistanceProver:
    _, last = split_pipeline(estimator)
    place = name_of_step(estimator, last)
    reasons: list[str] = []
    for factory in _factories(last, place, reasons):
        try:
            return factory(estimator, X)
        except NoCertificateError as error:
            reason = str(error)
            # Steps in front of it are named as they are read.
            about_last = reason.startswith(type(last).__name__)
            reasons.append(f"{place}{reason}" if about_last else reason)
    if not reasons and not constants:
        reasons.append(
            f"{place}{type(last).__name__} has no certificate: no proof is registered for it."
        )
    elif not reasons and not has_stages(last):
        reasons.append(
            f"{place}{type(last).__name__} has no certificate: no proof is known for it. "
            f"{_PROVABLE}."
        )
    elif constants:
        try:
            return constants_prover(estimator)
        except NoCertificateError as error:
            reasons.append(str(error))
    raise NoCertificateError("\n".join(dict.fromkeys(reasons)))


def register_constants_prover(better: F) -> F:
    """Add a proof for models of which Lipschitz constants are known.

    It goes before these, and before proofs that were added sooner.
    It is a function from the :class:`LipschitzProver` of a model to a prover, and raises
    :class:`NoCertificateError` where it has none.
    """
    _before_constants.append(better)
    return better


def constants_prover(estimator: Classifier) -> DistanceProver:
    """Return the best proof about the stages of a model, or raise :class:`NoCertificateError`."""
    for folder in _CONSTANTS_FOLDERS:
        import_module(folder)
    constants = LipschitzProver(estimator)
    for better in reversed(_before_constants):
        with suppress(NoCertificateError):
            return better(constants)
    return constants


def _factories(last: object, place: str, reasons: list[str]) -> Iterator[Factory]:
    """Yield what may prove distances of a classifier; reasons why not are appended."""
    for folder in _PROVER_FOLDERS:
        import_module(folder)
    for serves, factory in _by_question:
        if serves(last):
            yield factory
    for home in type(last).__mro__:
        known = _by_class.get(_full_name(home))
        if known is None:
            continue
        changed = _overridden(last, home)
        if changed is None:
            yield known
        else:
            reasons.append(
                f"{place}{type(last).__name__} has no certificate: it overrides {changed} of "
                f"{home.__name__}, so proofs about {home.__name__} say nothing about it. Add a "
                "proof of its own with register_distance_prover."
            )
        return


def _overridden(estimator: object, home: type) -> str | None:
    """Return a method that decides labels and is not that of the class the proof is made for."""
    for method in _MEANING:
        mine, theirs = (getattr_static(kind, method, None) for kind in (type(estimator), home))
        if mine is not theirs or method in getattr(estimator, "__dict__", ()):
            return method
    return None


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
