"""Short moves of rows to where their margins are not positive, by following gradients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.certificates.gradients._row_margins import RowMargins
from specreg_sklearn.certificates.moves import nearest_in_half_spaces
from specreg_sklearn.space import Norm

_STEPS_ACROSS, _DOUBLINGS = 8, 8
_STEPS_DOWN = 30
# Newton's corrections along a ray, and how far each goes at most.
_ALONG = 2
_FEWEST, _MOST = 0.5, 2.0
# A step counts if it is shorter by this share, and is given up once it has shrunk to that.
_SHORTER, _SMALLEST = 1e-7, 2.0**-7
# Steps go so much too far, so as to arrive beyond the boundary and not on it.
_PAST, _JUST_PAST = 1e-3, 1e-9


class Moves(NamedTuple):
    """Moves of rows inside their boxes.

    Parameters
    ----------
    move : ndarray of shape (n, n_moves)
        The moves, in units of the space.
    owner : ndarray of shape (n,), int
        Whose they are.
    low, high : ndarray of shape (n, n_moves)
        Ends of the moves, around zero; infinite where there is none.
    """

    move: FloatArray
    owner: IntArray
    low: FloatArray
    high: FloatArray

    def take(self, some: np.ndarray) -> Moves:
        """Return some of the moves."""
        return Moves(*(part[some] for part in self))

    def joined(self, other: Moves) -> Moves:
        """Return these moves, and then the others."""
        return Moves(*(np.concatenate(parts) for parts in zip(self, other, strict=True)))

    def at(self, move: FloatArray) -> Moves:
        """Return other moves of the same rows, cut by their boxes."""
        return self._replace(move=np.clip(move, self.low, self.high))

    def towards(self, margin: FloatArray, slope: FloatArray, norm: Norm) -> FloatArray:
        """Return the shortest moves to where margins made linear are zero; NaN where none is."""
        gap = margin - (slope * self.move).sum(axis=1)
        return nearest_in_half_spaces(-slope, gap, norm.order, (self.low, self.high))[1]


def moves_across(margins: RowMargins, starts: Moves, norm: Norm) -> Moves:
    """Return moves with a margin that is not positive, those of starts from which one was found.

    Each step goes to the zero of the margin's linear function nearest to the row (DeepFool,
    Moosavi-Dezfooli, Fawzi and Frossard, CVPR 2016, arXiv:1511.04599), and where the box has none,
    to the corner where that function is lowest. What has not arrived after some steps goes straight
    on.

    Parameters
    ----------
    margins : callable
        From moves and their owners to margins and gradients.
    starts : Moves
        Moves to begin with.
    norm : Norm
        In which moves are measured.
    """
    now = starts.at(starts.move)
    end, left = now.move.copy(), np.arange(len(now.move))
    arrived, longest = np.zeros(len(end), dtype=bool), np.ones(len(end))
    for step in range(_STEPS_ACROSS + _DOUBLINGS):
        value, slope = margins(now.move, now.owner)
        across: BoolArray = np.asarray(value <= 0)
        end[left[across]], arrived[left[across]] = now.move[across], True
        open_ = ~across
        now, left, longest = now.take(open_), left[open_], longest[open_]
        if not len(left):
            break
        if step >= _STEPS_ACROSS:
            now = now.at(2 * now.move)
            continue
        value, slope = value[open_], slope[open_]
        target = now.towards(value, slope, norm) * (1 + _PAST)
        corner = np.where(slope > 0, now.low, np.where(slope < 0, now.high, now.move))
        far = now.move - norm.steepest(slope) * longest[:, None]
        beyond = np.where(np.isfinite(corner), corner, far)
        none = np.asarray(~np.isfinite(target).all(axis=1))
        longest = 2 * np.maximum(longest, norm.length(now.move))
        now = now.at(np.where(none[:, None], beyond, target))
    return starts.at(end).take(arrived)


def shortened_moves(margins: RowMargins, moves: Moves, norm: Norm) -> tuple[FloatArray, FloatArray]:
    """Return moves that are as short as any near them, and their lengths.

    At the boundary the margin is made linear; a step leads towards the shortest move to its zero
    inside the box, and back to the boundary along the ray. Where that is no shorter, steps shrink.

    Parameters
    ----------
    margins, norm
        As for :func:`moves_across`.
    moves : Moves
        Moves with a margin that is not positive.
    """
    move, share = moves.move.copy(), np.ones(len(moves.move))
    value, slope = margins(move, moves.owner)
    length = norm.length(move)
    for _ in range(_STEPS_DOWN):
        some = np.flatnonzero(share > _SMALLEST)
        if not len(some):
            break
        now = moves.take(some).at(move[some])
        target = now.towards(value[some], slope[some], norm)
        target = np.where(np.isfinite(target), target, now.move)
        there = now.at(now.move + share[some, None] * (target - now.move))
        there, at, falls = _back_to_the_boundary(margins, there)
        far = norm.length(there.move)
        better: BoolArray = (at <= 0) & (far < length[some] * (1 - _SHORTER))
        kept = some[better]
        move[kept], value[kept], slope[kept] = there.move[better], at[better], falls[better]
        length[kept] = far[better]
        share[some] = np.where(better, np.minimum(2 * share[some], 1.0), share[some] / 2)
    return move, length


def _back_to_the_boundary(
    margins: RowMargins, moves: Moves
) -> tuple[Moves, FloatArray, FloatArray]:
    """Return moves on the same rays where margins are just not positive, if a few steps do."""
    for _ in range(_ALONG):
        value, slope = margins(moves.move, moves.owner)
        rate = (slope * moves.move).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(rate < 0, 1 - value / rate, 1.0)
        share = np.clip(np.nan_to_num(share, nan=1.0), _FEWEST, _MOST) * (1 + _JUST_PAST)
        moves = moves.at(moves.move * share[:, None])
    return moves, *margins(moves.move, moves.owner)
