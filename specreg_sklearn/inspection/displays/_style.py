"""How things look: line styles that survive a black and white print, units in words, axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from specreg_sklearn._typing import Scale
from specreg_sklearn.space import FeatureSpace

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_TAG = "specreg-line-style-"


class LineStyle(NamedTuple):
    """Colour, line and marker of the n-th thing in a picture."""

    color: str
    line: str | tuple[int, tuple[float, ...]]
    marker: str

    def keywords(self, **more: Any) -> dict[str, Any]:
        """Return the style as keyword arguments of ``Axes.plot``, and others with it."""
        return {"color": self.color, "linestyle": self.line, "marker": self.marker, **more}


# Neighbours differ in lightness as well as in hue, and everything differs in line and marker.
LINE_STYLES = (
    LineStyle("#000000", "-", "o"),
    LineStyle("#D55E00", "--", "s"),
    LineStyle("#0072B2", "-.", "^"),
    LineStyle("#E69F00", (0, (1, 1.2)), "D"),
    LineStyle("#009E73", (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)), "v"),
    LineStyle("#CC79A7", (0, (8, 2)), "P"),
)


def next_style(ax: Axes) -> tuple[int, LineStyle]:
    """Return how many tagged things the axes hold already, and a style that none of them has.

    Styles repeat after the last.
    """
    tags = {str(child.get_gid()) for child in ax.get_children()}
    number = len([tag for tag in tags if tag.startswith(_TAG)])
    return number, LINE_STYLES[number % len(LINE_STYLES)]


def tag(artist: Artist, number: int) -> None:
    """Mark an artist as the `number`-th thing, for :func:`next_style`."""
    artist.set_gid(f"{_TAG}{number}")


def tagged_line(ax: Axes, number: int, x: Any, y: Any, style: dict[str, Any]) -> Line2D:
    """Draw a line, and mark it as the `number`-th thing."""
    (line,) = ax.plot(x, y, **style)
    tag(line, number)
    return line


def merged(defaults: dict[str, Any], chosen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return keyword arguments for lines: the defaults, overruled by what the user chose."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs(dict(chosen or {}), Line2D)}


def unit_of(space: FeatureSpace | None, scale: Scale) -> str:
    """Say in what distances are counted."""
    if space is not None:
        return "units of X" if np.all(space.scale == 1) else "units of the space"
    if isinstance(scale, str):
        words = {"std": "standard deviations", "range": "ranges of the columns"}
        return words.get(scale, "scaled units")
    return "units of X" if scale is None else "scaled units"


def side_by_side(ax: Axes, layers: Sequence[str], number: int, step: float) -> np.ndarray:
    """Return where the `number`-th model's layers go on the x axis, and label the axis.

    Models stand beside each other, layer by layer, in groups around the ticks. Axes that show
    other layers already raise a ValueError.
    """
    known = [text.get_text() for text in ax.get_xticklabels()] if number else list(layers)
    if known != list(layers):
        raise ValueError(
            f"ax shows the layers {known}, and this model has {list(layers)}. Draw it on axes of "
            "its own, or choose layers with the same names."
        )
    places = np.arange(len(layers), dtype=float)
    ax.set_xticks(places + step * number / 2, layers)
    ax.set_xlim(-0.5, len(layers) - 0.5 + step * number)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("layer")
    return places + step * number


def from_zero(ax: Axes, axis: Literal["x", "y"]) -> None:
    """Let an axis show all that is drawn so far, from 0 on where nothing is negative.

    Limits are set by hand: they would not grow with what is drawn later.
    """
    low, high = getattr(ax.dataLim, f"interval{axis}")
    span = (high - low) or 1.0
    # axvline(0) reaches the limits by way of pixels, with their rounding.
    left = 0.0 if low >= -1e-9 * span else low - 0.03 * span
    ax.set(**{f"{axis}lim": (left, high + 0.03 * span)})


def light_grid(ax: Axes, axis: Literal["x", "y", "both"] = "both") -> None:
    """Draw thin lines behind everything."""
    ax.grid(axis=axis, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def note_above(ax: Axes, text: str, point: tuple[float, float], gap: float) -> None:
    """Write a small note above a point, `gap` points (1/72 inch) away from it."""
    ax.annotate(
        text,
        point,
        (0, gap),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize="x-small",
        color="0.25",
    )
