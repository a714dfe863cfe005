"""Parts of a column transformer that read nothing that moves: what they make of a row stays.

Words behind an encoder, or columns behind a step of which nothing is known, are constants of the
row as long as what goes in cannot change. So the step is a function of the columns that may move,
beside these constants, and needs a certificate for the former only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.pipelines._composites import column_parts

if TYPE_CHECKING:
    from specreg_sklearn.certificates.stages import Stage

_FLOAT64_UNIT = 2.0**-53


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
    """

    stages: list[Stage]
    read: BoolArray
    made: IntArray


class Constants(NamedTuple):
    """What the parts make of some rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_constants), float64
        The constants.
    unit, common : float
        How coarsely the step hands on numbers, as :class:`~specreg_sklearn.tables.CellRounding`
        says it of cells.
    """

    values: FloatArray
    unit: float
    common: float


def still_parts(step: Any, moves: BoolArray) -> StillParts | None:
    """Return the parts of a step that stay as they are; None if there are none.

    `moves`, of shape (n_inputs,), says which columns may move.
    """
    if type(step) is not ColumnTransformer or len(moves) != step.n_features_in_:
        return None
    from specreg_sklearn.certificates.stages import side_by_side

    branches, made, read = [], [np.empty(0, dtype=int)], np.zeros(len(moves), dtype=bool)
    width = len(moves)
    for part in column_parts(step):
        if moves[part.columns].any():
            branches.append((part.columns, part.stages(step)))
            read[part.columns] = True
            continue
        places = np.arange(part.made.start, part.made.stop)
        branches.append((width + np.arange(len(places)), []))
        made.append(places)
        width += len(places)
    if width == len(moves):
        return None
    return StillParts(side_by_side(branches, width), read, np.concatenate(made))


def constants_of(step: Any, made: IntArray, X: Any, *, sparse_rows: bool) -> Constants:
    """Return what a step makes of rows, in some of its columns.

    Raises
    ------
    NoCertificateError
        If it hands on something that is no number, or sparse rows where the next step has no proof
        on them.
    ValueError
        If it hands on gaps or infinity.
    """
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
        return Constants(values, unit, unit)
    return Constants(values, _FLOAT64_UNIT, np.inf if out.dtype.itemsize <= 2 else _FLOAT64_UNIT)
