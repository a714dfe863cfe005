"""A classifier taken out of searches, frozen models and pipelines, and the steps in front of it."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from specreg_sklearn.certificates.pipelines._registry import best_of_search


def split_pipeline(estimator: object) -> tuple[list[Any], Any]:
    """Return the steps in front of the last one, and the last one, out of searches and wrappers."""
    steps: list[Any] = []
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, GridSearchCV | RandomizedSearchCV):
            estimator = best_of_search(estimator)
        elif isinstance(estimator, Pipeline):
            steps += [step for _, step in estimator.steps[:-1]]
            estimator = estimator.steps[-1][1]
        else:
            return [step for step in steps if not passes_on(step)], estimator


def path_to_step(estimator: object, step: object) -> list[str]:
    """Return what pipelines call a step, or the classifier at their end, from outside to inside."""
    path: list[str] = []
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, GridSearchCV | RandomizedSearchCV):
            estimator = best_of_search(estimator)
        elif isinstance(estimator, Pipeline):
            name = next((name for name, each in estimator.steps if each is step), None)
            if name is not None:
                return [*path, name]
            path.append(estimator.steps[-1][0])
            estimator = estimator.steps[-1][1]
        else:
            return path


def name_of_step(estimator: object, step: object) -> str:
    """Return the path to a step as words to put before a reason; empty where it stands alone."""
    return "".join(f"step {name!r}: " for name in path_to_step(estimator, step))


def passes_on(step: object) -> bool:
    """Return whether a step of a pipeline hands rows on as they are.

    Besides "passthrough" that goes for what draws rows for `fit` alone, as imbalanced-learn's
    samplers do: its pipelines are scikit-learn's, and leave steps with fit_resample out.
    """
    word = isinstance(step, str) and step == "passthrough"
    sampler = hasattr(step, "fit_resample") and not hasattr(step, "transform")
    return step is None or word or sampler
