"""Which reader writes down the trees of which class."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import getattr_static
from typing import Any, TypeVar

from sklearn.utils.validation import check_is_fitted

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees.readers._tree_sum import TreeSum

Reader = Callable[[Any], TreeSum]
R = TypeVar("R", bound=Callable[..., Any])

_READER_MODULES = (
    "_sklearn_trees",
    "_hist_gradient_boosting",
    "_xgboost",
    "_lightgbm",
    "_catboost",
    "_naive_bayes",
    "_composed",
)
# A subclass with its own version of one of these decides otherwise than the class that is read.
_MEANING = ("predict", "predict_proba", "decision_function", "_raw_predict")

_readers: dict[str, Reader] = {}


def register_tree_reader(kind: type | str, *others: type | str) -> Callable[[R], R]:
    """Teach the certificates how to read the trees of another library.

    Parameters
    ----------
    kind, *others : type or str
        Classes of fitted models, or where they are defined, as in "xgboost.sklearn.XGBClassifier",
        which needs no import. Subclasses are read, too, unless they predict in their own way.

    Returns
    -------
    callable
        A decorator for a function ``reader(estimator) -> TreeSum``, which returns it unchanged.
    """

    def register(reader: R) -> R:
        for each in (kind, *others):
            _readers[each if isinstance(each, str) else _full_name(each)] = reader
        return reader

    return register


def read_trees(estimator: Classifier) -> TreeSum:
    """Return the trees of a fitted classifier.

    Raises
    ------
    NoCertificateError
        If no reader knows the class, or it predicts in its own way, or its settings are not
        covered.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    found = _reader_of(estimator)
    if found is None:
        raise NoCertificateError(
            f"{type(estimator).__name__} is not a classifier made of trees that can be read. "
            "Accepted are the trees and ensembles of trees of scikit-learn, XGBClassifier, "
            "LGBMClassifier and CatBoostClassifier; register_tree_reader adds others."
        )
    home, reader = found
    for method in _MEANING:
        mine, theirs = (getattr_static(kind, method, None) for kind in (type(estimator), home))
        if mine is not theirs or method in getattr(estimator, "__dict__", ()):
            raise NoCertificateError(
                f"{type(estimator).__name__} has no certificate: it overrides {method} of "
                f"{home.__name__}, whose trees decide otherwise. Add a reader for it with "
                "register_tree_reader."
            )
    check_is_fitted(estimator)
    return reader(estimator)


def has_tree_reader(estimator: object) -> bool:
    """Return whether some reader knows the class of an estimator."""
    return _reader_of(estimator) is not None


def _reader_of(estimator: object) -> tuple[type, Reader] | None:
    for module in _READER_MODULES:
        import_module(f"specreg_sklearn.certificates.trees.readers.{module}")
    for home in type(estimator).__mro__:
        reader = _readers.get(_full_name(home))
        if reader is not None:
            return home, reader
    return None


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
