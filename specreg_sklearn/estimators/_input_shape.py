"""Rows as they are given: images become flat rows, and the backbone gets their shape."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from specreg_sklearn.tables import as_numpy, stacklevel_of_caller

_COLOURS = (1, 3, 4)
_LARGEST_BINARY = 1


def flat_rows(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Flatten rows that have axes of their own, in C order, and return these; None for a table.

    Arrays of other libraries become numpy arrays. TypeError for a Dataset or a DataLoader of torch.
    """
    if isinstance(X, (Dataset, DataLoader)):
        raise TypeError(
            f"X is a {type(X).__name__} of torch; rows in an array are expected. For rows that do "
            "not fit into memory give a memory map, np.load(path, mmap_mode='r'), which is read "
            "batch by batch, or hand the batches of a DataLoader to partial_fit, one by one."
        )
    X = as_numpy(X)
    if getattr(X, "ndim", 0) < 3:
        return X, None
    array = np.asarray(X)
    return array.reshape(len(array), -1), array.shape[1:]


def choose_input_shape(
    input_shape: Sequence[int] | None,
    row_shape: tuple[int, ...] | None,
    n_features: int,
    default: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """Return the shape of a row as the backbone gets it, or raise ValueError if it does not fit.

    That is the user's parameter; else the rows' own axes, where they have more than one; else the
    default, which a trained backbone was made for; else ``(n_features,)``.
    """
    if input_shape is None:
        if row_shape is not None:
            _refuse_channels_last(row_shape)
            return row_shape
        if default is None:
            return (n_features,)
        if math.prod(default) != n_features:
            raise ValueError(
                f"module holds an encoder made for rows of shape {default}, which are "
                f"{math.prod(default)} features; X has {n_features}."
            )
        return default
    shape = tuple(input_shape)
    if any(not isinstance(side, Integral) or side < 1 for side in shape) or (
        math.prod(shape) != n_features
    ):
        raise ValueError(
            f"input_shape={input_shape!r} must be positive integers whose product is the number "
            f"of features of X, {n_features}."
        )
    shape = tuple(int(side) for side in shape)
    check_row_shape(row_shape, shape)
    return shape


def check_row_shape(row_shape: tuple[int, ...] | None, input_shape: tuple[int, ...]) -> None:
    """Raise if rows with axes of their own, which a table has not, lack those of the network.

    A single axis fits all rows: they are flattened.
    """
    if row_shape is None or len(input_shape) == 1 or row_shape == input_shape:
        return
    hint = ""
    if len(row_shape) == 3 and (row_shape[2], *row_shape[:2]) == input_shape:
        hint = " The channels come last: use X.transpose(0, 3, 1, 2)."
    raise ValueError(
        f"X has rows of shape {row_shape}; input_shape={input_shape} is expected, that is X of "
        f"shape (n_samples, {', '.join(map(str, input_shape))}) or flat rows.{hint}"
    )


def has_raw_pixels(X: Any, input_shape: tuple[int, ...]) -> bool:
    """Tell whether rows, as the user gave them, are images of bytes from 0 to 255."""
    return bool(
        len(input_shape) == 3
        and getattr(X, "dtype", None) == np.uint8
        and X.size
        and X.max() > _LARGEST_BINARY
    )


def warn_of_raw_pixels(X: Any, input_shape: tuple[int, ...]) -> None:
    """Warn about images, as the user gave them, whose pixels are bytes from 0 to 255."""
    if has_raw_pixels(X, input_shape):
        warnings.warn(
            f"X holds images of dtype uint8 with values up to {X.max()}. Networks train badly on "
            "such units, and distances are then in them: divide by 255, or put a MinMaxScaler in "
            "front.",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )


def _refuse_channels_last(row_shape: tuple[int, ...]) -> None:
    if len(row_shape) == 3 and row_shape[2] in _COLOURS and row_shape[0] not in _COLOURS:
        raise ValueError(
            f"X has rows of shape {row_shape}, which look like images with the channels last; "
            "(n_samples, n_channels, height, width) is expected. Use X.transpose(0, 3, 1, 2), or "
            f"set input_shape={row_shape} if {row_shape[0]} really is the number of channels."
        )
