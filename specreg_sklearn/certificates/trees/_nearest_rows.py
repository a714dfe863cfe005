"""The nearest row with another label, for each row: bounds, and the row itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.distances import (
    DEFAULT_MAX_NODES,
    DistanceBounds,
    bounds_by_workers,
    confirmed_witnesses,
    ends_meet,
)
from specreg_sklearn.certificates.pipelines import NoCertificateError, check_underived
from specreg_sklearn.certificates.trees._against_predict import check_labels
from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees._row_cells import CellsOfRows, within_reach
from specreg_sklearn.certificates.trees._stages import Costs, RowSearch
from specreg_sklearn.certificates.trees.search import begin_at_once, counted_work
from specreg_sklearn.space import CleanRows, as_norm
from specreg_sklearn.tables import LabelCoder, ask

_SAFETY = 1 - 1e-9
# Nodes of one row that take longer in NumPy than compiled loops take to begin.
_MANY_NODES = 20_000
_COSTS = {
    0: Costs(power=1, additive=True, whole=True),
    1: Costs(power=1, additive=True, whole=False),
    2: Costs(power=2, additive=True, whole=False),
    np.inf: Costs(power=1, additive=False, whole=False),
}


def nearest_rows(
    ensemble: TreeEnsemble,
    rows: CleanRows,
    *,
    norm: float = 2,
    known: FloatArray | None = None,
    within: float | FloatArray | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
    n_jobs: int | None = None,
) -> DistanceBounds:
    """Return the distances to the nearest rows with another predicted label.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The model.
    rows : CleanRows
        Rows, bound to the space that says what may change and what it costs.
    norm : {0, 1, 2, inf}, default=2
        The norm of changes, in units of the columns.
    known : ndarray of shape (n_rows, n_movable) or None, default=None
        Movable cells of rows that have another label, such as an attack found; NaN for rows without
        one. Those that `predict` confirms spare work.
    within : float, ndarray of shape (n_rows,) or None, default=None
        The distance of interest, at least 0, for all rows or for each. The search of a row ends
        when it knows the answer: `upper` is at most `within`, or `lower` is above it. That is
        cheaper than the distance itself. It is given up, too, where `lower` grows so slowly that
        `max_nodes` will not do.
    max_nodes : int, default=5000
        How many boxes of cells are looked at for a row; a box that meets a thousand leaves counts
        as one, a smaller one as less, a larger one as more. The more, the more rows are closed.
    n_jobs : int or None, default=None
        Processes, as in joblib. Results do not depend on it.

    Returns
    -------
    DistanceBounds
        Bounds and witnesses, in the order of the rows.

    Raises
    ------
    NoCertificateError
        If the space lets something change that is not a number, or the trees that were read do not
        decide as the model does.
    ValueError
        If `within` is negative or NaN, or `known` or `within` is not of the shape of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
    >>> from specreg_sklearn.space import FeatureSpace
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> rows = FeatureSpace.from_data(X, scale=None).bind(X[:5])
    >>> found = nearest_rows(TreeEnsemble.from_estimator(model), rows, norm=2)
    >>> bool(found.closed.all())
    True
    >>> moved = rows.build(found.witness, np.arange(5))
    >>> bool((model.predict(moved) != model.predict(X[:5])).all())
    True

    Whether there is such a row within a distance takes less:

    >>> within = nearest_rows(TreeEnsemble.from_estimator(model), rows, norm=2, within=0.1)
    >>> bool((within.lower > 0.1).all()), int(within.n_nodes.sum()) < int(found.n_nodes.sum())
    (True, True)
    """
    as_norm(norm)
    n = len(rows)
    check_underived(rows.derives, bool(rows.choices))
    if rows.groups or rows.relations is not None:
        # Fewer rows obey rules than do not, so a lower bound without them holds with them.
        found = nearest_rows(
            ensemble,
            rows.without_rules(),
            norm=norm,
            known=known,
            within=within,
            max_nodes=max_nodes,
            n_jobs=n_jobs,
        )
        return _obeying(found, rows)
    limits = _limits(within, n)
    search = partial(_search_rows, ensemble, norm=norm, max_nodes=max_nodes)
    return bounds_by_workers(search, rows, known, limits, n_jobs=n_jobs)


def _obeying(found: DistanceBounds, rows: CleanRows) -> DistanceBounds:
    """Return bounds of which only the witnesses are left that obey the rules of the rows."""
    some = np.flatnonzero(~np.isnan(found.witness).any(axis=1))
    broken = some[(rows.settle(found.witness[some], some) != found.witness[some]).any(axis=1)]
    witness, upper, closed = found.witness.copy(), found.upper.copy(), found.closed.copy()
    witness[broken], upper[broken], closed[broken] = np.nan, np.inf, False
    return DistanceBounds(found.lower, upper, witness, closed, found.n_nodes)


def _limits(within: float | FloatArray | None, n: int) -> FloatArray:
    """Return the distance of interest of each row, infinite without one."""
    limits = np.asarray(np.inf if within is None else within, dtype=np.float64)
    if limits.shape not in ((), (n,)) or not (limits >= 0).all():
        raise ValueError(
            f"within={within!r} is not a distance; accepted are a number that is at least 0, or "
            f"one for each of the {n} rows."
        )
    return np.broadcast_to(limits, (n,))


def _search_rows(
    ensemble: TreeEnsemble,
    rows: CleanRows,
    known: FloatArray | None,
    limits: FloatArray,
    *,
    norm: float,
    max_nodes: int,
) -> DistanceBounds:
    n = len(rows)
    every = np.arange(n)
    if max_nodes > _MANY_NODES:
        begin_at_once()
    X = rows.write(rows.raw, every)
    labels = ask(ensemble.estimator.predict, X, n)
    numbers = ensemble.numbers(X)
    check_labels(ensemble.trees, ensemble.trees.evaluate(numbers), labels, ensemble.rounding)
    own = LabelCoder(ensemble.classes).encode(labels)
    cells = CellsOfRows(ensemble, rows, numbers, norm)
    predict = ensemble.estimator.predict
    witness, distance = confirmed_witnesses(predict, rows, labels, known, norm)
    lower, n_nodes = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
    duels: dict[int, list] = {}
    for i in range(n):
        k = int(own[i])
        if k not in duels:
            others = (c for c in range(len(ensemble.classes)) if c != k)
            duels[k] = [ensemble.duel(k, other) for other in others]
        costs = _COSTS[norm]
        search = RowSearch(
            ensemble.boxes,
            cells.of(i),
            costs,
            duels[k],
            _confirm(ensemble, rows, cells, labels, i),
            within=float(limits[i]),
        )
        if np.isfinite(distance[i]):
            search.take_known(float(distance[i]))
        with counted_work():
            outcome = search.run(max_nodes)
        lower[i] = costs.distance(outcome.lower)
        n_nodes[i] = outcome.n_nodes
        if outcome.point is not None:
            witness[i] = cells.movable(i, outcome.point)
    lower = np.minimum(lower, within_reach(ensemble, rows, norm))
    return _distances(ensemble, rows, labels, norm, lower, witness, n_nodes)


def _confirm(
    ensemble: TreeEnsemble, rows: CleanRows, cells: CellsOfRows, labels: np.ndarray, i: int
) -> Callable[[FloatArray], bool]:
    def confirm(point: FloatArray) -> bool:
        moved = rows.build(cells.movable(i, point)[None], np.array([i]))
        return bool(ask(ensemble.estimator.predict, moved, 1)[0] != labels[i])

    return confirm


def _distances(
    ensemble: TreeEnsemble,
    rows: CleanRows,
    labels: np.ndarray,
    norm: float,
    lower: FloatArray,
    witness: FloatArray,
    n_nodes: IntArray,
) -> DistanceBounds:
    """Let `predict` confirm all witnesses, and measure them as everything else is measured."""
    upper = np.full(len(rows), np.inf)
    some = np.flatnonzero(~np.isnan(witness).any(axis=1) & np.isfinite(lower))
    if len(some):
        moved = rows.build(witness[some], some)
        same = ask(ensemble.estimator.predict, moved, len(some)) == labels[some]
        if same.any():
            raise NoCertificateError(
                f"{ensemble.trees.name} has no certificate: predict does not give another label to "
                f"{int(same.sum())} of {len(some)} rows that its trees do. Is its reader made for "
                "this version of the model?"
            )
        upper[some] = rows.distance(witness[some], some, norm)
    closed = ends_meet(lower, upper)
    lower = np.ceil(lower - 1e-9) if norm == 0 else lower * _SAFETY
    return DistanceBounds(np.minimum(lower, upper), upper, witness, closed, n_nodes)
