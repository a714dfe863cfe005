"""The probe: a linear readout that withstands moves of the features."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
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
from specreg_sklearn.estimators._probe_problem import ProbeProblem
from specreg_sklearn.estimators._robust_loss import SMOOTH_DUALS
from specreg_sklearn.estimators._training_rows import ClassWeight, TrainingRows, training_rows
from specreg_sklearn.space import check_norm
from specreg_sklearn.training import own_torch_settings

# Kinks of the dual norm are rounded, first broadly, then so finely that it no longer shows.
_SMOOTHINGS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
_SCOUTING_ITERATIONS = 300
_MOST_NEWTON_STEPS = 5


class RobustLinearProbe(LogitClassifierMixin, BaseEstimator):
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
        The most iterations of L-BFGS; with ``epsilon > 0`` for each stage of smoothing.
    tol : float, default=1e-6
        The largest entry of the gradient at which the solution counts as found, on whitened
        features.
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
        Iterations of L-BFGS, over all stages.
    loss_ : float
        The minimised objective.
    module_ : torch.nn.Linear
        The same readout as a torch layer with one logit per class, to be joined to an encoder: a
        copy, made anew from `coef_` and `intercept_`, which are all that the probe has learned.

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
        tol: float = 1e-6,
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
        check_norm(self.norm, SMOOTH_DUALS, type(self).__name__)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        rows = training_rows(X, y, sample_weight, self.class_weight)
        # The matrices are small: with two threads on a busy machine BLAS took ten times as long.
        with threadpool_limits(limits=1, user_api="blas"), own_torch_settings():
            problem = ProbeProblem(
                rows,
                epsilon=self.epsilon,
                norm=self.norm,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
            )
            solution, loss, self.n_iter_ = self._solve(problem, self._start(rows))
            coef, intercept = problem.coefficients(solution)
        self.loss_, self.classes_ = float(loss), rows.classes
        self.coef_, self.intercept_ = coef.astype(X.dtype), intercept.astype(X.dtype)
        if self.epsilon > 0 and np.abs(coef * problem.spread).max() < 1e-3:
            warnings.warn(
                f"epsilon={self.epsilon} is so large that the best model ignores the features; "
                "lower it.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @property
    def module_(self) -> torch.nn.Linear:
        """The readout as a torch layer with one logit per class, made anew each time."""
        check_is_fitted(self, "coef_")
        with own_torch_settings():
            return _as_linear_module(self.coef_, self.intercept_)

    def _start(self, rows: TrainingRows) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        same = np.array_equal(self.classes_, rows.classes)
        same = same and self.coef_.shape[1] == rows.X.shape[1]
        return (self.coef_, self.intercept_) if same else None

    def _solve(
        self, problem: ProbeProblem, start: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, float, int]:
        solution, n_iter = problem.start(start), 0
        with tqdm(disable=not self.verbose, desc="RobustLinearProbe", unit="iteration") as bar:
            for stage, (smoothing, most_iterations) in enumerate(self._stages()):
                if stage > 0:
                    solution = problem.rewhiten(solution, smoothing)
                result = minimize(
                    problem.objective_and_gradient,
                    solution,
                    args=(smoothing,),
                    jac=True,
                    method="L-BFGS-B",
                    callback=lambda _: bar.update(),
                    options={
                        "maxiter": most_iterations,
                        "maxfun": 20 * most_iterations,
                        "maxcor": 20,
                        "maxls": 50,
                        "gtol": 1e-2 * self.tol,
                        "ftol": 0.0,
                    },
                )
                solution, n_iter = result.x, n_iter + result.nit
        solution, loss, slope = _polish(problem, solution, smoothing)
        if slope > self.tol:
            warnings.warn(
                f"RobustLinearProbe stopped after {n_iter} iterations with a gradient of "
                f"{slope:.2g}, above tol={self.tol}. Raise max_iter={self.max_iter} or alpha="
                f"{self.alpha}.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return solution, loss, max(n_iter, 1)

    def _stages(self) -> list[tuple[float, int]]:
        """Smoothing and the most iterations of each stage; between stages the problem is scaled.

        The first stages only have to come near enough for a good scaling.
        """
        first = min(_SCOUTING_ITERATIONS, self.max_iter)
        if self.epsilon == 0:  # no kink: the smoothing is not even looked at
            return [(0.0, first), (0.0, first), (0.0, self.max_iter)]
        return [(width, first) for width in _SMOOTHINGS[:-1]] + [(_SMOOTHINGS[-1], self.max_iter)]

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
        X = validate_data(self, X, reset=False, dtype=self.coef_.dtype)
        scores = X @ self.coef_.T + self.intercept_
        return np.hstack([-scores / 2, scores / 2]) if len(self.coef_) == 1 else scores


def _polish(
    problem: ProbeProblem, solution: np.ndarray, smoothing: float
) -> tuple[np.ndarray, float, float]:
    """Take Newton steps while they flatten the gradient.

    L-BFGS compares values of the objective and stalls at the square root of machine precision;
    here only gradients are compared, so that the same problem posed with weights or with repeated
    rows gets the same coefficients.
    """
    solution = problem.rewhiten(solution, smoothing)
    loss, gradient = problem.objective_and_gradient(solution, smoothing)
    for _ in range(_MOST_NEWTON_STEPS):
        moved = solution + problem.newton_step(solution, smoothing)
        new_loss, new_gradient = problem.objective_and_gradient(moved, smoothing)
        if not np.abs(new_gradient).max() < 0.5 * np.abs(gradient).max():
            break
        solution, loss, gradient = moved, new_loss, new_gradient
    return solution, loss, float(np.abs(gradient).max())


def _as_linear_module(coef: np.ndarray, intercept: np.ndarray) -> torch.nn.Linear:
    """One logit per class; a single row of coefficients is split evenly between two classes."""
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
    n_outputs, n_inputs = coef.shape
    module = torch.nn.utils.skip_init(torch.nn.Linear, n_inputs, n_outputs, device="cpu")
    module.weight = torch.nn.Parameter(torch.tensor(coef, device="cpu"))
    module.bias = torch.nn.Parameter(torch.tensor(intercept, device="cpu"))
    return module
