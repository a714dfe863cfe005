"""What a step costs: factors on the units, for steps upwards and downwards."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space.columns._groups import Group
from specreg_sklearn.space.columns._options import column_index
from specreg_sklearn.tables import column_label

Cost: TypeAlias = Mapping[Hashable, float | tuple[float, float]]
"""Factors on the units by column: one, or one for steps upwards and one for steps downwards."""


def read_cost(
    cost: Cost | None,
    mutable: BoolArray,
    names: list[Any] | None,
    groups: Sequence[Group] = (),
) -> tuple[FloatArray | None, list[Group]]:
    """Return what one unit of each column costs, (2, n), and the groups with their prices.

    The first row is for steps upwards, the second one for steps downwards; None if all are 1.
    """
    if cost is None:
        return None, list(groups)
    if not isinstance(cost, Mapping):
        raise ValueError(
            f"cost={cost!r} is not a dict by column; accepted: {{column: factor}} and "
            "{column: (upwards, downwards)}."
        )
    n_columns, priced = len(mutable), {group.name: group for group in groups}
    in_group = {j: group for group in groups for j in group.columns}
    prices = np.ones((2, n_columns))
    for column, factors in cost.items():
        group = priced.get(column)
        if group is not None and (names is None or column not in names):
            priced[column] = replace(group, price=_swap_price(column, factors))
            continue
        j = column_index(column, names, n_columns, "cost")
        if j in in_group:
            raise ValueError(
                f"cost names column {column_label(j, names)}, a flag of the group "
                f"{in_group[j].name!r}; accepted: the price of a swap, by the name of the group."
            )
        prices[:, j] = _pair(factors, column_label(j, names))
        if not mutable[j]:
            raise ValueError(
                f"cost names column {column_label(j, names)}, which is not mutable: it has no "
                "price. Leave it out, or name it in mutable."
            )
    return prices, list(priced.values())


def _swap_price(name: Hashable, price: Any) -> float:
    number = isinstance(price, Real) and not isinstance(price, bool)
    if not number or not 0 < float(price) < np.inf:
        raise ValueError(
            f"cost of the group {name!r} is {price!r}; accepted: a positive number, the price of a "
            "swap of two flags."
        )
    return float(price)


def _pair(factors: object, label: str) -> FloatArray:
    """Return a factor upwards and one downwards."""
    try:
        pair = np.broadcast_to(np.asarray(factors, dtype=np.float64), (2,))
    except (TypeError, ValueError):
        pair = np.full(2, np.nan)
    if isinstance(factors, (str, bool)) or not (np.isfinite(pair) & (pair > 0)).all():
        raise ValueError(
            f"cost of {label} is {factors!r}; accepted: a positive number, or a pair "
            "(upwards, downwards) of them. For what may not move at all, use mutable, "
            "increase_only or decrease_only."
        )
    return pair


def split_prices(
    scale: FloatArray, prices: FloatArray | None, directions: IntArray
) -> tuple[FloatArray, FloatArray | None]:
    """Return the unit of the cheaper way of each column, and how much dearer both ways are.

    So ``|step| / unit`` never exceeds the price, and whoever knows nothing of prices, such as a
    proof by a Lipschitz constant, still has a lower bound. The second array, (2, n), is at least 1;
    None if a step costs the same both ways.
    """
    if prices is None:
        return scale, None
    # A column that goes one way has one price.
    prices = np.where(directions > 0, prices[0], np.where(directions < 0, prices[1], prices))
    cheaper = prices.min(axis=0)
    dearer = prices / cheaper
    return scale / cheaper, None if (dearer == 1).all() else dearer
