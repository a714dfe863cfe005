"""The probe: a linear readout that withstands moves of the features."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from specreg_sklearn._sklearn_compat import Interval, StrOptions, fit_context
from specreg_sklearn.certificates import Affine, NoCertificateError, Stage
from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.estimators._differentiable import WithPullback
from specreg_sklearn.estimators._logit_classifier import LogitClassifierMixin
from specreg_sklearn.estimators._stored_version import StoredVersionMixin
from specreg_sklearn.estimators._training_rows import ClassWeight, TrainingRows, training_rows
from specreg_sklearn.estimators.robust_logistic import (
    DUAL_NORMS,
    Problem,
    Solution,
    probe_problem,
    solve,
)
from specreg_sklearn.space import check_norm
from specreg_sklearn.tables import as_numpy, stacklevel_of_caller
from specreg_sklearn.training import own_torch_settings

# A larger coefficient, on a column of unit spread, means that the column is looked at.
_IGNORED = 1e-3


class RobustLinearProbe(LogitClassifierMixin, StoredVersionMixin, BaseEstimator):
    """Multinomial logistic regression that withstands every small move of its input.

    Minimises the mean over rows of

    ``log sum_j exp(z_j - z_y + epsilon * ||w_j - w_y||_dual) + alpha * sum of w ** 2``

    with logits ``z_j = w_j x + b_j``: the log loss under the worst move of `x` of size at most
    `epsilon`. On the features of a :class:`SpectrallyRegularizedEncoder` the encoder bounds how
    far features move, and the probe withstands that move. ``epsilon=0`` is plain logistic
    regression with ``C = 1 / (2 * alpha * n_samples)``. The problem is convex, and the answer
    does not depend on a seed.

    Parameters
    ----------
    epsilon : float, default=0.0
        Size of the moves to withstand, in units of the features.
    norm : {1, 2, inf}, default=2
        Norm in which moves are measured. The loss holds its dual: inf, 2 or 1.
    alpha : float, default=1e-4
        Strength of the sum of squared coefficients; there is no factor one half, and intercepts
        are free.
    fit_intercept : bool, default=True
        Whether to fit intercepts.
    class_weight : dict, "balanced" or None, default=None
        Factors on the rows of each class.
    max_iter : int, default=1000
        The most Newton steps; with ``epsilon > 0`` for each stage of smoothing, of which there are
        about ten. Ordinary fits take 5 to 30 steps in all.
    tol : float, default=1e-8
        The relative duality gap at which to stop: the objective is then certainly within `tol`
        times its value of the minimum. At 1e-8 and below, a few Newton steps that flatten the
        gradient follow, so that equal problems get equal coefficients.
    warm_start : bool, default=False
        Start from the coefficients of the last fit.
    random_state : int, RandomState instance or None, default=None
        Accepted like in scikit-learn's linear models; the solver draws nothing.
    verbose : int, default=0
        1 shows a progress bar over iterations.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; for two classes those of ``classes_[1]`` against ``classes_[0]``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` had string column names.
    n_iter_ : int
        Newton steps, over all stages.
    loss_ : float
        The minimised objective, with the dual norm as it is.
    dual_gap_ : float
        A proof of how good the fit is: no coefficients have an objective below ``loss_ -
        dual_gap_``. The squared distance of the coefficients from the best ones is at most
        ``dual_gap_ / alpha``. Infinite for ``alpha=0``, where nothing
        bounds the coefficients and the fit stops by its gradient. Both are those of the
        coefficients before they become float32.
    module_ : torch.nn.Linear
        The same readout as a torch layer with one logit per class, to be joined to an encoder: a
        copy, made anew from `coef_` and `intercept_`, which are all that the probe has learned;
        changes made to it are not kept.

    See Also
    --------
    SpectrallyRegularizedEncoder : Features that move little.
    sklearn.linear_model.LogisticRegression : The case ``epsilon=0``.

    References
    ----------
    Xu, Caramanis, Mannor, "Robustness and regularization of support vector machines", JMLR 10,
    2009, for the worst case of a linear model as a dual norm.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from specreg_sklearn import RobustLinearProbe
    >>> X, y = load_iris(return_X_y=True)
    >>> RobustLinearProbe(epsilon=0.1).fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "norm": "no_validation",  # True would pass for 1
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        epsilon: float = 0.0,
        norm: float = 2,
        alpha: float = 1e-4,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.epsilon = epsilon
        self.norm = norm
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Find the coefficients.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; float32 and float64 keep their type.
        y : array-like of shape (n_samples,)
            Class labels of any kind; at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : RobustLinearProbe
            The fitted probe.

        Raises
        ------
        ValueError
            For a parameter, row, label or weight that is not accepted; the message names it.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` was too small, or if `epsilon` is so large that the best model ignores
            the features.
        """
        check_norm(self.norm, DUAL_NORMS, type(self).__name__)
        X, y = as_numpy(X), as_numpy(y)
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        rows = training_rows(X, y, sample_weight, self.class_weight)
        # The matrices are small: with two threads on a busy machine BLAS took ten times as long.
        with threadpool_limits(limits=1, user_api="blas"):
            problem = probe_problem(
                rows.X,
                rows.codes,
                rows.weights,
                epsilon=self.epsilon,
                norm=self.norm,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
            )
            found = self._solve(problem, rows)
        coef, intercept = problem.in_user_units(found.coef, found.intercept)
        self.coef_, self.intercept_ = coef.astype(X.dtype), intercept.astype(X.dtype)
        self.classes_, self.n_iter_ = rows.classes, max(found.n_steps, 1)
        self.loss_, self.dual_gap_ = found.loss, found.gap
        self._warn(problem, found)
        return self

    def _solve(self, problem: Problem, rows: TrainingRows) -> Solution:
        start = None
        if self.warm_start and hasattr(self, "coef_"):
            same = np.array_equal(self.classes_, rows.classes)
            if same and self.coef_.shape[1] == rows.X.shape[1]:
                start = problem.from_user_units(self.coef_, self.intercept_)
        with tqdm(disable=not self.verbose, desc="RobustLinearProbe", unit="step") as bar:
            return solve(
                problem, start=start, tol=self.tol, max_iter=self.max_iter, on_step=bar.update
            )

    def _warn(self, problem: Problem, found: Solution) -> None:
        if not found.converged:
            gap = f"{found.gap / found.loss:.2g}" if self.alpha > 0 else "unknown"
            warnings.warn(
                f"RobustLinearProbe stopped after {found.n_steps} steps with a relative duality "
                f"gap of {gap}, above tol={self.tol}. Raise max_iter={self.max_iter} or alpha="
                f"{self.alpha}.",
                ConvergenceWarning,
                stacklevel=stacklevel_of_caller(),
            )
        if self.epsilon > 0 and np.abs(found.coef * problem.rows.spread).max() < _IGNORED:
            warnings.warn(
                f"epsilon={self.epsilon} is so large that the best model ignores the features; "
                "lower it.",
                ConvergenceWarning,
                stacklevel=stacklevel_of_caller(),
            )

    @property
    def module_(self) -> torch.nn.Linear:
        """The readout as a torch layer with one logit per class, made anew each time."""
        check_is_fitted(self, "coef_")
        with own_torch_settings():
            return _as_linear_module(self.coef_, self.intercept_)

    def __certified_stages__(self, role: Role) -> list[Stage]:
        """Return the scores as stages of a proof."""
        if role == "transformer":
            raise NoCertificateError("RobustLinearProbe has no certificate: it has no transform.")
        return [Affine(self.coef_, self.intercept_)]

    def __differentiable__(self, role: Role) -> WithPullback:
        """Return the logits as a function of rows that takes gradients back."""
        if role == "transformer":
            raise TypeError("RobustLinearProbe has no transform.")
        weight, bias = self.coef_.astype(np.float64), self.intercept_.astype(np.float64)
        if len(weight) == 1:
            weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
        return lambda x: (x @ weight.T + bias, lambda slope: slope @ weight)

    def _logits(self, X: Any) -> NDArray[np.floating]:
        check_is_fitted(self, "coef_")
        X = as_numpy(X)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=self.coef_.dtype)
        scores = X @ self.coef_.T + self.intercept_
        return np.hstack([-scores / 2, scores / 2]) if len(self.coef_) == 1 else scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _as_linear_module(coef: np.ndarray, intercept: np.ndarray) -> torch.nn.Linear:
    """One logit per class; a single row of coefficients is split evenly between two classes."""
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
    n_outputs, n_inputs = coef.shape
    module = torch.nn.utils.skip_init(torch.nn.Linear, n_inputs, n_outputs, device="cpu")
    module.weight = torch.nn.Parameter(torch.tensor(coef, device="cpu"))
    module.bias = torch.nn.Parameter(torch.tensor(intercept, device="cpu"))
    return module
