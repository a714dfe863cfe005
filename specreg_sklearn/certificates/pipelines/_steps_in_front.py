"""Numbers behind the steps of a pipeline, and what moves in front of the steps do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._registry import transformer_stages
from specreg_sklearn.certificates.pipelines._still_parts import StillParts, still_parts
from specreg_sklearn.space import Norm
from specreg_sklearn.tables import CellRounding

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages import Stage

# Room for the roundings of a norm.
_ABOVE = 1 + 2.0**-40
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
