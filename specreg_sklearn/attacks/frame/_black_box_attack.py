"""The base class of attacks: parameters like those of an estimator, and one method, run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from specreg_sklearn._typing import Classifier, RandomState
from specreg_sklearn.attacks.frame._hooks import AttackHooks, Starts
from specreg_sklearn.attacks.frame._result import AttackResult
from specreg_sklearn.attacks.frame._run import run_attack
from specreg_sklearn.space import FeatureSpace


@dataclass(kw_only=True, eq=False, repr=False)
class BlackBoxAttack(BaseEstimator, AttackHooks):
    """Base class of attacks that ask a model for nothing but predicted labels.

    An attack has parameters like a scikit-learn estimator (``get_params``, ``set_params``,
    ``clone``) and one method, :meth:`run`.

    Parameters
    ----------
    norm : {2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=1000
        Budget of each row: how many rows may be sent to ``predict`` on its behalf, for starts,
        search, bisections and verification together. It is never exceeded. Three things are free:
        the predictions of the clean rows, those of the pool of starts, and those of a few rows that
        show whether the model repeats its answers. None sets no limit.
    n_starts : int, default=9
        Adversarial rows of data from which the attack starts, for each row. They come from
        different wrong classes where there are several.
    starts : {"data", "uniform"} or array, default="data"
        Where the attack starts. "data" takes rows of the pool that the model puts into another
        class, and noise if there are none. "uniform" draws noise from the box, as most published
        attacks do. An array or frame like `X`, one row per row, or an array of shape
        (n_samples, n_starts, n_features) gives the starts themselves; rows for which none of them
        fools the model fall back on noise.
    targeted : bool, default=False
        False: a row is adversarial when the model gives it any label but its true one. True: `y`
        holds the labels that the model shall be made to predict.
    batch_rows : int, default=16384
        Largest number of rows sent to ``predict`` at once while searching.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the draws. With an integer, two runs give the same rows.
    n_repeats : int or None, default=None
        How often each question is asked; the majority decides, and a row is reported only if a
        clear majority agrees on it. All repeats count as queries. None asks once, unless the model
        turns out to answer the very same batch differently: then three times, if the budget allows.

    Notes
    -----
    **Write your own attack.** Subclass and implement ``_search(task)``. Everything else (checking,
    starts, the first and the last bisection, budgets, early stopping, verification, casting,
    parallel workers) is done by :meth:`run`. The search asks with ``task.oracle.decide(Z, owner)``,
    which remembers the nearest fooled point of every row, and returns nothing. The guide on writing
    an attack lists what a task offers, the rules of a search, and the other hooks.

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

    norm: float = 2
    max_queries: int | None = 1000
    n_starts: int = 9
    starts: Starts = "data"
    targeted: bool = False
    batch_rows: int = 16384
    random_state: RandomState = 0
    n_repeats: int | None = None

    def run(
        self,
        estimator: Classifier,
        X: Any,
        y: Any,
        *,
        eps: float | None = None,
        space: FeatureSpace | None = None,
        pool: ArrayLike | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        resume: AttackResult | None = None,
        on_error: Literal["auto", "raise", "keep"] = "auto",
    ) -> AttackResult:
        """Look for the nearest rows that the model gets wrong.

        Parameters
        ----------
        estimator : object with a method predict
            A fitted classifier, pipeline or search.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Clean rows: numpy, pandas, polars, or a list of lists.
        y : array-like of shape (n_samples,)
            Their true labels, of any kind that the estimator predicts; the wanted labels if the
            attack is `targeted`.
        eps : float or None, default=None
            Stop a row as soon as a verified adversarial row within this distance is known. None
            looks for the smallest distance.
        space : FeatureSpace or None, default=None
            What may change and in which units. None stands for
            ``FeatureSpace.from_data(pool)``, or of `X` without a pool.
        pool : array-like or DataFrame of shape (n_pool, n_features), default=None
            Rows to start from. None means `X` itself. Of more than 10,000 rows the model is asked
            about 10,000, spread over their contents. With a pool, the result of a row does not
            depend on which other rows are attacked.
        n_jobs : int or None, default=None
            Workers of joblib. The result does not depend on it.
        verbose : int, default=0
            1 and more shows a progress bar.
        resume : AttackResult or None, default=None
            Go on from an earlier result for the same `X` and `y`: its adversarial rows are the
            starts, its queries count against `max_queries`, and what it knows is not asked again.
        on_error : {"auto", "raise", "keep"}, default="auto"
            What to do if the model fails when something has been found. "raise": raise an
            :class:`AttackInterrupted`, which is of the class of the error and has the result so far
            as `result`. "keep": return this result, with a warning. "auto": keep it if the failure
            comes from outside (``OSError``: timeouts, lost connections, rate limits), raise
            otherwise. Ctrl-C always raises, with the result.

        Returns
        -------
        AttackResult
            Adversarial rows, distances, success, status and query counts.

        Raises
        ------
        TypeError
            If the estimator has no ``predict`` or is a regressor.
        ValueError
            If shapes or columns do not fit, or a parameter is not accepted.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttackInterrupted
            If the model failed, or Ctrl-C was pressed, after something had been found.

        Warns
        -----
        UserWarning
            If rows are undecided because no start was found, or the model did not repeat its
            answer, with their number; if the model does not repeat its answers; if the result is
            not complete.
        """
        return run_attack(
            self,
            estimator,
            X,
            y,
            eps=eps,
            space=space,
            pool=pool,
            n_jobs=n_jobs,
            verbose=verbose,
            resume=resume,
            on_error=on_error,
        )
