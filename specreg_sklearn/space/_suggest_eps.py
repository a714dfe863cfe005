"""Which eps? What the data alone says about sizes of moves, before any model is asked."""

from __future__ import annotations

import html
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray, RandomState
from specreg_sklearn.space._clean_rows import CleanRows
from specreg_sklearn.space._feature_space import FeatureSpace
from specreg_sklearn.space._norms import NORMS, check_norm
from specreg_sklearn.space.columns import column_index
from specreg_sklearn.tables import (
    as_table,
    as_targets,
    check_positive_int,
    check_seed,
)

_QUANTILES = (0.01, 0.05, 0.25, 0.5)
_SUGGESTED = 0.05
# What is suggested at least, where rows of different classes all but coincide in the columns that
# can move: nobody would call less a change. In L0 nothing moves by less than one column.
_LEAST, _LEAST_COLUMNS = 0.1, 1.0
# Differences of rows that are held at once.
_BLOCK = 2**21


@dataclass(frozen=True)
class EpsSuggestion:
    """Sizes of moves that the data knows, as a small table; made by :func:`suggest_eps`.

    Parameters
    ----------
    what : list of str
        Names of the sizes.
    eps : ndarray of shape (n_sizes,), float64
        The sizes, in the units and at the prices of the space.
    meaning : list of str
        What each of them says, in words.
    suggested : float
        Half of the distance to the nearest row of another class, for the 5 % of rows that are
        nearest: at this eps two rows of different classes can hardly be taken for each other. But
        at least a tenth of a unit, and in L0 one column.
    reason : str
        Which of the two it is, in words.
    distances : ndarray of shape (n_samples,), float64
        The distance of each row that was looked at to its nearest row of another class.
    """

    what: list[str]
    eps: FloatArray
    meaning: list[str]
    suggested: float
    reason: str
    distances: FloatArray = field(repr=False)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({"what": self.what, "eps": self.eps, "meaning": self.meaning})

    def __str__(self) -> str:
        width = max(map(len, self.what))
        rows = zip(self.what, self.eps, self.meaning, strict=True)
        lines = [f"{what:<{width}}  {eps:>9.3g}  {meaning}" for what, eps, meaning in rows]
        return "\n".join([*lines, f"suggested: eps={self.suggested:.3g}, {self.reason}"])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{html.escape(what)}</td><td>{eps:.3g}</td><td>{html.escape(meaning)}</td></tr>"
            for what, eps, meaning in zip(self.what, self.eps, self.meaning, strict=True)
        )
        return f"<table>{cells}</table><p>suggested: eps={self.suggested:.3g}, {self.reason}</p>"


def suggest_eps(
    X: Any,
    y: Any,
    space: FeatureSpace | None = None,
    *,
    norm: float = 2,
    noise: Mapping[Hashable, float] | None = None,
    max_samples: int | None = 500,
    random_state: RandomState = 0,
) -> EpsSuggestion:
    """Say which sizes of moves mean something in this table; no model is asked.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Classes, at least two.
    space : FeatureSpace or None, default=None
        What may move, in which units and at which prices; None is ``FeatureSpace.from_data(X)``.
    norm : {0, 1, 2, inf}, default=2
        The norm of the distances.
    noise : None or dict by column, default=None
        How far, in units of X, a column is off when it is measured again (a standard deviation).
    max_samples : int or None, default=500
        So many rows are compared with all others; None takes every row.
    random_state : int, RandomState instance or None, default=0
        Which rows these are.

    Returns
    -------
    EpsSuggestion
        The sizes, what they mean, and a suggestion.

    Raises
    ------
    ValueError
        If there is one class only, `noise` names an unknown column or one that cannot move, or no
        column can move.

    Notes
    -----
    Distances between rows are those of the columns that can move, at their prices; bounds, rules
    and columns that differ but cannot move are left out, so an attacker may have to go farther. If
    the balls of radius eps around rows of different classes do not meet, some classifier is right
    on all of them, and eps can be at most half of the distance between classes (Yang, Rashtchian,
    Zhang, Salakhutdinov, Chaudhuri, "A closer look at accuracy vs. robustness", NeurIPS 2020). An
    eps above that says more about the data than about the model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from specreg_sklearn.metrics import suggest_eps
    >>> X, y = load_iris(return_X_y=True)
    >>> found = suggest_eps(X, y, noise={0: 0.05})
    >>> print(found.to_frame()[["what", "eps"]].round(2).to_string(index=False))
                           what  eps
              measurement noise 0.06
     half way to another class: 1 % 0.19
     half way to another class: 5 % 0.23
    half way to another class: 25 % 0.34
    half way to another class: 50 % 0.51
    """
    norm = check_norm(norm, NORMS, "suggest_eps")
    table = as_table(X)
    classes = as_targets(y, table.n_rows)
    if len(set(classes.tolist())) < 2:
        only = classes[0].item() if isinstance(classes[0], np.generic) else classes[0]
        raise ValueError(f"y holds the single class {only!r}; suggest_eps compares classes.")
    space = FeatureSpace.from_data(X) if space is None else space
    rows = space.bind(X)
    if not rows.raw.shape[1]:
        raise ValueError("The feature space has no column to move, so there is no distance.")
    if max_samples is not None:
        max_samples = check_positive_int(max_samples, "max_samples")
    seed = check_seed(random_state)
    n_some = len(rows) if max_samples is None else min(max_samples, len(rows))
    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:n_some])
    distances = _to_another_class(rows, classes, some, norm)
    found = [*_noise_size(rows, noise, norm), *_whole_steps(rows, norm)]
    for q in _QUANTILES:
        half = float(np.quantile(distances, q)) / 2
        found.append(
            (
                f"half way to another class: {100 * q:.0f} %",
                half,
                f"for {100 * q:.0f} % of rows another class is nearer than twice this",
            )
        )
    what, eps, meaning = (list(column) for column in zip(*found, strict=True))
    suggested = float(np.quantile(distances, _SUGGESTED)) / 2
    reason = f"half of the way to another class, for the nearest {100 * _SUGGESTED:.0f} % of rows"
    least = _LEAST_COLUMNS if norm == 0 else _LEAST
    if suggested < least:
        suggested = least
        size = "one column" if norm == 0 else "a tenth of a unit"
        reason = f"{size}, as some rows of different classes are hardly that far apart"
    return EpsSuggestion(what, np.array(eps), meaning, suggested, reason, distances)


def _to_another_class(
    rows: CleanRows, classes: np.ndarray, some: np.ndarray, norm: float
) -> FloatArray:
    """Return how far rows are from the nearest row of another class."""
    d = rows.raw.shape[1]
    goals, gone = rows.goals()
    goals = goals / rows.scale
    out = np.full(len(some), np.inf)
    for place, i in enumerate(some.tolist()):
        others = np.flatnonzero(classes != classes[i])
        for begin in range(0, len(others), max(1, _BLOCK // d)):
            part = others[begin : begin + max(1, _BLOCK // d)]
            steps = goals[part] - rows.x[i]
            # A missing cell does not move, and what is missing elsewhere is no place to go.
            steps[gone[part] | rows.missing[i]] = 0.0
            out[place] = min(out[place], float(rows.length(steps, norm).min()))
    return out


def _noise_size(
    rows: CleanRows, noise: Mapping[Hashable, float] | None, norm: float
) -> list[tuple[str, float, str]]:
    if not noise:
        return []
    steps = np.zeros((1, len(rows.columns)))
    table = rows.table
    for column, size in noise.items():
        k = rows.place_of(column_index(column, table.names, table.n_columns, "noise"))
        if k is None:
            raise ValueError(f"noise names column {column!r}, which cannot move in the space.")
        if not 0 < float(size) < np.inf:
            raise ValueError(
                f"noise of column {column!r} is {size!r}; accepted: a positive number."
            )
        steps[0, k] = float(size) / rows.scale[k]
    length = float(rows.length(steps, norm)[0])
    return [
        (
            "measurement noise",
            length,
            "measuring again moves a row by about this: a model must bear it",
        )
    ]


def _whole_steps(rows: CleanRows, norm: float) -> list[tuple[str, float, str]]:
    """Return what one step of whole numbers costs, in the cheapest and the middle column."""
    whole = np.flatnonzero(rows.integer[: rows.n_numbers])
    if not len(whole):
        return []
    steps = np.zeros((len(whole), len(rows.columns)))
    steps[np.arange(len(whole)), whole] = 1 / rows.scale[whole]
    steps *= np.where(rows.directions < 0, -1.0, 1.0)
    lengths = rows.length(steps, norm)
    return [
        (
            "one whole step, cheapest column",
            float(lengths.min()),
            "below this no column of whole numbers can move at all",
        ),
        (
            "one whole step, median column",
            float(np.median(lengths)),
            "at this half of the columns of whole numbers can move",
        ),
    ]
