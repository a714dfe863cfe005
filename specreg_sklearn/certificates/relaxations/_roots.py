"""The radius of each row by relaxation alone: the ball as large as its own bound proves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.gradients import Room, has_room
from specreg_sklearn.certificates.relaxations._ascent import (
    Answer,
    Dual,
    Question,
    largest_margins,
)
from specreg_sklearn.certificates.relaxations._curves import curved_margins
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.relaxations._linear_bounds import neuron_bounds
from specreg_sklearn.certificates.relaxations._parabolas import parabolas_help
from specreg_sklearn.certificates.relaxations._rounding import Centres, sizes_within
from specreg_sklearn.certificates.stages import Stage

# Balls tried for a row, with lines and then with parabolas.
_BALLS, _BALLS_WITH_PARABOLAS = 6, 4
_FIRST_STEPS, _STEPS = 12, 6
# No branches come after those of curves, so that more steps are worth while.
_MORE_FOR_CURVES = 3
# The first ball, relative to the radius known before.
_WIDER = 1.4


class Rows(NamedTuple):
    """Rows in which nothing rounds so that another class is near a tie.

    Parameters
    ----------
    centres : Centres
        The rows.
    own : ndarray of shape (n_rows,), int
        Position of the row's class among the scores.
    rivals : ndarray of shape (n_rows, n_scores - 1), int
        Positions of the others.
    room : Room or None
        How far cells can move; None if they have no ends.
    """

    centres: Centres
    own: IntArray
    rivals: IntArray
    room: Room | None

    def take(self, some: np.ndarray) -> Rows:
        """Return some of the rows."""
        room = None if self.room is None else self.room.take(some)
        return Rows(self.centres.take(some), self.own[some], self.rivals[some], room)

    @classmethod
    def of(cls, centres: Centres, room: Room | None) -> Rows:
        """Return rows whose class is that of the largest score."""
        own = centres.scores.argmax(axis=1)
        n_scores = centres.scores.shape[1]
        places = np.arange(n_scores - 1)[None]
        return cls(centres, own, places + (places >= own[:, None]), room)


def answers(
    layers: MovedLayers,
    stages: tuple[Stage, ...],
    rows: Rows,
    radius: FloatArray,
    signs: list[FloatArray],
    dual: Dual | None,
    n_steps: int,
    pace: FloatArray | None = None,
    *,
    parabolas: bool = False,
) -> Answer:
    """Return what relaxations prove of rows in balls, for all of their rivals."""
    centres, own, rivals, room = rows
    sizes = sizes_within(layers, stages, centres, radius)
    scores = sizes.layers[-1]
    every = np.arange(len(own))
    rounded = layers.unit * (scores[every, own][:, None] + scores[every[:, None], rivals])
    wrong = sizes.error[every, own][:, None] + sizes.error[every[:, None], rivals]
    readout, bias = layers.weights[-1], layers.biases[-1]
    question = Question(
        centres.values,
        radius,
        readout[own][:, None] - readout[rivals],
        bias[own][:, None] - bias[rivals],
        rounded + wrong,
        sizes.layers[:-1],
        signs,
        room,
    )
    if layers.curves is not None:
        return curved_margins(layers, question, dual, _MORE_FOR_CURVES * n_steps)
    bounds = neuron_bounds(layers, centres.values, radius, sizes.layers, signs, room)
    if dual is None:
        shape = rivals.shape
        dual = Dual(
            [
                np.broadcast_to(line.adaptive(), (*shape, line.low.shape[2]))
                for line in bounds.lines
            ],
            [np.zeros((*shape, line.low.shape[2])) for line in bounds.lines],
        )
    pace = np.ones(len(own)) if pace is None else pace
    return largest_margins(layers, question, bounds, dual, n_steps, pace, parabolas)


def no_signs(layers: MovedLayers, n_rows: int) -> list[FloatArray]:
    """Return signs of which none is set."""
    return [np.zeros((n_rows, len(slope))) for slope in layers.slopes]


def relaxed_radii(
    layers: MovedLayers,
    stages: tuple[Stage, ...],
    rows: Rows,
    known: FloatArray,
    upper: FloatArray,
) -> tuple[FloatArray, Answer]:
    """Return radii for every rival, (n_rows, K), and the last answer of each row.

    Parameters
    ----------
    layers, stages
        Of :func:`moved_layers`.
    rows : Rows
        Rows.
    known : ndarray of shape (n_rows,)
        Radii that are proved, positive and finite.
    upper : ndarray of shape (n_rows,)
        Where the search may end; infinite if there is no such place.
    """
    n = len(rows.own)
    # To six digits, so that a last bit which depends on other rows starts no other search.
    fraction, exponent = np.frexp(known)
    known = np.ldexp(np.floor(fraction * 2**20) / 2**20, exponent)
    proved = np.repeat(known[:, None], rows.rivals.shape[1], axis=1)
    low, high = known.copy(), upper.copy()
    radius = np.minimum(_WIDER * known, upper)
    curved = parabolas_help(layers, in_branches=False)
    last: Answer | None = None
    for turn in range(_BALLS + (_BALLS_WITH_PARABOLAS if curved else 0)):
        if turn == _BALLS:
            # Parabolas reach farther than the lines that ended the search so far.
            high, radius = upper.copy(), np.minimum(_WIDER * low, upper)
        some = np.flatnonzero(has_room(low, high) & (radius > low))
        if last is None:
            some = np.arange(n)  # each row needs an answer, if only to go on from
        elif not len(some):
            continue
        dual = None if last is None else last.dual.take(some)
        steps = _STEPS if turn else _FIRST_STEPS
        signs = no_signs(layers, len(some))
        part = rows.take(some)
        answer = answers(
            layers, stages, part, radius[some], signs, dual, steps, parabolas=turn >= _BALLS
        )
        proved[some] = np.maximum(proved[some], answer.radius)
        last = answer if last is None else _put(last, answer, some, n)
        least = answer.radius.min(axis=1)
        whole = least >= radius[some] * (1 - 2.0**-30)
        low[some] = np.maximum(low[some], least)
        high[some] = np.where(whole, high[some], np.minimum(high[some], radius[some]))
        gap = high[some] - low[some]
        inside = low[some] + np.where(whole, 0.6, 0.4) * gap
        further = np.minimum(1.5 * radius[some], upper[some])
        open_end = whole & (high[some] >= upper[some])
        radius[some] = np.where(open_end, further, inside)
    assert last is not None
    return proved, last


def _put(whole: Answer, part: Answer, some: IntArray, n: int) -> Answer:
    """Write the answers of some rows into those of all."""
    for mine, new in (
        (whole.dual.slopes, part.dual.slopes),
        (whole.dual.multipliers, part.dual.multipliers),
    ):
        for k, values in enumerate(new):
            mine[k] = np.array(mine[k])
            mine[k][some] = values
    whole.gaps[some] = part.gaps
    whole.move[some] = part.move
    whole.radius[some] = part.radius
    return whole
