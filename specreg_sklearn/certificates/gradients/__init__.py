"""Rows with another label that lie near, found by the gradients of a model's scores."""

from specreg_sklearn.certificates.gradients._constants_prover import ConstantsProver
from specreg_sklearn.certificates.gradients._row_margins import (
    DenseMargins,
    RowMargins,
    StagesMargins,
)
from specreg_sklearn.certificates.gradients._witnesses import nearer_witnesses

__all__ = ["ConstantsProver", "DenseMargins", "RowMargins", "StagesMargins", "nearer_witnesses"]
