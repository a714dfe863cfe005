"""Lower bounds from Lipschitz constants, in the form of all proofs of distances."""

from __future__ import annotations

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.distances._bounds import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    ends_meet,
)
from specreg_sklearn.certificates.distances._confirm import confirmed_witnesses
from specreg_sklearn.certificates.pipelines import CertifiedModel
from specreg_sklearn.space import CONVEX_NORMS, CleanRows


class LipschitzProver:
    """Margins over Lipschitz constants: a lower bound for each row, and no witness.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier all of whose steps have stages.

    Raises
    ------
    NoCertificateError
        If a step has none.
    """

    name = "lipschitz"
    norms: tuple[float, ...] = CONVEX_NORMS

    def __init__(self, estimator: Classifier) -> None:
        self.estimator = estimator
        self.model = CertifiedModel(estimator)

    def bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        known: FloatArray | None = None,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> DistanceBounds:
        """Return the radii as lower bounds; upper ones are those of the known rows.

        There is no search, so `within`, `max_nodes` and `n_jobs` change nothing.
        """
        lower, labels = self.model.radii_of(rows, norm=norm)
        witness, upper = confirmed_witnesses(self.estimator.predict, rows, labels, known, norm)
        n_nodes = np.zeros(len(rows), dtype=np.int64)
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), n_nodes)
