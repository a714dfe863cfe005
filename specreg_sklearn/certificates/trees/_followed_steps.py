"""Which column of X each column behind the steps of a pipeline comes from.

Steps that map each column by itself, without turning its order round, are followed: a test behind
them is a test in front of them, at another threshold. What other steps make is constant as long as
the columns that they read do not move.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from specreg_sklearn._typing import BoolArray, IntArray
from specreg_sklearn.certificates.pipelines import NoCertificateError, passes_on

CONSTANT = -1
_MONOTONE = (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
# Functions of single cells that rise wherever they have a number.
_RISING = (
    np.arcsinh,
    np.arctan,
    np.cbrt,
    np.exp,
    np.expm1,
    np.log,
    np.log10,
    np.log1p,
    np.log2,
    np.sinh,
    np.sqrt,
    np.tanh,
    special.expit,
    special.logit,
)


class Followed(NamedTuple):
    """Where the columns behind a step come from.

    Parameters
    ----------
    source : ndarray of shape (n_out,), int
        The column in front of the step that each one is a rising function of; -1 for constants.
    read : ndarray of shape (n_in,), bool
        Columns that constants are made of, which must not move.
    """

    source: IntArray
    read: BoolArray


def follow(steps: list[Any], n_columns: int, *, before: str = "in front of trees") -> Followed:
    """Return where the columns behind steps, one after the other, come from.

    `before` says in messages where the steps stand.

    Raises
    ------
    NoCertificateError
        If a step mixes columns and it is not known how many it makes.
    """
    source = np.arange(n_columns)
    read = np.zeros(n_columns, dtype=bool)
    for step in steps:
        inside = _step(step, len(source), None)
        if inside is None:
            raise NoCertificateError(
                f"{type(step).__name__} {before} has no certificate: it is not known to "
                "map each column by itself, in order. Accepted are scalers, QuantileTransformer, "
                "PowerTransformer, KBinsDiscretizer(encode='ordinal'), SimpleImputer, column "
                "selections, FunctionTransformer of a rising function of numpy, such as "
                "log1p, and anything inside a ColumnTransformer for columns that "
                "cannot move."
            )
        source, read = _behind(source, read, inside)
    return Followed(source, read)


def _behind(source: IntArray, read: BoolArray, inside: Followed) -> tuple[IntArray, BoolArray]:
    read = read.copy()
    used = source[inside.read]
    read[used[used >= 0]] = True
    extended = np.append(source, CONSTANT)
    return extended[inside.source], read


def _step(step: Any, n_in: int, n_out: int | None) -> Followed | None:
    """Return where the columns behind one step come from; None if nothing is known of it."""
    every, nothing = np.arange(n_in), np.zeros(n_in, dtype=bool)
    if passes_on(step) or type(step) in _MONOTONE:
        return Followed(every, nothing)
    kind = type(step)
    if kind is FunctionTransformer and (step.func is None or _rises(step)):
        return Followed(every, nothing)
    if kind is KBinsDiscretizer and step.encode == "ordinal":
        return Followed(every, nothing)
    if kind is SimpleImputer and _marks_with_nan(step):
        kept = [value == value or bool(step.keep_empty_features) for value in step.statistics_]
        # No move makes or fills a gap, so that flags of gaps are constants of a row.
        n_flags = len(step.indicator_.features_) if step.add_indicator else 0
        return Followed(np.append(np.flatnonzero(kept), np.full(n_flags, CONSTANT)), nothing)
    if isinstance(step, SelectorMixin):
        return Followed(np.flatnonzero(step.get_support()), nothing)
    if isinstance(step, FrozenEstimator):
        return _step(step.estimator, n_in, n_out)
    found = None
    if kind is Pipeline:
        found = _chain([inner for _, inner in step.steps], n_in, n_out)
    elif kind is ColumnTransformer:
        found = _columns(step, n_in)
    elif kind is FeatureUnion:
        found = _union(step, n_in)
    if found is None and n_out is not None:
        return Followed(np.full(n_out, CONSTANT), np.ones(n_in, dtype=bool))
    return found


def _rises(step: FunctionTransformer) -> bool:
    """Return whether a function is one of those that rise, cell by cell."""
    named = isinstance(step.func, np.ufunc) and step.func in _RISING
    return named and not step.kw_args


def _marks_with_nan(step: SimpleImputer) -> bool:
    missing = step.missing_values
    return isinstance(missing, float) and missing != missing


def _chain(steps: list[Any], n_in: int, n_out: int | None) -> Followed | None:
    source, read = np.arange(n_in), np.zeros(n_in, dtype=bool)
    for k, step in enumerate(steps):
        inside = _step(step, len(source), n_out if k == len(steps) - 1 else None)
        if inside is None:
            return None
        source, read = _behind(source, read, inside)
    return Followed(source, read)


def _columns(step: ColumnTransformer, n_in: int) -> Followed:
    names = getattr(step, "feature_names_in_", None)
    turned = [name for name, weight in (step.transformer_weights or {}).items() if weight < 0]
    if turned:
        raise NoCertificateError(
            f"ColumnTransformer in front of trees has no certificate: the weight of {turned[0]!r} "
            "in transformer_weights is negative, which turns the order of its columns round."
        )
    ends = [part.stop for part in step.output_indices_.values()]
    source = np.full(max(ends, default=0), CONSTANT)
    read = np.zeros(n_in, dtype=bool)
    for name, inner, _ in step.transformers_:
        part = step.output_indices_[name]
        if part.stop == part.start:
            continue
        columns = np.asarray(step._transformer_to_input_indices[name])
        inside = _step(inner, len(columns), part.stop - part.start)
        assert inside is not None, names
        source[part] = np.append(columns, CONSTANT)[inside.source]
        read[columns[inside.read]] = True
    return Followed(source, read)


def _union(step: FeatureUnion, n_in: int) -> Followed | None:
    source, read = [], np.zeros(n_in, dtype=bool)
    if step.transformer_weights:
        return None
    for _, inner in step.transformer_list:
        if isinstance(inner, str) and inner == "drop":
            continue
        inside = _step(inner, n_in, None)
        if inside is None:
            return None
        source.append(inside.source)
        read |= inside.read
    return Followed(np.concatenate(source), read) if source else None
