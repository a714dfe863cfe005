"""Tables as they stand in files: CSV, with whatever is between the cells, and Parquet."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from specreg_sklearn.report.command_line._errors import InputError

_CSV = (".csv", ".tsv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip")
_PARQUET = (".parquet", ".pq")
_OPEN: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_SIGNS = ",;\t|"
_DECIMAL_COMMA = r"[+-]?\d+,\d+"
_LOOKED_AT = 1000


class CsvForm(NamedTuple):
    """How cells of a CSV file are written.

    Parameters
    ----------
    separator : str or None, default=None
        What is between them; None takes the sign that the line of names has most of.
    decimal : str, default="."
        What is before the fraction of a number.
    encoding : str, default="utf-8"
        How the file is encoded.
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"


def read_table(place: str, form: CsvForm | None = None, *, as_text: Sequence[str] = ()) -> Any:
    """Return a CSV or Parquet file as a DataFrame; the columns `as_text` stay text as written.

    Raises
    ------
    InputError
        If there is no such file, it has no rows, or cannot be read.
    """
    path, form = Path(place), form or CsvForm()
    if not path.is_file():
        raise InputError(f"data {place!r}: there is no such file.")
    name = path.name.lower()
    if not name.endswith((*_CSV, *_PARQUET)):
        raise InputError(f"data {place!r}: accepted are {', '.join((*_CSV, *_PARQUET))}.")
    if path.stat().st_size == 0:
        raise InputError(f"data {place!r} is empty.")
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(f"data {place!r} needs pandas: pip install pandas.") from error
    try:
        if name.endswith(_PARQUET):
            frame = pd.read_parquet(path)
        else:
            frame = _read_csv(pd, path, form, as_text)
    except ImportError as error:
        raise InputError(f"data {place!r} needs pyarrow: pip install pyarrow.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"data {place!r} is not encoded as {form.encoding}: {error}. Say how with --encoding, "
            "such as latin-1 or cp1252."
        ) from error
    except Exception as error:  # what is in a file decides what readers raise
        raise InputError(f"data {place!r} cannot be read: {str(error).strip()}") from error
    if not len(frame):
        raise InputError(f"data {place!r} has names of columns, and no rows.")
    if form.decimal == "." and not name.endswith(_PARQUET):
        _check_decimals(frame, place, as_text)
    return frame


def _read_csv(pd: Any, path: Path, form: CsvForm, as_text: Sequence[str]) -> Any:
    # Before 3.1 the last digit of a number could get lost.
    old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    return pd.read_csv(
        path,
        sep=form.separator or _separator(path, form.encoding),
        decimal=form.decimal,
        encoding=form.encoding,
        dtype=dict.fromkeys(as_text, str),
        **({"float_precision": "round_trip"} if old else {}),
    )


def _separator(path: Path, encoding: str) -> str:
    """Return the sign that the line of names has most of, outside of quotes; a comma if none."""
    if path.suffix.lower() == ".zip":
        return ","
    if path.name.lower().endswith(".tsv"):
        return "\t"
    with _OPEN.get(path.suffix.lower(), open)(path, "rt", encoding=encoding, newline="") as file:
        line = file.readline()
    counts = {sign: len(next(csv.reader([line], delimiter=sign), [])) for sign in _SIGNS}
    return max(_SIGNS, key=lambda sign: counts[sign])


def _check_decimals(frame: Any, place: str, as_text: Sequence[str]) -> None:
    """Refuse columns of numbers with a decimal comma, which would be words otherwise."""
    for column in frame.columns:
        cells = frame[column].dropna()[:_LOOKED_AT]
        if column in as_text or cells.dtype.kind in "iufbM" or not len(cells):
            continue
        if cells.astype(str).str.fullmatch(_DECIMAL_COMMA).all():
            raise InputError(
                f"column {str(column)!r} of {place!r} holds numbers with a decimal comma, such as "
                f"{str(cells.iloc[0])!r}. Say so with --decimal , or write them with a point."
            )
