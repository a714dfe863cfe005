"""What scores, scorers, displays and reports share: the settings of a measurement, and shares."""

from specreg_sklearn.metrics.measurement._attacked_rows import AttackedRows, attacked_rows
from specreg_sklearn.metrics.measurement._both_ends import (
    BothEnds,
    both_ends,
    nearest_rows_found,
)
from specreg_sklearn.metrics.measurement._confirmed_attack import confirmed_attack
from specreg_sklearn.metrics.measurement._measurement import (
    Measurement,
    Sample,
    check_certify,
    read_eps,
    read_grid,
)
from specreg_sklearn.metrics.measurement._proofs import (
    Proof,
    bound_rows,
    bounds_of_rows,
    demanded_proof,
    nodes_for,
    proof_of,
    wanted_proof,
)
from specreg_sklearn.metrics.measurement._shares import (
    certified_shares,
    proved_beyond,
    radii_of_labels,
    robust_shares,
    shares_beyond,
    shares_of_rows,
    warn_of_undecided,
    weighted_shares,
)

__all__ = [
    "AttackedRows",
    "BothEnds",
    "Measurement",
    "Proof",
    "Sample",
    "attacked_rows",
    "both_ends",
    "bound_rows",
    "bounds_of_rows",
    "certified_shares",
    "check_certify",
    "confirmed_attack",
    "demanded_proof",
    "nearest_rows_found",
    "nodes_for",
    "proof_of",
    "proved_beyond",
    "radii_of_labels",
    "read_eps",
    "read_grid",
    "robust_shares",
    "shares_beyond",
    "shares_of_rows",
    "wanted_proof",
    "warn_of_undecided",
    "weighted_shares",
]
