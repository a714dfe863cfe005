"""How the loops of the search are compiled: numba is imported by this file alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def as_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called, and keep the result on disk where that works."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:
        # No folder that numba could write to.
        return numba.njit(function)
