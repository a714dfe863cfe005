"""The nearest row of several results, and who found it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import as_targets, ask, replace_rows, same_labels, take_rows

# By how much of its distance a row from elsewhere is moved outwards if the model does not repeat
# its answer: less than what a distance that is called exact may be off.
_OUTWARDS = (1e-10, 1e-8, 1e-7)


class NearestOfAll:
    """Collects results for the same rows; what it hands back was asked about as one array.

    Results may be for some of the rows only.
    """

    def __init__(
        self,
        estimator: Classifier,
        X: Any,
        y: Any,
        space: FeatureSpace,
        *,
        norm: float,
        targeted: bool,
    ) -> None:
        self.estimator, self.X, self.space = estimator, X, space
        self.norm, self.targeted = norm, targeted
        self.rows = space.bind(X)
        self.y = as_targets(y, len(self.rows))
        self._found: list[tuple[str, IntArray, AttackResult]] = []
        self._cells: dict[int, FloatArray] = {}
        self._parts: dict[int, tuple[str, AttackResult]] = {}
        self.distances = np.full(len(self.rows), np.inf)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def any_found(self) -> bool:
        """Whether there is a row that fools the model."""
        return bool(np.isfinite(self.distances).any())

    def results_before(
        self, resume: AttackResult | None, names: list[str]
    ) -> list[AttackResult | None]:
        """Return what each part goes on from; `names` are those of the parts."""
        if resume is None:
            return [None] * len(names)
        kept = getattr(resume, "resumable", None)
        if not isinstance(kept, dict) or [name for name, _ in kept.values()] != names[: len(kept)]:
            raise ValueError(
                f"resume is not a result of the parts {names}. Pass what Strongest has returned "
                "for the same model and parts."
            )
        whole = {k: result for k, (_, result) in kept.items() if len(result.status) == len(self)}
        return [whole.get(k) for k in range(len(names))]

    def add(self, place: int, name: str, rows: IntArray, result: AttackResult) -> None:
        """Take over the result of a part for some rows."""
        self._parts[place] = name, result
        self._found.append((name, rows, result))
        better = result.success & (result.distances < self.distances[rows])
        self.distances[rows[better]] = result.distances[better]

    def add_witness(self, name: str, witness: Any) -> None:
        """Take over rows from elsewhere, as the space allows them, where they fool the model."""
        clean = self.rows
        theirs = self.space.bind(witness, parameter=f"witnesses[{name!r}]")
        if len(theirs) != len(self):
            raise ValueError(
                f"witnesses[{name!r}] holds {len(theirs)} rows, but X has {len(self)}; give one "
                "row per row of X: the row itself where there is none."
            )
        cells = clean.read(theirs.table, np.arange(len(self)))
        self.add_cells(name, np.where(clean.missing, clean.raw, cells))

    def add_cells(self, name: str, cells: FloatArray) -> None:
        """Take over rows from elsewhere, given as their movable cells; NaN where there is none.

        Cells that the space allows are not changed in the least where the model repeats its answer:
        the witness of a proof may stand one rounding behind a threshold.
        """
        every, clean = np.arange(len(self)), self.rows
        given = np.asarray(~np.isnan(cells).any(axis=1))
        held = np.where(given[:, None], cells, clean.raw)
        raw = clean.settle(clean.fit(held, *clean.box(every)), every)
        for step in (*_OUTWARDS, None):
            X_adv, distances = clean.build(raw, every), clean.distance(raw, every, self.norm)
            # A row that is wrong as it stands is at distance 0, whatever else fools the model.
            fooled = self._fools(X_adv) & ~self._clean_fools & (distances > 0)
            # Who found them asked in another array, where scores may have been rounded otherwise.
            lost = np.flatnonzero(given & ~(fooled | self._clean_fools) & (distances > 0))
            if step is None or not len(lost):
                break
            raw = np.array(raw)
            raw[lost] = self._outwards(raw[lost], lost, step)
        result = AttackResult(
            X_adv=X_adv,
            distances=np.where(fooled, distances, np.inf),
            success=fooled,
            # What an attack says of the others is not known yet.
            status=np.where(fooled, "found", "").astype("<U14"),
            n_queries=(distances > 0).astype(np.int64),
            found_by=np.where(fooled, name, ""),
        )
        self._cells[len(self._found)] = raw
        self._found.append((name, every, result))
        self.distances = np.minimum(self.distances, result.distances)

    def result(self, eps: float | None, *, verified: bool = True) -> AttackResult:
        """Return the nearest rows of all; not `verified` where the model has failed."""
        n = len(self)
        # Nobody may have looked: then nothing was found.
        distance = np.full((max(len(self._found), 1), n), np.inf)
        n_queries = np.zeros(n, dtype=np.int64)
        status = np.full(n, "", dtype="<U14")
        for k, (_, rows, found) in enumerate(self._found):
            distance[k, rows] = np.where(found.success, found.distances, np.inf)
            n_queries[rows] += found.n_queries
            status[rows] = np.where(status[rows] == "", found.status, status[rows])
        attacked = np.isfinite(distance).any(axis=0) & (distance != 0).all(axis=0)
        steps = list(_OUTWARDS)
        while True:
            chosen = distance.argmin(axis=0)
            X_adv = self._assembled(chosen, np.isfinite(distance.min(axis=0)))
            if not verified or not attacked.any():
                break
            # The whole array is new to the model, whose answer may depend on what else is in it.
            fools = self._fools(X_adv)
            n_queries[attacked] += 1
            lost = np.flatnonzero(attacked & np.isfinite(distance.min(axis=0)) & ~fools)
            if not len(lost):
                break
            if steps and np.isin(chosen[lost], list(self._cells)).any():
                self._push(chosen, lost, distance, steps.pop(0))
                continue
            distance[chosen[lost], lost] = np.inf
            status[lost] = "unverified"
        nearest = distance.min(axis=0)
        success = np.isfinite(nearest)
        names = np.full(n, "", dtype=object)
        for k, (_, rows, found) in enumerate(self._found):
            mine = success[rows] & (chosen[rows] == k)
            status[rows[mine]] = found.status[mine]
            names[rows[mine]] = found.found_by[mine]
        if eps is not None:
            status[success & (nearest <= eps) & (status == "found")] = "stopped_at_eps"
        return AttackResult(
            X_adv=X_adv,
            distances=nearest,
            success=success,
            status=status,
            n_queries=n_queries,
            found_by=names.astype(str) if n else np.empty(0, dtype="<U1"),
            clean=self.X,
            resumable=self._parts,
        )

    def _push(self, chosen: IntArray, lost: IntArray, distance: FloatArray, step: float) -> None:
        """Move those of the lost rows outwards that somebody else gave as cells.

        They may stand one rounding behind a boundary, and a model may round its scores otherwise
        where they stand in another array.
        """
        for k, cells in self._cells.items():
            mine = lost[chosen[lost] == k]
            if not len(mine):
                continue
            found, raw = self._found[k][2], self._outwards(cells[mine], mine, step)
            where = np.zeros(len(self), dtype=bool)
            where[mine] = True
            found.X_adv = replace_rows(found.X_adv, where, self.rows.build(raw, mine))
            found.distances[mine] = self.rows.distance(raw, mine, self.norm)
            # Bounds and whole numbers may have put them anywhere.
            distance[k, mine] = found.distances[mine]

    def _outwards(self, cells: FloatArray, rows: IntArray, step: float) -> FloatArray:
        """Return cells of rows that are moved on by a share of their move."""
        clean = self.rows.raw[rows]
        raw = self.rows.fit(clean + (cells - clean) * (1 + step), *self.rows.box(rows))
        return self.rows.settle(raw, rows)

    @cached_property
    def _clean_fools(self) -> np.ndarray:
        return self._fools(self.X)

    def _fools(self, X: Any) -> np.ndarray:
        right = same_labels(ask(self.estimator.predict, X, len(self)), self.y)
        return right if self.targeted else ~right

    def _assembled(self, chosen: IntArray, success: np.ndarray) -> Any:
        """Return a container with each row from the chosen result, or the clean one."""
        whole = take_rows(self.X, np.arange(len(self)))
        for k, (_, rows, found) in enumerate(self._found):
            mine = success[rows] & (chosen[rows] == k)
            if mine.any():
                where = np.zeros(len(self), dtype=bool)
                where[rows[mine]] = True
                whole = replace_rows(whole, where, take_rows(found.X_adv, np.flatnonzero(mine)))
        return whole
