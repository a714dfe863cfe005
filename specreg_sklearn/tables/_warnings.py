"""Where a warning should point."""

from __future__ import annotations

import sys


def stacklevel_of_caller() -> int:
    """Return the stacklevel at which a warning names the user's line, not one of this package."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
