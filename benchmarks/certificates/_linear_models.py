"""Exact distances of logistic regressions on real tables, with whole columns kept whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.loaders import (
    load_adult,
    load_german_credit,
    load_nsl_kdd,
    load_phishing_websites,
    load_spambase,
    load_url_phishing,
)
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace

NORMS = (0, 1, 2, np.inf)
LOADERS: dict[str, Callable[..., Any]] = {
    "adult": load_adult,
    "german_credit": load_german_credit,
    "nsl_kdd": load_nsl_kdd,
    "phishing_websites": load_phishing_websites,
    "spambase": load_spambase,
    "url_phishing": load_url_phishing,
}
_MOST_TRAINED = 5000


class LinearLine(NamedTuple):
    """What a proof says of rows of a table in a norm.

    Parameters
    ----------
    data : str
        The table.
    norm : float
        The norm.
    n_whole : int
        How many of the columns that move hold whole numbers.
    n_rows : int
        How many rows.
    closed : float
        The share of them with an exact distance.
    seconds : float
        CPU seconds of a row, on average.
    fractions : float
        Median of the distance if whole columns may move by fractions, over the exact one.
    """

    data: str
    norm: float
    n_whole: int
    n_rows: int
    closed: float
    seconds: float
    fractions: float


def linear_lines(n_rows: int) -> Iterator[LinearLine]:
    """Yield a line for each table and norm; words stay, and units are interquartile ranges."""
    for name, load in LOADERS.items():
        X, y = load(return_X_y=True, as_frame=True)
        X_train, X_test, y_train, _ = train_test_split(
            X, y, test_size=0.3, random_state=0, stratify=y
        )
        X_train, y_train = X_train[:_MOST_TRAINED], y_train[:_MOST_TRAINED]
        model = _model(X_train).fit(X_train, y_train)
        rows = X_test[:n_rows]
        numbers = X.select_dtypes("number").columns
        loose = dict.fromkeys(numbers, float)
        for norm in NORMS:
            start = time.process_time()
            found = _bounds(model, X_train, rows, norm)
            seconds = (time.process_time() - start) / len(rows)
            apart = _bounds(model, X_train.astype(loose), rows.astype(loose), norm)
            known = found.closed & np.isfinite(found.upper) & (found.upper > 0)
            yield LinearLine(
                name,
                norm,
                sum(pd.api.types.is_integer_dtype(X[column]) for column in numbers),
                len(rows),
                float(found.closed.mean()),
                seconds,
                float(np.median(apart.lower[known] / found.upper[known])),
            )


def _model(X: pd.DataFrame) -> Pipeline:
    words = make_column_selector(dtype_exclude="number")
    encoded = OneHotEncoder(handle_unknown="ignore", sparse_output=False), words
    columns = make_column_transformer(encoded, remainder=StandardScaler())
    return make_pipeline(columns, LogisticRegression(max_iter=2000))


def _bounds(model: Pipeline, pool: pd.DataFrame, rows: pd.DataFrame, norm: float) -> Any:
    space = FeatureSpace.from_data(pool, scale="iqr")
    return distance_prover(model, rows).bounds(space.bind(rows), norm=norm)
