"""Newton's method with conjugate gradients inside, on kinks that are rounded ever less."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators.robust_logistic._preconditioners import Inverse
from specreg_sklearn.estimators.robust_logistic._problem import Problem

# In coefficients that change a logit by about one.
_FIRST_WIDTH, _WARM_WIDTH, _LEAST_WIDTH = 0.1, 1e-3, 1e-9
_MOST_CG_STEPS = 100
_CG_TOL, _POLISHING_CG_TOL = 0.1, 1e-6
_MOST_POLISHING_STEPS = 5
_POLISHED_TOL = 1e-8
_SUBSET_TOL = 3e-2
# Values of the objective differ by this much for no reason.
_ROUNDING = 1e-13


class Solution(NamedTuple):
    """What was found, in the coordinates of the problem.

    `loss` is the objective with its kinks as they are, and `gap` bounds how far it lies above the
    minimum: infinity without a penalty, where no bound is known.
    """

    coef: FloatArray
    intercept: FloatArray
    loss: float
    gap: float
    converged: bool
    n_steps: int
    n_products: int


class _Direction(NamedTuple):
    coef: FloatArray
    intercept: FloatArray
    scores: FloatArray
    descent: float
    n_products: int


def solve(
    problem: Problem,
    *,
    start: tuple[FloatArray, FloatArray] | None,
    tol: float,
    max_iter: int,
    on_step: Callable[[], object] = lambda: None,
) -> Solution:
    """Minimise the objective of a problem.

    Parameters
    ----------
    problem : Problem
        The problem.
    start : tuple of ndarray or None
        Coefficients and intercepts, in the coordinates of the problem.
    tol : float
        Stop once the duality gap is at most this part of the objective. At 1e-8 and below, Newton
        steps that flatten the gradient follow.
    max_iter : int
        The most Newton steps with one width of the kinks.
    on_step : callable, default=None
        Called after every step.
    """
    search = _Search(problem, tol, max_iter, on_step)
    rows, n_classes = problem.rows, len(problem.rows.starts)
    enough = max(20 * rows.n_features, 200 * n_classes)
    if start is not None:
        search.start(*start, _WARM_WIDTH)
    elif rows.n_samples >= 4 * enough:
        part = _Search(problem.on_part_of_the_rows(enough), _SUBSET_TOL, max_iter, on_step)
        part.start(np.zeros(problem.shape), problem.first_intercept(), _FIRST_WIDTH)
        part.run()
        search.start(part.coef, part.intercept, part.width)
        search.n_steps = part.n_steps
        search.n_products = part.n_products * enough // rows.n_samples
    else:
        search.start(np.zeros(problem.shape), problem.first_intercept(), _FIRST_WIDTH)
    search.run()
    if search.converged and tol <= _POLISHED_TOL:
        search.polish()
    return search.solution()


class _Search:
    """One run of Newton's method: a point, and the width of the kinks."""

    def __init__(
        self, problem: Problem, tol: float, max_iter: int, on_step: Callable[[], object]
    ) -> None:
        self._problem, self._tol, self._max_iter = problem, tol, max_iter
        self._on_step = on_step
        self.n_steps = self.n_products = self._steps_at_width = 0
        self.converged = False

    def start(self, coef: FloatArray, intercept: FloatArray, width: float) -> None:
        """Set the point to begin with."""
        self.coef, self.intercept = _centred(coef), intercept
        self.width = width if self._problem.epsilon > 0 else 0.0
        self._move(self.coef, self.intercept, self._problem.scores(self.coef, intercept))

    def _move(self, coef: FloatArray, intercept: FloatArray, scores: FloatArray) -> None:
        self.coef, self.intercept, self._scores = coef, intercept, scores
        self._problem.move_to(coef, scores, self.width)

    def run(self) -> None:
        """Take Newton steps until the gap is certified, or no step helps."""
        problem = self._problem
        while True:
            loss = problem.true_value(exact=False)
            if problem.alpha > 0 and loss - problem.lower_bound() <= self._tol * loss:
                self._certify()
                if self.converged:
                    return
            invert, invert_intercept = problem.prepare()
            direction = self._newton_direction(invert, invert_intercept, _CG_TOL)
            decrement = -direction.descent / 2
            if problem.alpha == 0 and decrement + problem.slack() <= 0.3 * self._tol * loss:
                self._certify()
                self.converged = True
                return
            length = self._line_search(direction)
            if length > 0:
                problem.dual.step(direction.coef, length)
            self.n_steps += 1
            self._steps_at_width += 1
            self._on_step()
            used_up = length == 0 or self._steps_at_width >= self._max_iter
            narrowed = self._narrow(decrement, loss, length, used_up=used_up)
            self._move(
                _centred(self.coef + length * direction.coef),
                self.intercept + length * direction.intercept,
                self._scores + length * direction.scores,
            )
            if used_up and not narrowed:
                self._certify()
                return

    def _narrow(self, decrement: float, loss: float, length: float, *, used_up: bool) -> bool:
        """Narrow the kinks where they cost more than the point is off; tell whether they were."""
        slack, allowed = self._problem.slack(), self._tol * loss
        if self.width <= _LEAST_WIDTH or (slack <= 0.2 * allowed and not used_up):
            return False
        if decrement <= max(slack, allowed) or used_up:
            self.width *= 0.1
        elif length >= 0.3:
            self.width *= 0.4
        else:
            return False
        self._steps_at_width = 0
        return True

    def _certify(self) -> None:
        """Make the intercepts the best ones, and see whether the gap holds."""
        problem = self._problem
        intercept, scores = problem.best_intercepts(self.intercept)
        self._move(self.coef, intercept, scores)
        self.loss = problem.true_value()
        self.gap = max(self.loss - problem.lower_bound(), 0.0)
        self.converged = self.gap <= self._tol * self.loss

    def _line_search(self, direction: _Direction) -> float:
        """Return a length that lowers the objective enough; 0 if none does."""
        problem, length = self._problem, 1.0
        noise = _ROUNDING * abs(problem.value)
        while length > 1e-8:
            coef = self.coef + length * direction.coef
            scores = self._scores + length * direction.scores
            value = problem.evaluate(coef, scores, self.width)
            if value <= problem.value + 1e-4 * length * direction.descent + noise:
                return length
            length *= 0.5
        return 0.0

    def _newton_direction(
        self, invert: Inverse, invert_intercept: FloatArray, tol: float
    ) -> _Direction:
        """Solve for the Newton step by conjugate gradients, to a part of the first residual."""
        problem = self._problem
        rest, rest_intercept = -problem.slope, -problem.intercept_slope
        coef, intercept = np.zeros_like(rest), np.zeros_like(rest_intercept)
        scores = np.zeros_like(self._scores)
        step = _centred(invert(_centred(rest)))
        step_intercept = invert_intercept @ rest_intercept
        size = first = _dot(rest, rest_intercept, step, step_intercept)
        n_products = 0
        while size > tol**2 * first and n_products < _MOST_CG_STEPS:
            bent, bent_intercept, along = problem.bend(step, step_intercept)
            n_products += 1
            curvature = _dot(step, step_intercept, bent, bent_intercept)
            if not curvature > 0:
                break
            length = size / curvature
            coef += length * step
            intercept += length * step_intercept
            scores += length * along
            rest -= length * bent
            rest_intercept -= length * bent_intercept
            turned = _centred(invert(_centred(rest)))
            turned_intercept = invert_intercept @ rest_intercept
            before, size = size, _dot(rest, rest_intercept, turned, turned_intercept)
            step = turned + size / before * step
            step_intercept = turned_intercept + size / before * step_intercept
        self.n_products += n_products
        descent = _dot(problem.slope, problem.intercept_slope, coef, intercept)
        return _Direction(coef, intercept, scores, descent, n_products)

    def polish(self) -> None:
        """Take Newton steps while they flatten the gradient.

        The gap compares values, and knows coefficients to the square root of what it knows of them;
        here only gradients are compared, so that the same problem posed with weights or with
        repeated rows gets the same coefficients.
        """
        found = self.coef, self.intercept, self._scores, self.width
        loss, gap = self.loss, self.gap
        if self._problem.norm == 2 and self.width > 0:
            # Where no classes coincide, nothing is left of the rounding then.
            self.width = _LEAST_WIDTH
            self._move(*found[:3])
        self._flatten()
        self._certify()
        if not self.converged or self.gap > 2 * gap:
            *point, self.width = found
            self._move(*point)
            self.loss, self.gap, self.converged = loss, gap, True

    def _flatten(self) -> None:
        problem = self._problem
        for _ in range(_MOST_POLISHING_STEPS):
            invert, invert_intercept = problem.prepare()
            before = self._steepness(invert, invert_intercept)
            direction = self._newton_direction(invert, invert_intercept, _POLISHING_CG_TOL)
            point = self.coef, self.intercept, self._scores
            self._move(
                _centred(self.coef + direction.coef),
                self.intercept + direction.intercept,
                self._scores + direction.scores,
            )
            self.n_steps += 1
            self._on_step()
            if not self._steepness(invert, invert_intercept) < 0.25 * before:
                self._move(*point)
                break
            problem.dual.step(direction.coef, 1.0)

    def _steepness(self, invert: Inverse, invert_intercept: FloatArray) -> float:
        slope, of_intercept = _centred(self._problem.slope), self._problem.intercept_slope
        step = _centred(invert(slope))
        return _dot(slope, of_intercept, step, invert_intercept @ of_intercept)

    def solution(self) -> Solution:
        """Return where the search has ended."""
        if not hasattr(self, "gap"):
            self._certify()
        return Solution(
            self.coef, self.intercept, self.loss, self.gap, self.converged, self.n_steps,
            self.n_products,
        )  # fmt: skip


def _centred(coef: FloatArray) -> FloatArray:
    """Take off the mean over the classes.

    The loss does not bend along it: only the penalty does, and rounding would be blown up.
    """
    return coef if len(coef) == 1 else coef - coef.mean(axis=0)


def _dot(coef: FloatArray, intercept: FloatArray, other: FloatArray, offset: FloatArray) -> float:
    return float(np.vdot(coef, other)) + float(np.vdot(intercept, offset))
