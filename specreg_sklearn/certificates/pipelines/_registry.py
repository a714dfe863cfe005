"""From a fitted estimator to the stages of a proof: by its own method, or by a registered rule.

Both turn a fitted step into stages: affine maps, elementwise functions, torch graphs. Classes that
define ``__certified_stages__`` speak for themselves; rules are for those that do not. The rules for
scikit-learn are in modules that need torch, and are loaded when the first certificate is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    TRANSFORMER,
    NoCertificateError,
    Role,
)

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages import Stage

    Rule = Callable[[Any], list[Stage]]

R = TypeVar("R", bound=Callable[..., Any])

_METHOD = "__certified_stages__"
_RULE_MODULES = ("_transformers", "_classifiers", "_linear_members", "_composites")

# A subclass that brings its own version of one of these is another function, which the stages of
# its parent say nothing about.
_MEANING = {
    TRANSFORMER: ("transform",),
    CLASSIFIER: ("predict", "decision_function", "_logits"),
}

_ACCEPTED = {
    TRANSFORMER: "Accepted are scalers, linear projections, column selections, FunctionTransformer "
    "with a StatedLipschitz function and the encoders of this package, alone, in pipelines or in "
    "searches; __certified_stages__ and register_certified_step add others. Distances are proved "
    "behind QuantileTransformer, PowerTransformer, KBinsDiscretizer(encode='ordinal') and rising "
    "functions such as numpy.log1p as well, and behind any step whose columns do not move",
    CLASSIFIER: "Accepted are linear classifiers, MLPClassifier, SpectrallyRegularizedEncoder and "
    "RobustLinearProbe, alone, in pipelines or in searches; __certified_stages__ and "
    "register_certified_step add others",
}

_rules: dict[str, dict[type, Rule]] = {TRANSFORMER: {}, CLASSIFIER: {}}


def register_certified_step(
    kind: type, *others: type, role: Role = TRANSFORMER
) -> Callable[[R], R]:
    """Teach the certificates kinds of pipeline steps that are not yours.

    A class of your own rather defines ``__certified_stages__``, as :class:`CertifiedEstimator`
    says.

    Parameters
    ----------
    kind, *others : type
        Classes of steps. The rule also serves their subclasses, unless these override the methods
        that the rule describes (`transform`; `predict` and `decision_function`), or have a rule or
        ``__certified_stages__`` of their own. It goes before that method of the class itself.
    role : {"transformer", "classifier"}, default="transformer"
        What the rule describes: `transform`, or the scores that `predict` takes the largest of.

    Returns
    -------
    callable
        A decorator for a function ``rule(step) -> list of stages``, which returns it unchanged.

        Stages apply one after the other to rows in float64: ``Affine(weight, bias)``,
        ``Elementwise(name)``, ``TorchGraph(module, input_shape)``, or an own subclass of ``Stage``,
        all of :mod:`specreg_sklearn.certificates`. Those of a classifier end in one column per
        class, in the order of ``classes_``, or in a single column that is positive for
        ``classes_[1]``.

    Raises
    ------
    TypeError
        If a kind is not a class.
    ValueError
        If `role` is unknown.

    Notes
    -----
    A rule is a claim on which proofs rest: the stages must be the function that the step computes.
    Raise a ``TypeError`` for settings it does not cover. The step given is fitted.

    See Also
    --------
    CertifiedEstimator : The method for classes of your own.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import FastICA
    >>> from specreg_sklearn.certificates import Affine
    >>> from specreg_sklearn.metrics import lipschitz_bound, register_certified_step
    >>> @register_certified_step(FastICA)
    ... def fast_ica_stages(step):
    ...     return [Affine(np.ones_like(step.mean_), -step.mean_), Affine(step.components_)]
    >>> step = FastICA(2, random_state=0).fit(load_iris().data)
    >>> bool(np.isclose(lipschitz_bound(step), np.linalg.norm(step.components_, 2)))
    True
    """
    kinds = (kind, *others)
    for each in kinds:
        if not isinstance(each, type):
            raise TypeError(f"kind={each!r} is not a class; give the class of the step.")
    if role not in _rules:
        raise ValueError(f"role={role!r} is not one of {sorted(_rules)}.")

    def register(rule: R) -> R:
        _rules[role].update(dict.fromkeys(kinds, rule))
        return rule

    return register


def transformer_stages(step: object) -> list[Stage]:
    """Return the stages of a fitted transformer's `transform`.

    Parameters
    ----------
    step : estimator
        A fitted transformer with a rule or stages of its own, or a pipeline of such.

    Returns
    -------
    list of Stage
        They apply one after the other; an empty list passes rows on.

    Raises
    ------
    NoCertificateError
        If the step, or a part of it, has no certificate; the message names it.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    return _stages(step, TRANSFORMER)


def classifier_stages(step: object) -> list[Stage]:
    """Return stages that end in the scores a fitted classifier decides by.

    Parameters
    ----------
    step : estimator
        A fitted classifier with a rule or stages of its own, or a pipeline or search of such.

    Returns
    -------
    list of Stage
        They apply one after the other. The last one has one column per class, or a single one for
        two classes.

    Raises
    ------
    NoCertificateError
        If the step, or a part of it, has no certificate; the message names it.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    return _stages(step, CLASSIFIER)


def named_stages(name: str, step: object, role: Role) -> list[Stage]:
    """Return the stages of a part, and name it if it has none."""
    try:
        return _stages(step, role)
    except TypeError as error:
        raise NoCertificateError(f"step {name!r}: {error}") from error


def best_of_search(search: GridSearchCV | RandomizedSearchCV) -> Any:
    """Return the model that a search has chosen and refitted."""
    if not hasattr(search, "best_estimator_"):
        raise NoCertificateError(
            f"{type(search).__name__}(refit=False) has no certificate: it holds no fitted model. "
            "Set refit."
        )
    return search.best_estimator_


def _stages(step: object, role: Role) -> list[Stage]:
    if isinstance(step, type):
        raise TypeError(f"estimator={step.__name__} is a class; pass a fitted instance.")
    _load_rules()
    home = _home_of_stages(type(step), role)
    if home is None:
        raise NoCertificateError(
            f"{type(step).__name__} has no certificate: no Lipschitz constant is known for it. "
            f"{_ACCEPTED[role]}."
        )
    # A pipeline's steps are checked one by one.
    if hasattr(step, "fit") and not isinstance(step, Pipeline):
        check_is_fitted(step)
    _check_not_overridden(step, role, home)
    rule = _rules[role].get(home)
    stages = list(getattr(home, _METHOD)(step, role) if rule is None else rule(step))
    return _with_precision(stages, step, role)


def _with_precision(stages: list[Stage], step: object, role: Role) -> list[Stage]:
    """Let the stages know how coarsely the step computes; those of steps inside know already."""
    # It needs torch, as do the rules.
    from specreg_sklearn.certificates.pipelines._fitted_precision import fitted_precision

    unknown = [stage for stage in stages if stage.precision is None]
    if unknown:
        precision = fitted_precision(step, scores=role == CLASSIFIER)
        for stage in unknown:
            object.__setattr__(stage, "precision", precision)  # frozen ones, too
    return stages


def has_stages(classifier: object) -> bool:
    """Return whether a rule or the method says what the stages of a classifier are."""
    _load_rules()
    return _home_of_stages(type(classifier), CLASSIFIER) is not None


def _load_rules() -> None:
    for module in _RULE_MODULES:
        import_module(f"specreg_sklearn.certificates.pipelines.{module}")


def _home_of_stages(kind: type, role: Role) -> type | None:
    """Return the nearest class in the order of inheritance that has a rule or the method."""
    for home in kind.__mro__:
        if home in _rules[role] or vars(home).get(_METHOD) is not None:
            return home
        if _METHOD in vars(home):  # None takes it away, as Python does with __hash__
            break
    return None


def _check_not_overridden(step: object, role: Role, home: type) -> None:
    """Raise if the step changed the meaning of what the stages of a class were written for."""
    for method in _MEANING[role]:
        mine, theirs = (getattr_static(kind, method, None) for kind in (type(step), home))
        if mine is not theirs or method in getattr(step, "__dict__", ()):
            raise NoCertificateError(
                f"{type(step).__name__} has no certificate: it overrides {method} of "
                f"{home.__name__}, so the stages of {home.__name__} do not describe it. Define "
                f"{_METHOD}, or add a rule with register_certified_step."
            )
