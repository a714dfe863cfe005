"""HTML as text: escaped words, tables, figures, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from specreg_sklearn.report.document import percent as percent_of

MINUS = "\u2212"


def number(value: object, digits: int = 3) -> str:
    """Return a number with so many significant digits, and other values as text."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return f"{int(value):,}".replace("-", MINUS)
    return f"{value:.{digits}g}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return "–" if share is None else f"{percent_of(share)} %"


def interval(share: dict[str, Any]) -> str:
    """Return a share in percent with its 95 % interval."""
    if share["interval"] is None:
        return "–"
    low, high = map(percent_of, share["interval"])
    return f"{percent(share['share'])} <small>({low}–{high})</small>"


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: int = 1,
    hidden: bool = False,
    stack: bool = False,
) -> str:
    """Return a table whose cells are HTML; the first `words` columns are text, others numbers.

    The caption is for screen readers only if it is `hidden`. On narrow screens the lines of a table
    that is to `stack` stand one below the other, each with the names of its cells.
    """
    kind = ["w" if k < words else "n" for k in range(len(head))]
    top = "".join(
        f'<th scope="col" class="{k}">{name}</th>' for name, k in zip(head, kind, strict=True)
    )
    body = []
    for row in rows:
        first, *rest = zip(row, kind, head, strict=True)
        cells = f'<th scope="row" class="{first[1]}">{first[0]}</th>'
        for cell, k, name in rest:
            said = f' data-name="{name}"' if stack else ""
            cells += f'<td class="{k}"{said}>{cell}</td>'
        body.append(f"<tr>{cells}</tr>")
    look, made = ' class="hear"' if hidden else "", ' class="stack"' if stack else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table{made}>'
        f"<caption{look}>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def details(summary: str, content: str, *, paper: bool = True) -> str:
    """Return content that opens on a click; on `paper` it is open, or left out."""
    kind = "" if paper else ' class="screen"'
    return f"<details{kind}><summary>{escape(summary)}</summary>{content}</details>"


def figure(name: str, picture: str, behind: str, *, said: str = "") -> str:
    """Return a picture under its name, and the table of its numbers behind it."""
    note = f"<figcaption>{said}</figcaption>" if said else ""
    return (
        f"<figure><h3>{escape(name)}</h3><div>{picture}{note}"
        f"{details('Numbers of this picture', behind, paper=False)}</div></figure>"
    )


def section(title: str, content: str, *, note: str = "") -> str:
    """Return a part of the page under a heading."""
    said = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>"


def items(lines: Iterable[str]) -> str:
    """Return a list of lines, which are text."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
