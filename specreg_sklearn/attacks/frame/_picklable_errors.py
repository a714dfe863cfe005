"""Errors that can be pickled, so that they get from one process to another.

An exception is pickled as its class and its arguments, and made again from them. Classes whose
constructor wants more, or other, arguments than they pass on cannot be made again that way, and
their errors would arrive as a broken pool of workers that says nothing of the cause.
"""

from __future__ import annotations

import pickle
from typing import Any


class PicklableError(Exception):
    """Holds another exception and is unpickled as that one: same class, message and notes."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        state = {name: value for name, value in vars(error).items() if _pickles(value)}
        args = tuple(value if _pickles(value) else repr(value) for value in error.args)
        return _rebuilt, (type(error), args, state)


def picklable_error(error: Exception) -> Exception:
    """Return an exception that is unpickled, in another process, as this one."""
    return error if _pickles(error) else PicklableError(error)


def _pickles(value: object) -> bool:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return False
    return True


def _rebuilt(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error
