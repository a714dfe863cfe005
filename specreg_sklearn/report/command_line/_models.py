"""Models from files: skops, joblib and pickle, ONNX, or an object that Python can import."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from specreg_sklearn.report.command_line._errors import InputError

_PICKLES = (".joblib", ".pkl", ".pickle")
_ACCEPTED = "a .skops, .joblib, .pkl or .onnx file, or package.module:object"


def load_models(
    words: Sequence[str], *, trust: bool, trusted_types: Sequence[str]
) -> dict[str, Any]:
    """Return models by name; a word is ``MODEL``, which is called as the file, or ``NAME=MODEL``.

    Raises
    ------
    InputError
        If a model cannot be read, or two have the same name.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, place = _split(word)
        if name in found:
            raise InputError(
                f"two models are called {name!r}. Give them names: first={word} second=..."
            )
        found[name] = load_model(place, trust=trust, trusted_types=trusted_types)
    return found


def _split(word: str) -> tuple[str, str]:
    name, sign, place = word.partition("=")
    if sign and name and not Path(word).exists():
        return name, place
    return Path(word).stem if ":" not in word or Path(word).exists() else word, word


def load_model(place: str, *, trust: bool, trusted_types: Sequence[str]) -> Any:
    """Return the model of a file, or an object that can be imported."""
    path = Path(place)
    if not path.exists():
        module, _, name = place.partition(":")
        if name and all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
            return _imported(place)
        raise InputError(f"model {place!r}: there is no such file. Accepted: {_ACCEPTED}.")
    if path.suffix == ".skops":
        return _skops(path, trusted_types)
    if path.suffix in _PICKLES:
        return _pickle(path, trust)
    if path.suffix == ".onnx":
        return _onnx(path)
    raise InputError(f"model {place!r} ends in {path.suffix!r}. Accepted: {_ACCEPTED}.")


def _pickle(path: Path, trust: bool) -> Any:
    if not trust:
        raise InputError(
            f"model '{path}' is a pickle, and reading a pickle runs the code that is in it. Add "
            "--trust if you know who wrote the file, or save the model with skops.io.dump, which "
            "needs no trust."
        )
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:  # a pickle can raise whatever its code raises
        raise InputError(
            f"model '{path}' cannot be read: {type(error).__name__}: {error}. Packages that it was "
            "saved with must be installed, in the same versions."
        ) from error


def _skops(path: Path, trusted_types: Sequence[str]) -> Any:
    try:
        from skops import io
    except ImportError as error:
        raise InputError(f"model '{path}' needs skops: pip install skops.") from error
    trusted = list(trusted_types)
    try:
        types = io.get_untrusted_types(file=path)
        if any(t.startswith("specreg_sklearn.") for t in types):
            from specreg_sklearn.export import SKOPS_TRUSTED_TYPES

            trusted += SKOPS_TRUSTED_TYPES
        unknown = [t for t in types if t not in trusted]
    except Exception as error:
        raise InputError(f"model '{path}' is no skops file: {error}.") from error
    if unknown:
        raise InputError(
            f"model '{path}' holds types that skops does not trust by itself: "
            f"{', '.join(unknown)}. Look at them, and if they are what you expect, add "
            f"--trusted-types {','.join(unknown)}"
        )
    return io.load(path, trusted=trusted)


def _onnx(path: Path) -> Any:
    from specreg_sklearn.report.command_line._onnx import OnnxClassifier

    try:
        return OnnxClassifier(path)
    except ImportError as error:
        raise InputError(f"model '{path}' needs onnxruntime: pip install onnxruntime.") from error
    except ValueError as error:
        raise InputError(f"model '{path}' is no ONNX model that can be asked: {error}") from error


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    # As python -m does: modules of the folder that one stands in are found.
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"model {place!r}: {error}. Accepted: {_ACCEPTED}.") from error
    finally:
        sys.path.remove(os.getcwd())
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"model {place!r}: {module} has no {name!r}.")
        found = getattr(found, part)
    return found
