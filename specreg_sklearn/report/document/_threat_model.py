"""The question that a report answers: what may move, how far, and in which units."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from specreg_sklearn.space import FeatureSpace, as_norm, column_records, rule_names
from specreg_sklearn.tables import column_label

_LENGTHS = {
    0: "the number of columns that change",
    1: "the sum of what the columns change by",
    2: "the root of the sum of the squares of what the columns change by",
    np.inf: "the largest change of a column",
}
_UNITS = {
    "std": "standard deviations",
    "range": "ranges of the columns",
    "iqr": "interquartile ranges",
    "mad": "median absolute deviations",
    "X": "units of the data",
}
_FEW = 8


def norm_to_json(norm: float) -> int | str:
    """Return a norm as JSON has it: 0, 1, 2 or "inf"."""
    return "inf" if norm == np.inf else int(norm)


def norm_from_json(norm: int | str) -> float:
    """Return the norm that stands in a report; NaN for text that names none."""
    if isinstance(norm, str):
        return np.inf if norm == "inf" else np.nan
    return norm


def threat_model(
    space: FeatureSpace, norm: float, eps: float, eps_from: str, names: list[str] | None
) -> dict[str, Any]:
    """Return a threat model as plain data, with sentences that say what it is.

    `names` are those of the columns of an array, None where the space knows them or nobody does.

    A space with functions in it (a repair, formulas, rules) has no `space` in there: `functions`
    names them, and whoever checks the report brings the space.
    """
    functions = functions_of(space)
    return {
        "norm": norm_to_json(norm),
        "norm_name": as_norm(norm).name,
        "eps": eps,
        "eps_from": eps_from,
        "units": units_in_words(space, norm),
        "space": None if functions else json.loads(space.to_json()),
        "functions": functions,
        "columns": [_record(record) for record in column_records(space)],
        "rules": rule_names(space),
        "sentences": _sentences(space, norm, eps, names or space.names),
    }


def functions_of(space: FeatureSpace) -> list[str]:
    """Return the names of what is code in a space, and cannot be kept in a file."""
    found = [] if space.repair is None else [_name(space.repair)]
    if space.relations is not None:
        found += [_name(rule) for rule in space.relations.others]
        found += [
            f"formula of {column_label(j, space.names)}" for j in space.relations.derived or ()
        ]
    return found


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a space says of a column, with names as text and open ends as None."""
    out = dict(record)
    if not isinstance(out["column"], (int, str)):
        out["column"] = str(out["column"])
    for end in ("low", "high"):
        if isinstance(out[end], float) and np.isinf(out[end]):
            out[end] = None
    return out


def units_in_words(space: FeatureSpace, norm: float) -> str:
    """Return what a distance of 1 counts, in a few words."""
    if norm == 0:
        return "columns"
    priced = space.dearer is not None or any(g.price is not None for g in space.groups)
    names = {space.units[j] for j in space.movable.tolist()} if space.units else set()
    if priced or space.categories or "price" in names:
        return "units of the price list"
    return _UNITS.get(names.pop(), "given units") if len(names) == 1 else "units of the columns"


def _sentences(space: FeatureSpace, norm: float, eps: float, names: list[Any] | None) -> list[str]:
    length = _LENGTHS[norm]
    words = {category.column: category for category in space.categories}
    movable = sorted({*space.movable.tolist(), *words})
    units = "" if norm == 0 else ", each in its own unit"
    said = [
        f"A row may move by at most {eps:.4g}, measured in {as_norm(norm).name}: {length}{units} "
        "(the table below has the units).",
        f"{len(movable)} of {space.n_features} columns can move: {_listed(names, movable)}."
        if len(movable) < space.n_features
        else f"All {len(movable)} columns can move.",
    ]
    ends = np.isfinite(space.minimum) | np.isfinite(space.maximum)
    bounded = [j for j in space.movable.tolist() if ends[j]]
    if bounded:
        said.append(f"{len(bounded)} of them stay within bounds, those in the table.")
    for way, word in ((1, "grow"), (-1, "shrink")):
        if space.directions is not None and (space.directions == way).any():
            columns = np.flatnonzero(space.directions == way).tolist()
            said.append(f"May only {word}: {_listed(names, columns)}.")
    for j, category in words.items():
        values = list(map(str, category.values))
        said.append(f"{_listed(names, [j])} may become: {_first(values)}.")
    if space.groups:
        said.append(
            f"{len(space.groups)} group{'s' * (len(space.groups) > 1)} of flags: exactly one flag "
            "of a group is set."
        )
    rules = rule_names(space)
    if rules:
        said.append(f"Every row obeys: {'; '.join(rules)}.")
    functions = functions_of(space)
    if functions:
        said.append(f"Code of the user puts rows right or refuses them: {', '.join(functions)}.")
    said.append(
        "The attacker aims at any wrong label and may use everything that the model tells: "
        "labels, scores where it has them, and gradients of the networks of this library."
    )
    return said


def _listed(names: list[Any] | None, columns: list[int]) -> str:
    return _first([f"column {j}" if names is None else str(names[j]) for j in columns])


def _first(words: list[str]) -> str:
    rest = len(words) - _FEW
    return ", ".join(words[:_FEW]) + (f" and {rest} more" if rest > 0 else "") if words else "none"
