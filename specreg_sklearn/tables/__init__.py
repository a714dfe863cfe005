"""Any container in: frames, arrays, labels, columns, and what a model predicts for them."""

from specreg_sklearn.tables._array_api import as_numpy, dispatches_to, in_library_of
from specreg_sklearn.tables._arrays import (
    CATEGORICAL,
    INTEGER,
    REAL,
    ArrayTable,
    Integers,
    ListTable,
)
from specreg_sklearn.tables._as_classifier import as_classifier
from specreg_sklearn.tables._cell_types import CellRounding, cell_rounding
from specreg_sklearn.tables._changed_cells import (
    changed_cells,
    column_cells,
    is_missing,
    with_cells,
)
from specreg_sklearn.tables._column_numbers import ColumnNumbers, row_blocks
from specreg_sklearn.tables._columns import (
    check_columns,
    check_exact_numbers,
    check_fitted_columns,
    check_names,
    column_label,
    columns_read,
    complete_rows,
    places_of,
)
from specreg_sklearn.tables._frames import PandasTable, Table, as_table, frame_of
from specreg_sklearn.tables._labels import UNKNOWN, LabelCoder, as_labels, as_targets, same_labels
from specreg_sklearn.tables._predictions import (
    Predict,
    ask,
    check_estimator,
    check_wanted_labels,
    checked,
)
from specreg_sklearn.tables._setting_checks import (
    check_choice,
    check_count,
    check_eps,
    check_flag,
    check_number,
    check_positive_int,
    check_seed,
    check_share,
    check_weights,
)
from specreg_sklearn.tables._subsample import (
    DEFAULT_MAX_SAMPLES,
    check_max_samples,
    replace_rows,
    sampled_rows,
    stratified_rows,
    subsample,
    take_rows,
)
from specreg_sklearn.tables._warnings import stacklevel_of_caller

__all__ = [
    "CATEGORICAL",
    "DEFAULT_MAX_SAMPLES",
    "INTEGER",
    "REAL",
    "UNKNOWN",
    "ArrayTable",
    "CellRounding",
    "ColumnNumbers",
    "Integers",
    "LabelCoder",
    "ListTable",
    "PandasTable",
    "Predict",
    "Table",
    "as_classifier",
    "as_labels",
    "as_numpy",
    "as_table",
    "as_targets",
    "ask",
    "cell_rounding",
    "changed_cells",
    "check_choice",
    "check_columns",
    "check_count",
    "check_eps",
    "check_estimator",
    "check_exact_numbers",
    "check_fitted_columns",
    "check_flag",
    "check_max_samples",
    "check_names",
    "check_number",
    "check_positive_int",
    "check_seed",
    "check_share",
    "check_wanted_labels",
    "check_weights",
    "checked",
    "column_cells",
    "column_label",
    "columns_read",
    "complete_rows",
    "dispatches_to",
    "frame_of",
    "in_library_of",
    "is_missing",
    "places_of",
    "replace_rows",
    "row_blocks",
    "same_labels",
    "sampled_rows",
    "stacklevel_of_caller",
    "stratified_rows",
    "subsample",
    "take_rows",
    "with_cells",
]
