"""``alpha="auto"``: one fit in which the strength rises, judged on held-out rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.tables import stacklevel_of_caller
from specreg_sklearn.training._batches import TensorRows
from specreg_sklearn.training._epoch_callbacks import EpochBar, EpochKeeper, Patience
from specreg_sklearn.training._held_out_rows import (
    HeldOutLook,
    HeldOutRows,
    in_standard_errors,
)
from specreg_sklearn.training._interruption import hand_on_interruption
from specreg_sklearn.training._net import PenalizedNet
from specreg_sklearn.training._strength_rise import StrengthRise
from specreg_sklearn.training._threads import threads_for_step

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""What ``alpha="auto"`` chooses from; the path rises from the first to the last."""

# Shares of the epochs of a fit: at the weakest strength, and while it rises.
_HOLD, _RISE = 0.52, 0.78
# Up to here strengths count as weak. What held-out rows say of these epochs together is what the
# others are compared with: the smallest error of all epochs would be that of a lucky one.
_WEAK = 1e-2
# Standard errors that the log loss may lie above that of weak strengths, for each one that the
# balanced error may: a strong penalty makes a network less sure, which alone is no harm.
_LOSS_TOLERANCE = 2.0
# Half decades below the best strength of the path, which is no further down than to _CAUTIOUS. A
# network that has reached a strength from below keeps more accuracy than one that starts with it;
# among the weakest there is none to keep.
_CAUTION, _CAUTIOUS = 1, 3e-3
# Epochs over which the figures of the path are averaged: those of one epoch are noise.
_SMOOTHED = 3


class StrengthChoice(NamedTuple):
    """The strength of a fit, and how it was found.

    Parameters
    ----------
    alpha : float
        The strength.
    path : dict of str to ndarray of shape (n_strengths,) or None
        ``alpha``, and ``accuracy``, ``certificate`` and ``log_loss`` on the held-out rows for each
        strength that was tried; None where the user gave the strength.
    """

    alpha: float
    path: dict[str, FloatArray] | None = None


def epochs_at_weakest(n_epochs: int) -> int:
    """Return how many epochs the path trains before the strength rises.

    Parameters
    ----------
    n_epochs : int
        The most epochs of the fit.

    Returns
    -------
    int
        About half as many.
    """
    return math.ceil(_HOLD * n_epochs)


def choose_strength(
    net: PenalizedNet,
    training: TensorRows,
    held_out: HeldOutRows,
    patience: Patience,
    *,
    tolerance: float,
    verbose: int,
) -> StrengthChoice:
    """Train a net while its strength rises, and choose by rows that it is not trained on.

    The strength is the one with the largest certificate among those whose balanced error on the
    held-out rows is at most `tolerance` standard errors above that of the weak strengths, up to
    0.01, and whose log loss is at most twice as many; the errors are those of mean differences, row
    by row.
    It is rounded to half a decade, and lowered by one, though not from 0.003 or less.

    Parameters
    ----------
    net : PenalizedNet
        Initialised, for as many epochs as are trained at the weakest strength.
    training : TensorRows
        Rows to train on.
    held_out : HeldOutRows
        Rows to choose by.
    patience : Patience
        Ends the epochs at the weakest strength where nothing improves any more.
    tolerance : float
        In standard errors.
    verbose : int
        1 shows progress bars.

    Returns
    -------
    StrengthChoice
        The strength, and what the held-out rows said on the way.

    Raises
    ------
    KeyboardInterrupt
        If the path was interrupted.
    """
    net.strength = STRENGTHS[0]
    title = "alpha='auto'"
    train_to_choose(net, training, ("patience", patience), title=title, verbose=verbose)
    # Where it has converged early so will the fit: the rise takes its share of that.
    net.max_epochs = max(len(STRENGTHS), math.ceil(_RISE / _HOLD * len(net.history)))
    strengths = np.geomspace(STRENGTHS[0], STRENGTHS[-1], net.max_epochs)
    rise = StrengthRise(strengths, held_out)
    if net.stop_reason != "diverged":
        train_to_choose(net, training, ("rise", rise), title=title, verbose=verbose)
    return choose_by_held_out(rise, tolerance)


def train_to_choose(
    net: PenalizedNet, rows: TensorRows, *last: tuple[str, Any], title: str, verbose: int
) -> None:
    """Train a net that the fit does not keep.

    Parameters
    ----------
    net : PenalizedNet
        Initialised.
    rows : TensorRows
        Rows to train on.
    *last : tuple of str and skorch callback
        What watches the training, and may end it.
    title : str
        Of the progress bar.
    verbose : int
        1 shows one.

    Raises
    ------
    KeyboardInterrupt
        If the training was interrupted.
    """
    callbacks: list[Any] = [("epoch_keeper", EpochKeeper())]
    if verbose:
        callbacks.append(("epoch_bar", EpochBar(net.max_epochs, title)))
    net.set_callbacks([*callbacks, *last])
    with threads_for_step(net.batch_size, net.module_):
        net.partial_fit(rows)
    hand_on_interruption(net)


def choose_by_held_out(rise: StrengthRise, tolerance: float) -> StrengthChoice:
    """Choose by what a rise has seen; see :func:`choose_strength`."""
    path = path_of_looks(rise.strengths[: len(rise.looks)], rise.looks)
    if not rise.looks:  # the loss was not finite even at the weakest strength: the fit says so, too
        return StrengthChoice(STRENGTHS[0], path)
    held_out, looks = rise.held_out, rise.looks
    losses = np.array([look.losses for look in looks])
    wrong = np.array([look.wrong for look in looks], dtype=np.float64)
    # A model that has given up a rare class may still have the best log loss.
    is_weak = path["alpha"] <= _WEAK * (1 + 1e-9)
    fair = _excess(wrong, held_out.balanced_shares, is_weak) <= tolerance
    sure = _excess(losses, held_out.shares, is_weak) <= _LOSS_TOLERANCE * tolerance
    kept = np.flatnonzero(fair & sure)
    if not len(kept):  # no epoch may be as good as the average of the weak ones
        kept = np.flatnonzero(is_weak)
    certificates = _smoothed(path["certificate"][:, None])[kept, 0]
    best = kept[certificates.argmax()] if np.isfinite(certificates).all() else kept[-1]
    distances = np.abs(np.log(STRENGTHS) - np.log(path["alpha"][best]))
    nearest = int(distances.argmin())
    alpha = STRENGTHS[max(nearest - _CAUTION, min(nearest, STRENGTHS.index(_CAUTIOUS)))]
    ends = {0: ("weakest", "less"), len(STRENGTHS) - 1: ("strongest", "more")}
    end, how = ends.get(nearest, (None, None))
    if end is not None:
        warnings.warn(
            f"alpha='auto' chose {alpha:g}, since the {end} strength of its path did best. Look at "
            f"alpha_path_, and give alpha a number if {how} would be better.",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )
    return StrengthChoice(alpha, path)


def path_of_looks(strengths: ArrayLike, looks: Sequence[HeldOutLook]) -> dict[str, FloatArray]:
    """Return strengths, and what held-out rows say of each, as :class:`StrengthChoice` has it."""
    return {
        "alpha": np.array(strengths, dtype=np.float64),
        "accuracy": np.array([look.accuracy for look in looks]),
        "certificate": np.array([look.certificate for look in looks]),
        "log_loss": np.array([look.log_loss for look in looks]),
    }


def _excess(values: FloatArray, shares: FloatArray, is_reference: BoolArray) -> FloatArray:
    """Return by how many standard errors the mean of each epoch lies above that of a reference."""
    return in_standard_errors(_smoothed(values) - values[is_reference].mean(axis=0), shares)


def _smoothed(values: FloatArray) -> FloatArray:
    """Average every row with its neighbours before and after it."""
    half = _SMOOTHED // 2
    n = len(values)
    return np.array(
        [values[max(0, t - half) : min(n, t + half + 1)].mean(axis=0) for t in range(n)]
    )
