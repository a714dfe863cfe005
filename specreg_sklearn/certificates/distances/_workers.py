"""Rows that are proved one by one, shared among processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.distances._bounds import DistanceBounds
from specreg_sklearn.space import CleanRows


def bounds_by_workers(
    prove: Callable[..., DistanceBounds],
    rows: CleanRows,
    *of_rows: FloatArray | None,
    n_jobs: int | None,
) -> DistanceBounds:
    """Return ``prove(rows, *of_rows)``, a part of the rows in each process.

    Parameters
    ----------
    prove : callable
        A proof in which no row depends on another one. More than one process pickles it.
    rows : CleanRows
        The rows.
    *of_rows : ndarray of shape (n_rows, ...) or None
        What else belongs to each row, such as known witnesses; None is passed on as it is.
    n_jobs : int or None
        Processes, as in joblib.

    Returns
    -------
    DistanceBounds
        In the order of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.certificates import DistanceBounds
    >>> from specreg_sklearn.certificates.distances import bounds_by_workers
    >>> from specreg_sklearn.space import FeatureSpace
    >>> def to_zero(rows, known):
    ...     far, n = np.abs(rows.raw[:, 0]), len(rows)
    ...     closed, n_nodes = np.ones(n, dtype=bool), np.zeros(n, dtype=int)
    ...     return DistanceBounds(far, far, np.zeros((n, 1)), closed, n_nodes)
    >>> X = np.array([[3.0], [-1.0], [2.0]])
    >>> rows = FeatureSpace.from_data(X, scale=None).bind(X)
    >>> bounds_by_workers(to_zero, rows, None, n_jobs=1).lower
    array([3., 1., 2.])
    """
    n = len(rows)
    n_workers = min(effective_n_jobs(n_jobs), max(n, 1))
    if n_workers <= 1:
        return prove(rows, *of_rows)
    parts = Parallel(n_jobs=n_workers)(
        delayed(_tried)(prove, rows.take(some), *(None if a is None else a[some] for a in of_rows))
        for some in np.array_split(np.arange(n), n_workers)
    )
    for part in parts:
        if isinstance(part, Exception):
            raise part
    return DistanceBounds(*(np.concatenate(ends) for ends in zip(*parts, strict=True)))


def _tried(prove: Callable[..., DistanceBounds], *parts: Any) -> DistanceBounds | Exception:
    """Return bounds, or the error that there were none.

    joblib does not hand the thread of a Dask worker back after an error, so that the next search in
    it could not begin.
    """
    try:
        return prove(*parts)
    except Exception as error:
        return error
