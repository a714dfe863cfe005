"""A table with the target apart, in the columns of the models."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn.report.command_line._errors import InputError
from specreg_sklearn.report.command_line._files import CsvForm, read_table
from specreg_sklearn.report.command_line._onnx import OnnxClassifier

# In fewer rows a count may well differ from row to row.
_FEW_ROWS = 50


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


def read_data(
    place: str, target: str | None, models: dict[str, Any], form: CsvForm | None = None
) -> Data:
    """Return rows in the columns of the models, and labels.

    Raises
    ------
    InputError
        If the target is not there or has gaps, columns of a model are missing, or the labels are
        none that a model predicts.
    """
    # Labels such as 01 are to stay what the models know.
    words = [target] if target is not None and all(map(_knows_words, models.values())) else []
    frame = read_table(place, form, as_text=words)
    columns = [str(column) for column in frame.columns]
    if target is None:
        raise InputError(
            f"which column of {place!r} holds the labels? Say --target COLUMN, one of: "
            f"{_listed(columns)}."
        )
    if target not in columns:
        near = _near(target, columns)
        hint = "" if near is None else f" Did you mean {near!r}?"
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


def identifiers(data: Data) -> list[str]:
    """Return columns of a frame that look like numbers given to rows, rather than measured."""
    if not hasattr(data.X, "columns") or len(data.X) < _FEW_ROWS:
        return []
    whole = [name for name in data.names if getattr(data.X[name].dtype, "kind", "O") in "iu"]
    return [name for name in whole if data.X[name].is_unique]


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
    X = frame[columns]
    numbers = all(_is_number(frame[column].dtype) for column in columns)
    named = not numbers or any(_takes_names(model, X.head(2)) for model in models.values())
    return (X if named else X.to_numpy()), [str(column) for column in columns]


def _takes_names(model: Any, X: Any) -> bool:
    """Return whether a model is to see a frame, rather than the array of its numbers.

    A model that was fitted on an array knows how many columns that has, and no names: it warns of
    them. Somebody's own class may know neither, and what it takes is seen by asking.
    """
    if hasattr(model, "feature_names_in_"):
        return True
    if hasattr(model, "n_features_in_"):
        return False
    try:
        model.predict(X)
    except Exception:  # whatever a model's own code raises; the array is what is left
        return False
    return True


def _columns_of(model: object, name: str, frame: Any, place: str) -> list[Any]:
    """Return the columns that a model was fitted on, in its order."""
    if isinstance(model, OnnxClassifier):
        model.choose_columns(frame.columns)
    wanted = getattr(model, "feature_names_in_", None)
    if wanted is not None:
        missing = [column for column in wanted if column not in frame.columns]
        if missing:
            near = _near(str(missing[0]), list(map(str, frame.columns)))
            hint = "Was it fitted on another table?" if near is None else f"Is it {near!r}?"
            raise InputError(
                f"model {name!r} was fitted on columns that {place!r} does not have: "
                f"{_listed(missing)}. {hint}"
            )
        return list(wanted)
    n = getattr(model, "n_features_in_", None)
    if n is not None and n != frame.shape[1]:
        raise InputError(
            f"model {name!r} was fitted on {n} columns without names; {place!r} has "
            f"{frame.shape[1]} beside the target. Leave out the others, in the order of fit."
        )
    return list(frame.columns)


def _knows_words(model: object) -> bool:
    return np.asarray(getattr(model, "classes_", [])).dtype.kind in "UOT"


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


def _near(name: str, names: list[str]) -> str | None:
    """Return what somebody may have meant, with other capitals and spaces or a letter wrong."""
    same = [other for other in names if other.strip().casefold() == name.strip().casefold()]
    return next(iter([*same, *get_close_matches(name, names, n=1)]), None)


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
