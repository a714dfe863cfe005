"""Rows for a picture of adversarial examples: chosen, attacked, as numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.displays._display_arguments import row_positions
from specreg_sklearn.metrics.measurement import Measurement
from specreg_sklearn.tables import (
    CATEGORICAL,
    LabelCoder,
    Table,
    as_table,
    as_targets,
    ask,
    take_rows,
)


def attacked_rows(
    estimator: Classifier,
    X: Any,
    y: Any,
    measurement: Measurement,
    n_examples: int,
    rows: ArrayLike | None,
) -> dict[str, Any]:
    """Return what the attack found: rows, labels and distances, by the names of a display.

    Without `rows` the first correctly classified ones are attacked. Those for which nothing was
    found are left out, with a warning.
    """
    n_rows = as_table(X).n_rows
    truth, predicted = as_targets(y, n_rows), ask(estimator.predict, X, n_rows)
    if rows is None:
        coder = LabelCoder(truth, predicted)
        codes = coder.encode(truth)
        places = _of_different_classes(codes, codes == coder.encode(predicted), n_examples)
        if not len(places):
            raise ValueError("The model is wrong on all rows of X: there is nothing to attack.")
    else:
        places = row_positions(rows, n_rows)
    attack, space = measurement.resolved_attack(), measurement.space_of(X)
    result = attack.run(
        estimator, take_rows(X, places), truth[places], space=space, pool=X, on_error="raise"
    )
    shown = np.flatnonzero(result.success & (result.distances > 0))
    if not len(shown):
        raise ValueError(
            f"No adversarial row was found for any of the {len(places)} rows attacked: their "
            f"status is {sorted(set(result.status.tolist()))}. Take other rows, a larger "
            "budget or a wider space."
        )
    if len(shown) < len(places):
        left = sorted(set(np.delete(result.status, shown).tolist()))
        warnings.warn(
            f"{len(places) - len(shown)} of {len(places)} rows are not shown: their status is "
            f"{left}.",
            UserWarning,
            stacklevel=3,
        )
    adversarial = take_rows(result.X_adv, shown)
    return {
        "X": take_rows(X, places[shown]),
        "X_adv": adversarial,
        "y_true": truth[places[shown]],
        "y_pred": predicted[places[shown]],
        "y_pred_adv": ask(estimator.predict, adversarial, len(shown)),
        "distances": result.distances[shown],
    }


def _of_different_classes(codes: np.ndarray, usable: np.ndarray, size: int) -> np.ndarray:
    """Return the first usable rows, one of each class before a second of any."""
    rows = np.flatnonzero(usable)
    turn = np.zeros(len(rows), dtype=int)
    for code in np.unique(codes[rows]):
        mine = codes[rows] == code
        turn[mine] = np.arange(mine.sum())
    return np.sort(rows[np.argsort(turn, kind="stable")[:size]])


def numeric_cells(table: Table) -> np.ndarray:
    """Return the cells as numbers; columns that hold none are NaN, as nothing changes there."""
    cells = np.full((table.n_rows, table.n_columns), np.nan)
    numeric = [j for j in range(table.n_columns) if table.kind(j) != CATEGORICAL]
    if numeric:
        cells[:, numeric] = table.numbers(np.array(numeric))
    return cells
