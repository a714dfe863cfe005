"""The steps of a pipeline that bend columns, as one function, and the model behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.pipeline import Pipeline

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.pipelines import (
    NoCertificateError,
    path_to_step,
    split_pipeline,
    transformer_stages,
)
from specreg_sklearn.certificates.trees import Followed, follow
from specreg_sklearn.tables import Table, as_table


class BendingFront:
    """What a pipeline does up to the last step that is no affine map of all columns.

    Parameters
    ----------
    estimator : classifier
        The fitted model.
    X : array-like or DataFrame
        Rows such as those that distances are wanted for.

    Attributes
    ----------
    followed : Followed
        Which column of X each column behind the steps is a rising function of.
    rest : classifier
        The model behind them.
    sparse_rows : bool
        Whether the steps hand on sparse rows.

    Raises
    ------
    NoCertificateError
        If there is no such step, or one that mixes columns.
    """

    def __init__(self, estimator: Classifier, X: Any) -> None:
        steps, last = split_pipeline(estimator)
        bent = [k for k, step in enumerate(steps) if not _has_stages(step)]
        if not bent:
            raise NoCertificateError("No step of the model bends columns.")
        n_front = bent[-1] + 1
        self.steps = steps[:n_front]
        table: Table = as_table(X)
        self.followed: Followed = follow(self.steps, table.n_columns, before="here")
        named = [(path_to_step(estimator, step)[-1], step) for step in (*steps[n_front:], last)]
        self.rest: Classifier = last if len(named) == 1 else Pipeline(named)
        behind = self(X)
        self.sparse_rows = sparse.issparse(behind)
        width = as_table(behind).n_columns
        if width != len(self.followed.source):
            raise NoCertificateError(
                f"The steps in front of {type(last).__name__} make {width} columns, and not "
                f"{len(self.followed.source)} as it seems from how they were fitted."
            )

    def __call__(self, X: Any) -> Any:
        """Return rows behind the steps, in the container that these hand on."""
        # Whether numbers are finite is asked of what comes out.
        with np.errstate(all="ignore"), config_context(assume_finite=True):
            for step in self.steps:
                X = step.transform(X)
        return X

    def dense(self, X: Any) -> Any:
        """Return the same as dense rows."""
        behind = self(X)
        return behind.toarray() if sparse.issparse(behind) else behind


def _has_stages(step: object) -> bool:
    try:
        transformer_stages(step)
    except TypeError:
        return False
    return True
