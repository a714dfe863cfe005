"""Lower bounds behind steps that bend columns, by the proof of the model behind them.

Within a radius of a row each column behind the steps moves by no more than a slope for each unit of
a move in front of them, and a little (:mod:`._secants`). With these slopes as its units, what the
model behind the steps proves of the row there holds in front of them as well, up to the radius. The
larger the radius, the steeper the slopes may be: the largest one that its own proof covers is
looked for, row by row.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    bounds_by_workers,
    confirmed_witnesses,
    distance_prover,
    ends_meet,
    lower_bounds,
    quick_nodes,
    register_prover_behind_steps,
)
from specreg_sklearn.certificates.pipelines import NoCertificateError, check_underived
from specreg_sklearn.certificates.rising_steps._front import BendingFront
from specreg_sklearn.certificates.rising_steps._secants import Secants, secants
from specreg_sklearn.space import CleanRows, as_norm
from specreg_sklearn.tables import Table, as_table, ask, cell_rounding, same_labels

# Proofs whose account of rounding holds for sums in any order, as sparse rows have them.
_ON_SPARSE_ROWS = ("linear", "lipschitz", "relaxation")
# How many radii are tried, how near the largest one is near enough, where a search begins if
# nothing else is known, and how many are tried as long as functions have no numbers so far out.
_TRIES, _NEAR = 12, 1.01
_FIRST, _SHRINKINGS = 8.0, 40
_SAFETY = 1 - 1e-9


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
        """Return what is proved from below; upper ends are those of the known rows."""
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
        X = rows.write(rows.raw, np.arange(n))
        labels = ask(self.estimator.predict, X, n)
        witness, upper = confirmed_witnesses(self.estimator.predict, rows, labels, known, norm)
        around = _Around(self, rows, X, norm, max_nodes)
        lower = around.proved(labels, upper, within)
        lower = np.minimum(np.where(lower >= around.corner, np.inf, lower), upper)
        return DistanceBounds(lower, upper, witness, ends_meet(lower, upper), around.n_nodes)


class _Radii:
    """The largest radius of each row that is covered by what is proved with its own slopes.

    What is proved falls as the radius grows, so that the radius looked for lies between the two.

    Parameters
    ----------
    open_ : ndarray of shape (n_rows,), bool
        Rows whose radius is looked for.
    most : ndarray of shape (n_rows,)
        A radius that is large enough; infinite where none is known.
    """

    def __init__(self, open_: BoolArray, most: FloatArray) -> None:
        n = len(most)
        self.radius = np.where(np.isinf(most), _FIRST, most)
        self.open = open_ & (self.radius > 0)
        self.proved, self._high = np.zeros(n), most.copy()
        self._last = np.full((2, n), np.nan)
        self._tries, self._ends = np.zeros((2, n), dtype=np.int64)

    def note(self, some: IntArray, covered: FloatArray) -> None:
        """Note what is proved with the slopes within the radius; -1 where functions end there."""
        radius = self.radius[some]
        ends, whole = covered < 0, covered >= radius
        self._high[some] = np.minimum(self._high[some], np.where(whole, covered, radius))
        self.proved[some] = np.maximum(self.proved[some], np.minimum(covered, radius))
        self._tries[some] += ~ends
        self._ends[some] += ends
        low, high = self.proved[some], self._high[some]
        done = (high <= low * _NEAR) | (self._tries[some] >= _TRIES)
        done |= self._ends[some] >= _SHRINKINGS
        between = np.sqrt(np.maximum(low, high / 16) * high)
        guess = _crossing(self._last[0, some], self._last[1, some], radius, covered)
        inside = (guess > low) & (guess < high) & ~ends
        following = np.where(inside, guess, np.where(np.isinf(high), 4 * radius, between))
        self._last[:, some] = np.where(ends, np.nan, [radius, covered])
        self.radius[some] = following
        self.open[some[done]] = False


def _crossing(
    first: FloatArray, covered: FloatArray, second: FloatArray, also_covered: FloatArray
) -> FloatArray:
    """Return where what is covered would be the radius, if it followed a power of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = np.log(first), np.log(second)
        fa, fb = np.log(covered) - a, np.log(also_covered) - b
        return np.asarray(np.exp(b - fb * (b - a) / (fb - fa)))


class _Around:
    """Rows behind the steps, and what is proved of them there.

    Attributes
    ----------
    corner : ndarray of shape (n_rows,)
        The farthest that a row can move.
    n_nodes : ndarray of shape (n_rows,), int
        How often the proof behind the steps was asked.
    """

    def __init__(
        self, whole: RisingStepsProver, rows: CleanRows, X: Any, norm: float, max_nodes: int
    ) -> None:
        self.whole, self.rows, self.norm, self.max_nodes = whole, rows, norm, max_nodes
        source = whole.front.followed.source
        place = np.full(rows.table.n_columns, -1)
        place[rows.columns] = np.arange(len(rows.columns))
        moved = np.where(source >= 0, place[source], -1)
        self.outputs = np.flatnonzero(moved >= 0)
        self.places = moved[self.outputs]
        # A column that several others are made of moves them all at once.
        most = int(np.bincount(self.places).max(initial=1))
        self.times = most ** (1 / norm)
        self.behind: Table = as_table(whole.front.dense(X))
        made = cell_rounding(self.behind, np.arange(self.behind.n_columns)).coarsest
        self.unit = max(made, cell_rounding(rows.table, rows.columns).coarsest)
        low, high = rows.box(np.arange(len(rows)))
        reach = np.maximum(high - rows.raw, rows.raw - low) / rows.scale
        self.corner = as_norm(norm).length(np.where(rows.missing, 0.0, reach))
        self.n_nodes = np.zeros(len(rows), dtype=np.int64)

    def proved(self, labels: np.ndarray, upper: FloatArray, within: float | None) -> FloatArray:
        """Return the radii within which no row has another label."""
        n = len(self.rows)
        if not len(self.outputs):
            return np.full(n, np.inf)
        same = same_labels(ask(self.whole.front.rest.predict, self.behind.data, n), labels)
        most = np.minimum(upper, self.corner)
        if within is not None:
            most = np.minimum(most, within * (1 + 1e-6))
        search = _Radii(same, most)
        while True:
            some = np.flatnonzero(search.open)
            if not len(some):
                return search.proved
            search.note(some, self._covered(some, search.radius[some]))

    def _covered(self, some: IntArray, radius: FloatArray) -> FloatArray:
        """Return what is proved if slopes are those within a radius; -1 where it has no numbers."""
        bent = secants(
            self.whole.front.dense, self.rows, some, radius, self.places, self.outputs, self.unit
        )
        out = np.full(len(some), -1.0)
        for k in np.flatnonzero(bent.finite).tolist():
            i = int(some[k])
            clean = self._row(i, k, bent)
            options: dict[str, Any] = {"norm": self.norm, "max_nodes": self.max_nodes}
            length = float(lower_bounds(self.whole.prover, clean, **options)[0])
            slack = as_norm(self.norm).length(bent.slack[k : k + 1])[0]
            out[k] = max(length * _SAFETY - slack, 0.0) / self.times
            self.n_nodes[i] += 1
        return out

    def _row(self, i: int, k: int, bent: Secants) -> CleanRows:
        """Return a row behind the steps, where units are slopes and the box is what is reached."""
        table, slope = self.behind.take(np.array([i])), bent.slope[k]
        steepest = slope.max(axis=0)
        return CleanRows(
            table,
            self.outputs,
            table.numbers(self.outputs),
            low=bent.low[k],
            high=bent.high[k],
            integer=np.zeros(len(self.outputs), dtype=bool),
            scale=steepest,
            dearer=steepest / slope,
        )


@register_prover_behind_steps
def prove_behind_rising_steps(estimator: Classifier, X: Any, constants: bool) -> RisingStepsProver:
    """Return the proof of a model behind steps that bend columns."""
    return RisingStepsProver(estimator, X, constants=constants)
