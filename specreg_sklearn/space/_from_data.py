"""From data and options to the fields of a feature space.

The order matters: types decide what may be mutable, what is mutable decides what bounds, prices
and directions are for, and units are measured last, of the columns that have room to move.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, Scale
from specreg_sklearn.space._relations import Formula, Rules, read_relations
from specreg_sklearn.space.columns import (
    Bounds,
    Categories,
    Columns,
    Cost,
    Groups,
    IntegerRange,
    Kinds,
    LargeCells,
    check_bounds,
    check_data,
    check_group_moves,
    check_one_set,
    check_swaps,
    column_index,
    columns_in,
    encode_flags,
    read_bounds,
    read_categories,
    read_cost,
    read_directions,
    read_groups,
    read_large,
    read_mutable,
    read_scale,
    read_types,
    split_prices,
)
from specreg_sklearn.tables import CATEGORICAL, INTEGER, ColumnNumbers, as_table


def read_fields(
    X: Any,
    *,
    mutable: Columns,
    bounds: Bounds,
    types: Kinds,
    scale: Scale,
    increase_only: Columns,
    decrease_only: Columns,
    cost: Cost | None,
    groups: Groups,
    categories: Categories,
    derived: Mapping[Hashable, Formula] | None,
    rules: Rules,
    repair: Callable[[Any, Any], Any] | None,
) -> dict[str, Any]:
    """Return the fields of a space by name; see :meth:`FeatureSpace.from_data`."""
    table = as_table(X)
    names, n = table.names, table.n_columns
    if repair is not None and not callable(repair):
        raise TypeError(f"repair={repair!r} is not a function (X_moved, X_clean) or None.")
    kinds = read_types(types, table)
    found = read_groups(groups, table)
    derived_columns = [column_index(c, names, n, "derived") for c in derived or ()]
    if derived_columns and repair is not None:
        raise ValueError(
            "derived cannot be combined with a repair, which would see the columns as they "
            "were. Let the repair compute them, and name them in mutable; or say all of it by "
            "derived and rules."
        )
    encode_flags(found, kinds, table, all_move=mutable is None)
    flags = read_mutable(
        mutable, kinds, table, types, repaired=repair is not None, swapped=categories
    )
    if mutable is None:
        flags[derived_columns] = False
    swaps = read_categories(
        categories,
        kinds,
        table,
        mutable=None if mutable is None else flags,
        taken=columns_in(found, derived_columns),
    )
    flags[[category.column for category in swaps]] = True
    relations = read_relations(rules, derived, table, flags)
    directions = read_directions(increase_only, decrease_only, flags, table)
    check_swaps(swaps, cost, directions, names)
    found = [g for g in found if check_group_moves(g, flags, directions, names)]
    for group in found:
        check_one_set(group, table, names)
    prices, found = read_cost(cost, flags, names, found)
    numeric = np.flatnonzero(kinds != CATEGORICAL)
    by_std = isinstance(scale, Mapping) or (isinstance(scale, str) and scale == "std")
    numbers = ColumnNumbers(table, numeric, kinds == INTEGER, spreads=by_std)
    check_data(numbers, names)
    lo, hi = read_bounds(bounds, numbers.low, numbers.high, kinds, table)
    for group in found:
        columns = list(group.columns)
        lo[columns], hi[columns] = np.clip(lo[columns], 0, 1), np.clip(hi[columns], 0, 1)
    check_bounds((lo, hi), numbers, table.n_rows, flags, names)
    large = read_large(bounds, numbers, table)
    for j, limits in large.items():
        # Spreads do not depend on where numbers are counted from.
        numbers.count_from_elsewhere(j, LargeCells.read(table.integers(j), limits).raw)
    unit, units = read_scale(scale, numbers, may_move(flags, lo, hi, large), names)
    unit, dearer = split_prices(unit, prices, directions)
    if prices is not None:
        priced = (prices != 1).any(axis=0)
        units = ["price" if dear else u for dear, u in zip(priced, units, strict=True)]
    for group in found:
        if group.price is not None:
            # Half the price for each flag is never more than the price, in any norm.
            unit[list(group.columns)] = 2 / group.price
            units = ["price" if j in group.columns else u for j, u in enumerate(units)]
    return {
        "names": names,
        "kinds": kinds,
        "minimum": lo,
        "maximum": hi,
        "mutable": flags,
        "scale": unit,
        "repair": repair,
        "large": large,
        "directions": directions,
        "units": units,
        "dearer": dearer,
        "groups": tuple(found),
        "relations": relations,
        "categories": tuple(swaps),
    }


def may_move(
    mutable: BoolArray, low: FloatArray, high: FloatArray, large: Mapping[int, IntegerRange]
) -> BoolArray:
    """Return which mutable columns have room between their bounds."""
    with np.errstate(invalid="ignore"):
        room = np.asarray(high > low)
    for j, limits in large.items():
        room[j] = limits.has_room
    return mutable & room
