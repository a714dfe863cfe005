"""Calls of the Adversarial Robustness Toolbox: silent, seeded, one thread at a time.

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
from types import ModuleType

import numpy as np
from sklearn.utils import check_random_state

_LOCK = threading.RLock()


@contextmanager
def art_session(seed: int) -> Iterator[None]:
    """Seed the global generators and silence ART, then put everything back."""
    with _LOCK, _silence(), _generators_kept() as legacy:
        legacy.seed(np.random.SeedSequence(seed).generate_state(4))
        random.seed(seed)
        yield


def import_art(module: str) -> ModuleType:
    """Import a module of ART on first use; it costs seconds and may log and warn."""
    with _LOCK, _silence(), _generators_kept():
        return import_module(module)


@contextmanager
def _generators_kept() -> Iterator[np.random.RandomState]:
    """Give the global generators back as they were; yield numpy's, from which ART draws."""
    legacy = check_random_state(None)  # scikit-learn's name for the generator of numpy.random
    state, python_state = legacy.get_state(), random.getstate()
    try:
        yield legacy
    finally:
        legacy.set_state(state)
        random.setstate(python_state)


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
