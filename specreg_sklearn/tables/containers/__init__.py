"""What people keep rows in, read and written column by column: arrays, sparse rows, frames."""

from specreg_sklearn.tables.containers._array_api import as_numpy, dispatches_to, in_library_of
from specreg_sklearn.tables.containers._arrays import (
    CATEGORICAL,
    INTEGER,
    REAL,
    ArrayTable,
    Integers,
    ListTable,
    are_all,
    is_missing,
)
from specreg_sklearn.tables.containers._as_table import Table, as_table
from specreg_sklearn.tables.containers._pandas import PandasTable, frame_of
from specreg_sklearn.tables.containers._sparse import SparseTable

__all__ = [
    "CATEGORICAL",
    "INTEGER",
    "REAL",
    "ArrayTable",
    "Integers",
    "ListTable",
    "PandasTable",
    "SparseTable",
    "Table",
    "are_all",
    "as_numpy",
    "as_table",
    "dispatches_to",
    "frame_of",
    "in_library_of",
    "is_missing",
]
