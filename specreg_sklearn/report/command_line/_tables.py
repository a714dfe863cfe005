"""Tables from files: CSV and Parquet, with the target apart, in the columns of the models."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn.report.command_line._errors import InputError

_CSV = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".tsv")
_PARQUET = (".parquet", ".pq")


class Data(NamedTuple):
    """Rows and labels of a file.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The columns that the models were fitted on; an array if they know no names.
    y : ndarray of shape (n_samples,)
        Labels.
    names : list of str
        The names of the columns of `X`.
    dropped : list of str
        Columns of the file that the models do not know.
    """

    X: Any
    y: np.ndarray
    names: list[str]
    dropped: list[str]


def read_table(place: str) -> Any:
    """Return a CSV or Parquet file as a DataFrame."""
    path = Path(place)
    if not path.is_file():
        raise InputError(f"data {place!r}: there is no such file.")
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(f"data {place!r} needs pandas: pip install pandas.") from error
    name = path.name.lower()
    try:
        if name.endswith(_PARQUET):
            return pd.read_parquet(path)
        if name.endswith(_CSV):
            sign = "\t" if name.endswith(".tsv") else ","
            # Before 3.1 the last digit of a number could get lost.
            old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
            return pd.read_csv(path, sep=sign, **({"float_precision": "round_trip"} if old else {}))
    except ImportError as error:
        raise InputError(f"data {place!r} needs pyarrow: pip install pyarrow.") from error
    except Exception as error:  # what is in a file decides what readers raise
        raise InputError(f"data {place!r} cannot be read: {error}") from error
    raise InputError(f"data {place!r}: accepted are {', '.join((*_CSV, *_PARQUET))}.")


def read_data(place: str, target: str | None, models: dict[str, Any]) -> Data:
    """Return rows in the columns of the models, and labels.

    Raises
    ------
    InputError
        If the target is not there or has gaps, columns of a model are missing, or the labels are
        none that a model predicts.
    """
    frame = read_table(place)
    columns = [str(column) for column in frame.columns]
    if target is None:
        raise InputError(
            f"which column of {place!r} holds the labels? Say --target COLUMN, one of: "
            f"{_listed(columns)}."
        )
    if target not in columns:
        near = get_close_matches(target, columns, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"--target {target!r} is no column of {place!r}. It has: {_listed(columns)}.{hint}"
        )
    labels = frame.pop(target)
    if labels.isna().any():
        raise InputError(
            f"--target {target!r} is missing in {int(labels.isna().sum())} of {len(labels)} rows "
            f"of {place!r}. Drop these rows, or fill them."
        )
    X, names = _columns_for(models, frame, place)
    y = labels.to_numpy()
    y = y.astype(str) if y.dtype.kind == "O" else y
    for name, model in models.items():
        _check_labels(model, name, y, target)
    return Data(X, y, names, [column for column in columns if column not in {*names, target}])


def _columns_for(models: dict[str, Any], frame: Any, place: str) -> tuple[Any, list[str]]:
    """Return the columns that all models were fitted on, in their order, and their names."""
    wanted = {name: _columns_of(model, name, frame, place) for name, model in models.items()}
    (first, columns), *others = wanted.items()
    for name, theirs in others:
        if theirs != columns:
            raise InputError(
                f"models {first!r} and {name!r} were fitted on different columns, or in another "
                "order. Report them one by one."
            )
    named = any(hasattr(model, "feature_names_in_") for model in models.values())
    numbers = all(_is_number(frame[column].dtype) for column in columns)
    X = frame[columns]
    # A model that was fitted on an array knows no names, and warns of them.
    return (X if named or not numbers else X.to_numpy()), [str(column) for column in columns]


def _columns_of(model: object, name: str, frame: Any, place: str) -> list[Any]:
    """Return the columns that a model was fitted on, in its order."""
    wanted = getattr(model, "feature_names_in_", None)
    if wanted is not None:
        missing = [column for column in wanted if column not in frame.columns]
        if missing:
            raise InputError(
                f"model {name!r} was fitted on columns that {place!r} does not have: "
                f"{_listed(missing)}. Was it fitted on another table?"
            )
        return list(wanted)
    n = getattr(model, "n_features_in_", None)
    if n is not None and n != frame.shape[1]:
        raise InputError(
            f"model {name!r} was fitted on {n} columns without names; {place!r} has "
            f"{frame.shape[1]} beside the target. Leave out the others, in the order of fit."
        )
    return list(frame.columns)


def _is_number(dtype: object) -> bool:
    return getattr(dtype, "kind", "O") in "iufb"


def _check_labels(model: object, name: str, y: np.ndarray, target: str) -> None:
    classes = getattr(model, "classes_", None)
    if classes is None:
        return
    known = set(np.asarray(classes).tolist())
    strange = sorted(set(y.tolist()) - known, key=str)
    if len(strange) == len(set(y.tolist())):
        raise InputError(
            f"--target {target!r} holds the labels {_listed(strange)}, and model {name!r} "
            f"predicts {_listed(sorted(known, key=str))}. Write the labels that it was fitted on."
        )


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
