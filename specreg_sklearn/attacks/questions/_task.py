"""What a search is given to work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks.questions._bisection import bisect
from specreg_sklearn.attacks.questions._oracle import NO_LIMIT, Oracle
from specreg_sklearn.attacks.questions._random import orthonormal_directions, stream
from specreg_sklearn.attacks.questions._start_pool import StartPoints, StartPool


def _nothing(_: float) -> None:
    """Report no progress."""


@dataclass
class SearchTask:
    """The rows of one search and everything it may use; see ``AttackHooks._search``.

    ``oracle.decide(Z, owner)`` asks the model; ``oracle.best`` and ``oracle.best_distance`` hold
    each row's nearest adversarial point so far. `starts`, (m, d), are adversarial points, at least
    one per row that is open; `owner` is the row of each, and `group` the class the model gave it as
    a row of data. Where the space has no bounds a search goes as far as `reach`, two arrays of
    shape (d,) in coordinates. A row is done once its best distance is at most `stop_distance`; 0
    never stops early. ``report(k)`` tells the progress bar that k more rows are finished; k may be
    a fraction.
    `pool` holds rows of data for :meth:`candidates`; None if the user gave starts or wants noise.
    """

    oracle: Oracle
    reach: tuple[FloatArray, FloatArray]
    starts: FloatArray
    owner: IntArray
    group: IntArray
    stop_distance: float
    seed: int
    report: Callable[[float], None] = field(default=_nothing)
    pool: StartPool | None = None
    _ended: set[int] = field(default_factory=set, init=False)

    @property
    def x(self) -> FloatArray:
        """Coordinates of the clean rows, shape (n, d)."""
        return self.oracle.rows.x

    @cached_property
    def _box(self) -> tuple[FloatArray, FloatArray]:
        return self.oracle.rows.finite_box(self.reach)

    @property
    def lo(self) -> FloatArray:
        """Lower ends of the rows' finite boxes in coordinates, shape (n, d)."""
        return self._box[0]

    @property
    def hi(self) -> FloatArray:
        """Upper ends of the rows' finite boxes in coordinates, shape (n, d)."""
        return self._box[1]

    def active(self) -> IntArray:
        """Return the rows that have a start, are not near enough to stop, and may still ask."""
        return np.flatnonzero(self.is_open(np.arange(len(self.x))))

    def is_open(self, rows: IntArray) -> BoolArray:
        """Return whether rows have a start, are not near enough to stop, and may still ask."""
        best = self.oracle.best_distance[rows]
        far = np.isfinite(best) & (best > self.stop_distance)
        open_ = far & (self.oracle.n_queries[rows] < self.oracle.limit)
        if self._ended:
            open_ &= ~np.isin(rows, list(self._ended))
        return np.asarray(open_)

    def from_best(self) -> SearchTask:
        """Return a task that goes on from the nearest points so far."""
        rows = self.active()
        group = np.zeros(len(rows), dtype=np.int64)
        return replace(self, starts=self.oracle.best[rows], owner=rows, group=group)

    def end(self, rows: IntArray) -> None:
        """Ask no more about rows whose next step costs more than they have left.

        Whatever else they could ask, a longer run would ask after that step.
        """
        self._ended.update(rows.tolist())

    def rng(self, iteration: int) -> np.random.Generator:
        """Return the random generator of an iteration, the same for all rows and workers."""
        return stream(self.seed, iteration)

    def directions(self, iteration: int, n: int) -> FloatArray:
        """Return n unit directions, orthogonal in blocks, the same for all rows and workers."""
        return orthonormal_directions(self.seed, iteration, n, self.x.shape[1])

    def distance(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return how far points are from their rows, in the attack's norm."""
        return self.length(Z - self.x[owner])

    def length(self, steps: FloatArray) -> FloatArray:
        """Return how long steps are, in the attack's norm and at the columns' prices."""
        return self.oracle.rows.length(steps, self.oracle.norm)

    def clip(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return points moved into the boxes of their rows."""
        return self.oracle.rows.clip(Z, owner)

    def steps_as_built(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return, in the units of the cells, the moves to the rows that points are built as."""
        rows = self.oracle.rows
        return np.asarray(rows.snap(Z, owner) - rows.raw[owner])

    def as_built(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return coordinates of the rows that points are built as: clipped, rounded and cast.

        Where nothing is rounded or cast, a point stands for itself, whatever a repair makes of it.
        """
        rows = self.oracle.rows
        if rows.exact:
            return self.clip(Z, owner)
        return np.asarray(self.x[owner] + self.steps_as_built(Z, owner) / rows.scale)

    def candidates(self, rows: IntArray, n: int) -> tuple[FloatArray, IntArray]:
        """Return up to n points per row that may fool the model, and their owners, sorted.

        They are the nearest rows of data that the model puts into a wrong class; without data, the
        starts. Nothing is asked.
        """
        points, owner, _ = self.starting_points(rows, n)
        return points, owner

    def starting_points(self, rows: IntArray, n: int) -> StartPoints:
        """Return what :meth:`candidates` does, and the class that each point was taken from."""
        if self.pool is None:
            chosen = np.flatnonzero(np.isin(self.owner, rows))
            chosen = chosen[np.argsort(self.owner[chosen], kind="stable")]
            return self.starts[chosen], self.owner[chosen], self.group[chosen]
        clean, oracle = self.oracle.rows, self.oracle
        points, place, group = self.pool.nearest(
            clean.x[rows], clean.missing[rows], oracle.labels[rows], n, oracle.targeted
        )
        return self.clip(points, rows[place]), rows[place], group

    def fraction_spent(self) -> float:
        """Return the share of the whole budget that has been used, 0 if there is no budget."""
        limit, spent = self.oracle.limit, self.oracle.n_queries
        return 0.0 if limit == NO_LIMIT else int(spent.sum()) / (len(spent) * limit)

    def drop_closed_starts(self) -> None:
        """Forget the starts of rows that are near enough, or may not ask any more.

        Alone, such a row is not searched: it must not be in the company of others either.
        """
        kept = self.is_open(self.owner)
        if not kept.all():
            self.starts, self.owner = self.starts[kept], self.owner[kept]
            self.group = self.group[kept]

    def starts_to_boundary(self, tolerance: float) -> None:
        """Bisect every start, in place, until it is this near to the boundary."""
        self.starts = bisect(
            self.oracle.decide,
            self.x[self.owner],
            self.starts,
            self.owner,
            tolerance=tolerance,
            norm=self.oracle.norm,
        )

    def sharpen(self, rows: IntArray) -> None:
        """Move the best points of some rows up to the boundary, on the way to the clean rows.

        Most points lie close to it already, so the search for the bracket begins at their end and
        widens from there.
        """
        x, best = self.x[rows], self.oracle.best[rows].copy()
        best = bisect(
            partial(self.oracle.decide, remember=False),
            x,
            best,
            rows,
            tolerance=FINAL_TOLERANCE,
            norm=self.oracle.norm,
            first=FIRST_BRACKET,
        )
        self.oracle.remember(best, rows)


# The last bisection is finer than those of a search: it decides the reported distance.
FINAL_TOLERANCE = 2.0**-12
FIRST_BRACKET = 2.0**-8
FINAL_QUERIES = 6
"""Queries that are set aside for it; enough for points that lie on the boundary already."""
