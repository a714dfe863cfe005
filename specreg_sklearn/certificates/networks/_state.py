"""What a module remembers, so that a change can be found; and global random state."""

from __future__ import annotations

import random
import types
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Limits of what is looked at, for modules that hold or read data of any kind.
_DEEPEST, _LONGEST = 8, 10_000
_VALUES = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, np.generic)

State = dict[str, Any]


def snapshot(module: nn.Module) -> State:
    """Write down everything that a module holds and that its own code reads, by its name."""
    state: State = {}
    seen: dict[int, object] = {}
    _note_module(state, "", module, seen, 0)
    return state


def difference(before: State, after: State) -> str | None:
    """Return the name of a thing that is not what it was, or None."""
    for name in [*before, *after]:
        if name not in before or name not in after or before[name] != after[name]:
            return repr(name)
    return None


def random_states() -> tuple[bytes, bytes, bytes]:
    """Return the states of the global generators."""
    numpy_state = np.random.get_state(legacy=False)
    return (
        torch.get_rng_state().numpy().tobytes(),
        repr((numpy_state["state"]["key"].tobytes(), numpy_state["state"]["pos"])).encode(),
        repr(random.getstate()).encode(),
    )


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Give the global generators back as they were."""
    ours = random.getstate()
    numpys = np.random.get_state()
    torchs = torch.get_rng_state()
    try:
        yield
    finally:
        # A generator that nobody used is left alone: another thread may be drawing from it.
        if random.getstate() != ours:
            random.setstate(ours)
        if not _equal(np.random.get_state(), numpys):
            np.random.set_state(numpys)
        if not torch.equal(torch.get_rng_state(), torchs):
            torch.set_rng_state(torchs)


def _equal(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def _note(state: State, name: str, value: Any, seen: dict[int, object], depth: int) -> None:
    if isinstance(value, _VALUES):
        state[name] = (type(value), value if value == value else "NaN")
        return
    if id(value) in seen or depth > _DEEPEST:
        return
    seen[id(value)] = value
    if isinstance(value, nn.Module):
        _note_module(state, name, value, seen, depth)
    elif isinstance(value, Tensor):
        state[name] = _content(value)
    elif isinstance(value, np.ndarray):
        plain = not value.dtype.hasobject
        content = zlib.crc32(value.tobytes()) if plain else repr(value.tolist())
        state[name] = (value.shape, str(value.dtype), content)
    elif isinstance(value, torch.Generator):
        state[name] = value.get_state().numpy().tobytes()
    elif isinstance(value, np.random.Generator):
        state[name] = repr(value.bit_generator.state)
    elif isinstance(value, np.random.RandomState):
        state[name] = repr(value.get_state())
    elif isinstance(value, random.Random):
        state[name] = value.getstate()
    elif isinstance(value, Mapping):
        state[name] = len(value)
        for key, item in islice(list(value.items()), _LONGEST):
            _note(state, f"{name}[{key!r}]", item, seen, depth + 1)
    elif isinstance(value, list | tuple | deque | set | frozenset):
        state[name] = len(value)
        for number, item in enumerate(islice(list(value), _LONGEST)):
            _note(state, f"{name}[{number}]", item, seen, depth + 1)
    elif isinstance(value, types.FunctionType):
        _note_function(state, name, value, seen, depth)
    elif isinstance(value, types.MethodType):
        _note(state, f"{name}()", value.__func__, seen, depth + 1)
        _note(state, f"{name}.self", value.__self__, seen, depth + 1)
    elif isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
        state[name] = id(value)
    else:
        state[name] = _brief(value)
        for key, item in list(getattr(value, "__dict__", {}).items()):
            _note(state, f"{name}.{key}", item, seen, depth + 1)


def _note_module(
    state: State, prefix: str, module: nn.Module, seen: dict[int, object], depth: int
) -> None:
    for name, part in module.named_modules(prefix=prefix):
        seen[id(part)] = part
        for key, value in list(vars(part).items()):
            if key == "_modules":
                state[f"{name} layers"] = [id(child) for child in value.values()]
            elif key in ("_parameters", "_buffers"):
                for own, tensor in list(value.items()):
                    _note(state, f"{name}.{own}".lstrip("."), tensor, seen, depth + 1)
            else:
                _note(state, f"{name}.{key}".lstrip("."), value, seen, depth + 1)
        for kind in type(part).__mro__:
            if not kind.__module__.startswith("torch.") and kind is not object:
                _note_class(state, kind, seen)


def _content(value: Tensor) -> tuple[Any, ...]:
    head = (tuple(value.shape), value.dtype, value.requires_grad)
    try:
        array = value.detach().cpu().contiguous().view(torch.uint8).numpy()
    except (RuntimeError, TypeError):
        # torch refuses to show the bytes of sparse and quantised tensors and of those without axes;
        # their numbers can still be listed.
        try:
            return (*head, repr(value.detach().tolist()))
        except (RuntimeError, TypeError, NotImplementedError):
            # What torch refuses to list either, which it says by any of these, has no numbers to
            # change: tensors on "meta" have no storage. Shape, type and flags still count.
            return head
    return (*head, zlib.crc32(array.data))


def _brief(value: object) -> str:
    """Return what an object of an unknown kind shows of itself, such as an iterator's place."""
    try:
        left = getattr(value, "__length_hint__", lambda: 0)()
        return f"{value!r} {left}"
    except Exception:  # a broken repr is no reason to stop
        return type(value).__name__


def _note_class(state: State, kind: type, seen: dict[int, object]) -> None:
    if id(kind) in seen:
        return
    seen[id(kind)] = kind
    for key, value in list(vars(kind).items()):
        if key.startswith("__"):
            continue
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        if isinstance(value, property):
            value = value.fget
        _note(state, f"{kind.__name__}.{key}", value, seen, 1)
    forward = vars(kind).get("__call__")
    if forward is not None:
        _note(state, f"{kind.__name__}.__call__", forward, seen, 1)


def _note_function(
    state: State, name: str, function: types.FunctionType, seen: dict[int, object], depth: int
) -> None:
    code = function.__code__
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            _note(state, f"{name}: {variable}", cell.cell_contents, seen, depth + 1)
        except ValueError:  # not filled yet
            state[f"{name}: {variable}"] = "empty"
    for key, value in vars(function).items():
        _note(state, f"{name}.{key}", value, seen, depth + 1)
    _note(state, f"{name} defaults", function.__defaults__, seen, depth + 1)
    if (function.__module__ or "").startswith(("torch", "numpy")):
        return
    for variable in code.co_names:
        value = function.__globals__.get(variable)
        if not isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
            _note(state, f"{name}: {variable}", value, seen, depth + 1)
