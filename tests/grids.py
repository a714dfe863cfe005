"""Grids of parameters of which the fast tests walk a part, and the slow ones all."""

from __future__ import annotations

from itertools import product

import pytest


def diagonal(*axes):
    """Return all combinations of some values; those off the diagonal are slow.

    On the diagonal every value of every axis comes at least once, and those next to each other on
    one axis meet different ones of the others.
    """
    steps = range(max(len(axis) for axis in axes))
    fast = {tuple(step % len(axis) for axis in axes) for step in steps}
    places = product(*(range(len(axis)) for axis in axes))
    return [
        pytest.param(
            *(axis[i] for axis, i in zip(axes, place, strict=True)),
            marks=() if place in fast else pytest.mark.slow,
        )
        for place in places
    ]


def few_fast(cases, fast):
    """Return all cases; those beyond the first few are slow."""
    return [
        case if i < fast else pytest.param(*_values(case), marks=pytest.mark.slow)
        for i, case in enumerate(cases)
    ]


def _values(case):
    return case if isinstance(case, tuple) else (case,)
