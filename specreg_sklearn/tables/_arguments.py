"""Checks of what a user passes to an attack."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from specreg_sklearn.tables._column_checks import check_names
from specreg_sklearn.tables._frames import Table

# What to turn to where an attack does not know a norm.
_ATTACK_OF_NORM = ((2, "CGBA"), (np.inf, "RayS"))


def check_estimator(estimator: Any) -> None:
    """Raise TypeError unless the estimator can be asked for class labels."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise TypeError(f"estimator={estimator.__name__} is a class; pass a fitted instance.")
    if not callable(getattr(estimator, "predict", None)):
        raise TypeError(f"estimator={name} has no method predict; a fitted classifier is needed.")
    if isinstance(estimator, BaseEstimator) and is_regressor(estimator):
        raise TypeError(f"estimator={name} is a regressor; attacks need a classifier.")


def check_fitted_columns(estimator: Any, table: Table) -> None:
    """Raise ValueError if a frame's columns are not in the order the estimator was fitted on."""
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None or table.names is None:
        return
    fitted = list(fitted)
    # Columns the estimator never saw are its own business: a ColumnTransformer drops them.
    given = [c for c in table.names if c in fitted]
    check_names(given, fitted, "X", "the estimator was fitted on")


def check_eps(eps: Any, *, parameter: str = "eps") -> float:
    """Return a distance threshold as a float."""
    if isinstance(eps, (bool, np.bool_)) or not isinstance(eps, (Real, np.number)):
        raise ValueError(f"{parameter}={eps!r} is not a number; accepted: numbers >= 0.")
    value = float(eps)
    # Written so that NaN fails too.
    if not value >= 0:
        raise ValueError(f"{parameter}={eps!r} is not a distance; accepted: numbers >= 0.")
    return value


def check_norm(norm: Any, supported: tuple[float, ...], owner: str) -> float:
    """Return the norm if the attack supports it."""
    accepted = [n for n in supported if not isinstance(norm, (str, bool)) and norm == n]
    if not accepted:
        names = " or ".join("np.inf" if n == np.inf else str(n) for n in supported)
        other = [name for n, name in _ATTACK_OF_NORM if not isinstance(norm, str) and n == norm]
        hint = f" For norm={norm!r} use {other[0]}." if other else ""
        raise ValueError(f"norm={norm!r} is not supported by {owner}; accepted: {names}.{hint}")
    return accepted[0]


def check_positive_int(value: Any, parameter: str, *, least: int = 1) -> int:
    """Return a count that is not below `least`."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or int(value) < least:
        raise ValueError(f"{parameter}={value!r} is not accepted; give an integer >= {least}.")
    return int(value)


def check_starts(starts: Any) -> None:
    """Raise unless `starts` is a known word or rows."""
    if isinstance(starts, str) and starts not in ("data", "uniform"):
        raise ValueError(f"starts={starts!r} is not 'data', 'uniform' or an array of rows.")
    if starts is None or isinstance(starts, (bool, Real)):
        raise ValueError(f"starts={starts!r} is not 'data', 'uniform' or an array of rows.")


def check_seed(random_state: Any) -> int:
    """Reduce `random_state` to one integer, without touching numpy's global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31 - 1))
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        if int(random_state) >= 0:
            return int(random_state)
    raise ValueError(
        f"random_state={random_state!r} is not accepted; give None, an integer >= 0, a RandomState "
        "or a Generator."
    )
