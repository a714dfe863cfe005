"""Exact distances under one nearest neighbour, by quadratic programs over Voronoi cells."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.attacks.truths._tree_problems import split_of
from benchmarks.common import Problem

N_TRAIN = 150


def neighbour_problem(table: str, n_rows: int) -> Problem:
    """Return a classifier by the nearest of a few training rows, without a box."""
    Xa, ya, Xb, yb, lo, hi = split_of(table)
    # Twice the same row, with two labels perhaps, would make cells that are empty or shared.
    Xa, first = np.unique(Xa[:N_TRAIN], axis=0, return_index=True)
    model = KNeighborsClassifier(1, algorithm="brute").fit(Xa, ya[first])
    far = 1e3 * (hi - lo)
    return Problem.of_right_rows(table, "1-NN", model, Xb, yb, lo - far, hi + far, n_rows)


def nearest_cell(problem: Problem) -> np.ndarray:
    """Return the distance of each row to the nearest cell of a training row with another label.

    The cell of a training row is cut out by one plane for each row of the clean label; cells are
    looked at in the order of a lower bound, until it passes the best.
    """
    model = problem.model
    centres, labels = model._fit_X, model.classes_[model._y]
    exact = np.empty(len(problem.X))
    for i, (x, label) in enumerate(zip(problem.X, problem.y, strict=True)):
        own = centres[labels == label]
        closest = np.linalg.norm(own - x, axis=1).min()
        others = centres[labels != label]
        reach = np.linalg.norm(others - x, axis=1)
        # A point nearer to c than to the closest row of its own is at least so far away.
        bound = np.maximum(reach - closest, 0) / 2
        best = np.inf
        for k in np.argsort(bound):
            if bound[k] >= best:
                break
            planes = own - others[k]
            offset = (np.einsum("ij,ij->i", own, own) - others[k] @ others[k]) / 2
            best = min(best, _to_polyhedron(x, planes, offset))
        exact[i] = best
    return exact


def _to_polyhedron(x: np.ndarray, planes: np.ndarray, offset: np.ndarray) -> float:
    """Return the distance of x to {z: planes z <= offset}, by least distance programming.

    With w = z - x it is the least w with G w >= h, which non-negative least squares solves
    (Lawson and Hanson, Solving least squares problems, chapter 23).
    """
    G, h = -planes, planes @ x - offset
    system = np.vstack([G.T, h])
    target = np.zeros(len(system))
    target[-1] = 1.0
    weights, _ = nnls(system, target, maxiter=50 * system.shape[1])
    residual = system @ weights - target
    if abs(residual[-1]) < 1e-12:  # the polyhedron is empty
        return np.inf
    return float(np.linalg.norm(residual[:-1] / residual[-1]))
