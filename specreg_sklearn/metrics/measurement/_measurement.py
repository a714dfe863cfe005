"""The settings that every robustness score, scorer and display shares, in one bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import (
    Classifier,
    Eps,
    FloatArray,
    IntArray,
    MaxSamples,
    RandomState,
    Scale,
)
from specreg_sklearn.attacks import AttackResult, BlackBoxAttack, resolve_attack
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES
from specreg_sklearn.space import NORMS, FeatureSpace, check_norm, check_scale
from specreg_sklearn.tables import (
    DEFAULT_MAX_SAMPLES,
    as_labels,
    as_table,
    as_targets,
    check_eps,
    check_max_samples,
    check_names,
    check_positive_int,
    check_weights,
    sampled_rows,
    stratified_rows,
    subsample,
    take_rows,
)


class Sample(NamedTuple):
    """The rows that are measured.

    Parameters
    ----------
    X : container like the user's X, n_rows rows
        The rows.
    y : ndarray of shape (n_rows,)
        Their labels.
    places : ndarray of shape (n_rows,), int
        Their positions in the `X` of the user.
    weight : ndarray of shape (n_rows,), float64
        What each of them counts; all 1 where none stands for more rows than another.
    """

    X: Any
    y: np.ndarray
    places: IntArray
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class Measurement:
    """On which rows, in which space and norm, and with which attack robustness is measured.

    The fields are those of :func:`~specreg_sklearn.metrics.robust_accuracy_score`. How far rows may
    move, `eps`, and whether to prove, `certify`, belong to a single score.
    """

    norm: float = 2
    attack: str | BlackBoxAttack = "auto"
    space: FeatureSpace | None = None
    scale: Scale = "std"
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES
    random_state: RandomState = 0
    n_jobs: int | None = None
    pool: Any = None
    max_nodes: int = DEFAULT_MAX_NODES

    def check(self) -> None:
        """Raise unless rows and space are accepted; the methods check the rest as they use it."""
        check_max_samples(self.max_samples)
        check_positive_int(self.max_nodes, "max_nodes")
        if self.space is None:
            check_scale(self.scale)
        elif not isinstance(self.space, FeatureSpace):
            raise TypeError(f"space={type(self.space).__name__} is not a FeatureSpace or None.")
        elif not (isinstance(self.scale, str) and self.scale == "std"):
            raise ValueError(
                f"scale={self.scale!r} is given together with a space, which has its own units. "
                "Pass FeatureSpace.from_data(X, scale=...) as space, and leave scale out."
            )

    def rows_of(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Return the rows whose distances are measured, each class with its share, and labels."""
        return subsample(X, y, self.max_samples, self.random_state)

    def sample(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        proportional: bool = False,
    ) -> Sample:
        """Return the rows that a score is measured on, and what each of them counts.

        A rare class has more than its share of them, and its rows count less, unless the choice
        has to be `proportional`.
        """
        labels = as_targets(y, as_table(X).n_rows)
        if proportional:
            places = sampled_rows(labels, self.max_samples, self.random_state)
            weight = np.ones(len(places))
        else:
            places, weight = stratified_rows(labels, self.max_samples, self.random_state)
        X_part, y_part = X if len(places) == len(labels) else take_rows(X, places), labels[places]
        if sample_weight is not None:
            weight = weight * check_weights(sample_weight, len(labels))[places]
            if not weight.any():
                raise ValueError(
                    "sample_weight is 0 for all rows that are measured; raise max_samples, or "
                    "leave these rows out of X."
                )
        return Sample(X_part, y_part, places, weight)

    def places_of(self, X: Any, y: Any) -> IntArray:
        """Return the positions in `X` of :meth:`rows_of`."""
        labels = as_targets(y, as_table(X).n_rows)
        return sampled_rows(labels, self.max_samples, self.random_state)

    def n_rows(self, y: Any) -> int:
        """Return how many rows are measured."""
        n, most = len(as_labels(y, "y")), check_max_samples(self.max_samples)
        return n if most is None else min(n, most)

    def space_of(self, X: Any) -> FeatureSpace:
        """Return the given space, or the one that the pool spans with units by `scale`."""
        self.check()
        if self.space is not None:
            return self.space
        return FeatureSpace.from_data(self.pool_of(X), scale=self.scale)

    def pool_of(self, X: Any) -> Any:
        """Return the rows that attacks start from: the given ones, after checking them, or `X`."""
        if self.pool is None:
            return X
        pool, rows = as_table(self.pool, parameter="pool"), as_table(X)
        if pool.names is not None and rows.names is not None:
            check_names(pool.names, rows.names, "pool", "X has")
        if pool.n_columns != rows.n_columns:
            raise ValueError(
                f"pool has {pool.n_columns} columns, but X has {rows.n_columns}. It takes rows of "
                "data like those of X, such as training rows."
            )
        return self.pool

    def resolved_attack(self) -> BlackBoxAttack:
        """Return the attack as an object, after checking that it measures what is asked for."""
        # An attack of a user's own may know other norms than ours do.
        supported = dict.fromkeys((*NORMS, *getattr(self.attack, "_norms", ())))
        norm = check_norm(self.norm, supported, "this score")
        chosen = resolve_attack(self.attack, norm=norm, random_state=self.random_state)
        if chosen.targeted:
            raise ValueError(
                f"{chosen!r} is targeted: it would take y for the labels to reach. Robustness is "
                "measured with targeted=False."
            )
        if chosen.norm != norm:
            raise ValueError(
                f"norm={norm!r}, but {chosen!r} measures in norm={chosen.norm!r}. Pass the same "
                "norm to both."
            )
        return chosen

    def run_attack(
        self, estimator: Classifier, X: Any, y: Any, *, verbose: int = 0
    ) -> AttackResult:
        """Look for the nearest adversarial row of every row; the pool, or `X`, gives starts."""
        X_part, y_part = self.rows_of(X, y)
        return self.resolved_attack().run(
            estimator,
            X_part,
            y_part,
            space=self.space_of(X),
            pool=self.pool_of(X),
            n_jobs=self.n_jobs,
            verbose=verbose,
            on_error="raise",
        )


def read_eps(eps: Eps) -> tuple[FloatArray, bool]:
    """Return the sizes as an increasing array, and whether there were several."""
    return read_grid(eps, "eps", check_eps, "number >= 0")


def read_grid(
    values: Eps, parameter: str, check: Callable[[object], float], accepted: str
) -> tuple[FloatArray, bool]:
    """Return one or several checked numbers as an increasing array, and whether it was several."""
    several = not isinstance(values, str) and np.ndim(values) > 0
    given: Any = values if several else [values]
    if np.ndim(given) != 1 or not len(given):
        raise ValueError(
            f"{parameter}={values!r} is not accepted; give a {accepted} or a list of them."
        )
    grid = np.array([check(value) for value in given])
    stuck = np.flatnonzero(grid[1:] <= grid[:-1])
    if stuck.size:
        before, after = grid[stuck[0]], grid[stuck[0] + 1]
        raise ValueError(
            f"{parameter}={values!r} is not increasing: {after:g} comes after {before:g}. Give "
            "each value once, from the smallest to the largest."
        )
    return grid, several


def check_certify(certify: object) -> None:
    """Raise unless `certify` is True, False or "auto"."""
    if isinstance(certify, (bool, np.bool_)) or (isinstance(certify, str) and certify == "auto"):
        return
    raise ValueError(f"certify={certify!r} is not accepted; give 'auto', True or False.")
