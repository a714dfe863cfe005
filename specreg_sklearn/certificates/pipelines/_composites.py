"""Steps made of steps: pipelines, unions, column transformers, searches, frozen models."""

from __future__ import annotations

from collections import UserList
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline

from specreg_sklearn.certificates.pipelines._certified_estimator import (
    CLASSIFIER,
    TRANSFORMER,
    NoCertificateError,
    Role,
)
from specreg_sklearn.certificates.pipelines._last_step import passes_on
from specreg_sklearn.certificates.pipelines._registry import (
    best_of_search,
    classifier_stages,
    named_stages,
    register_certified_step,
    transformer_stages,
)
from specreg_sklearn.certificates.stages import Affine, Stage, side_by_side, width_after

_WRAPPERS = (FrozenEstimator, GridSearchCV, RandomizedSearchCV)


def _inside(step: FrozenEstimator | GridSearchCV | RandomizedSearchCV) -> BaseEstimator:
    return step.estimator if isinstance(step, FrozenEstimator) else best_of_search(step)


def _part(name: str, step: object, role: Role = TRANSFORMER) -> list[Stage]:
    if passes_on(step):
        return []
    return named_stages(name, step, role)


@register_certified_step(Pipeline)
def _pipeline_features(pipeline: Pipeline) -> list[Stage]:
    return [stage for name, step in pipeline.steps for stage in _part(name, step)]


@register_certified_step(Pipeline, role=CLASSIFIER)
def _pipeline_scores(pipeline: Pipeline) -> list[Stage]:
    stages = [stage for name, step in pipeline.steps[:-1] for stage in _part(name, step)]
    name, last = pipeline.steps[-1]
    return stages + _part(name, last, CLASSIFIER)


@register_certified_step(*_WRAPPERS)
def _inner_features(step: FrozenEstimator | GridSearchCV | RandomizedSearchCV) -> list[Stage]:
    return transformer_stages(_inside(step))


@register_certified_step(*_WRAPPERS, role=CLASSIFIER)
def _inner_scores(step: FrozenEstimator | GridSearchCV | RandomizedSearchCV) -> list[Stage]:
    return classifier_stages(_inside(step))


@register_certified_step(FeatureUnion)
def _union(union: FeatureUnion) -> list[Stage]:
    # The union's own n_features_in_ fails where its first part is a word.
    counts = [getattr(step, "n_features_in_", None) for _, step in union.transformer_list]
    n_inputs = next((count for count in counts if count is not None), None)
    if n_inputs is None:
        raise NoCertificateError("FeatureUnion has no certificate: no part says how wide X is.")
    weights = union.transformer_weights or {}
    branches = []
    for name, step in union.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        stages = _weighted(_part(name, step), weights.get(name), n_inputs)
        branches.append((np.arange(n_inputs), stages))
    return side_by_side(branches, n_inputs)


@register_certified_step(ColumnTransformer)
def _columns(step: ColumnTransformer) -> list[Stage]:
    branches = [(part.columns, part.stages(step)) for part in column_parts(step)]
    return side_by_side(branches, step.n_features_in_)


class ColumnPart(NamedTuple):
    """A part of a fitted column transformer.

    Parameters
    ----------
    made : slice
        Where the columns that it makes stand among all that come out.
    columns : ndarray, int
        The positions of the columns that go in.
    name : str
        What the column transformer calls it.
    transformer : transformer or str
        The step itself.
    """

    made: slice
    columns: np.ndarray
    name: str
    transformer: object

    def stages(self, step: ColumnTransformer) -> list[Stage]:
        """Return what it computes as a part of `step`."""
        return _weighted(
            _part(self.name, self.transformer),
            (step.transformer_weights or {}).get(self.name),
            len(self.columns),
        )


def column_parts(step: ColumnTransformer) -> list[ColumnPart]:
    """Return the parts of a fitted column transformer, in the order of what they make."""
    n_inputs, parts = step.n_features_in_, []
    for name, transformer, spec in step.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        columns = _column_numbers(spec, n_inputs, getattr(step, "feature_names_in_", None))
        if len(columns):
            parts.append(ColumnPart(step.output_indices_[name], columns, name, transformer))
    if not parts:
        raise NoCertificateError("ColumnTransformer has no certificate: it drops all columns.")
    # The result is laid out as the transformer says, whatever the order of the parts.
    return sorted(parts, key=lambda part: part.made.start)


def _weighted(stages: list[Stage], weight: float | None, n_inputs: int) -> list[Stage]:
    """Return stages whose result is multiplied by a weight, as unions do; None is 1."""
    if weight is None:
        return stages
    return [*stages, Affine(np.full(width_after(stages, n_inputs), float(weight)))]


def _column_numbers(
    spec: slice | ArrayLike | UserList[int], n_columns: int, names: np.ndarray | None
) -> np.ndarray:
    """Return the positions that a fitted column specification stands for."""
    every = np.arange(n_columns)
    where = {} if names is None else {name: j for j, name in enumerate(names.tolist())}
    if isinstance(spec, slice):
        ends = [
            where.get(end, end) if isinstance(end, str) else end for end in (spec.start, spec.stop)
        ]
        if isinstance(spec.stop, str):  # the last label of a slice is part of it
            ends[1] = where[spec.stop] + 1
        return every[ends[0] : ends[1] : spec.step]
    if isinstance(spec, UserList):  # scikit-learn 1.6 warns whoever looks inside
        spec = spec.data
    listed = np.atleast_1d(np.asarray(spec))
    if listed.dtype.kind in "UO" and len(listed):
        return np.array([where[name] for name in listed.tolist()])
    return every[listed] if len(listed) else every[:0]
