"""As many torch threads as a training step can use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# Below this many multiplications a second thread saves nothing; on a busy machine waiting for it
# made fits of small networks ten times slower.
_WORTH_A_THREAD = 2e7

_lock = threading.Lock()
_n_fits_inside = 0
_threads_outside = 1


@contextmanager
def threads_for_step(batch_size: int, network: nn.Module) -> Iterator[None]:
    """Limit torch to one thread while small networks train.

    The limit belongs to the process; with several fits in threads the first sets it and the last
    one lifts it.

    Parameters
    ----------
    batch_size : int
        Rows in a batch.
    network : torch.nn.Module
        What is trained; its number of weights measures a step.
    """
    global _n_fits_inside, _threads_outside
    n_weights = sum(p.numel() for p in network.parameters())
    if batch_size * n_weights > _WORTH_A_THREAD:
        yield
        return
    with _lock:
        if _n_fits_inside == 0:
            _threads_outside = torch.get_num_threads()
            torch.set_num_threads(1)
        _n_fits_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_fits_inside -= 1
            if _n_fits_inside == 0:
                torch.set_num_threads(_threads_outside)
