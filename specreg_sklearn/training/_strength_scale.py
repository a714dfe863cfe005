"""``alpha="scale"``: the weakest strength that doubles the certificate of a plain network.

The search starts in proportion to the log loss of rows that were held out, and takes few steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from skorch.callbacks import Callback

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.training._batches import TensorRows
from specreg_sklearn.training._epoch_callbacks import Patience
from specreg_sklearn.training._held_out_rows import HeldOutLook, HeldOutRows, in_standard_errors
from specreg_sklearn.training._net import PenalizedNet
from specreg_sklearn.training._strength_choice import (
    StrengthChoice,
    path_of_looks,
    train_to_choose,
)

# What the loss is multiplied by, and the least strength. Where labels are noisy the loss stays
# large, whatever the network: the penalty has more to hold down, and costs less accuracy.
_FACTOR, _LEAST = 0.1, 1e-3
# The certificate that is looked for, and the one that will do where half the strength has less
# loss, in certificates of the plain network; how often the strength doubles, and for what gain.
_GOAL, _ENOUGH, _MOST_DOUBLINGS, _LEAST_GAIN = 2.25, 1.75, 2, 1.075
# Standard errors that the calibrated loss may rise on the way, and the part of itself that it may:
# with few rows held out even a large rise is no more than noise.
_TOLERANCE, _MOST_RISE = 1.5, 0.05
# Share of the epochs of a fit.
_EPOCHS = 0.5

NetAndRows = tuple[PenalizedNet, TensorRows]
"""A net that is initialised, and the rows that it trains on."""


class LossWatch(Callback):
    """Note the log loss of held-out rows after each epoch.

    Parameters
    ----------
    held_out : HeldOutRows
        What the network is judged by.

    Attributes
    ----------
    losses : list of float
        One for each epoch that was run.
    """

    def __init__(self, held_out: HeldOutRows) -> None:
        self.held_out = held_out
        self.losses: list[float] = []

    def on_epoch_end(self, net: PenalizedNet, **kwargs: Any) -> None:
        """Look at the held-out rows."""
        self.losses.append(self.held_out.log_loss(net))


class Trial(NamedTuple):
    """What held-out rows say of a strength.

    Parameters
    ----------
    strength : float
        The strength.
    look : HeldOutLook
        What they say at the end of the training.
    calibrated : ndarray of shape (n_samples,)
        Their log losses at the best temperature.
    """

    strength: float
    look: HeldOutLook
    calibrated: FloatArray

    @property
    def certificate(self) -> float:
        """The median of the held-out rows."""
        return self.look.certificate


def epochs_to_scale_by(n_epochs: int) -> int:
    """Return how many epochs a network trains for the search, at most.

    Parameters
    ----------
    n_epochs : int
        The most epochs of the fit.

    Returns
    -------
    int
        Half as many.
    """
    return math.ceil(_EPOCHS * n_epochs)


def scale_strength(
    untrained: Callable[[float], NetAndRows],
    patience: Callable[[], Patience],
    held_out: HeldOutRows,
    n_classes: int,
    *,
    verbose: int,
) -> StrengthChoice:
    """Look for the weakest strength that doubles the certificate of a network without a penalty.

    The first strength is ``0.1 * loss / (n_classes - 1)``, to two digits, and at least 0.001. The
    loss is the smallest one that the network without a penalty has on the held-out rows after any
    epoch, or that of a guess where even that is smaller; penalties on logits add up over the
    classes, hence the division.

    Where the median certificate of the held-out rows is below 2.25 times that of the network
    without a penalty, which is about twice at the end of a whole fit, the strength doubles, up to
    twice: as long as a step brings 7.5 %, and their log loss at the best temperature lies at most
    5 % and 1.5 standard errors above that of the first strength.
    Where it does not double, half of the first strength is taken if it has less loss, and either a
    certificate of 1.75 times that of the network without a penalty or, where twice the first
    strength brings less than 7.5 %, one that is less than 7 % smaller.

    Parameters
    ----------
    untrained : callable
        Returns a net, initialised with the same weights each time, for a strength, and the rows to
        train it on; 0 stands for no penalty.
    patience : callable
        Returns what ends a training where nothing improves any more.
    held_out : HeldOutRows
        Rows to judge by.
    n_classes : int
        How many classes there are.
    verbose : int
        1 shows progress bars.

    Returns
    -------
    StrengthChoice
        The strength, and what the held-out rows said of all that were tried.

    Raises
    ------
    KeyboardInterrupt
        If a training was interrupted.
    """
    watch = LossWatch(held_out)

    def trained(strength: float, *watching: tuple[str, Any]) -> Trial:
        net, rows = untrained(strength)
        title = f"alpha='scale', {strength:g}"
        last = *watching, ("patience", patience())
        train_to_choose(net, rows, *last, title=title, verbose=verbose)
        return Trial(strength, held_out.look(net), held_out.calibrated_losses(net))

    plain = trained(0.0, ("watch", watch))
    loss = min([math.log(n_classes), *watch.losses])
    first = max(_LEAST, _two_digits(_FACTOR * loss / (n_classes - 1)))
    if not 0 < plain.certificate < math.inf:  # no certificate, or more wrong rows than right ones
        return StrengthChoice(first)
    trials, chosen = search_from(trained(first), plain.certificate, trained, held_out.shares)
    path = path_of_looks([trial.strength for trial in trials], [trial.look for trial in trials])
    return StrengthChoice(chosen, path)


def search_from(
    first: Trial, plain: float, trained: Callable[[float], Trial], shares: FloatArray
) -> tuple[list[Trial], float]:
    """Double or halve a strength; see :func:`scale_strength`.

    Parameters
    ----------
    first : Trial
        Of the strength to begin with.
    plain : float
        The certificate of the network without a penalty.
    trained : callable
        Returns the trial of a strength.
    shares : ndarray of shape (n_samples,)
        Weights of the held-out rows, which sum to 1.

    Returns
    -------
    trials : list of Trial
        All of them, from the weakest to the strongest.
    chosen : float
        A strength of one of them.
    """
    trials, best, is_saturated = [first], first, False
    while best.certificate < _GOAL * plain and len(trials) <= _MOST_DOUBLINGS:
        found = trained(_two_digits(2 * best.strength))
        trials.append(found)
        is_saturated = found.certificate < _LEAST_GAIN * best.certificate
        rises = found.calibrated - first.calibrated
        is_worse = rises @ shares > _MOST_RISE * (first.calibrated @ shares)
        if is_saturated or is_worse or in_standard_errors(rises, shares) > _TOLERANCE:
            break
        best = found
    may_be_less = is_saturated or first.certificate >= _ENOUGH * plain
    if best is first and may_be_less and first.strength >= 2 * _LEAST:
        found = trained(_two_digits(first.strength / 2))
        trials.append(found)
        least = first.certificate / _LEAST_GAIN if is_saturated else _ENOUGH * plain
        if found.certificate >= least and (found.calibrated - first.calibrated) @ shares < 0:
            best = found
    return sorted(trials, key=lambda trial: trial.strength), best.strength


def _two_digits(strength: float) -> float:
    return float(f"{strength:.2g}")
