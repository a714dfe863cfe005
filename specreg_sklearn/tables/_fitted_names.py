"""Under which names, and in which order, the parts of a model saw the columns of a frame in fit.

Most steps refuse a frame whose columns are in another order than at fit. Some do not look at names
("passthrough", FunctionTransformer, FeatureUnion), and a ColumnTransformer picks columns by name
wherever they are. So every part that gets the user's own columns is asked for the names that it
has recorded; those behind it get what it makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer


class RecordedNames(NamedTuple):
    """The names that one part of a model saw in fit.

    Parameters
    ----------
    part : str
        Where it is, for messages: "the step 'columns' (ColumnTransformer)"; empty for the model.
    names : list
        The names, in the order of fit.
    by_name : bool
        Whether it picks columns by name, in whatever order they come.
    behind : bool
        Whether a step of which nothing is known stands before it.
    """

    part: str
    names: list[Any]
    by_name: bool
    behind: bool


def recorded_names(estimator: object) -> list[RecordedNames]:
    """Return what each part that gets the user's own columns has recorded in fit."""
    return [*_Walk().into(estimator, "")]


class _Walk:
    def __init__(self) -> None:
        self.passed_on = True  # the columns as they came, perhaps with their names
        self.unknown = False  # some step before may have renamed them

    def into(self, part: object, place: str) -> Iterator[RecordedNames]:
        """Yield what a part has recorded, and find out whether it passes the columns on."""
        if part is None or isinstance(part, str):  # "passthrough", "drop"
            return
        if isinstance(part, FrozenEstimator):
            yield from self.into(part.estimator, place)
        elif hasattr(part, "best_estimator_"):
            yield from self.into(part.best_estimator_, place)
        elif isinstance(part, Pipeline):
            for name, step in part.steps:
                if not self.passed_on:
                    return
                yield from self.into(step, _step(name, step))
        elif isinstance(part, FeatureUnion):
            yield from self._into_union(part)
        else:
            yield from self._into_single(part, place)

    def _into_union(self, union: FeatureUnion) -> Iterator[RecordedNames]:
        known, unknown = False, self.unknown
        for name, step in union.transformer_list:
            self.passed_on, self.unknown = True, unknown
            for record in self.into(step, _step(name, step)):
                known = True
                yield record
        # Its results have other names, if any, in the order of the columns.
        self.passed_on, self.unknown = not known, True

    def _into_single(self, part: object, place: str) -> Iterator[RecordedNames]:
        names = getattr(part, "feature_names_in_", None)
        if names is not None:
            by_name = isinstance(part, ColumnTransformer)
            yield RecordedNames(place, list(names), by_name, self.unknown)
            self.passed_on = False
        elif type(part).__module__.startswith("sklearn."):
            # Fitted on an array, it goes by positions, and calls its results by them.
            self.passed_on = isinstance(part, FunctionTransformer)
            if isinstance(part, FunctionTransformer):
                self.unknown |= part.func is not None
        else:
            self.unknown = True


def _step(name: str, step: object) -> str:
    return f"the step {name!r} ({type(step).__name__})"
