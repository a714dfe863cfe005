"""What the process, or a caller, has set in torch must not change a fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def own_torch_settings() -> Iterator[None]:
    """Train as in a fresh process, whatever the caller has switched on or off.

    Gradients are computed inside ``torch.no_grad()`` and ``torch.inference_mode()`` too, and
    tensors are made on the CPU whatever ``torch.set_default_device`` says: the device of a fit is
    its parameter. All of this is local to the thread.
    """
    # A device in force is asked with every call of torch: the usual case goes without.
    usual = torch.empty(0).device.type == "cpu"
    device = nullcontext() if usual else torch.device("cpu")
    with torch.inference_mode(False), torch.enable_grad(), device:
        yield
