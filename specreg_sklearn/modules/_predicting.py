"""A network in evaluation mode while it predicts, also in several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import nn


@dataclass
class _Use:
    n_users: int
    training: list[nn.Module]


_LOCK = threading.Lock()
_IN_USE: WeakKeyDictionary[nn.Module, _Use] = WeakKeyDictionary()


@contextmanager
def predicting(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and back when the last thread is done with it.

    A user may have left it in training mode, or a callback may ask in the middle of training.

    Parameters
    ----------
    network : torch.nn.Module
        Its parts that are in training mode are so again afterwards.
    """
    with _LOCK:
        use = _IN_USE.get(network)
        if use is None:
            training = [part for part in network.modules() if part.training]
            use = _IN_USE[network] = _Use(0, training)
            if training:
                network.eval()
        use.n_users += 1
    try:
        yield
    finally:
        with _LOCK:
            use.n_users -= 1
            if not use.n_users:
                del _IN_USE[network]
                for part in use.training:
                    part.training = True
