"""The frame of every black-box attack, and the contract for writing your own."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from specreg_sklearn.attacks._bisection import bisect
from specreg_sklearn.attacks._checks import (
    check_eps,
    check_estimator,
    check_fitted_columns,
    check_norm,
    check_positive_int,
    check_seed,
)
from specreg_sklearn.attacks._labels import LabelCoder, as_targets
from specreg_sklearn.attacks._oracle import Oracle, ask
from specreg_sklearn.attacks._result import AttackResult
from specreg_sklearn.attacks._search import SearchTask, noise_stream, run_search
from specreg_sklearn.attacks._space import FeatureSpace
from specreg_sklearn.attacks._starts import StartPool, data_starts, noise_starts
from specreg_sklearn.attacks._tables import as_table
from specreg_sklearn.attacks._verify import verify

# Verification may push a row outwards by 1e-4 of its distance; a row that stops this much before
# eps stays within eps after the push.
_STOP_MARGIN = 2e-4
# The last bisection is finer than the first: it decides the reported distance.
_FINAL_TOLERANCE = 2.0**-12


class BlackBoxAttack(ABC, BaseEstimator):
    """Base class of attacks that ask a model for nothing but predicted labels.

    An attack has parameters like a scikit-learn estimator (``get_params``, ``set_params``,
    ``clone``) and one method, :meth:`run`. All attacks here are untargeted: a row is adversarial
    when the model gives it any label but the true one.

    Parameters
    ----------
    norm : {2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    n_starts : int, default=9
        Adversarial rows of data from which the attack starts, for each row. They come from
        different wrong classes where there are several.
    batch_rows : int, default=16384
        Largest number of rows sent to ``predict`` at once while searching.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the draws. With an integer, two runs give the same rows.

    Notes
    -----
    **Write your own attack.** Subclass and implement ``_search(task)``. Everything else (checking,
    starts, the first and the last bisection, early stopping, verification, casting, parallel
    workers) is done by :meth:`run`. The contract of the hook:

    - `task` is a ``SearchTask`` that holds n rows which all have a start. ``task.x`` are their
      clean coordinates of shape (n, d), ``task.lo`` and ``task.hi`` their finite boxes,
      ``task.starts`` the boundary points found so far and ``task.owner`` the row of each.
    - Ask only with ``task.oracle.decide(Z, owner)``; ask for many rows in one call. It returns True
      where the model is fooled, counts the queries, and remembers the nearest fooled point of every
      row in ``task.oracle.best``. Nothing has to be returned.
    - Leave out rows that are not in ``task.active()``: they are within `eps` already.
    - Draw only from ``task.rng(iteration)`` and let all rows share the draws. What happens to a row
      must depend on that row alone, never on its neighbours or on how many there are: rows are
      split over workers.
    - Never touch the global state of numpy.
    - Call ``task.report(k)`` when k more rows are finished.

    Parameters of the subclass are checked in ``_check_parameters``, which calls ``super()``.
    ``_norms`` lists the norms the attack supports.

    Examples
    --------
    A random walk of one step: try a few points near the best one.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.attacks import BlackBoxAttack
    >>> class OneStep(BlackBoxAttack):
    ...     def _search(self, task):
    ...         rows = task.active()
    ...         step = task.rng(0).normal(size=task.x.shape[1])
    ...         for size in (0.3, 0.1, 0.03):
    ...             task.oracle.decide(task.oracle.best[rows] + size * step, rows)
    ...         task.report(len(rows))
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> result = OneStep().run(model, X[:5], y[:5], pool=X)
    >>> result.status
    array(['found', 'found', 'found', 'found', 'found'], dtype='<U14')
    >>> bool((model.predict(result.X_adv) != y[:5]).all())
    True
    """

    _norms: ClassVar[tuple[float, ...]] = (2, np.inf)
    # Searches that take rows one by one balance better over workers in more, smaller parts.
    _parts_per_worker: ClassVar[int] = 1

    def __init__(
        self,
        *,
        norm: float = 2,
        n_starts: int = 9,
        batch_rows: int = 16384,
        random_state: Any = 0,
    ) -> None:
        self.norm = norm
        self.n_starts = n_starts
        self.batch_rows = batch_rows
        self.random_state = random_state

    @abstractmethod
    def _search(self, task: SearchTask) -> None:
        """Look for nearer adversarial points; the class docstring holds the contract."""

    def _check_parameters(self) -> None:
        """Raise ValueError if a parameter is not accepted."""
        check_norm(self.norm, self._norms, type(self).__name__)
        check_positive_int(self.n_starts, "n_starts")
        check_positive_int(self.batch_rows, "batch_rows")

    def _prepare(self) -> None:
        """Check what is too slow to check when a scorer is built; called once by run."""

    def run(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        eps: float | None = None,
        space: FeatureSpace | None = None,
        pool: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> AttackResult:
        """Look for the nearest rows that the model gets wrong.

        Parameters
        ----------
        estimator : object with a method predict
            A fitted classifier, pipeline or search.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Clean rows: numpy, pandas, polars, or a list of lists.
        y : array-like of shape (n_samples,)
            Their true labels, of any kind that the estimator predicts.
        eps : float or None, default=None
            Stop a row as soon as a verified adversarial row within this distance is known. None
            looks for the smallest distance.
        space : FeatureSpace or None, default=None
            What may change and in which units. None stands for
            ``FeatureSpace.from_data(pool)``, or of `X` without a pool.
        pool : array-like or DataFrame of shape (n_pool, n_features), default=None
            Rows to start from. None means `X` itself. With a pool, the result of a row does not
            depend on which other rows are attacked.
        n_jobs : int or None, default=None
            Workers of joblib. The result does not depend on it.
        verbose : int, default=0
            1 and more shows a progress bar.

        Returns
        -------
        AttackResult
            Adversarial rows, distances, success, status and query counts.

        Raises
        ------
        TypeError
            If the estimator has no ``predict`` or is a regressor, or `X` is sparse.
        ValueError
            If shapes or columns do not fit, or a parameter is not accepted.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Warns
        -----
        UserWarning
            If no start was found for some rows, with their number.
        """
        self._check_parameters()
        self._prepare()
        norm = check_norm(self.norm, self._norms, type(self).__name__)
        check_estimator(estimator)
        if eps is not None:
            eps = check_eps(eps)
        if space is not None and not isinstance(space, FeatureSpace):
            raise TypeError(f"space={type(space).__name__} is not a FeatureSpace or None.")
        table = as_table(X)
        check_fitted_columns(estimator, table)
        if space is None:
            space = FeatureSpace.from_data(X if pool is None else pool)
        rows = space.bind(X)
        if not len(space.movable):
            raise ValueError(
                "The feature space has no column to move: none is mutable, or the bounds leave "
                "them no room."
            )
        targets = as_targets(y, len(rows))
        pool_rows = rows if pool is None else space.bind(pool, parameter="pool")

        clean = ask(estimator.predict, X, len(rows))
        pooled = clean if pool is None else ask(estimator.predict, pool, len(pool_rows))
        coder = LabelCoder(targets, clean, pooled)
        labels = coder.encode(targets)
        oracle = Oracle(
            estimator.predict, rows, labels, coder, norm=norm, batch_rows=self.batch_rows
        )
        right = np.flatnonzero(coder.encode(clean) == labels)
        starts = StartPool(pool_rows, coder.encode(pooled))
        seed = check_seed(self.random_state)
        stop = 0.0 if eps is None else eps * (1 - _STOP_MARGIN)

        task, far = self._start(oracle, starts, right, norm, stop, seed)
        started = right[np.isfinite(oracle.best_distance[right])]
        self._warn_of_failures(len(right), len(right) - len(started), starts)
        raw, verified = self._refine(task, far, started, n_jobs, verbose)
        return self._report(oracle, raw, verified, right, started, eps, stop)

    def _start(
        self,
        oracle: Oracle,
        pool: StartPool,
        right: np.ndarray,
        norm: float,
        stop: float,
        seed: int,
    ) -> tuple[SearchTask, np.ndarray]:
        """Find starts and bring them to the boundary; return them, and each row's raw start."""
        rows = oracle.rows
        lo, hi = rows.finite_box(pool.reach())
        points, owner = data_starts(
            oracle.decide, rows, oracle.labels, pool, right, n_starts=self.n_starts, norm=norm
        )
        lacking = np.setdiff1d(right, owner)
        more, more_owner = noise_starts(
            oracle.decide, lo, hi, lacking, lambda block: noise_stream(seed, block)
        )
        points, owner = np.concatenate([points, more]), np.concatenate([owner, more_owner])
        # The nearest untouched start is deep in the wrong class: what verification falls back on.
        far = oracle.best.copy()
        d = rows.x.shape[1]
        boundary = bisect(
            oracle.decide,
            rows.x[owner],
            points,
            owner,
            tolerance=min(1 / (4 * d), 2.0**-6),
            norm=norm,
        )
        # With the best start on the boundary, whatever a search puts in its place is an advance.
        task = SearchTask(oracle, lo, hi, boundary, owner, stop, seed)
        self._sharpen(oracle, np.intersect1d(owner, task.active()))
        return task, far

    def _refine(
        self,
        task: SearchTask,
        far: np.ndarray,
        started: np.ndarray,
        n_jobs: int | None,
        verbose: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search, bisect once more and verify; return the rows' cells and which ones hold."""
        oracle = task.oracle
        rows = oracle.rows

        def search(chosen: np.ndarray) -> None:
            run_search(self, task, chosen, n_jobs=n_jobs, verbose=verbose)
            self._sharpen(oracle, np.intersect1d(chosen, task.active()))

        search(np.intersect1d(started, task.active()))
        raw, verified = verify(oracle, oracle.best, far, started)
        distance = rows.distance(raw, np.arange(len(rows)), oracle.norm)
        # A row that was let go early, and then did not hold within eps, is searched after all.
        early = oracle.best_distance[started] <= task.stop_distance
        broken = ~verified[started] | (distance[started] > task.stop_distance / (1 - _STOP_MARGIN))
        again = started[early & broken]
        if len(again) and task.stop_distance > 0:
            task.stop_distance = 0.0
            search(again)
            raw, verified = verify(oracle, oracle.best, far, started)
        return raw, verified

    def _sharpen(self, oracle: Oracle, chosen: np.ndarray) -> None:
        """Bisect from the best point of some rows; the oracle keeps what is nearer."""
        x, best = oracle.rows.x[chosen], oracle.best[chosen]
        bisect(oracle.decide, x, best, chosen, tolerance=_FINAL_TOLERANCE, norm=oracle.norm)

    def _report(
        self,
        oracle: Oracle,
        raw: np.ndarray,
        verified: np.ndarray,
        right: np.ndarray,
        started: np.ndarray,
        eps: float | None,
        stop: float,
    ) -> AttackResult:
        every = np.arange(len(raw))
        distances = oracle.rows.distance(raw, every, oracle.norm)
        status = np.full(len(raw), "already_wrong", dtype="<U14")
        status[right] = "start_failed"
        status[started] = np.where(verified[started], "found", "unverified")
        if eps is not None:
            stopped = verified & (oracle.best_distance <= stop) & (distances <= eps)
            status[stopped] = "stopped_at_eps"
        success = verified.copy()
        success[status == "already_wrong"] = True
        distances[~success] = np.inf
        return AttackResult(
            X_adv=oracle.rows.build(raw, every),
            distances=distances,
            success=success,
            status=status,
            n_queries=oracle.n_queries,
        )

    def _warn_of_failures(self, attacked: int, failed: int, pool: StartPool) -> None:
        if not failed:
            return
        one_class = (
            " The model predicts one class only for all rows of data."
            if len(np.unique(pool.codes)) == 1
            else ""
        )
        warnings.warn(
            f"{type(self).__name__} found no adversarial row to start from for {failed} of "
            f"{attacked} rows. They are undecided (status 'start_failed', distance inf), which "
            f"does not mean robust.{one_class}",
            UserWarning,
            stacklevel=3,
        )
