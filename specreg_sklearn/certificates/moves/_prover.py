"""What proofs about moves share: rows in, bounds out, witnesses asked of `predict`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    bounds_by_workers,
    confirmed_witnesses,
    ends_meet,
)
from specreg_sklearn.certificates.moves._model_rows import ModelRows, model_rows
from specreg_sklearn.certificates.moves._rows_across import rows_across
from specreg_sklearn.certificates.pipelines import NoCertificateError, split_pipeline
from specreg_sklearn.space import CONVEX_NORMS, CleanRows, as_norm
from specreg_sklearn.tables import LabelCoder, ask

_SAFETY = 1 - 1e-9


class LocalProof(NamedTuple):
    """What is proved of some rows.

    Parameters
    ----------
    lower : ndarray of shape (n_rows,)
        Moves shorter than this keep the label, rounding included.
    move : ndarray of shape (n_rows, n_moves)
        Moves that lead to the boundary, as far as one is known; NaN otherwise.
    n_nodes : ndarray of shape (n_rows,), int
        How much was searched.
    """

    lower: FloatArray
    move: FloatArray
    n_nodes: IntArray


class MoveProver(ABC):
    """A proof about moves of the rows that the last step of a model reads.

    Parameters
    ----------
    estimator : estimator
        The fitted classifier, pipeline or search.

    Attributes
    ----------
    name : str
        What results call the proof.
    norms : tuple of float
        The norms that it proves distances in.
    sparse_rows : bool
        Whether the proof holds where steps hand on sparse rows.
    priced : bool
        Whether it counts moves at their prices; else they cost their length at least.
    last : estimator
        The classifier itself.
    """

    name: ClassVar[str]
    norms: tuple[float, ...] = CONVEX_NORMS
    sparse_rows: ClassVar[bool] = False
    priced: ClassVar[bool] = False

    def __init__(self, estimator: Classifier) -> None:
        self.estimator = estimator
        self.last = split_pipeline(estimator)[1]
        classes = getattr(self.last, "classes_", None)
        if classes is None or isinstance(classes, list) or np.ndim(classes) != 1:
            raise NoCertificateError(
                f"{type(self.last).__name__} has no certificate: it was fitted on several outputs "
                "per row, or has no array classes_. Fit one model for each output."
            )
        self.classes = np.asarray(classes)

    @abstractmethod
    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return what is proved of rows.

        Parameters
        ----------
        rows : ModelRows
            What the classifier reads.
        own : ndarray of shape (n_rows,), int
            The class of each row by `predict`.
        box : tuple of two ndarray of shape (n_rows, n_moves)
            Ends of the moves that the space allows, in its units; infinite where it is open.
        max_nodes : int
            How much is searched for a row at most.
        """

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
        """Return bounds and witnesses, as every :class:`DistanceProver` does."""
        prove = partial(self._bounds, norm=norm, within=within, max_nodes=max_nodes)
        return bounds_by_workers(prove, rows, known, n_jobs=n_jobs)

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
        every = np.arange(n)
        # Before predict is asked: what is wrong with a row is said column by column.
        inputs = model_rows(
            self.estimator,
            rows,
            norm or 2,
            getattr(self.last, "n_features_in_", None),
            sparse_rows=self.sparse_rows,
        )
        if norm == 0:
            if not inputs.exact:
                raise NoCertificateError(
                    f"{type(self.last).__name__} has no certificate in L0 behind steps of which "
                    "only a Lipschitz constant is known: a single cell may move by any length."
                )
            inputs = inputs.in_norm(0)
        if within is not None:
            inputs = inputs.asked_up_to(within)
        labels = ask(self.estimator.predict, rows.write(rows.raw, every), n)
        witness, upper = confirmed_witnesses(self.estimator.predict, rows, labels, known, norm)
        own = LabelCoder(self.classes).encode(labels)
        low, high = (np.broadcast_to(end, rows.raw.shape) - rows.raw for end in rows.box(every))
        box = low / rows.scale, high / rows.scale
        if rows.repair is not None:
            # What a repair makes of a row need not lie inside the bounds.
            box = np.full_like(low, -np.inf), np.full_like(high, np.inf)
        proof = self.local_proof(inputs, own, box, max_nodes)
        if inputs.exact:
            found = rows_across(self.estimator.predict, rows, labels, proof.move, norm, inputs.unit)
            nearer = found[1] < upper
            witness[nearer], upper[nearer] = found[0][nearer], found[1][nearer]
        lower = proof.lower
        if norm:
            lower = np.minimum(lower, inputs.farthest)
            lower = np.where(np.isfinite(lower), lower * _SAFETY, lower)
        # No row of the space is farther away than the farthest corner of its box.
        down, up = (1.0, 1.0)
        if self.priced and inputs.dearer is not None:
            up, down = inputs.dearer
        with np.errstate(invalid="ignore"):
            corner = as_norm(norm).length(np.maximum(np.abs(box[0]) * down, np.abs(box[1]) * up))
        lower[lower > corner * (1 + 1e-12)] = np.inf
        if np.isfinite(upper).any() and (lower > upper).any():
            raise NoCertificateError(
                f"{type(self.last).__name__} has no certificate: predict gives another label "
                "nearer than its fitted numbers allow. Is it made for this version of the model?"
            )
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), proof.n_nodes)
