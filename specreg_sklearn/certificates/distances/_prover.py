"""What every proof of distances offers, whatever the model is made of."""

from __future__ import annotations

from typing import Protocol, cast

from specreg_sklearn._typing import Classifier, FloatArray
from specreg_sklearn.certificates.distances._bounds import (
    DEFAULT_MAX_NODES,
    QUICK_NODES,
    DistanceBounds,
)
from specreg_sklearn.space import CleanRows


class DistanceProver(Protocol):
    """Bounds of the distances to the nearest rows with another predicted label, by proof.

    A prover belongs to one fitted classifier. :func:`distance_prover` finds it, and
    :func:`register_distance_prover` adds provers for other classes.

    Attributes
    ----------
    name : str
        What results call the proof, such as "trees".
    norms : tuple of float
        The norms that it proves distances in.
    """

    @property
    def name(self) -> str: ...

    @property
    def norms(self) -> tuple[float, ...]: ...

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
        """Return the bounds of rows that are bound to a space.

        Parameters
        ----------
        rows : CleanRows
            The rows; the space says what may move, how far, and in which units.
        norm : float
            One of `norms`.
        known : ndarray of shape (n_rows, n_movable) or None, default=None
            Movable cells of rows with another label, such as an attack found; NaN for rows without
            one. They are hints: only what `predict` confirms counts.
        within : float or None, default=None
            The question is only whether the distance is above this number: a row may be left as
            soon as its lower bound is above it, or its upper bound is not. Proofs without a search
            that could end there compute the same as without it.
        max_nodes : int
            How much work is spent on a row at most. More never gives a worse bound.
        n_jobs : int or None, default=None
            Processes, as in joblib. Results do not depend on it. Proofs that take no longer for
            many rows than for one run in one process.

        Returns
        -------
        DistanceBounds
            `lower` never lies above the distance of any row in the space that `predict` gives
            another label than the clean row, as it computes; `upper` is that of `witness`.

        Raises
        ------
        NoCertificateError
            If nothing is proved in this space; the message says why.
        """
        ...


def lower_bounds(
    prover: DistanceProver,
    rows: CleanRows,
    *,
    norm: float,
    within: float | None = None,
    max_nodes: int,
    n_jobs: int | None = None,
) -> FloatArray:
    """Return what a proof shows from below, where nobody asks for the nearest row.

    A prover that looks for rows for the sake of the upper ends may offer these alone, by a method
    of this name.
    """
    alone = getattr(prover, "lower_bounds", None)
    if alone is not None:
        found = alone(rows, norm=norm, within=within, max_nodes=max_nodes, n_jobs=n_jobs)
        return cast(FloatArray, found)
    found = prover.bounds(rows, norm=norm, within=within, max_nodes=max_nodes, n_jobs=n_jobs)
    return found.lower


def quick_nodes(prover: DistanceProver) -> int:
    """Return how many nodes a proof looks at for a row where an attack is at hand.

    A prover whose search finds no rows may state a smaller number than the usual one, as
    `quick_nodes`: its search spares an attack where it proves a row, and nothing elsewhere.
    """
    return int(getattr(prover, "quick_nodes", QUICK_NODES))


def takes_gaps(prover: DistanceProver) -> bool:
    """Return whether a proof knows what becomes of missing cells, which it says by `takes_gaps`."""
    return bool(getattr(prover, "takes_gaps", False))


def quick_model(prover: DistanceProver | None, estimator: Classifier) -> Classifier:
    """Return a classifier with the labels of a model, for an attack that asks for no more.

    A prover that has read the model may offer one that answers sooner about few rows, as
    `quick_model`. It is the model itself where none does.
    """
    offered = getattr(prover, "quick_model", None)
    return estimator if offered is None else cast(Classifier, offered)
