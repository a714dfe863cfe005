"""How the class of a row loses the vote of its k nearest points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray, IntArray
from specreg_sklearn.certificates.neighbours._beating import nearest_of


class LostVote(NamedTuple):
    """A vote that another class wins.

    Parameters
    ----------
    label : int
        The class.
    n_label : int
        How many points of it vote at least.
    n_others : int
        How many points vote at least that are not of the row's own class.
    n_own : int
        How many points of the row's own class vote at most.
    """

    label: int
    n_label: int
    n_others: int
    n_own: int


class Voters:
    """Labelled points, of which the k nearest ones vote on a row.

    Parameters
    ----------
    label : ndarray of shape (n_points,), int
        The classes of the points.
    own : int
        That of the row.
    k : int
        How many points vote.

    Attributes
    ----------
    mine, others : ndarray of int
        The points of the row's own class, and all others.
    exact : bool
        Whether the numbers of a lost vote are those of voters, not only bounds of them: so it is
        with more than two classes.
    lost_votes : list of LostVote
        Every way to lose. With as many votes, the class that comes first wins.
    """

    def __init__(self, label: IntArray, own: int, k: int) -> None:
        self.label, self.own, self.k = label, own, k
        self.mine, self.others = np.flatnonzero(label == own), np.flatnonzero(label != own)
        rivals, counts = np.unique(label[self.others], return_counts=True)
        self.exact = len(rivals) > 1
        self.lost_votes: list[LostVote] = []
        for rival, n_rival in zip(rivals.tolist(), counts.tolist(), strict=True):
            ahead = self.lead(rival)
            most = (k - ahead) // 2
            # Of two classes, whoever wins with fewer votes against it also wins with these.
            for n_own in range(0 if self.exact else most, most + 1):
                vote = LostVote(rival, n_own + ahead, k - n_own, n_own)
                possible = vote.n_label <= n_rival and vote.n_others <= len(self.others)
                if possible and (n_own <= len(self.mine) or not self.exact):
                    self.lost_votes.append(vote)

    def but(self, some: IntArray, left_out: IntArray) -> IntArray:
        """Return some points without others."""
        flags = np.zeros(len(self.label), dtype=bool)
        flags[some] = True
        flags[left_out] = False
        return np.flatnonzero(flags)

    def lead(self, rival: int) -> int:
        """Return how many more votes a class needs to win against the row's own."""
        return 0 if rival < self.own else 1

    def losing(self, power: FloatArray, vote: LostVote, blur: FloatArray) -> IntArray | None:
        """Return the nearest points if a class wins their vote, where equals favour it.

        Parameters
        ----------
        power : ndarray of shape (n_points,)
            Squared distances, but for a number that they share.
        vote : LostVote
            The vote that is lost.
        blur : ndarray of shape (n_points,)
            By how much they may differ and count as equal.
        """
        # Many may be equally near: the nearest ones of each side are looked at.
        rivals = self.others[self.label[self.others] == vote.label]
        rest = self.others[self.label[self.others] != vote.label]
        sides = (rivals, rest, self.mine)
        near = np.concatenate([nearest_of(side, power, self.k) for side in sides])
        label = self.label[near]
        behind = np.where(label == self.own, 4.0, np.where(label == vote.label, 0.0, 2.0))
        order = np.argsort(power[near] + behind * blur[near].max(), kind="stable")[: self.k]
        votes = label[order]
        n_rival, n_own = (int((votes == which).sum()) for which in (vote.label, self.own))
        return near[order] if n_rival >= n_own + self.lead(vote.label) else None
