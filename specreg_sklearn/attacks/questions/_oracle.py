"""The only place that asks the model: coordinates in, "is it fooled?" out."""

from __future__ import annotations

import math

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.space import CleanRows
from specreg_sklearn.tables import LabelCoder, Predict, checked, rank_within

NO_LIMIT = np.iinfo(np.int64).max
# A point that is nearer in its last digits only does not replace the best one: it lies on the
# boundary to the last digit, where an answer need not repeat, and verification would push it out.
_GAIN = 1 - 1e-6


class Oracle:
    """Answers for a set of clean rows, within a budget of queries for each of them.

    The model always sees rows as the user would get them: clipped, rounded, cast, in the user's
    container. The oracle also remembers, for each clean row, the nearest point that fooled the
    model. An attack therefore never loses a good point, even one that its own algorithm steps away
    from.

    `labels` are codes of the true labels, one per row, or of the wanted ones if `targeted`: fooled
    then means that the model predicts them. `names` is how messages call the rows. Each question
    is asked `n_repeats` times, and the majority decides.

    Attributes
    ----------
    n_queries : ndarray of shape (n,), int64
        Questions asked on behalf of each clean row; each sends `n_repeats` rows to the model.
    limit : int
        No row is asked about once it has used so many queries: the answer is then "not fooled".
    best : ndarray of shape (n, d), float64
        Coordinates of the nearest adversarial point asked so far; meaningless where
        `best_distance` is infinite.
    best_distance : ndarray of shape (n,), float64
        Its distance, measured on the row as built; ``inf`` where there is none.
    wanted : ndarray of shape (n,)
        What each of `labels` stands for, as ``coder.matches`` compares with it.
    """

    def __init__(
        self,
        predict: Predict,
        rows: CleanRows,
        labels: IntArray,
        coder: LabelCoder,
        *,
        norm: float = 2,
        targeted: bool = False,
        batch_rows: int = 16384,
        names: IntArray | None = None,
        n_repeats: int = 1,
    ) -> None:
        self.predict, self.rows, self.labels, self.coder = predict, rows, labels, coder
        self.norm, self.targeted, self.batch_rows = norm, targeted, batch_rows
        self.names = np.arange(len(rows)) if names is None else names
        self.n_repeats, self.limit = n_repeats, NO_LIMIT
        self.n_queries = np.zeros(len(rows), dtype=np.int64)
        self.best = np.zeros(rows.raw.shape)
        self.best_distance = np.full(len(rows), np.inf)
        self._scratch = [np.empty(0), np.empty(0)]
        self._input_unchanged: bool | None = None  # whether the model leaves its input as it is
        self.wanted = coder.decode(labels)
        self._whole_labels = self.wanted.dtype.kind in "iu" and coder.are_numbers

    def scratch(self, which: int, *shape: int) -> FloatArray:
        """Return one of two arrays to work in; asking for fresh memory each time costs more."""
        size = math.prod(shape)
        if self._scratch[which].size < size:
            self._scratch[which] = np.empty(size)
        return self._scratch[which][:size].reshape(shape)

    def left(self, owner: IntArray) -> IntArray:
        """Return how many queries rows may still send."""
        return np.maximum(self.limit - self.n_queries[owner], 0)

    def decide(self, Z: FloatArray, owner: IntArray, *, remember: bool = True) -> BoolArray:
        """Return, of shape (m,), whether points fool the model; they are clipped to the box first.

        A point that is built as the clean row itself is never adversarial, and neither is one that
        the budget of its row does not cover. ``remember=False`` is faster, but leaves it to the
        caller to show :meth:`remember` the nearest point of each row that fooled the model.
        """
        fooled = np.zeros(len(Z), dtype=bool)
        if not len(Z):
            return fooled
        covered = self._covered(owner)
        parts: list[slice | IntArray] = [slice(None)]
        if covered is not None or len(Z) > self.batch_rows:
            covered = np.arange(len(Z)) if covered is None else covered
            begins = range(0, len(covered), self.batch_rows)
            parts = [covered[begin : begin + self.batch_rows] for begin in begins]
        # Where cells are rounded, a point may be built as the clean row itself.
        if not remember and self.rows.exact and not self.rows.settles:
            for part in parts:
                fooled[part] = self._plain_answers(Z[part], owner[part])
            return fooled
        distance = np.full(len(Z), np.inf)
        try:
            for part in parts:
                fooled[part], distance[part] = self._decide(Z[part], owner[part])
        finally:
            # All parts at once, so that which of nearly equal points is kept does not depend on
            # them; and what was found before an interruption is kept, too.
            self._remember(Z, owner, fooled, distance)
        return fooled

    def remember(self, Z: FloatArray, owner: IntArray, raw: FloatArray | None = None) -> FloatArray:
        """Keep points that fooled the model where they are the nearest so far.

        `raw` holds them as built, if that is known. Returns their distances, measured on them, of
        shape (m,).
        """
        raw = self.rows.snap(Z, owner) if raw is None else raw
        distance = self.rows.distance(raw, owner, self.norm)
        self._remember(Z, owner, distance > 0, distance)
        return distance

    def _plain_answers(self, Z: FloatArray, owner: IntArray) -> BoolArray:
        self.count(owner)
        return self.ask(self.rows.snap(Z, owner), owner, copy=False)

    def _decide(self, Z: FloatArray, owner: IntArray) -> tuple[BoolArray, FloatArray]:
        """Return where points fool the model, and how far they are as built."""
        raw = self.rows.snap(Z, owner)
        distance = self.rows.distance(raw, owner, self.norm)
        fooled = np.zeros(len(Z), dtype=bool)
        if distance.all():
            fooled = self.ask(raw, owner, copy=False)
            self.count(owner)
        else:
            # A point that is built as the clean row itself is no question.
            there = np.flatnonzero(distance)
            if len(there):
                some, whose = self.rows.those(raw, owner, there)
                fooled[there] = self.ask(some, whose)
                self.count(whose)
        return fooled, distance

    def votes(
        self, raw: FloatArray, owner: IntArray, *, counted: IntArray | None = None
    ) -> FloatArray:
        """Ask about rows given as raw cells, in one call of the model for each repeat.

        Returns the share of the repeats that fooled the model. Queries are counted for `counted`
        where clean rows only give the call its shape.
        """
        share = self._n_fooled(raw, owner, True) / self.n_repeats
        self.count(owner if counted is None else counted)
        return np.where(self.rows.moved(raw, owner), share, 0.0)

    def ask(self, raw: FloatArray, owner: IntArray, *, copy: bool = True) -> BoolArray:
        """Return whether rows fool the model, without counting or doubting them.

        `raw` has shape (m, d), or (m, k, d) for k rows of each owner; the answers have the same
        shape without the last axis. With ``copy=False`` the caller will not write to `raw` again: a
        model that does not write to its input, as the first time shows, then gets these cells
        themselves.
        """
        if self.n_repeats == 1:
            return self._ask_once(raw, owner, copy)
        return 2 * self._n_fooled(raw, owner, copy) > self.n_repeats

    def _n_fooled(self, raw: FloatArray, owner: IntArray, copy: bool) -> IntArray:
        """Return how many of the repeats fooled the model."""
        n_fooled = np.zeros(raw.shape[:-1], dtype=np.int64)
        for _ in range(self.n_repeats):
            n_fooled += self._ask_once(raw, owner, copy)
        return n_fooled

    def _ask_once(self, raw: FloatArray, owner: IntArray, copy: bool) -> BoolArray:
        """Ask once."""
        cells = raw if raw.ndim == 2 else raw.reshape(-1, raw.shape[2])
        same = not copy and self.rows.are_cells and self._input_unchanged is not False
        try:
            if same and self._input_unchanged:
                X = cells
            else:
                whose = owner if raw.ndim == 2 else np.repeat(owner, raw.shape[1])
                X = self.rows.build(cells, whose)
            labels = self.predict(X)
            plain = self._is_plain(labels, len(cells))
            if not plain:
                labels = checked(labels, len(cells))
        except Exception as error:
            rows = listed(self.names[owner])
            error.add_note(f"This happened while changes of {rows} were predicted.")
            raise
        if same and self._input_unchanged is None:
            self._input_unchanged = np.array_equal(X, cells)
        shape, wanted = raw.shape[:-1], self.wanted[owner]
        if plain:
            labels, wanted = labels.reshape(shape), wanted.reshape(-1, *(1,) * (len(shape) - 1))
            return labels == wanted if self.targeted else labels != wanted
        wanted = wanted if len(shape) == 1 else np.repeat(wanted, shape[1])
        matches = self.coder.matches(labels, wanted).reshape(shape)
        return matches if self.targeted else ~matches

    def _is_plain(self, labels: object, n_rows: int) -> bool:
        """Return whether labels are whole numbers, which need no checks and no codes."""
        return (
            type(labels) is np.ndarray
            and labels.dtype.kind in "iu"
            and labels.shape == (n_rows,)
            and self._whole_labels
        )

    def count(self, owner: IntArray) -> None:
        """Count one query for each entry of `owner`."""
        self.n_queries += np.bincount(owner, minlength=len(self.n_queries))

    def _covered(self, owner: IntArray) -> IntArray | None:
        """Return the positions of the queries that budgets cover, or None if that is all."""
        if not len(owner) or self.limit - self.n_queries.max() >= len(owner):
            return None
        wanted = np.bincount(owner, minlength=len(self.n_queries))
        if (wanted <= np.maximum(self.limit - self.n_queries, 0)).all():
            return None
        # First come, first served.
        return np.flatnonzero(rank_within((owner,)) < self.left(owner))

    def _remember(
        self, Z: FloatArray, owner: IntArray, fooled: BoolArray, distance: FloatArray
    ) -> None:
        hits = np.flatnonzero(fooled & (distance < _GAIN * self.best_distance[owner]))
        if not len(hits):
            return
        distance, whose = distance[hits], owner[hits]
        if np.bincount(whose).max() == 1:
            self.best[whose], self.best_distance[whose] = Z[hits], distance
            return
        # The nearest is written last; among equals, the one that was asked first.
        hits, distance = hits[::-1], distance[::-1]
        order = np.argsort(-distance, kind="stable")
        hits = hits[order]
        self.best[owner[hits]] = Z[hits]
        self.best_distance[owner[hits]] = distance[order]


def listed(owner: IntArray) -> str:
    """Return how messages name rows."""
    rows = np.unique(owner)
    shown = ", ".join(str(r) for r in rows[:10].tolist())
    more = f" and {len(rows) - 10} others" if len(rows) > 10 else ""
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{more}"
