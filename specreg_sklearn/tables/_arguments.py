"""Checks of arguments that many functions take: distances, counts, starts, seeds."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from specreg_sklearn._typing import RandomState


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


def check_starts(starts: object) -> None:
    """Raise unless `starts` is a known word or rows."""
    unknown = isinstance(starts, str) and starts not in ("data", "uniform")
    if unknown or starts is None or isinstance(starts, (bool, Real)):
        raise ValueError(f"starts={starts!r} is not 'data', 'uniform' or an array of rows.")


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
