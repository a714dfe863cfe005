"""What is raised when an attack is cut short: the error that cut it, with what was found so far."""

from __future__ import annotations

from typing import Any

from specreg_sklearn.attacks.frame._picklable_errors import picklable_error
from specreg_sklearn.attacks.frame._result import AttackResult


class AttackInterrupted(BaseException):
    """An attack was cut short by an error of the model, or by Ctrl-C; what it found is kept.

    What is raised is of the class of the error, too: ``except TimeoutError`` catches it where the
    model raised one, and nothing that lets a ``KeyboardInterrupt`` through catches Ctrl-C. It has
    the attributes, the message and the notes of the error, which is its ``__cause__``; where the
    error happened in another process, the cause tells what happened there.

    Attributes
    ----------
    result : AttackResult
        What was found so far. ``run(..., resume=error.result)`` goes on from there.
    """

    result: AttackResult

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process it is made again from an error of the same class.
        kind = type(self).__mro__[2]
        return interrupted, (picklable_error(_copied(kind, self)), self.result)


def interrupted(error: BaseException, result: AttackResult) -> BaseException:
    """Return an exception of the error's own class that is an AttackInterrupted as well.

    A few classes cannot be combined with another: then it is the error itself, with a `result`.
    """
    try:
        raised = _copied(_interrupted_class(type(error)), error)
    except Exception:
        raised = error
    vars(raised)["result"] = result
    return raised


def _interrupted_class(kind: type[BaseException]) -> type[BaseException]:
    body = {"__module__": AttackInterrupted.__module__, "__doc__": AttackInterrupted.__doc__}
    return type("AttackInterrupted", (AttackInterrupted, kind), body)


def _copied(kind: type[BaseException], error: BaseException) -> Any:
    """Return an exception of another class with the same arguments, attributes and notes."""
    new = kind.__new__(kind, *error.args)
    new.args = error.args
    kept = {name: value for name, value in vars(error).items() if name != "result"}
    vars(new).update(kept)
    if str(new) != str(error):
        raise TypeError(f"{kind.__name__} keeps its message where it cannot be copied.")
    return new
