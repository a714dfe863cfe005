"""Whether the loops of the search are compiled: numba is an extra."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from types import ModuleType


def leaf_loops() -> ModuleType | None:
    """Return the compiled passes over all leaves, or None without numba."""
    module = "_leaf_loops"
    return import_module(f"{__package__}.{module}") if compiled() else None


@cache
def compiled() -> bool:
    """Return whether searches run as compiled loops; a log line says so if they do not."""
    try:
        # A numba that is older than this NumPy raises ImportError as well.
        import_module(f"{__package__}._as_loop")
        return True
    except ImportError as error:
        reason = error
    logging.getLogger("specreg_sklearn").info(
        "Distances of trees are searched without numba (%s), with the same results, several times "
        "slower. pip install 'specreg-sklearn[fast]' speeds them up.",
        reason,
    )
    return False
