"""Margins of a model, and their gradients: by the model's own word, or by differences.

A pipeline ends in parts that speak for themselves (``__differentiable__``). What stands before them
(scalers, projections, encoders of columns) is asked where it is: its slope is taken from one step
along each column. If it turns out to be affine, the slope of one row serves for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from specreg_sklearn._typing import Classifier, FloatArray, IntArray
from specreg_sklearn.attacks.gradients._differentiable import METHOD, WithPullback
from specreg_sklearn.attacks.questions import SearchTask, classes_of, columns_of_labels

# How far steps before the network may be off what their slopes say, and still count as affine.
_AFFINE = 1e-5
_N_CHECKED = 8
# Numbers in one block of rows that go through the network.
_BLOCK = 2**22


class DifferentiablePredict:
    """A callable that gives labels, like ``estimator.predict``, and has logits with gradients."""

    def __init__(self, estimator: Classifier, *, needed_by: str) -> None:
        self.estimator = estimator
        self.front, self.parts = _split(estimator, needed_by)
        self.classes = classes_of(estimator, "its logits")

    def __call__(self, X: Any) -> Any:
        """Return labels."""
        return self.estimator.predict(X)

    def features(self, X: Any) -> FloatArray:
        """Return what the network reads, of shape (m, n_features), float64."""
        for step in self.front:
            X = step.transform(X)
        X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        return np.array(X.reshape(len(X), -1), dtype=np.float64)

    def functions(self) -> list[WithPullback]:
        """Return the functions from features to logits, one after the other."""
        return [getattr(step, METHOD)(role) for step, role in self.parts]


class MarginSlopes:
    """Margins of points and their gradients in coordinates, for the rows of a task.

    A margin is the logit of the true class minus the largest other one: negative where the model is
    fooled. Points are taken as they are built; the gradient passes through the rounding.
    """

    def __init__(self, task: SearchTask) -> None:
        source = task.oracle.predict
        assert isinstance(source, DifferentiablePredict)
        self._source, self._functions, self._oracle = source, source.functions(), task.oracle
        self.column = columns_of_labels(task.oracle, source.classes)
        rows, every = task.oracle.rows, np.arange(len(task.x))
        self._x, self._clean = rows.x, source.features(rows.build(rows.raw, every))
        self._slopes = self._slopes_of(every[:1])
        self._affine = self._is_affine(task)
        if not self._affine:
            self._slopes = self._slopes_of(every)

    def built(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        """Return coordinates of the rows that points stand for."""
        rows = self._oracle.rows
        if rows.exact and not rows.settles:
            return rows.clip(Z, owner)
        steps = rows.snap(Z, owner) - rows.raw[owner]
        return np.asarray(self._x[owner] + steps / rows.scale)

    def ask(self, Z: FloatArray, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins (m,) and gradients (m, d) at built points."""
        features = self._features(Z, owner)
        margin, slope = np.empty(len(Z)), np.empty(features.shape)
        step = max(1, _BLOCK // max(features.shape[1], 256))
        for begin in range(0, len(Z), step):
            part = slice(begin, begin + step)
            margin[part], slope[part] = self._ask(features[part], owner[part])
        if self._affine:
            return margin, slope @ self._slopes[0].T
        return margin, np.einsum("ijk,ik->ij", self._slopes[owner], slope)

    def _ask(self, features: FloatArray, owner: IntArray) -> tuple[FloatArray, FloatArray]:
        values, back = features, []
        for function in self._functions:
            values, pull_back = function(values)
            back.append(pull_back)
        each, own = np.arange(len(owner)), self.column[owner]
        others = values.copy()
        others[each, own] = -np.inf
        rival = others.argmax(axis=1)
        sign = -1.0 if self._oracle.targeted else 1.0
        slope = np.zeros(values.shape)
        slope[each, own], slope[each, rival] = sign, -sign
        for pull_back in reversed(back):
            slope = pull_back(slope)
        return sign * (values[each, own] - values[each, rival]), slope

    def _features(self, Z: FloatArray, owner: IntArray) -> FloatArray:
        if self._affine:
            return self._clean[owner] + (Z - self._x[owner]) @ self._slopes[0]
        rows = self._oracle.rows
        return self._source.features(rows.build(rows.snap(Z, owner), owner))

    def _slopes_of(self, chosen: IntArray) -> FloatArray:
        """Return how the features of rows follow each coordinate: (rows, d, n_features)."""
        rows, d = self._oracle.rows, self._x.shape[1]
        owner = np.repeat(chosen, d)
        lo, hi = rows.lo[chosen], rows.hi[chosen]
        x = self._x[chosen]
        # One unit, to the side where there is more room, and no farther than the box goes.
        up = hi - x >= x - lo
        size = np.where(up, np.minimum(hi - x, 1.0), -np.minimum(x - lo, 1.0))
        # Whole numbers move by one at least.
        unit = np.where(rows.integer, 1 / rows.scale, 0.0)
        size = np.where(np.abs(size) < unit, np.copysign(unit, size), size)
        Z = x[:, None] + np.eye(d) * size[:, :, None]
        raw = rows.snap(Z.reshape(-1, d), owner)
        moved = ((raw - rows.raw[owner]) / rows.scale).reshape(-1, d, d)
        step = np.diagonal(moved, axis1=1, axis2=2)
        change = self._source.features(rows.build(raw, owner)).reshape(len(chosen), d, -1)
        change = change - self._clean[chosen][:, None]
        there = np.where(step == 0, 1.0, step)[:, :, None]
        return np.where((step == 0)[:, :, None], 0.0, change / there)

    def _is_affine(self, task: SearchTask) -> bool:
        """Return whether the slopes of one row serve for all, on moves of some of the rows."""
        n, d = self._x.shape
        some = np.arange(n)[:_N_CHECKED]
        share = task.rng(0).random((len(some), d))
        lo, hi = task.lo[some], task.hi[some]
        Z = self.built(lo + share * (hi - lo), some)
        expected = self._clean[some] + (Z - self._x[some]) @ self._slopes[0]
        rows = self._oracle.rows
        actual = self._source.features(rows.build(rows.snap(Z, some), some))
        size = np.abs(actual - self._clean[some]).max(initial=1e-300)
        return bool(np.abs(actual - expected).max(initial=0.0) <= _AFFINE * size)


def _split(estimator: Any, needed_by: str) -> tuple[list[Any], list[tuple[Any, str]]]:
    """Return the steps before the network, and the parts that speak for themselves with roles."""
    steps = _steps(estimator)
    first = len(steps)
    while first and hasattr(steps[first - 1], METHOD):
        first -= 1
    if first == len(steps):
        raise TypeError(
            f"estimator={type(estimator).__name__} has no gradients: "
            f"{type(steps[-1]).__name__} does not define {METHOD}, and {needed_by} needs it. The "
            "encoders of this package and RobustLinearProbe do, alone and at the end of pipelines. "
            "'auto' needs labels only, and 'scores' decision_function or predict_proba."
        )
    last = len(steps) - 1
    parts = [
        (steps[k], "classifier" if k == last else "transformer") for k in range(first, len(steps))
    ]
    return steps[:first], parts


def _steps(estimator: Any) -> list[Any]:
    """Return the steps of pipelines in searches in pipelines, in order."""
    if hasattr(estimator, METHOD):
        return [estimator]
    if hasattr(estimator, "best_estimator_"):
        return _steps(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        inner = [step for _, step in estimator.steps]
        found = [_steps(step) for step in inner if step is not None and step != "passthrough"]
        return [step for steps in found for step in steps]
    if isinstance(estimator, FrozenEstimator):
        return _steps(estimator.estimator)
    return [estimator]
