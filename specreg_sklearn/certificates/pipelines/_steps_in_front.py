"""Numbers behind the steps of a pipeline, and what moves in front of the steps do to them.

Parts of a column transformer that read nothing that moves are constants of a row, whatever they
are: words behind an encoder, columns with gaps. So it is a function of the columns that may move,
beside these constants, and needs a certificate for the former only. Where it is not known yet what
moves, that goes for the parts without a certificate, whose columns must not move then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._last_step import name_of_step, split_pipeline
from specreg_sklearn.certificates.pipelines._registry import (
    classifier_stages,
    transformer_stages,
)
from specreg_sklearn.space import Norm
from specreg_sklearn.tables import CellRounding

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages import Stage

# Room for the roundings of a norm.
_ABOVE = 1 + 2.0**-40
_FLOAT64_UNIT = 2.0**-53
# Rows, at least, on which a network is compared with what was read off it.
_N_COMPARED = 128


class BehindSteps(NamedTuple):
    """Rows as steps hand them on.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_outputs), float64
        The rows behind the steps.
    slope : ndarray of shape (n_outputs, n_moves) or None
        What moves do to them; None if the steps are not affine.
    constant : float
        How far a move of length 1 carries them at most, in L2.
    error : ndarray of shape (n_rows,), float64
        How far what the steps themselves compute is from `values` at most, in L2.
    growth : float
        How much farther it is after a move, per unit of its length.
    farthest : float
        Moves up to this length stay in the range of the steps' arithmetic.
    in_float64 : bool
        Whether all of that is computed in float64.
    """

    values: FloatArray
    slope: FloatArray | None
    constant: float
    error: FloatArray
    growth: float
    farthest: float
    in_float64: bool


class StillParts(NamedTuple):
    """A column transformer as a function of its columns and, behind them, of constants.

    Parameters
    ----------
    stages : list of Stage
        What it computes, of the columns that go in and the constants.
    read : ndarray of shape (n_inputs,), bool
        Which columns its other parts read.
    made : ndarray of shape (n_constants,), int
        Where the constants stand among the columns that come out.
    step : ColumnTransformer
        What computes them.
    refused : tuple of (ndarray of int, NoCertificateError)
        Columns that must not move, and why.
    """

    stages: list[Stage]
    read: BoolArray
    made: IntArray
    step: ColumnTransformer
    refused: tuple[tuple[IntArray, NoCertificateError], ...]

    def check_moves(self, moves: BoolArray) -> None:
        """Raise where a column moves, by shape (n_inputs,), that a part has no certificate for."""
        for columns, reason in self.refused:
            if moves[columns].any():
                raise reason

    def beside(
        self, cells: FloatArray, held: CellRounding, X: Any, *, sparse_rows: bool
    ) -> tuple[FloatArray, CellRounding]:
        """Return cells of rows with the constants behind them, and how coarsely all are held.

        Parameters
        ----------
        cells : ndarray of shape (n_rows, n_inputs)
            What the other parts read.
        held : CellRounding
            How these are held.
        X : array-like or DataFrame
            The rows, as the step takes them.
        sparse_rows : bool
            Whether the proof holds where the step hands on sparse rows.

        Raises
        ------
        NoCertificateError
            If it hands on something that is no number, or sparse rows that the proof is not for.
        ValueError
            If it hands on gaps or infinity.
        """
        constants, rounding = _constants_of(self.step, self.made, X, sparse_rows=sparse_rows)
        coarsest = max(held.coarsest, rounding.coarsest)
        both = CellRounding(coarsest, max(held.common, rounding.common))
        return np.hstack([cells, constants]), both


def still_parts(step: Any, moves: BoolArray | None = None) -> StillParts | None:
    """Return the parts of a step that stay as they are; None if there are none.

    `moves`, of shape (n_inputs,), says which columns may move. Without it, parts stay that have no
    certificate.
    """
    if type(step) is not ColumnTransformer:
        return None
    n_inputs = step.n_features_in_
    if moves is not None and len(moves) != n_inputs:
        return None
    # Stages load torch, which a model without steps never needs.
    from specreg_sklearn.certificates.pipelines._composites import column_parts
    from specreg_sklearn.certificates.stages import side_by_side

    branches, made, read = [], [np.empty(0, dtype=int)], np.zeros(n_inputs, dtype=bool)
    width, refused = n_inputs, []
    for part in column_parts(step):
        stays = moves is not None and not moves[part.columns].any()
        try:
            stages = [] if stays else part.stages(step)
        except NoCertificateError as error:
            if moves is not None:
                raise
            refused.append((part.columns, error))
            stays = True
        if not stays:
            branches.append((part.columns, stages))
            read[part.columns] = True
            continue
        places = np.arange(part.made.start, part.made.stop)
        branches.append((width + np.arange(len(places)), []))
        made.append(places)
        width += len(places)
    if width == n_inputs:
        return None
    return StillParts(
        side_by_side(branches, width), read, np.concatenate(made), step, tuple(refused)
    )


def _constants_of(
    step: ColumnTransformer, made: IntArray, X: Any, *, sparse_rows: bool
) -> tuple[FloatArray, CellRounding]:
    """Return what a step makes of rows, in some of its columns, and how coarsely it is held."""
    out = step.transform(X)
    name = type(step).__name__
    if sparse.issparse(out):
        if not sparse_rows:
            raise NoCertificateError(
                f"{name} has no certificate here: it hands on sparse rows, on which models may "
                "compute in another way. Fit it with sparse_threshold=0."
            )
        out = out.toarray()
    out = np.asarray(out)
    if out.dtype.kind not in "biuf":
        raise NoCertificateError(f"{name} has no certificate: what it hands on are no numbers.")
    values = out[:, made].astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name} hands on gaps or infinity; certificates need complete, finite rows."
        )
    if out.dtype.kind == "f":
        unit = max(float(np.finfo(out.dtype).eps) / 2, _FLOAT64_UNIT)
        return values, CellRounding(unit, unit)
    common = np.inf if out.dtype.itemsize <= 2 else _FLOAT64_UNIT
    return values, CellRounding(_FLOAT64_UNIT, common)


class ModelStages(NamedTuple):
    """What ends in the scores of a model.

    Parameters
    ----------
    stages : list of Stage
        Of its columns, and of constants behind them where parts in front of it stay.
    still : StillParts or None
        These parts.
    """

    stages: list[Stage]
    still: StillParts | None


def model_stages(estimator: Classifier) -> ModelStages:
    """Return the stages of a model, be it of columns some of which must not move.

    Raises
    ------
    NoCertificateError
        If its classifier has none, or a step that is no part of a column transformer at its
        beginning.
    """
    try:
        return ModelStages(classifier_stages(estimator), None)
    except NoCertificateError:
        steps, last = split_pipeline(estimator)
        still = still_parts(steps[0]) if steps else None
        # Where nothing may move, there is nothing to prove.
        if still is None or not still.read.any():
            raise
    stages = list(still.stages)
    for step in steps[1:]:
        stages += _named(estimator, step, transformer_stages)
    return ModelStages(stages + _named(estimator, last, classifier_stages), still)


def _named(
    estimator: Classifier, step: Any, stages_of: Callable[[object], list[Stage]]
) -> list[Stage]:
    """Return the stages of a step of a model, or say which one has none."""
    try:
        return stages_of(step)
    except TypeError as error:
        raise NoCertificateError(f"{name_of_step(estimator, step)}{error}") from error


class StepsInFront:
    """The fitted steps in front of a classifier, as one function.

    Parameters
    ----------
    steps : list of transformer
        In order.
    names : list of str
        What is put before the reason why a step has no certificate, such as "step 'pca': ".
    moves : ndarray of shape (n_inputs,), bool, or None, default=None
        Which columns may move. Parts of a column transformer at the beginning that read none of
        these are constants, `still`, which `apply` takes as further columns.

    Attributes
    ----------
    n_inputs : int or None
        Columns of the rows that go in; None if any number will do.
    stages : tuple of Stage
        What the steps compute; nothing where all of them pass rows on.

    Raises
    ------
    NoCertificateError
        If a step has none.
    """

    def __init__(self, steps: list[Any], names: list[str], moves: BoolArray | None = None) -> None:
        stages: list[Stage] = []
        self.still: StillParts | None = None
        for k, (step, name) in enumerate(zip(steps, names, strict=True)):
            try:
                if k == 0 and moves is not None:
                    self.still = still_parts(step, moves)
                known_stages = self.still.stages if k == 0 and self.still else None
                stages += transformer_stages(step) if known_stages is None else known_stages
            except TypeError as error:
                raise NoCertificateError(f"{name}{error}") from error
        self.stages = tuple(stages)
        known = (stage.n_inputs for stage in self.stages if stage.n_inputs is not None)
        self.n_inputs: int | None = next(known, None)

    def apply(
        self, cells: FloatArray, slope: FloatArray, held: CellRounding, norm: Norm
    ) -> BehindSteps:
        """Return rows behind the steps.

        Parameters
        ----------
        cells : ndarray of shape (n_rows, n_inputs)
            Rows in front of the steps.
        slope : ndarray of shape (n_inputs, n_moves)
            What moves do to them.
        held : CellRounding
            How their cells are held.
        norm : Norm
            In which moves are measured.
        """
        # Stages are linear algebra on torch layers, which a model without steps never needs.
        from specreg_sklearn.certificates.bounds import CertifiedMap
        from specreg_sklearn.certificates.pipelines._predicted_scores import PredictedScores
        from specreg_sklearn.certificates.stages import Affine

        function, moved = CertifiedMap(self.stages), CertifiedMap([Affine(slope), *self.stages])
        function.compare(cells[:: max(1, len(cells) // _N_COMPARED)])
        values, delta = function.evaluate(cells)
        own = PredictedScores(self.stages, held)
        error = np.linalg.norm(delta + own.errors(cells, delta), axis=1) * _ABOVE
        n_moves = slope.shape[1]
        reach = np.abs(slope).max(axis=1, initial=0.0)
        length = float(norm.from_l2(reach.max(initial=0.0, keepdims=True), n_moves)[0])
        per_unit, farthest = own.growth(reach, length)
        growth = float(np.linalg.norm(per_unit)) * _ABOVE
        constant = float(norm.from_l2(np.array([moved.lipschitz()]), n_moves)[0])
        only = moved.folded[0] if len(moved.folded) == 1 else None
        matrix = None
        if isinstance(only, Affine):
            matrix = only.dense()
            # The matrix is that of the steps up to its own rounding.
            growth += float(norm.from_l2(np.array([only.uncertainty()]), n_moves)[0]) * _ABOVE
        return BehindSteps(values, matrix, constant, error, growth, farthest, own.in_float64)
