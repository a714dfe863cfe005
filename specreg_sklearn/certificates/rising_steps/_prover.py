"""Lower bounds behind steps that bend columns, by the proof of the model behind them.

Within a radius of a row each column behind the steps moves by no more than a slope for each unit of
a move in front of them, and a little (`_secants.py`). With these slopes as its units, what the
model behind the steps proves of the row there holds in front of them as well, up to the radius. The
larger the radius, the steeper the slopes may be: the largest one that its own proof covers is
looked for, row by row.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    bounds_by_workers,
    confirmed_witnesses,
    distance_prover,
    ends_meet,
    quick_nodes,
    register_prover_behind_steps,
)
from specreg_sklearn.certificates.pipelines import NoCertificateError, check_underived
from specreg_sklearn.certificates.rising_steps._around_rows import AroundRows
from specreg_sklearn.certificates.rising_steps._front import BendingFront
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import ask

# A distance is rounded by less than this share.
_ROUNDED = 1e-9
# Proofs whose account of rounding holds for sums in any order, as sparse rows have them. X itself
# is dense here, so that relaxations, which do not read sparse rows, are among them.
_ON_SPARSE_ROWS = ("linear", "lipschitz", "relaxation")


class RisingStepsProver:
    """A proof about the model behind steps that bend columns, made one about the whole.

    Parameters
    ----------
    estimator : classifier
        The fitted pipeline or search.
    X : array-like or DataFrame
        Rows such as those that distances are wanted for.
    constants : bool, default=True
        Whether Lipschitz constants are taken where no other proof is known.

    Raises
    ------
    NoCertificateError
        If no step bends columns, one of them mixes columns, or the model behind them has no proof.
    """

    def __init__(self, estimator: Classifier, X: Any, *, constants: bool = True) -> None:
        self.estimator, self.front = estimator, BendingFront(estimator, X)
        self.prover = distance_prover(self.front.rest, self.front.dense(X), constants=constants)
        if self.front.sparse_rows and self.prover.name not in _ON_SPARSE_ROWS:
            raise NoCertificateError(
                f"{type(self.front.steps[-1]).__name__} has no certificate here: it hands on "
                "sparse rows, on which models may compute in another way. Fit it with "
                "sparse_threshold=0."
            )
        self.name = self.prover.name

    @property
    def norms(self) -> tuple[float, ...]:
        """The norms that it proves distances in."""
        return tuple(norm for norm in self.prover.norms if norm)

    @property
    def quick_nodes(self) -> int:
        """How many nodes it looks at for a row where an attack is at hand."""
        return quick_nodes(self.prover)

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
        """Return what is proved from below; upper ends are those of rows known, and of sums."""
        self._check(rows)
        prove = partial(self._bounds, norm=norm, within=within, max_nodes=max_nodes)
        return bounds_by_workers(prove, rows, known, n_jobs=n_jobs)

    def _check(self, rows: CleanRows) -> None:
        check_underived(rows.derives, bool(rows.choices))
        if rows.repair is not None or rows.large:
            raise NoCertificateError(
                "The model has no certificate behind steps that bend columns where the space has a "
                "repair, or whole numbers beyond 2**53."
            )
        if self.front.followed.read[rows.columns].any():
            raise NoCertificateError(
                "The feature space lets columns move that a step mixes with others, or makes "
                "several others of, such as an encoder; certificates are for columns that are "
                "mapped one by one."
            )

    def _bounds(
        self,
        rows: CleanRows,
        known: FloatArray | None,
        *,
        norm: float,
        within: float | None,
        max_nodes: int,
    ) -> DistanceBounds:
        n = len(rows)
        labels = ask(self.estimator.predict, rows.write(rows.raw, np.arange(n)), n)
        witness, upper = confirmed_witnesses(self.estimator.predict, rows, labels, known, norm)
        around = AroundRows(self.estimator, self.front, self.prover, rows, norm, max_nodes)
        lower = around.proved(labels, upper, within)
        cells, distance = around.nearest_on_the_way(labels)
        nearer = distance < upper
        witness[nearer], upper[nearer] = cells[nearer], distance[nearer]
        lower = np.where(lower >= around.corner, np.inf, lower)
        if (np.isfinite(upper) & (lower > upper * (1 + _ROUNDED))).any():
            raise NoCertificateError(
                f"{type(self.front.rest).__name__} has no certificate: predict gives another label "
                "nearer than what is proved behind its steps allows. Does each column behind them "
                "rise with the one that it is made of?"
            )
        lower = np.minimum(lower, upper)
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), around.n_nodes)


@register_prover_behind_steps
def prove_behind_rising_steps(estimator: Classifier, X: Any, constants: bool) -> RisingStepsProver:
    """Return the proof of a model behind steps that bend columns."""
    return RisingStepsProver(estimator, X, constants=constants)
