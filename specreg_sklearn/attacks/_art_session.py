"""A quiet, seeded, exclusive stay in the Adversarial Robustness Toolbox.

ART draws from the global generators of numpy and Python, prints progress bars, logs, and divides by
zero on the way. Inside :func:`art_session` it is seeded and silent; outside, nothing has changed.
The global generators cannot be shared, so one lock lets one thread in at a time: threads give the
same rows as processes, but only processes are faster.
"""

from __future__ import annotations

import logging
import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

_LOCK = threading.RLock()


@contextmanager
def art_session(seed: int) -> Iterator[None]:
    """Seed the global generators and silence ART, then put everything back.

    Parameters
    ----------
    seed : int
        Non-negative seed.
    """
    with _LOCK, _silence():
        # The legacy calls are the only door to the state that ART draws from.
        state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.seed(np.random.SeedSequence(seed).generate_state(4))  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
            random.setstate(python_state)


def import_art(module: str) -> Any:
    """Import a module of ART on first use; it costs seconds and may log and warn."""
    with _LOCK, _silence():
        state = np.random.get_state()  # noqa: NPY002
        try:
            return import_module(module)
        finally:
            np.random.set_state(state)  # noqa: NPY002


@contextmanager
def _silence() -> Iterator[None]:
    logger = logging.getLogger("art")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
