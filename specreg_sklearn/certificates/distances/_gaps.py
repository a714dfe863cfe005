"""Proofs of rows with missing cells, by the numbers that an imputer puts there.

A missing cell never moves, and an imputer makes one and the same number of it. So the distance of a
row with gaps is that of the row with these numbers in their place, among moves of the other cells.
Rows that miss the same cells are proved together.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.distances._bounds import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    ends_meet,
)
from specreg_sklearn.certificates.distances._confirm import confirmed_witnesses
from specreg_sklearn.certificates.distances._imputed_values import imputed_values
from specreg_sklearn.certificates.distances._prover import lower_bounds, takes_gaps
from specreg_sklearn.certificates.distances._prover_around import ProverAround
from specreg_sklearn.certificates.pipelines import NoCertificateError, split_pipeline
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import Table, as_table, ask, places_of, same_labels


class GapsProver(ProverAround):
    """A proof about complete rows, made one about rows with gaps that an imputer fills.

    Proofs that know what becomes of gaps say so (`takes_gaps`), and are left alone.
    """

    def lower_bounds(
        self,
        rows: CleanRows,
        /,
        *,
        norm: float,
        within: float | None = None,
        max_nodes: int = DEFAULT_MAX_NODES,
        n_jobs: int | None = None,
    ) -> FloatArray:
        """Return the lower ends alone."""
        options: dict[str, Any] = {"norm": norm, "within": within}
        options |= {"max_nodes": max_nodes, "n_jobs": n_jobs}
        completed = self._completed(rows)
        if completed is None:
            return lower_bounds(self.prover, rows, **options)
        lower = np.full(len(rows), np.inf)
        for part in completed.parts:
            if not len(part.moving):
                continue
            lower[part.places] = 0.0
            with part.tried():
                lower[part.places] = lower_bounds(self.prover, part.rows, **options)
        return lower

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
        """Return the bounds of rows; of complete ones they are those of the proof itself."""
        options: dict[str, Any] = {"norm": norm, "within": within}
        options |= {"max_nodes": max_nodes, "n_jobs": n_jobs}
        completed = self._completed(rows)
        if completed is None:
            return self.prover.bounds(rows, known=known, **options)
        lower, n_nodes = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.int64)
        proposed = np.full(rows.raw.shape, np.nan)
        for part in completed.parts:
            if not len(part.moving):
                continue
            lower[part.places] = 0.0
            hints = None if known is None else known[np.ix_(part.places, part.moving)]
            with part.tried():
                found = self.prover.bounds(part.rows, known=hints, **options)
                lower[part.places], n_nodes[part.places] = found.lower, found.n_nodes
                some = np.flatnonzero(~np.isnan(found.witness).any(axis=1))
                there = part.places[some]
                # Cells that are missing stay so, whatever stands for them here.
                proposed[there] = rows.raw[there]
                proposed[np.ix_(there, part.moving)] = found.witness[some]
        predict, labels = self.estimator.predict, completed.labels
        witness, upper = confirmed_witnesses(predict, rows, labels, proposed, norm)
        lower = np.minimum(lower, upper)
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), n_nodes)

    def _labels(self, rows: CleanRows) -> np.ndarray:
        every = np.arange(len(rows))
        return ask(self.estimator.predict, rows.write(rows.raw, every), len(rows))

    def _completed(self, rows: CleanRows) -> _Completed | None:
        """Return rows without gaps; None where the proof itself is asked about all of them.

        Raises
        ------
        NoCertificateError
            If `predict` does not take the completed rows for those with gaps.
        """
        table = rows.table
        if not rows.raw.shape[1]:
            # No number moves: whatever rows hold, they stay as they are.
            return _Completed([], self._labels(rows))
        special = rows.large or rows.derives or rows.repair is not None
        if special or sparse.issparse(table.data) or takes_gaps(self.prover):
            return None
        numeric = [j for j in range(table.n_columns) if table.kind(j) != "categorical"]
        cells = table.numbers(np.array(numeric, dtype=np.int64))
        gaps = np.isnan(cells)
        if not gaps.any():
            return None
        values = self._values(table)[numeric]
        doubtful = (gaps & np.isnan(values)).any(axis=1)
        patterns = np.column_stack([rows.missing, doubtful])
        alike, which = np.unique(patterns, axis=0, return_inverse=True)
        try:
            labels = self._labels(rows)
        except ValueError:
            # The model takes no gaps. What the proof says of them names the step.
            return None
        parts = []
        for k, pattern in enumerate(alike):
            places, moving = np.flatnonzero(which.ravel() == k), np.flatnonzero(~pattern[:-1])
            mine = table.take(places)
            filled = gaps[places].any(axis=0) & ~np.isnan(values)
            if filled.any():
                complete = np.where(gaps[places], values, cells[places])
                columns = {numeric[i]: complete[:, i] for i in np.flatnonzero(filled).tolist()}
                mine = as_table(_with_numbers(mine, columns))
                answers = ask(self.estimator.predict, mine.data, len(places))
                if not same_labels(answers, labels[places]).all():
                    raise NoCertificateError(
                        f"{type(self.estimator).__name__} has no certificate for rows with gaps: "
                        "it gives other labels to rows that hold what its imputer puts there."
                    )
            held = rows.completed(mine, places, moving)
            parts.append(_Part(places, moving, held, bool(pattern[-1]), not doubtful.all()))
        return _Completed(parts, labels)

    def _values(self, table: Table) -> FloatArray:
        """Return what stands for a gap of each column of a table, NaN if that is not known."""
        values = np.full(table.n_columns, np.nan)
        steps = split_pipeline(self.estimator)[0]
        if steps:
            n_inputs = getattr(steps[0], "n_features_in_", None)
            place = places_of(self.estimator, n_inputs, table)
            values[place] = imputed_values(steps, len(place))
        return values


class _Part(NamedTuple):
    """Rows that miss the same cells.

    `moving` are the places of the columns that they hold among the movable ones; rows that hold
    none cannot move. Rows are doubtful if they have gaps that nobody fills: where there are others,
    they may end without a proof.
    """

    places: IntArray
    moving: IntArray
    rows: CleanRows
    doubtful: bool
    among_others: bool

    def tried(self) -> AbstractContextManager[None]:
        """Return a context in which a proof may fail on gaps."""
        return suppress(ValueError) if self.doubtful and self.among_others else nullcontext()


class _Completed(NamedTuple):
    """The rows in parts, and what the model predicts for them as they are, gaps included."""

    parts: list[_Part]
    labels: np.ndarray


def _with_numbers(table: Table, columns: dict[int, FloatArray]) -> Any:
    """Return rows in their container, with other numbers in columns.

    They are as short as all numbers of the table are, which is how an imputer writes them.
    """
    polars = sys.modules.get("polars")
    kinds = [table.dtype(j) for j in range(table.n_columns) if table.kind(j) != "categorical"]
    common = np.result_type(np.float16, *kinds)
    dtype = common if common.kind == "f" else np.dtype(np.float64)
    replaced: dict[int, Any] = {j: numbers.astype(dtype) for j, numbers in columns.items()}
    if polars is not None and isinstance(table.data, polars.DataFrame) and table.names:
        replaced = {j: polars.Series(table.names[j], cells) for j, cells in replaced.items()}
    every, nothing = np.arange(table.n_rows), np.empty((table.n_rows, 0))
    return table.write(every, np.empty(0, int), nothing, nothing.astype(bool), replaced=replaced)
