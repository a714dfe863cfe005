"""Any container in: frames, arrays, labels, columns, and what a model predicts for them."""

from specreg_sklearn.tables._arguments import (
    check_eps,
    check_estimator,
    check_fitted_columns,
    check_norm,
    check_positive_int,
    check_seed,
    check_starts,
)
from specreg_sklearn.tables._arrays import CATEGORICAL, INTEGER, ArrayTable, ListTable
from specreg_sklearn.tables._column_checks import (
    check_bounds,
    check_cells,
    check_columns,
    check_names,
)
from specreg_sklearn.tables._column_options import (
    TYPES,
    column_label,
    read_bounds,
    read_mutable,
    read_scale,
    read_types,
)
from specreg_sklearn.tables._frames import PandasTable, Table, as_table
from specreg_sklearn.tables._labels import UNKNOWN, LabelCoder, as_labels, as_targets
from specreg_sklearn.tables._model_columns import columns_read, complete_rows, places_of
from specreg_sklearn.tables._predictions import Predict, ask, checked
from specreg_sklearn.tables._setting_checks import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_share,
)
from specreg_sklearn.tables._subsample import subsample, take_rows

__all__ = [
    "CATEGORICAL",
    "INTEGER",
    "TYPES",
    "UNKNOWN",
    "ArrayTable",
    "LabelCoder",
    "ListTable",
    "PandasTable",
    "Predict",
    "Table",
    "as_labels",
    "as_table",
    "as_targets",
    "ask",
    "check_bounds",
    "check_cells",
    "check_choice",
    "check_columns",
    "check_count",
    "check_eps",
    "check_estimator",
    "check_fitted_columns",
    "check_flag",
    "check_names",
    "check_norm",
    "check_number",
    "check_positive_int",
    "check_seed",
    "check_share",
    "check_starts",
    "checked",
    "column_label",
    "columns_read",
    "complete_rows",
    "places_of",
    "read_bounds",
    "read_mutable",
    "read_scale",
    "read_types",
    "subsample",
    "take_rows",
]
