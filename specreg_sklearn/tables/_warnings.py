"""Where a warning should point."""

from __future__ import annotations

import sys


def stacklevel_of_caller() -> int:
    """Return the stacklevel at which a warning names the user's line, not one of this package.

    Nor one of ``sklearn.base``, which checks parameters around a fit.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and _is_inner(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    return level


def _is_inner(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0] or module == "sklearn.base"
