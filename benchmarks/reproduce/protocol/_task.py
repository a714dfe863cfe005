"""What is compared: regularisers at their strengths, rows, and how a model of them is attacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import FeatureSpace

Figures = dict[str, float]

PLAIN, RECIPE = "none", "rep_spectral + decay"
DECAY = 1e-4  # the library's default


def grids(
    squares: tuple[float, float] = (3e-5, 3e-3),
    spectral: tuple[float, float] = (1e-3, 1e-1),
    n: int = 5,
) -> dict[str, tuple[float, ...]]:
    """Return as many strengths for every regulariser, on logarithmic grids.

    Parameters
    ----------
    squares : (float, float)
        Smallest and largest strength of the sum of squares.
    spectral : (float, float)
        Smallest and largest strength of the spectral penalties.
    n : int
        Strengths of each regulariser.
    """
    small, large = (
        tuple(float(f"{s:.3g}") for s in np.geomspace(*ends, n)) for ends in (squares, spectral)
    )
    return {
        PLAIN: (0.0,),
        "l2": small,
        "ll_spectral": large,
        "rep_spectral": large,
        RECIPE: large,
    }


@dataclass(frozen=True)
class Candidate:
    """A regulariser at one strength.

    Parameters
    ----------
    regulariser : str
        A key of what :func:`grids` returns. With " + decay" behind the name of a penalty there is
        the default weight decay beside it.
    strength : float
        What the encoder calls `alpha`.
    move : float or None
        Where a new readout is put on the features: the size of the moves that it withstands, in
        standard deviations of the features.
    """

    regulariser: str
    strength: float
    move: float | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the encoder: `penalty`, `alpha`, `weight_decay`."""
        if self.regulariser == PLAIN:
            return {"penalty": None, "alpha": 0.0, "weight_decay": 0.0}
        penalty, _, decay = self.regulariser.partition(" + ")
        return {
            "penalty": None if penalty == PLAIN else penalty,
            "alpha": self.strength,
            "weight_decay": DECAY if decay else 0.0,
        }


def network(candidate: Candidate, seed: int, *, epochs: int, **settings: Any) -> Any:
    """Return the unfitted encoder of a candidate, which will run all its epochs."""
    return SpectrallyRegularizedEncoder(
        **{"batch_size": 128}
        | settings
        | candidate.params
        | {"max_iter": epochs, "n_iter_no_change": epochs, "tol": 0, "random_state": seed}
    )


@dataclass
class Split:
    """The rows of one seed.

    Parameters
    ----------
    fit, validation, test : (X, y)
        Rows to fit and to choose on, and rows for the end.
    refit : bool
        Whether the final fit is on `fit` and `validation` together.
    """

    fit: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    refit: bool = True

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the final fit."""
        if not self.refit:
            return self.fit
        X, y = zip(self.fit, self.validation, strict=True)
        return np.concatenate(X), np.concatenate(y)


@dataclass
class Task:
    """What is compared: data, a model for each candidate, and how it is attacked.

    Parameters
    ----------
    name : str
        For the progress bar.
    split : callable
        ``split(seed) -> Split``; a function of a module.
    build : callable
        ``build(candidate, seed) -> estimator``, unfitted; a function of a module, or a partial of
        :func:`network`.
    eps : (float, float)
        Sizes at which robust accuracy is reported.
    eps_choice : float
        Size at which strengths are chosen.
    chosen_by : {"cgba", "gradient"}
        The attack with which strengths are chosen: CGBA with 1000 queries, or the gradient's on
        hundreds of columns, where so few queries are far from enough.
    bounds : (float, float) or None
        Box of the attack.
    standardised : bool
        Whether distances are in standard deviations of the training rows.
    max_queries : int
        Budget of each attack on a test row.
    n_rows, n_validation : int
        Rows attacked in the end and for choosing.
    strengths : dict
        The grid.
    quantile : float
        Which quantile of the distances is shown. The median is 0 where half of the rows are
        misclassified.
    choice_seeds, test_seeds : int
        So many seeds are tried to choose strengths on, and in the end, at most.
    """

    name: str
    split: Callable[[int], Split]
    build: Callable[[Candidate, int], Any]
    eps: tuple[float, float]
    eps_choice: float
    chosen_by: str = "cgba"
    bounds: tuple[float, float] | None = (0.0, 1.0)
    standardised: bool = False
    max_queries: int = 1000
    n_rows: int = 200
    n_validation: int = 150
    strengths: dict[str, tuple[float, ...]] = field(default_factory=grids)
    quantile: float = 0.5
    choice_seeds: int = 5
    test_seeds: int = 5

    def candidates(self) -> list[Candidate]:
        """Return every regulariser at every strength."""
        return [Candidate(r, s) for r, strengths in self.strengths.items() for s in strengths]

    def space(self, X: np.ndarray) -> FeatureSpace:
        """Return where rows may go and in which units they are measured."""
        scale = self.scale(X)
        mutable = None if scale is None else scale > 0
        unit = None if scale is None else np.where(scale > 0, scale, 1.0)
        return FeatureSpace.from_data(
            X, mutable=mutable, bounds=self.bounds, types=["real"] * X.shape[1], scale=unit
        )

    def scale(self, X: np.ndarray) -> np.ndarray | None:
        """Return the unit of each column, 0 for those that do not vary; None for the units of X."""
        return np.asarray(X, dtype=float).std(axis=0) if self.standardised else None
