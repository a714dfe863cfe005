"""A report as plain data: what stands in its JSON, and how it is read, hashed and computed.

Nothing in this folder runs an attack or loads one.
"""

from specreg_sklearn.report.document._comparison import holds, withstands
from specreg_sklearn.report.document._counts import percent
from specreg_sklearn.report.document._fingerprints import (
    MOST_PREDICTED,
    class_counts,
    class_name,
    data_fingerprint,
    labels_fingerprint,
    parameters_of,
    pickle_fingerprint,
    plain_label,
)
from specreg_sklearn.report.document._names import with_names
from specreg_sklearn.report.document._rows import (
    WORDS,
    as_json,
    row_records,
    status_of,
    witness_rows,
)
from specreg_sklearn.report.document._schema import (
    FORMAT,
    SCHEMA_VERSION,
    TOLERANCES,
    own_hash,
    read_document,
    strange_keys,
    to_text,
)
from specreg_sklearn.report.document._summary import follow_up
from specreg_sklearn.report.document._threat_model import (
    functions_of,
    norm_from_json,
    norm_to_json,
    threat_model,
)

__all__ = [
    "FORMAT",
    "MOST_PREDICTED",
    "SCHEMA_VERSION",
    "TOLERANCES",
    "WORDS",
    "as_json",
    "class_counts",
    "class_name",
    "data_fingerprint",
    "follow_up",
    "functions_of",
    "holds",
    "labels_fingerprint",
    "norm_from_json",
    "norm_to_json",
    "own_hash",
    "parameters_of",
    "percent",
    "pickle_fingerprint",
    "plain_label",
    "read_document",
    "row_records",
    "status_of",
    "strange_keys",
    "threat_model",
    "to_text",
    "with_names",
    "withstands",
    "witness_rows",
]
