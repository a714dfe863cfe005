"""``alpha="auto"``: one fit in which the strength rises, judged on held-out rows."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import nn

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.estimators._build_net import attach_rows, build_net, split_rows
from specreg_sklearn.estimators._held_out_rows import HeldOutRows
from specreg_sklearn.estimators._training_rows import TrainingRows
from specreg_sklearn.objectives import Objective
from specreg_sklearn.training import (
    EpochBar,
    EpochKeeper,
    Patience,
    PenalizedNet,
    StrengthRise,
    TensorRows,
    hand_on_interruption,
    threads_for_step,
)

if TYPE_CHECKING:
    from specreg_sklearn.estimators._feature_encoder import FeatureEncoderMixin

STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""What ``alpha="auto"`` chooses from; the path rises from the first to the last."""

_HELD_OUT_SHARE = 0.2
_FEWEST_ROWS = 50
# Shares of `max_iter`: at the weakest strength, and while it rises.
_HOLD, _RISE = 0.52, 0.78
# Epochs over which the figures of the path are averaged: those of one epoch are noise.
_SMOOTHED = 3


class StrengthChoice(NamedTuple):
    """The strength of a fit, and how it was found.

    Parameters
    ----------
    alpha : float
        The strength.
    path : dict of str to ndarray of shape (n_epochs,) or None
        ``alpha``, and ``accuracy``, ``certificate`` and ``log_loss`` on the held-out rows for each
        epoch of the rise; None where the user gave the strength.
    """

    alpha: float
    path: dict[str, FloatArray] | None = None


def choose_strength(
    estimator: FeatureEncoderMixin,
    tolerance: float,
    objective: Objective,
    rows: TrainingRows,
    seed: int,
    *,
    head: Callable[[int], nn.Module],
    row_shape: tuple[int, ...] | None,
) -> StrengthChoice:
    """Train on four fifths of the rows while the strength rises, and choose by the others.

    The strength is the one with the largest certificate among those whose log loss on the held-out
    rows is at most `tolerance` standard errors above the smallest one; the error is that of the
    mean difference, row by row. The other arguments are those of `build_net`.

    Raises
    ------
    ValueError
        If there are too few rows to hold some out.
    KeyboardInterrupt
        If the path was interrupted.
    """
    n_labelled = int(np.sum(rows.codes >= 0))
    if n_labelled < _FEWEST_ROWS:
        raise ValueError(
            f"alpha='auto' holds out {_HELD_OUT_SHARE:.0%} of the labelled rows to choose the "
            f"strength by, and needs at least {_FEWEST_ROWS} of them; there are {n_labelled}. Give "
            "alpha a number, such as 1e-2."
        )
    kept, held_out = _parted(rows, seed)
    path_estimator = copy.copy(estimator)  # a clone would copy the weights of a trained module
    n_hold = math.ceil(_HOLD * estimator.max_iter)
    settings = {"warm_start": False, "early_stopping": False, "max_iter": n_hold}
    for name, value in settings.items():
        setattr(path_estimator, name, value)
    net = build_net(
        path_estimator, objective, kept, seed, STRENGTHS[0], head=head, row_shape=row_shape
    )
    training_data = attach_rows(net, path_estimator, kept, seed)
    patience = Patience(
        "objective",
        patience=estimator.n_iter_no_change,
        threshold=estimator.tol,
        lower_is_better=True,
    )
    _train(net, training_data, n_hold, ("patience", patience), verbose=estimator.verbose)
    # Where the hold has converged early so will the fit: the rise takes its share of that.
    n_rise = max(len(STRENGTHS), math.ceil(_RISE / _HOLD * len(net.history)))
    rise = StrengthRise(np.geomspace(STRENGTHS[0], STRENGTHS[-1], n_rise), held_out)
    if net.stop_reason != "diverged":
        _train(net, training_data, n_rise, ("rise", rise), verbose=estimator.verbose)
    return choose_by_held_out(rise, tolerance)


def _parted(rows: TrainingRows, seed: int) -> tuple[TrainingRows, HeldOutRows]:
    training, held_out = split_rows(rows.codes, _HELD_OUT_SHARE, seed)
    X, codes, weights = rows.X, rows.codes, rows.weights
    kept = rows._replace(X=X[training], codes=codes[training], weights=weights[training])
    return kept, HeldOutRows(X[held_out], codes[held_out], weights[held_out])


def _train(
    net: PenalizedNet,
    rows: TensorRows,
    n_epochs: int,
    last: tuple[str, Any],
    *,
    verbose: int,
) -> None:
    callbacks: list[Any] = [("epoch_keeper", EpochKeeper())]
    if verbose:
        callbacks.append(("epoch_bar", EpochBar(n_epochs, "alpha='auto'")))
    net.max_epochs = n_epochs
    net.set_callbacks([*callbacks, last])
    with threads_for_step(net.batch_size, net.module_):
        net.partial_fit(rows)
    hand_on_interruption(net)


def choose_by_held_out(rise: StrengthRise, tolerance: float) -> StrengthChoice:
    n = len(rise.looks)
    path = {
        "alpha": rise.strengths[:n],
        "accuracy": np.array([look.accuracy for look in rise.looks]),
        "certificate": np.array([look.certificate for look in rise.looks]),
        "log_loss": np.array([look.log_loss for look in rise.looks]),
    }
    if not n:  # the loss was not finite even at the weakest strength: the fit says so, too
        return StrengthChoice(STRENGTHS[0], path)
    losses = _smoothed(np.array([look.losses for look in rise.looks]))
    weights = rise.held_out.weights / rise.held_out.weights.sum()
    excess = losses - losses[(losses @ weights).argmin()]
    mean = excess @ weights
    # Differences row by row have a far smaller error than the two log losses themselves.
    error = np.sqrt((excess - mean[:, None]) ** 2 @ weights**2)
    kept = np.flatnonzero(mean <= tolerance * error)
    certificates = _smoothed(path["certificate"][:, None])[kept, 0]
    best = kept[certificates.argmax()] if np.isfinite(certificates).all() else kept[-1]
    steps = np.abs(np.log(STRENGTHS) - np.log(path["alpha"][best]))
    alpha = STRENGTHS[steps.argmin()]
    if alpha in (STRENGTHS[0], STRENGTHS[-1]):
        end, how = ("weakest", "less") if alpha == STRENGTHS[0] else ("strongest", "more")
        warnings.warn(
            f"alpha='auto' chose {alpha:g}, the {end} strength that it tries. Look at alpha_path_, "
            f"and give alpha a number if {how} would be better.",
            UserWarning,
            stacklevel=7,  # where the user calls fit
        )
    return StrengthChoice(alpha, path)


def _smoothed(values: FloatArray) -> FloatArray:
    """Average every row with its neighbours before and after it."""
    half = _SMOOTHED // 2
    n = len(values)
    return np.array(
        [values[max(0, t - half) : min(n, t + half + 1)].mean(axis=0) for t in range(n)]
    )
