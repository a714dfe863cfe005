"""Checks of single settings: numbers, distances, counts, flags, names, seeds."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Literal

import numpy as np

from specreg_sklearn._typing import FloatArray, RandomState


def check_number(
    name: str,
    value: object,
    low: float,
    high: float = math.inf,
    *,
    closed: Literal["left", "right", "both", "neither"] = "left",
    accepted: str | None = None,
) -> None:
    """Raise ValueError unless `value` is a finite real number within limits.

    `closed` says which limit is itself accepted, and `accepted` in words what is; by default the
    message speaks of `low` alone.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        above = number > low or (number == low and closed in ("left", "both"))
        below = number < high or (number == high and closed in ("right", "both"))
        if above and below:
            return
    if accepted is None:
        accepted = f"a finite number {'of at least' if closed == 'left' else 'above'} {low:g}"
    raise ValueError(f"{name}={value!r} must be {accepted}.")


def check_share(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a real number in [0, 1]."""
    check_number(name, value, 0, 1, closed="both", accepted="a number from 0 to 1")


def check_count(
    name: str,
    value: object,
    *,
    otherwise: tuple[str | None, ...] = (),
    accepted: str | None = None,
    owner: str | None = None,
) -> None:
    """Raise ValueError unless `value` is a positive integer, or one of `otherwise`.

    `accepted` says in words what is accepted, `owner` whose setting it is.
    """
    if (value is None or isinstance(value, str)) and value in otherwise:
        return
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return
    if accepted is None:
        accepted = " or ".join(["a positive integer", *map(repr, otherwise)])
    of_owner = "" if owner is None else f" of {owner}"
    raise ValueError(f"{name}={value!r}{of_owner} must be {accepted}.")


def check_flag(name: str, value: object) -> None:
    """Raise ValueError unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r} must be True or False.")


def check_choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the names that are accepted."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name}={value!r} must be one of {accepted}.")


def check_eps(eps: object, *, parameter: str = "eps") -> float:
    """Return a distance threshold as a float."""
    if isinstance(eps, (bool, np.bool_)) or not isinstance(eps, (Real, np.number)):
        raise ValueError(f"{parameter}={eps!r} is not a number; accepted: numbers >= 0.")
    value = float(eps)
    # Written so that NaN fails too.
    if not value >= 0:
        raise ValueError(f"{parameter}={eps!r} is not a distance; accepted: numbers >= 0.")
    return value


def check_positive_int(value: object, parameter: str, *, least: int = 1) -> int:
    """Return a count that is not below `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
        raise ValueError(f"{parameter}={value!r} is not accepted; give an integer >= {least}.")
    return int(value)


def check_seed(random_state: RandomState) -> int:
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


def check_weights(sample_weight: object, n_rows: int) -> FloatArray:
    """Return one weight for each row, (n_rows,), as float64."""
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight={sample_weight!r} is not accepted; give one number for each of the "
            f"{n_rows} rows of X."
        ) from error
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has the shape {weights.shape}, but X has {n_rows} rows; give one "
            "number for each of them."
        )
    bad = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if bad.size:
        raise ValueError(
            f"sample_weight holds {weights[bad[0]]} for row {bad[0]}; accepted: finite numbers "
            ">= 0."
        )
    if not weights.any():
        raise ValueError("sample_weight is 0 for all rows; at least one must count.")
    return weights
