"""Where the rooms of a house stand, and where the lines between its floors run.

A line from a room to one that is several floors below must not run through the rooms between. On
each of those floors it therefore gets a place of its own, as a room does, and all lines that lead
to the same room share it. Floors are ordered to have few crossings, then pulled straight.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, median
from typing import TypeAlias

Place: TypeAlias = tuple[int, str]
"""A floor, and the room that stands there or that a line on its way down leads to."""


class Layout:
    """Places of rooms and lines on floors.

    Parameters
    ----------
    floors : list of list of str
        The rooms of each floor, from the ground up.
    arrows : set of tuple
        (upper room, lower room) for each line.
    widths : tuple of float
        The width of a room and of a line, space around them included.
    """

    def __init__(
        self, floors: list[list[str]], arrows: set[tuple[str, str]], widths: tuple[float, float]
    ) -> None:
        self.floor_of = {room: f for f, rooms in enumerate(floors) for room in rooms}
        self.widths = widths
        self.rows: list[list[Place]] = [[(f, r) for r in rooms] for f, rooms in enumerate(floors)]
        self.above: dict[Place, list[Place]] = {}
        self.below: dict[Place, list[Place]] = {}
        for upper, lower in sorted(arrows):
            path = self.path(upper, lower)
            for start, end in pairwise(path):
                if end not in self.rows[end[0]]:
                    self.rows[end[0]].append(end)
                if start not in self.above.setdefault(end, []):
                    self.above[end].append(start)
                    self.below.setdefault(start, []).append(end)
        self._order()
        self.x = self._straighten()

    def path(self, upper: str, lower: str) -> list[Place]:
        """Return the places that a line passes, from the upper room to the lower one."""
        steps = range(self.floor_of[upper] - 1, self.floor_of[lower] - 1, -1)
        return [(self.floor_of[upper], upper), *((f, lower) for f in steps)]

    def is_room(self, place: Place) -> bool:
        """Tell rooms from lines on their way."""
        return self.floor_of[place[1]] == place[0]

    def _crossings(self) -> int:
        total = 0
        for lower_row, upper_row in pairwise(self.rows):
            at = {place: i for i, place in enumerate(lower_row)}
            ends = [sorted(at[end] for end in self.below.get(start, [])) for start in upper_row]
            flat = [end for some in ends for end in some]
            total += sum(a > b for i, a in enumerate(flat) for b in flat[i + 1 :])
        return total

    def _order(self) -> None:
        """Order each floor: means of neighbours first, then swaps while they help."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(12):
            down = sweep % 2 == 1
            for row in self.rows[::-1] if down else self.rows:
                self._sort_by_neighbours(row, self.above if down else self.below)
            if (now := self._crossings()) < fewest:
                best, fewest = [list(row) for row in self.rows], now
        self.rows = best
        improved = True
        while improved:
            improved = False
            for row in self.rows:
                for i in range(len(row)):
                    for j in range(i):
                        row[i], row[j] = row[j], row[i]
                        if (now := self._crossings()) < fewest:
                            fewest, improved = now, True
                        else:
                            row[i], row[j] = row[j], row[i]

    def _sort_by_neighbours(self, row: list[Place], side: dict[Place, list[Place]]) -> None:
        share = {
            place: (i + 0.5) / len(other) for other in self.rows for i, place in enumerate(other)
        }
        row.sort(key=lambda place: fmean([share[p] for p in side.get(place, [])] or [share[place]]))

    def _straighten(self) -> dict[Place, float]:
        """Pull every place to its neighbours, then each line upright, and keep them apart."""
        x = {p: 60.0 * (i - len(row) / 2) for row in self.rows for i, p in enumerate(row)}
        for step in range(600):
            upright = step >= 400
            for row in self.rows:
                wanted: list[float] = []
                for place in row:
                    beside = self.above.get(place, []) + self.below.get(place, [])
                    if upright and not self.is_room(place):
                        line = [p for p in x if p[1] == place[1] and not self.is_room(p)]
                        wanted.append(median(x[p] for p in line))
                    elif beside:
                        wanted.append(fmean(x[p] for p in beside))
                    else:
                        wanted.append(wanted[-1] + self.widths[0] if wanted else x[place])
                x.update(zip(row, self._apart(row, wanted), strict=True))
        return {place: float(round(value)) for place, value in x.items()}

    def _apart(self, row: list[Place], wanted: list[float]) -> list[float]:
        """Return the positions nearest to the wanted ones at which nothing overlaps."""
        room, line = self.widths
        half = [(room if self.is_room(place) else line) / 2 for place in row]
        offsets = [0.0]
        for left, right in pairwise(half):
            offsets.append(offsets[-1] + left + right)
        blocks: list[list[float]] = []  # neighbours that touch move as one, by least squares
        for target, offset in zip(wanted, offsets, strict=True):
            blocks.append([target - offset])
            while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
                last = blocks.pop()
                blocks[-1] += last
        means = [fmean(block) for block in blocks for _ in block]
        return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
