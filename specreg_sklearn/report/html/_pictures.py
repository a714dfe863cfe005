"""Pictures as SVG that stands in the page: the curve between proof and attack, and bars.

Every picture has a title and a description for who cannot see it, and takes its colours from the
page, so that it is dark where the page is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from specreg_sklearn.report.html._markup import number

_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 12, 24, 42
# Words of bars: of so many letters they fit into the room on the left, and into a line above. A
# letter is as wide as that of a wide font, since nobody knows which one is there.
_LABEL, _SHORT, _LETTER = 116, 13, 8.2
_BEGIN, _ENDING = 17, 24
_LONGEST = _BEGIN + 1 + _ENDING


def _svg(ids: Iterator[str], width: int, height: int, title: str, said: str, inside: str) -> str:
    key = next(ids)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(said)}</desc>'
        f"{inside}</svg>"
    )


def curve(ids: Iterator[str], model: dict[str, Any], threat: dict[str, Any]) -> str:
    """Draw the share of rows that stay right against the size of moves, as a band."""
    points, eps = model["summary"]["curve"], threat["eps"]
    last = points[-1]["eps"]

    def x(size: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * size / last

    def y(share: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<path d="M{_LEFT} {y(share):.1f}H{_WIDTH - _RIGHT}" stroke="var(--line)"/>'
            f'<text class="soft" x="{_LEFT - 7}" y="{y(share) + 4:.1f}" text-anchor="end">'
            f"{share * 100:.0f} %</text>"
        )
    for size in _ticks(last):
        parts.append(
            f'<text class="soft" x="{x(size):.1f}" y="{_HEIGHT - _BOTTOM + 17}" '
            f'text-anchor="middle">{number(size)}</text>'
        )
    proved = [(x(p["eps"]), y(p["proved"])) for p in points]
    attacked = [(x(p["eps"]), y(p["attacked"])) for p in points]
    parts.append(f'<path d="{_line([*attacked, *proved[::-1]])}Z" fill="var(--band)"/>')
    parts.append(
        f'<path d="{_line(attacked)}" fill="none" stroke="var(--accent)" stroke-width="2"/>'
        f'<path d="{_line(proved)}" fill="none" stroke="var(--accent)" stroke-width="2" '
        'stroke-dasharray="5 3"/>'
    )
    side = "end" if x(eps) > _WIDTH * 0.7 else "start"
    parts.append(
        f'<path d="M{x(eps):.1f} {_TOP - 6}V{_HEIGHT - _BOTTOM}" stroke="var(--soft)"/>'
        f'<text x="{x(eps) + (5 if side == "start" else -5):.1f}" y="{_TOP - 8}" '
        f'text-anchor="{side}">eps {number(eps)}</text>'
        f'<text class="soft" x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 6}" '
        f'text-anchor="middle">size of the move ({escape(threat["units"])})</text>'
    )
    summary = model["summary"]
    said = (
        f"Share of answers that stay right, from {number(100 * points[0]['attacked'])} percent "
        f"without a move. Within {number(eps)}: between "
        f"{number(100 * summary['robust_proved']['share'])} percent, proved, and "
        f"{number(100 * summary['robust_attacked']['share'])} percent, attacked."
    )
    return _svg(ids, _WIDTH, _HEIGHT, f"{model['name']}: what it withstands", said, "".join(parts))


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _ticks(last: float) -> list[float]:
    """Return three to six round numbers from 0 on."""
    power = 10.0 ** math.floor(math.log10(last / 3))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= last / 5)
    return [k * step for k in range(int(last / step + 1e-9) + 1)]


def stacked(ids: Iterator[str], title: str, parts: Sequence[tuple[str, int, str]]) -> str:
    """Draw counts as one bar in pieces: (word, count, colour)."""
    total = sum(n for _, n, _ in parts) or 1
    width, at, drawn = _WIDTH, 0.0, []
    for word, n, colour in parts:
        if not n:
            continue
        wide = width * n / total
        drawn.append(
            f'<rect x="{at:.1f}" y="0" width="{max(wide - 1.5, 1):.1f}" height="22" rx="2" '
            f'fill="{colour}"><title>{escape(f"{word}: {n}")}</title></rect>'
        )
        at += wide
    lines = []
    for k, (word, n, colour) in enumerate((w, n, c) for w, n, c in parts if n):
        y = 42 + 19 * k
        lines.append(
            f'<rect x="0" y="{y - 9}" width="10" height="10" rx="2" fill="{colour}"/>'
            f'<text x="18" y="{y}">{n} {escape(word)}</text>'
        )
    said = ", ".join(f"{n} {word}" for word, n, _ in parts if n)
    height = 36 + 19 * len(lines)
    return _svg(ids, width, height, title, said, "".join(drawn + lines))


def bars(
    ids: Iterator[str], title: str, rows: Sequence[tuple[str, float, str]], most: float
) -> str:
    """Draw horizontal bars: (word, size, what to write at the end)."""
    layout, drawn = _layout(rows), []
    for k, (word, size, written) in enumerate(rows):
        wide = layout.room * size / most if most else 0
        drawn.append(
            layout.word(k, word)
            + layout.bar(k, max(wide, 1), "var(--accent)")
            + layout.end(k, wide, written)
        )
    said = ", ".join(f"{word} {written}" for word, _, written in rows)
    return _svg(ids, _WIDTH, layout.step * max(len(rows), 1), title, said, "".join(drawn))


def ranges(ids: Iterator[str], title: str, rows: Sequence[tuple[str, float, float, str]]) -> str:
    """Draw shares between two ends on a scale from 0 to 1: (word, low, high, what to write)."""
    layout, drawn = _layout(rows), []
    for k, (word, low, high, written) in enumerate(rows):
        drawn.append(
            layout.word(k, word)
            + layout.bar(k, layout.room, "var(--faint)")
            + layout.bar(k, layout.room * high, "var(--open)")
            + layout.bar(k, layout.room * low, "var(--good)")
            + layout.end(k, layout.room, written)
        )
    said = ", ".join(f"{word} {written}" for word, _, _, written in rows)
    return _svg(ids, _WIDTH, layout.step * max(len(rows), 1), title, said, "".join(drawn))


class _Layout(NamedTuple):
    """Where the words of bars stand: on their left if all are short, above them otherwise."""

    aside: bool
    room: float

    @property
    def left(self) -> int:
        return _LABEL if self.aside else 0

    @property
    def step(self) -> int:
        return 24 if self.aside else 40

    def word(self, k: int, word: str) -> str:
        # Columns of one family begin alike more often than they end alike.
        shown = word if len(word) <= _LONGEST else f"{word[:_BEGIN]}…{word[-_ENDING:]}"
        x, anchor = (self.left - 8, "end") if self.aside else (0, "start")
        return (
            f'<text x="{x}" y="{self.step * k + 15}" text-anchor="{anchor}">{escape(shown)}'
            f"<title>{escape(word)}</title></text>"
        )

    def bar(self, k: int, wide: float, colour: str) -> str:
        y, high = (3, 16) if self.aside else (22, 12)
        return (
            f'<rect x="{self.left}" y="{self.step * k + y}" width="{wide:.1f}" height="{high}" '
            f'rx="2" fill="{colour}"/>'
        )

    def end(self, k: int, wide: float, written: str) -> str:
        y = self.step * k + (15 if self.aside else 33)
        return f'<text class="soft" x="{self.left + wide + 6:.1f}" y="{y}">{escape(written)}</text>'


def _layout(rows: Sequence[tuple[Any, ...]]) -> _Layout:
    aside = all(len(row[0]) <= _SHORT for row in rows)
    end = max((len(row[-1]) for row in rows), default=0)
    return _Layout(aside, _WIDTH - (_LABEL if aside else 0) - _LETTER * end - 6)
