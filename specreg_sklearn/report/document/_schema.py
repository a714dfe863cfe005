"""The form of a report as JSON: its version, what it must hold, and its own hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

FORMAT = "specreg-sklearn robustness report"
SCHEMA_VERSION = 1

TOLERANCES = {"distance": 1e-9, "number": 1e-9, "proof": 1e-6, "witness": 1e-6}
"""Relative differences that a check grants: what the order of floating-point sums may change.

`distance` and `number` are for what is computed from the file, `proof` for a lower bound that is
proved again, and `witness` for a row at the boundary: where the model no longer gets it wrong, it
is asked again with all changes longer by this much.
"""

_NUMBER = (int, float)
_MAYBE = (int, float, type(None))
_TOP: dict[str, Any] = {
    "format": str,
    "schema_version": int,
    "created": str,
    "headline": str,
    "threat_model": dict,
    "data": dict,
    "settings": dict,
    "tolerances": dict,
    "models": list,
    "comparison": list,
    "limits": list,
    "versions": dict,
    "sha256": str,
}
_PARTS: dict[str, dict[str, Any]] = {
    "threat_model": {
        "norm": (int, str),
        "eps": _NUMBER,
        "eps_from": str,
        "space": (dict, type(None)),
        "functions": list,
        "columns": list,
        "rules": list,
        "sentences": list,
    },
    "data": {
        "n_rows": int,
        "n_columns": int,
        "n_measured": int,
        "X_sha256": str,
        "y_sha256": str,
        "classes": list,
        "feature_names": (list, type(None)),
    },
    "settings": {
        "attack": str,
        "max_samples": (int, type(None)),
        "random_state": int,
        "max_nodes": int,
        "pool_sha256": (str, type(None)),
    },
}
_MODEL: dict[str, Any] = {
    "name": str,
    "class": str,
    "parameters": dict,
    "predictions": dict,
    "pickle_sha256": (str, type(None)),
    "proof": str,
    "unproved": str,
    "warnings": list,
    "seconds": _NUMBER,
    "n_queries": int,
    "n_nodes": int,
    "rows": list,
    "summary": dict,
}
_ROW: dict[str, Any] = {
    "row": int,
    "label": object,
    "predicted": object,
    "status": str,
    "lower": _MAYBE,
    "upper": _MAYBE,
    "found_by": str,
    "proved_by": str,
    "answer": object,
    "changes": list,
}
_CHANGE: dict[str, Any] = {"column": (str, int), "from": object, "to": object}


def to_text(document: dict[str, Any]) -> str:
    """Return a report as JSON, strict: no NaN and no infinity."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def own_hash(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a report without its hash, keys sorted and spaces left out."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_document(report: str | PathLike[str] | dict[str, Any]) -> dict[str, Any]:
    """Return a report as plain data, from the path of its JSON file or from such data.

    Raises
    ------
    ValueError
        If it is no such report, is cut off, or has another schema version.
    OSError
        If the file cannot be read.
    """
    where = "report"
    if isinstance(report, dict):
        document: Any = report
    else:
        where = str(report)
        try:
            text = Path(report).read_text(encoding="utf-8")
            document = json.loads(text, object_pairs_hook=_object)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{where} is not text, so it is not the JSON of a report; pass the file that "
                "RobustnessReport.write_json wrote."
            ) from error
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{where} is not JSON, or was cut off, at line {error.lineno}, column "
                f"{error.colno}: {error.msg}. Pass the file that RobustnessReport.write_json "
                "wrote, as a whole."
            ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(
            f"{where} is JSON, but not a report: its 'format' is not {FORMAT!r}. Pass the file "
            "that RobustnessReport.write_json wrote."
        )
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{where} has schema_version {version!r}; this version of specreg-sklearn reads "
            f"{SCHEMA_VERSION}. Check it with the version that wrote it (its 'versions' say "
            "which), or write the report again."
        )
    _check_form(document, where)
    return document


def strange_keys(document: dict[str, Any]) -> Iterator[str]:
    """Yield the places of keys that this version of the form does not have.

    Those of parts that a check computes as a whole (data, threat model, summaries, comparison) are
    found there.
    """
    yield from (key for key in document if key not in _TOP)
    yield from (f"settings.{key}" for key in document["settings"] if key not in _PARTS["settings"])
    for i, model in enumerate(document["models"]):
        yield from (f"models[{i}].{key}" for key in model if key not in _MODEL)
        for k, row in enumerate(model["rows"]):
            at = f"models[{i}].rows[{k}]"
            yield from (f"{at}.{key}" for key in row if key not in _ROW)
            for m, change in enumerate(row["changes"]):
                yield from (f"{at}.changes[{m}].{key}" for key in change if key not in _CHANGE)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; readers differ in which of two equal keys they take."""
    twice = _twice(key for key, _ in pairs)
    if twice is not None:
        raise ValueError(f"The report has the key {twice!r} twice in one object; write it again.")
    return dict(pairs)


def _twice(values: Iterable[Any]) -> Any:
    return next((value for value, n in Counter(values).items() if n > 1), None)


def _check_form(document: dict[str, Any], where: str) -> None:
    _check_numbers(document, where, "")
    _check_keys(document, _TOP, where, "")
    for part, keys in _PARTS.items():
        _check_keys(document[part], keys, where, part)
    if not document["models"]:
        raise ValueError(f"{where} holds no model: 'models' is empty.")
    for i, model in enumerate(document["models"]):
        _check_keys(model, _MODEL, where, f"models[{i}]")
        for k, row in enumerate(model["rows"]):
            _check_keys(row, _ROW, where, f"models[{i}].rows[{k}]")
            for m, change in enumerate(row["changes"]):
                _check_keys(change, _CHANGE, where, f"models[{i}].rows[{k}].changes[{m}]")
            twice = _twice(change["column"] for change in row["changes"])
            if twice is not None:
                raise ValueError(f"{where}: models[{i}].rows[{k}].changes has {twice!r} twice.")
    twice = _twice(model["name"] for model in document["models"])
    if twice is not None:
        raise ValueError(f"{where}: two models are called {twice!r}.")


def _check_numbers(value: object, where: str, place: str) -> None:
    """Refuse what Python reads as a number and JSON has no word for: NaN and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: {place} is {value}, and no number that JSON knows.")
    if isinstance(value, dict):
        for key, part in value.items():
            _check_numbers(part, where, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            _check_numbers(part, where, f"{place}[{i}]")


def _check_keys(part: object, keys: dict[str, Any], where: str, place: str) -> None:
    shown = place or "the report"
    if not isinstance(part, dict):
        raise ValueError(f"{where}: {shown} is {type(part).__name__}, and not an object.")
    for key, kind in keys.items():
        if key not in part:
            raise ValueError(f"{where}: {shown} has no {key!r}. Was a part of the file removed?")
        value = part[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
            raise ValueError(f"{where}: {key!r} of {shown} is {value!r}, which is of no use there.")
