"""A feature space as a line and a table to read, and as JSON to keep."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.space._linear_rules import read_rule
from specreg_sklearn.space._relations import Relations
from specreg_sklearn.space.columns import TYPES, Category, Group, IntegerRange
from specreg_sklearn.tables import column_label

if TYPE_CHECKING:
    from specreg_sklearn.space._feature_space import FeatureSpace

# A space that is printed names so many columns whose unit is another one.
_FEW_NAMES = 3
_FORMAT = 1
_FIELDS = ("names", "kinds", "mutable", "scale", "units", "directions", "dearer")


def as_text(space: FeatureSpace) -> str:
    """Return one line: how many columns of each kind, units, and what else was asked for."""
    count = {kind: int((space.kinds == kind).sum()) for kind in TYPES}
    parts = [f"n_features={space.n_features}"]
    parts += [f"{kind}={n}" for kind, n in count.items() if n]
    parts.append(f"mutable={int(space.mutable.sum())}")
    units = space.scale[space.movable]
    if len(units):
        ends = [f"{end:.3g}" for end in (units.min(), units.max())]
        shown = ends[0] if ends[0] == ends[1] else " to ".join(ends)
        parts.append(f"scale={shown}{_names_of_units(space)}")
    for name, way in (("increase_only", 1), ("decrease_only", -1)):
        if space.directions is not None and (space.directions == way).any():
            parts.append(f"{name}={int((space.directions == way).sum())}")
    if space.groups:
        parts.append(f"groups={len(space.groups)}")
    if space.categories:
        parts.append(f"categories={len(space.categories)}")
    if space.relations is not None:
        n_rules = len(space.relations.linear) + len(space.relations.others)
        parts += [f"rules={n_rules}"] if n_rules else []
        parts += [f"derived={len(space.relations.derived)}"] if space.relations.derived else []
    if space.repair is not None:
        name = getattr(space.repair, "__name__", type(space.repair).__name__)
        parts.append(f"repair={name}")
    return f"FeatureSpace({', '.join(parts)})"


def _names_of_units(space: FeatureSpace) -> str:
    """Return where units are from, the most frequent first, and columns by name if few."""
    if space.units is None:
        return ""
    movable = space.movable.tolist()
    count = Counter(space.units[j] for j in movable)
    count.pop("X", None)
    shown = []
    for k, (unit, n) in enumerate(count.most_common()):
        if k == 0:
            shown.append(unit)
            continue
        columns = [column_label(j, space.names) for j in movable if space.units[j] == unit]
        of = ", ".join(columns) if n <= _FEW_NAMES else f"{n} columns"
        shown.append(f"{unit}: {of}")
    return f" ({'; '.join(shown)})" if shown and count.keys() != {"std"} else ""


def records(space: FeatureSpace) -> list[dict[str, Any]]:
    """Return what a space says about each column, in order."""
    group_of = {j: group for group in space.groups for j in group.columns}
    derived = (space.relations.derived if space.relations else None) or {}
    moves = set(space.movable.tolist())
    dearer = np.ones((2, space.n_features)) if space.dearer is None else space.dearer
    ways = np.zeros(space.n_features, dtype=int) if space.directions is None else space.directions
    price_of = {category.column: _swap_price(category) for category in space.categories}
    price_of |= {j: group.price for j, group in group_of.items()}
    out = []
    for j in range(space.n_features):
        group = group_of.get(j)
        low: float | None = float(space.minimum[j])
        high: float | None = float(space.maximum[j])
        if j in space.large:
            low, high = space.large[j].low, space.large[j].high
        moving = j in moves or (j in price_of and j not in group_of)
        free = j in moves and (group is None or group.price is None)
        out.append(
            {
                "column": j if space.names is None else space.names[j],
                "type": str(space.kinds[j]),
                "moves": "derived" if j in derived else "yes" if moving else "no",
                "low": low if j in moves else None,
                "high": high if j in moves else None,
                "unit": space.units[j] if space.units and j in moves else None,
                "one_up": float(space.scale[j] / dearer[0, j]) if free and ways[j] >= 0 else None,
                "one_down": float(space.scale[j] / dearer[1, j]) if free and ways[j] <= 0 else None,
                "group": None if group is None else _label(group.name),
                "swap": price_of.get(j),
            }
        )
    return out


def _swap_price(category: Category) -> Any:
    """Return the price of a swap, or, where values have their own, that of each."""
    if len(set(category.prices)) == 1:
        return category.prices[0]
    prices = zip(category.values, category.prices, strict=True)
    return ", ".join(f"{value}: {price:g}" for value, price in prices) or None


def _label(name: Hashable) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def rule_names(space: FeatureSpace) -> list[str]:
    """Return the rules of a space, as text or by the name of the function."""
    if space.relations is None:
        return []
    others = [getattr(f, "__name__", repr(f)) for f in space.relations.others]
    return [rule.text for rule in space.relations.linear] + others


def as_html(space: FeatureSpace) -> str:
    """Return a table for notebooks."""
    rows = records(space)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0]) if rows else ""
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    rules = "".join(f"<li>{html.escape(rule)}</li>" for rule in rule_names(space))
    rules = f"<p>Rules</p><ul>{rules}</ul>" if rules else ""
    return (
        f"<div><p>{html.escape(repr(space))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{rules}</div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def to_json(space: FeatureSpace) -> str:
    """Return a space as JSON; see :meth:`FeatureSpace.to_json`."""
    relations = space.relations or Relations()
    what = {
        "repair": space.repair is not None,
        "rules that are functions": bool(relations.others),
        "derived": bool(relations.derived),
    }
    held = [name for name, there in what.items() if there]
    if held:
        raise ValueError(
            f"A feature space with functions ({', '.join(held)}) cannot be kept as JSON; pickle "
            "it, or keep the call that makes it."
        )
    swapped = [value for category in space.categories for value in category.values]
    strange = [value for value in swapped if not isinstance(value, (str, int, float))]
    if strange:
        raise ValueError(
            f"The category {strange[0]!r} cannot be kept as JSON; accepted: text, True and False, "
            "numbers."
        )
    odd = [name for name in space.names or () if not isinstance(name, (str, int))]
    if odd:
        raise ValueError(f"The column name {odd[0]!r} cannot be kept as JSON; accepted: text, int.")
    fields = {name: _plain(getattr(space, name)) for name in _FIELDS}
    fields |= {
        "format": _FORMAT,
        "minimum": [None if np.isinf(end) else float(end) for end in space.minimum],
        "maximum": [None if np.isinf(end) else float(end) for end in space.maximum],
        "large": [[j, r.origin, r.low, r.high] for j, r in space.large.items()],
        "groups": [[_plain(g.name), list(g.columns), g.price] for g in space.groups],
        "rules": [rule.text for rule in relations.linear],
        "categories": [[c.column, list(c.values), list(c.prices)] for c in space.categories],
    }
    return json.dumps(fields)


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def fields_of_json(text: str) -> dict[str, Any]:
    """Return the fields of a space that was kept as JSON."""
    try:
        read = json.loads(text)
        format_ = read["format"]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(
            "text is not a feature space as FeatureSpace.to_json writes it."
        ) from error
    if format_ != _FORMAT:
        raise ValueError(f"text has the format {format_!r}; accepted: {_FORMAT}.")
    names, n = read["names"], len(read["kinds"])
    for field in ("names", "minimum", "maximum", "mutable", "scale", "units", "directions"):
        if read[field] is not None and len(read[field]) != n:
            raise ValueError(
                f"text is not a feature space: {field!r} has {len(read[field])} entries for {n} "
                "columns."
            )
    if np.shape(read["dearer"]) not in ((), (2, n)) or isinstance(read["dearer"], (int, float)):
        raise ValueError(f"text is not a feature space: 'dearer' is not null, or 2 lists of {n}.")
    rules = tuple(read_rule(rule, names, n) for rule in read["rules"])
    return {
        "names": names,
        "kinds": np.array(read["kinds"]),
        "minimum": _ends(read["minimum"], -np.inf),
        "maximum": _ends(read["maximum"], np.inf),
        "mutable": np.array(read["mutable"], dtype=bool),
        "scale": np.array(read["scale"], dtype=np.float64),
        "units": read["units"],
        "large": {j: IntegerRange(*ends) for j, *ends in read["large"]},
        "directions": _array(read["directions"], np.int64),
        "dearer": _array(read["dearer"], np.float64),
        "groups": tuple(
            Group(tuple(name) if isinstance(name, list) else name, tuple(columns), price)
            for name, columns, price in read["groups"]
        ),
        "relations": Relations(rules, (), {}) if rules else None,
        "categories": tuple(
            Category(column, tuple(values), tuple(prices))
            for column, values, prices in read.get("categories", ())
        ),
    }


def _ends(ends: list[float | None], open_end: float) -> FloatArray:
    return np.array([open_end if end is None else end for end in ends], dtype=np.float64)


def _array(values: Any, dtype: Any) -> Any:
    return None if values is None else np.array(values, dtype=dtype)
