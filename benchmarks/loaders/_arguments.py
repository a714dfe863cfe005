"""Checks of what users pass to a loader, and pandas when it is asked for."""

from __future__ import annotations

from typing import Any

SUBSETS = ("train", "test", "all")


def check_subset(subset: Any) -> str:
    """Return the name of a part of a data set.

    Raises
    ------
    ValueError
        If it is not one of the three names.
    """
    if not isinstance(subset, str) or subset not in SUBSETS:
        raise ValueError(
            f"subset={subset!r} is not accepted; give 'train', 'test' or 'all', which is the "
            "training rows followed by the test rows."
        )
    return subset


def import_pandas(caller: str) -> Any:
    """Import pandas for `caller`.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{caller} with as_frame=True needs pandas, which is not installed: pip install pandas."
        ) from error
    return pandas
