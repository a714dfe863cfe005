"""A fitted classifier seen by a proof: margins of its scores, and how fast they can change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._steps_in_front import model_stages
from specreg_sklearn.space import (
    CONVEX_NORMS,
    NORMS,
    CleanRows,
    FeatureSpace,
    Norm,
    check_norm,
    check_room,
)
from specreg_sklearn.tables import (
    CATEGORICAL,
    Table,
    as_table,
    ask,
    cell_rounding,
    check_columns,
    check_estimator,
    check_exact_numbers,
    check_fitted_columns,
    columns_read,
    complete_rows,
    places_of,
)

if TYPE_CHECKING:
    from specreg_sklearn.certificates.pipelines._predicted_scores import PredictedScores

# Taken off every radius, for the roundings of the last division.
_SAFETY = 1 - 1e-9
# The same, where the rounding of scores is counted by itself.
_LAST_ROUNDINGS = 1 - 2.0**-48
# Rows, at least, on which a network is compared with what was read off it.
_N_COMPARED = 128
# Numbers in one block of rows while a network is evaluated.
_BLOCK = 2**22


class MovedRows(NamedTuple):
    """Rows as the first stage takes them, how they move, and how `predict` rounds around them.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_inputs)
        What goes into the first stage.
    directions : ndarray of shape (n_inputs,) or (n_inputs, n_moves)
        From moves in units of the space to moves of `values`; one axis is a diagonal matrix.
    own : PredictedScores
        How far the estimator's scores are from real arithmetic, at the rows.
    growth : ndarray of shape (n_scores,)
        How much that grows, per unit of a move.
    farthest : float
        Moves up to this length stay in the range of the estimator's arithmetic.
    """

    values: np.ndarray
    directions: np.ndarray
    own: PredictedScores
    growth: np.ndarray
    farthest: float


class SeenRows(NamedTuple):
    """The same, with what `predict` says of the rows.

    Parameters
    ----------
    values, directions, own, growth, farthest
        As :class:`MovedRows` has them.
    predicted : ndarray of shape (n_rows,)
        Labels by the estimator itself.
    """

    values: np.ndarray
    directions: np.ndarray
    own: PredictedScores
    growth: np.ndarray
    farthest: float
    predicted: np.ndarray


class CertifiedModel:
    """The scores of a fitted classifier, pipeline or search as a function that can be bounded."""

    def __init__(self, estimator: Classifier) -> None:
        from specreg_sklearn.certificates.bounds import CertifiedMap
        from specreg_sklearn.certificates.stages import Affine

        check_estimator(estimator)
        self.estimator = estimator
        stages, self._still = model_stages(estimator)
        self.classes = _classes(estimator)
        self.scores = CertifiedMap(stages)
        if self.scores.n_outputs == 1 and len(self.classes) == 2:
            # predict takes classes_[1] where the only score is positive.
            self.scores = CertifiedMap([*stages, Affine([[0.0], [1.0]])])
        if self.scores.n_outputs != len(self.classes):
            raise NoCertificateError(
                f"{type(estimator).__name__} has {len(self.classes)} classes, but the rule of its "
                f"last step gives {self.scores.n_outputs} scores; one per class is needed, or one "
                "for two classes."
            )

    def radii(self, X: Any, space: FeatureSpace, *, norm: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (radii, predicted labels) of rows without gaps.

        No row nearer than the radius, in the dtype of `X`, has another label by ``predict``. The
        space says which columns can move, and their units; its bounds are not used. The norm is
        that of ``(X_moved - X) / scale``.
        """
        measure = NORMS[check_norm(norm, CONVEX_NORMS, "CertifiedModel")]
        table = as_table(X)
        check_fitted_columns(self.estimator, table)
        check_columns(table, space.names, space.kinds, space.mutable, "X")
        check_room(space, table)
        moves_categories = bool((space.mutable & (space.kinds == CATEGORICAL)).any())
        derives = space.relations is not None and bool(space.relations.derived)
        check_underived(derives, bool(space.categories))
        units = space.scale[space.movable]
        moved = self._moved(X, table, space.movable, units, moves_categories, measure)
        seen = self._seen(moved, X, table)
        return self.radii_from(seen, norm=norm), seen.predicted

    def radii_of(self, rows: CleanRows, *, norm: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (radii, predicted labels) of rows that are bound to a space, as :meth:`radii`."""
        seen = self.seen(rows, norm=norm)
        return self.radii_from(seen, norm=norm), seen.predicted

    def seen(self, rows: CleanRows, *, norm: float) -> SeenRows:
        """Return what proofs need to know about rows that are bound to a space."""
        X = rows.write(rows.raw, np.arange(len(rows)))
        return self._seen(self.moved(rows, norm=norm), X, rows.table)

    def moved(self, rows: CleanRows, *, norm: float) -> MovedRows:
        """Return the same, but for what `predict` says of the rows."""
        measure = NORMS[check_norm(norm, CONVEX_NORMS, "CertifiedModel")]
        table: Table = rows.table
        check_fitted_columns(self.estimator, table)
        check_underived(rows.derives, bool(rows.choices))
        stays = None if rows.repair is None else rows.repair.fixed
        n_moving = 0 if stays is None else table.n_columns - len(stays)
        X = rows.write(rows.raw, np.arange(len(rows))) if self._still else None
        return self._moved(
            X, table, rows.columns, rows.scale, n_moving > len(rows.columns), measure
        )

    def radii_from(self, seen: SeenRows, *, norm: float) -> np.ndarray:
        """Return margins over Lipschitz constants, for rows seen in the same norm."""
        constants = self._constants(seen.directions, NORMS[norm])
        rows = seen.values
        radii = np.empty(len(rows))
        step = max(1, _BLOCK // max(rows.shape[1], 2048))
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            radii[part] = self._radii(
                rows[part], constants, seen.predicted[part], seen.own, seen.growth
            )
        # Never inf by this unless cells can move so far that they leave float32's range.
        return np.minimum(radii, seen.farthest)

    def _moved(
        self,
        X: Any,
        table: Table,
        columns: np.ndarray,
        units: np.ndarray,
        moves_categories: bool,
        measure: Norm,
    ) -> MovedRows:
        """Return rows of which some columns move, in their units, as the stages take them."""
        from specreg_sklearn.certificates.pipelines._predicted_scores import PredictedScores

        still, stages = self._still, self.scores.stages
        place = places_of(self.estimator, len(still.read) if still else self.scores.n_inputs, table)
        moves = np.isin(place, columns)
        if still:
            still.check_moves(moves)
        read = still.read if still else columns_read(stages[0], len(place))
        rows = complete_rows(table, place, read, purpose="certificates", refusal=NoCertificateError)
        check_exact_numbers(table, rows, place, moves)
        directions = directions_of(columns, units, place, moves_categories)
        held = cell_rounding(table, place)
        if still:
            # Rounding is counted for sums in any order, as sparse rows have them.
            rows, held = still.beside(rows, held, X, sparse_rows=True)
            directions = np.pad(directions, ((0, rows.shape[1] - len(place)), (0, 0)))
        own = PredictedScores(stages, held)
        reach = np.abs(directions) if directions.ndim == 1 else np.abs(directions).max(axis=1)
        length = measure.from_l2(np.asarray(reach.max()), directions.shape[-1])
        growth, farthest = own.growth(reach, float(length))
        return MovedRows(rows, directions, own, growth, farthest)

    def _seen(self, moved: MovedRows, X: Any, table: Table) -> SeenRows:
        """Return the rows with their labels, once the stages are known to compute the model."""
        some = moved.values[:: max(1, table.n_rows // _N_COMPARED)]
        with np.errstate(over="ignore", invalid="ignore"):
            self.scores.compare(some)
        return SeenRows(*moved, ask(self.estimator.predict, X, table.n_rows))

    def _radii(
        self,
        rows: np.ndarray,
        constants: np.ndarray,
        predicted: np.ndarray,
        own: PredictedScores,
        growth: np.ndarray,
    ) -> np.ndarray:
        from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

        with np.errstate(over="ignore", invalid="ignore"):
            scores, delta = self.scores.evaluate(rows)
        if not (np.isfinite(scores).all() and np.isfinite(delta).all()):
            raise ValueError(
                "The scores of some rows are NaN or infinite in float64: no radius can be proved. "
                "Scale the columns, or look for infinite weights."
            )
        top = scores.argmax(axis=1)
        nearest = _nearest(scores, delta, top, constants) * _SAFETY
        # predict rounds, too, and at the moved row: two scores may differ by that much more, or
        # less. Mostly the safety above covers it.
        blur = delta + own.errors(rows, delta) + 4 * UNIT_ROUNDOFF * np.abs(scores)
        moving = constants + growth[:, None] + growth
        nearest = np.minimum(nearest, _nearest(scores, blur, top, moving) * _LAST_ROUNDINGS)
        # In the estimator's own arithmetic another class may win a near tie.
        nearest[self.classes[top] != predicted] = 0.0
        return np.asarray(nearest)

    def _constants(self, directions: np.ndarray, norm: Norm) -> np.ndarray:
        """Return how fast each difference of two scores changes, per unit of the norm."""
        from specreg_sklearn.certificates.bounds import CertifiedMap
        from specreg_sklearn.certificates.stages import Affine

        moved = self.scores
        if directions.ndim == 2 or (directions != 1.0).any():
            moved = CertifiedMap([Affine(directions), *self.scores.stages])
        affine = len(moved.folded) == 1 and isinstance(moved.folded[0], Affine)
        # Constants of pairs measure slopes in L2, which is its own dual.
        if affine and norm.dual is not norm:
            return _dual_norms(moved.folded[0], norm)
        return norm.from_l2(moved.pair_constants(), directions.shape[-1])


def _nearest(
    scores: np.ndarray, error: np.ndarray, top: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Return how far every row can move until another score may reach its largest one."""
    every = np.arange(len(scores))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        margin = (scores - error)[every, top][:, None] - (scores + error)
        radius = margin / rates[top]
    # A pair whose difference cannot change is safe at any distance.
    radius[(margin > 0) & (rates[top] == 0)] = np.inf
    radius[~(margin > 0)] = 0.0
    radius[every, top] = np.inf
    return np.asarray(radius.min(axis=1))


def _classes(estimator: object) -> np.ndarray:
    classes = getattr(estimator, "classes_", None)
    if classes is None or isinstance(classes, list) or np.ndim(classes) != 1:
        raise NoCertificateError(
            f"{type(estimator).__name__} has no certificate: it has no array classes_ with one "
            "label per class."
        )
    return np.asarray(classes)


def directions_of(
    columns: np.ndarray, units: np.ndarray, place: np.ndarray, moves_categories: bool
) -> np.ndarray:
    """Return the matrix from scaled moves to moves of the model's input columns.

    One axis stands for a diagonal matrix. Columns that cannot move have no part in it.
    """
    if moves_categories:
        raise NoCertificateError(
            "The feature space lets categorical columns change, which costs no distance; "
            "certificates are for moves of numeric columns."
        )
    if np.array_equal(columns, place):
        return np.array(units)
    return np.where(place[:, None] == columns[None, :], units, 0.0)


def check_underived(derives: bool, swaps: bool = False) -> None:
    """Refuse derived columns, and swaps: a proof that holds them fixed would be wrong."""
    if swaps:
        raise NoCertificateError(
            "The feature space swaps categories; this proof is about numbers alone. Ask "
            "certified_radius, adversarial_band or the prover that distance_prover returns, which "
            "go through the swaps."
        )
    if derives:
        raise NoCertificateError(
            "The feature space has derived columns, which change without costing anything; "
            "certificates are for columns that move by themselves."
        )


def _dual_norms(affine: Any, norm: Norm) -> np.ndarray:
    """Return upper bounds of the dual norm of ``w_j - w_k`` for all pairs of rows."""
    from specreg_sklearn.spectral.bounds import above

    weight, unsure = affine.dense(), affine.uncertainty()
    n, d = weight.shape
    size = np.zeros((n, n))
    for j in range(n):
        size[j] = norm.dual.length(weight - weight[j])
    # A row of the true matrix is within `unsure` of its own in L2.
    size = np.asarray(above(size + norm.from_l2(np.array(2 * unsure), d), d + 6))
    np.fill_diagonal(size, 0.0)
    return size
