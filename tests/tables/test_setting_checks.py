"""Checks of single settings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from specreg_sklearn.tables import check_choice, check_count, check_flag, check_number


@pytest.mark.parametrize(
    ("closed", "accepted"),
    [("left", {0}), ("right", {1}), ("both", {0, 1}), ("neither", set())],
)
def test_limits_count_where_they_are_said_to(closed, accepted):
    check_number("share", np.float32(0.5), 0, 1, closed=closed)
    for limit in (0, 1):
        if limit in accepted:
            check_number("share", limit, 0, 1, closed=closed)
        else:
            with pytest.raises(ValueError, match=f"share={limit} must be inside"):
                check_number("share", limit, 0, 1, closed=closed, accepted="inside")


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, 1j, [1.0], -1e-9])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"alpha=.* must be a finite number of at least 0"):
        check_number("alpha", value, 0)


@pytest.mark.parametrize("value", [True, 0, -2, 1.0, "1", [1]])
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match=r"width=.* of Net must be a positive integer or 'auto'"):
        check_count("width", value, otherwise=("auto",), owner="Net")


def test_counts_and_their_alternatives():
    check_count("every", np.int8(3))
    check_count("every", None, otherwise=(None,))
    with pytest.raises(ValueError, match="every=None must be a positive integer"):
        check_count("every", None)


def test_flags_and_names():
    check_flag("blur", np.True_)
    with pytest.raises(ValueError, match="blur=1 must be True or False"):
        check_flag("blur", 1)
    check_choice("method", "fast", ("fast", "exact"))
    for value in ("slow", ["fast"], None):
        with pytest.raises(ValueError, match=r"method=.* must be one of \('fast', 'exact'\)"):
            check_choice("method", value, ("fast", "exact"))
