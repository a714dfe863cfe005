"""Nearest rows under smooth scores, by sequential quadratic programming from several starts.

An upper bound of the truth, like any descent; what a black-box attack is held against.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sklearn.svm import SVC

from benchmarks.attacks.truths._tree_problems import split_of
from benchmarks.common import Problem

N_TRAIN, N_STARTS = 400, 6


def kernel_problem(table: str, n_rows: int) -> Problem:
    """Return a support vector machine with a Gaussian kernel."""
    Xa, ya, Xb, yb, lo, hi = split_of(table)
    model = SVC().fit(Xa[:N_TRAIN], ya[:N_TRAIN])
    return Problem.of_right_rows(table, "SVC", model, Xb, yb, lo, hi, n_rows)


def nearest_by_descent(problem: Problem) -> np.ndarray:
    """Return the least distance that descents from the nearest rows of the other class find."""
    model = problem.model
    vectors, dual, gamma = model.support_vectors_, model.dual_coef_[0], model._gamma

    def score(z: np.ndarray) -> tuple[float, np.ndarray]:
        apart = z - vectors
        kernel = dual * np.exp(-gamma * np.einsum("ij,ij->i", apart, apart))
        return float(kernel.sum() + model.intercept_[0]), -2 * gamma * (kernel @ apart)

    predicted = model.predict(problem.pool)
    limits = list(zip(problem.lo, problem.hi, strict=True))
    floor = np.full(len(problem.X), np.inf)
    for i, (x, label) in enumerate(zip(problem.X, problem.y, strict=True)):
        side = 1.0 if label == model.classes_[1] else -1.0
        others = problem.pool[predicted != label]
        near = np.argsort(np.linalg.norm(others - x, axis=1))[:N_STARTS]
        for start in others[near]:
            found = minimize(
                lambda z, x=x: (float((z - x) @ (z - x)), 2 * (z - x)),
                start,
                jac=True,
                bounds=limits,
                method="SLSQP",
                constraints={
                    "type": "ineq",
                    "fun": lambda z, side=side: -side * score(z)[0] - 1e-6,
                    "jac": lambda z, side=side: -side * score(z)[1],
                },
                options={"maxiter": 100},
            )
            if model.predict(found.x[None])[0] != label:
                floor[i] = min(floor[i], float(np.linalg.norm(found.x - x)))
    return floor
