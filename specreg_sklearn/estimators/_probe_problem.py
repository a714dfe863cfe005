"""The convex problem of the probe, in coordinates where L-BFGS converges fast."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from specreg_sklearn.estimators._robust_loss import log_loss, reach_curvature, worst_case_logits
from specreg_sklearn.estimators._training_rows import TrainingRows

# Curvature of the log loss in a logit before anything is known: between 0 and 1/4.
_FIRST_CURVATURE = 0.1
# Entries of the whitening matrices that are affordable.
_LARGEST_BASIS = 2e7
_MOST_CG_STEPS = 100


class ProbeProblem:
    """Objective and gradient of the robust probe in whitened coordinates.

    Raw columns of a table differ in scale by orders of magnitude and are correlated; in the
    user's coordinates L-BFGS then needs tens of thousands of iterations. Here every class has a
    basis that whitens its own block of the Hessian: the covariance of the features, each row
    weighted by its curvature, plus the share of the penalty.
    """

    def __init__(
        self,
        rows: TrainingRows,
        *,
        epsilon: float,
        norm: float,
        alpha: float,
        fit_intercept: bool,
    ) -> None:
        self.epsilon, self.norm, self.alpha = epsilon, norm, alpha
        self.fit_intercept = fit_intercept
        X = rows.X.astype(np.float64)
        weights = (rows.weights / rows.weights.sum()).astype(np.float64)
        self.n_rows = 1 if len(rows.classes) == 2 else len(rows.classes)
        # Without an intercept a shift of the features would change the model.
        self.centre = weights @ X if fit_intercept else np.zeros(X.shape[1])
        self.features = X - self.centre
        self.spread = np.sqrt(weights @ self.features**2)
        rounding = 10 * np.finfo(np.float64).eps * np.abs(self.centre)
        self.spread[self.spread <= rounding] = 1.0  # constant columns
        self.X = torch.from_numpy(self.features)
        self.codes = torch.from_numpy(rows.codes.astype(np.int64))
        self.weights = torch.from_numpy(weights)
        # What a coefficient of 1 on a column of unit spread is in the user's units.
        self._slope_unit = torch.from_numpy(1 / self.spread)
        first = np.full((len(X), self.n_rows), _FIRST_CURVATURE)
        self._whiten(first, np.zeros((self.n_rows, X.shape[1])))

    def _whiten(self, curvature: np.ndarray, bends: np.ndarray) -> None:
        """Choose the bases.

        `curvature` (n_samples, n_rows) is that of the log loss in the logits, `bends`
        (n_rows, n_features) that of the dual norms in the coefficients.
        """
        n_features = len(self.spread)
        scaled = self.features / self.spread
        ridge = (2 * self.alpha + bends) / self.spread**2 + 1e-10
        curvature = curvature * self.weights.numpy()[:, None]
        if n_features**2 > _LARGEST_BASIS:  # scaling has to do
            basis = (curvature.T @ scaled**2 + ridge) ** -0.5 / self.spread
        else:
            if self.n_rows * n_features**2 > _LARGEST_BASIS:
                curvature = curvature.mean(axis=1, keepdims=True)
                ridge = ridge.mean(axis=0, keepdims=True)
            blocks = zip(curvature.T, ridge, strict=True)
            basis = np.stack([_whitening(scaled, *block) for block in blocks])
            basis /= self.spread[:, None]
        self._basis = torch.from_numpy(basis)

    def _coef(self, whitened: Tensor) -> Tensor:
        """Return coefficients (n_rows, n_features) in the user's units."""
        if self._basis.ndim == 2:
            return whitened * self._basis
        return (self._basis @ whitened[:, :, None])[:, :, 0]

    def _whitened(self, coef: np.ndarray) -> np.ndarray:
        """Invert :meth:`_coef`."""
        basis = self._basis.numpy()
        if basis.ndim == 2:
            return coef / basis
        return np.linalg.solve(basis, coef[:, :, None])[:, :, 0]

    def rewhiten(self, solution: np.ndarray, smoothing: float) -> np.ndarray:
        """Whiten the Hessian at a point, and return that point in the new coordinates."""
        coefficients = self.coefficients(solution)
        with torch.no_grad():
            logits, coef = self._worst_case(torch.from_numpy(solution), smoothing)
            share = logits.sigmoid() if self.n_rows == 1 else logits.softmax(dim=1)
            bends = reach_curvature(
                logits, self.codes, self.weights, coef, **self._moves(smoothing)
            )
        self._whiten((share * (1 - share)).numpy(), bends.numpy())
        return self.start(coefficients)

    def _moves(self, smoothing: float) -> dict[str, Any]:
        width = smoothing * self._slope_unit
        return {"epsilon": self.epsilon, "norm": self.norm, "width": width}

    def start(self, coefficients: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
        """Return a start in whitened coordinates: zeros, or given coefficients and intercepts."""
        n_features = len(self.centre)
        table = np.zeros((self.n_rows, n_features + self.fit_intercept))
        if coefficients is not None:
            coef, intercept = coefficients
            table[:, :n_features] = self._whitened(coef)
            if self.fit_intercept:
                table[:, -1] = intercept + coef @ self.centre
        return table.ravel()

    def coefficients(self, solution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts in the user's coordinates."""
        table = solution.reshape(self.n_rows, -1)
        coef = self._coef(torch.from_numpy(table[:, : len(self.centre)])).numpy()
        if not self.fit_intercept:
            return coef, np.zeros(self.n_rows)
        intercept = table[:, -1] - coef @ self.centre
        # Only differences of intercepts matter: let them sum to zero, as scikit-learn's do.
        return coef, intercept if self.n_rows == 1 else intercept - intercept.mean()

    def objective_and_gradient(
        self, solution: np.ndarray, smoothing: float
    ) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient at a point in whitened coordinates."""
        flat = torch.tensor(solution, requires_grad=True)
        loss = self._objective(flat, smoothing)
        (gradient,) = torch.autograd.grad(loss, flat)
        return float(loss.detach()), gradient.numpy()

    def newton_step(self, solution: np.ndarray, smoothing: float) -> np.ndarray:
        """Return the step to the minimum of the local quadratic model."""
        flat = torch.tensor(solution, requires_grad=True)
        loss = self._objective(flat, smoothing)
        (gradient,) = torch.autograd.grad(loss, flat, create_graph=True)

        def hessian_product(vector: np.ndarray) -> np.ndarray:
            direction = torch.from_numpy(vector.ravel())
            return torch.autograd.grad(gradient, flat, direction, retain_graph=True)[0].numpy()

        hessian = LinearOperator((len(solution),) * 2, matvec=hessian_product, dtype=np.float64)
        step, _ = cg(hessian, -gradient.detach().numpy(), rtol=1e-6, maxiter=_MOST_CG_STEPS)
        return step

    def _objective(self, solution: Tensor, smoothing: float) -> Tensor:
        logits, coef = self._worst_case(solution, smoothing)
        return log_loss(logits, self.codes, self.weights) + self.alpha * coef.square().sum()

    def _worst_case(self, solution: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """Return worst-case logits, and the coefficients in the user's units."""
        table = solution.reshape(self.n_rows, -1)
        coef = self._coef(table[:, : len(self.centre)])
        logits = self.X @ coef.T
        if self.fit_intercept:
            logits = logits + table[:, -1]
        return worst_case_logits(logits, self.codes, coef, **self._moves(smoothing)), coef


def _whitening(scaled: np.ndarray, curvature: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    hessian = (scaled * curvature[:, None]).T @ scaled + np.diag(ridge)
    factor = np.linalg.cholesky(hessian)
    return solve_triangular(factor, np.eye(len(factor)), lower=True).T
