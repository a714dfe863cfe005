"""Ctrl-C during a fit: told apart from a stop that a callback asks for."""

from __future__ import annotations

import dis

from skorch import NeuralNet


def is_interruption(error: KeyboardInterrupt) -> bool:
    """Whether it came from outside: callbacks of skorch end a fit by raising KeyboardInterrupt.

    Theirs comes from a ``raise`` statement; a signal breaks into whatever instruction is running.
    """
    trace = error.__traceback__
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] != "RAISE_VARARGS"


def hand_on_interruption(net: NeuralNet) -> None:
    """Raise KeyboardInterrupt if the fit was interrupted, for whoever runs many fits.

    Called when the estimator has all its attributes, so that what was trained can be used.

    Parameters
    ----------
    net : NeuralNet
        The net that was trained; its `stop_reason` says how that ended.

    Raises
    ------
    KeyboardInterrupt
        The message says which epoch's weights are kept.
    """
    if net.stop_reason != "interrupted":
        return
    n_epochs = len(net.history)
    kept = f"the weights of epoch {n_epochs} are kept, and the estimator is fitted with them"
    raise KeyboardInterrupt(
        f"Training was interrupted; {kept if n_epochs else 'no epoch was finished'}."
    )
