"""Whether the loops of the search are compiled: numba is an extra, and takes a while to begin."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

# Seconds of searches in NumPy before the loops are loaded from the disk, or compiled: about what
# either takes. Both searches give the same bits, so that it changes nothing but the time.
_LOADING, _COMPILING = 1.0, 10.0


def leaf_loops() -> ModuleType | None:
    """Return the compiled passes over all leaves, or None where they are not used."""
    module = "_leaf_loops"
    return import_module(f"{__package__}.{module}") if compiled() else None


def compiled() -> bool:
    """Return whether searches run as compiled loops: once enough is searched, if numba is there."""
    return _Work.seconds >= _seconds_to_begin() and installed()


class _Work:
    """How long this process has searched."""

    seconds = 0.0


@contextmanager
def counted_work() -> Iterator[None]:
    """Count the time of a search as work that compiled loops would shorten."""
    begin = time.thread_time()
    try:
        yield
    finally:
        _Work.seconds += time.thread_time() - begin


def begin_at_once() -> None:
    """Use compiled loops from now on, since a long search is ahead."""
    _Work.seconds = math.inf


@cache
def _seconds_to_begin() -> float:
    """Return how long to search in NumPy; numba keeps what it compiled beside the source."""
    kept = (Path(__file__).parent / "__pycache__").glob("_look_loops.*.nbi")
    return _LOADING if any(kept) else _COMPILING


@cache
def installed() -> bool:
    """Return whether loops can be compiled; a log line says so if they cannot."""
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
