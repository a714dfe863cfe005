"""Witnesses asked again: each a row of the space, that far away, and wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.report.document import (
    TOLERANCES,
    as_json,
    plain_label,
    status_of,
    witness_rows,
)
from specreg_sklearn.report.verify._differences import same_value
from specreg_sklearn.report.verify._distances import distance_of
from specreg_sklearn.space import CleanRows, FeatureSpace
from specreg_sklearn.tables import as_table, ask

Failures = list[tuple[str, str]]
_WITNESSED = ("exact", "bracket", "attack_only")


class Witnesses(NamedTuple):
    """What was found about the witnesses of a model.

    Parameters
    ----------
    X_adv : container like X
        The measured rows with the changes of their witnesses.
    asked, inside, distances : list of (place, why)
        Claims that did not hold: the model's answers, rows outside the space, distances.
    """

    X_adv: Any
    asked: Failures
    inside: Failures
    distances: Failures


def check_witnesses(
    model: Classifier,
    X: Any,
    rows: list[dict[str, Any]],
    space: FeatureSpace,
    threat: dict[str, Any],
    place: str,
) -> Witnesses:
    """Check the witnesses of some rows; `X` holds the clean rows, in order."""
    strange = _no_values(rows, space)
    # A model may refuse to be asked about a word that it has never seen.
    known = [row | {"changes": []} if i in strange else row for i, row in enumerate(rows)]
    X_adv, impossible = witness_rows(X, known)
    impossible |= strange
    clean = space.bind(X)
    asked = [(f"{place}.rows[{i}].changes", why) for i, why in impossible.items()]
    asked += _answers(model, X_adv, clean, rows, impossible, place)
    inside = _inside(X_adv, clean, rows, space, place)
    columns = {record["column"]: record for record in threat["columns"]}
    distances = []
    for i, row in enumerate(rows):
        if not row["changes"] or any(c["column"] not in columns for c in row["changes"]):
            continue
        length = distance_of(row["changes"], columns, threat["norm"])
        if not same_value(row["upper"], length, TOLERANCES["distance"]):
            why = f"is {row['upper']!r}; the witness is at the distance {length!r}"
            distances.append((f"{place}.rows[{i}].upper", why))
    return Witnesses(X_adv, asked, inside, distances)


def _answers(
    model: Classifier,
    X_adv: Any,
    clean: CleanRows,
    rows: list[dict[str, Any]],
    impossible: dict[int, str],
    place: str,
) -> Failures:
    """Ask about all witnesses as one array, which is how they were asked about when found."""
    failed: Failures = []
    answers = _labels(model, X_adv, len(rows))
    pushed: list[Any] | None = None
    for i, row in enumerate(rows):
        at = f"{place}.rows[{i}]"
        right = row["predicted"] == row["label"]
        status = status_of(right, row["lower"], row["upper"])
        if row["status"] != status:
            failed.append((f"{at}.status", f"is {row['status']!r}; its ends say {status!r}"))
        for end in ("lower", "upper"):
            if not right and row[end] != 0:
                failed.append((f"{at}.{end}", f"is {row[end]!r}; a wrong row has 0"))
            elif (row[end] or 0) < 0:
                failed.append((f"{at}.{end}", f"is {row[end]!r}, and no distance"))
        if not row["changes"]:
            if status in _WITNESSED:
                failed.append((f"{at}.changes", "is empty: nothing shows the upper distance"))
            continue
        if status not in _WITNESSED:
            failed.append((f"{at}.changes", f"a row that is {status!r} has no witness"))
        if i in impossible:
            continue
        if answers[i] == row["label"]:
            if pushed is None:
                pushed = _labels(model, _beyond(X_adv, clean), len(rows))
            answers[i] = pushed[i]
        if answers[i] == row["label"]:
            failed.append((f"{at}.changes", f"the model answers {answers[i]!r}, which is right"))
        elif answers[i] != row["answer"]:
            failed.append((f"{at}.answer", f"is {row['answer']!r}; found {answers[i]!r}"))
    return failed


def _no_values(rows: list[dict[str, Any]], space: FeatureSpace) -> dict[int, str]:
    """Return what is wrong with rows whose swaps lead to no value of the threat model."""
    names = range(space.n_features) if space.names is None else space.names
    values = {names[c.column]: [as_json(v) for v in c.values] for c in space.categories}
    return {
        i: f"{change['column']!r} becomes {change['to']!r}, which is none of the values it may take"
        for i, row in enumerate(rows)
        for change in row["changes"]
        if change["to"] not in values.get(change["column"], [change["to"]])
    }


def _labels(model: Classifier, X: Any, n_rows: int) -> list[Any]:
    return [plain_label(label) for label in ask(model.predict, X, n_rows).tolist()]


def _beyond(X_adv: Any, clean: CleanRows) -> Any:
    """Return witnesses a little farther from their rows, for another order of sums."""
    owner = np.arange(len(clean))
    cells = np.where(clean.missing, clean.raw, clean.read(as_table(X_adv), owner))
    cells += TOLERANCES["witness"] * (cells - clean.raw)
    return clean.write(clean.fit(cells, *clean.box(owner)), owner)


def _inside(
    X_adv: Any, clean: CleanRows, rows: list[dict[str, Any]], space: FeatureSpace, place: str
) -> Failures:
    """Return changes that the threat model does not allow."""
    failed: Failures = []
    names = range(space.n_features) if space.names is None else space.names
    free = {space.names[j] if space.names else j for j in clean.columns.tolist()}
    if space.relations is not None:
        free |= {names[j] for j in space.relations.derived or ()}
    if space.repair is not None:
        text = space.mutable & (space.kinds == "categorical")
        free |= {names[j] for j in np.flatnonzero(text).tolist()}
    free = {name if isinstance(name, (int, str)) else str(name) for name in free}
    for i, row in enumerate(rows):
        for k, change in enumerate(row["changes"]):
            if change["column"] not in free:
                why = f"{change['column']!r} cannot move in this threat model"
                failed.append((f"{place}.rows[{i}].changes[{k}].column", why))
    owner = np.arange(len(clean))
    cells = np.where(clean.missing, clean.raw, clean.read(as_table(X_adv), owner))
    low, high = clean.box(owner)
    room = 1e-9 * clean.scale if clean.repair is not None else 0.0
    # A cell that goes missing is between no bounds.
    outside = ~((cells >= low - room) & (cells <= high + room) | clean.missing).all(axis=1)
    broken = clean.integer & (cells != np.rint(cells))
    outside |= broken.any(axis=1)
    if clean.settles and clean.repair is None:
        # What the rules leave as it is obeys them.
        outside |= (clean.settle(cells.copy(), owner) != cells).any(axis=1)
    for i in np.flatnonzero(outside).tolist():
        why = "the witness is outside the bounds, whole numbers or rules of the threat model"
        failed.append((f"{place}.rows[{i}].changes", why))
    return failed
