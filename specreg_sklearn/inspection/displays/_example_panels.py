"""Panels of adversarial examples: images side by side, columns before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from specreg_sklearn.inspection.displays._style import light_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_HEADINGS = ("clean", "change (middle tone: none)", "adversarial")
# Room for the numbers right of the longest bar, as a share of the bars' width.
_ROOM = 0.3


def as_image(row: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a row as matplotlib wants images: channels behind, none if there is only one."""
    picture = row.reshape(shape)
    if picture.ndim == 2:
        return picture
    return picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)


def draw_images(
    line: np.ndarray,
    clean: np.ndarray,
    adversarial: np.ndarray,
    *,
    limits: tuple[float, float],
    cmap: str | Colormap,
    titles: tuple[str, str],
    headings: bool,
) -> None:
    """Draw a clean image, the change and the adversarial image on three axes."""
    change = adversarial - clean
    size = float(np.abs(change).max()) or 1.0
    low, high = limits
    style: dict[str, Any] = {}
    shift: dict[str, Any] = {}
    if clean.ndim == 3:  # colours must lie in [0, 1]
        clean, adversarial = (
            (values - low) / ((high - low) or 1.0) for values in (clean, adversarial)
        )
        change = 0.5 + 0.5 * change / size
    else:
        style = {"cmap": cmap, "vmin": low, "vmax": high}
        # The same colours: what turns dark in the picture is dark in the change.
        shift = {"cmap": cmap, "vmin": -size, "vmax": size}
    texts = (titles[0], f"up to ±{size:.2g}", titles[1])
    for panel, picture, keyword, text, heading in zip(
        line, (clean, change, adversarial), (style, shift, style), texts, _HEADINGS, strict=True
    ):
        panel.imshow(picture, interpolation="nearest", **keyword)
        panel.set(xticks=[], yticks=[])
        panel.set_title(f"{heading}\n{text}" if headings else text, fontsize="small", pad=3)


def draw_table(
    panel: Axes,
    cells: list[tuple[Any, float, float]],
    change: np.ndarray,
    *,
    limits: tuple[float, float],
    title: str,
    xlabel: str | None,
) -> None:
    """Draw how far columns changed as bars, with their cells before and after."""
    places = np.arange(len(cells))
    panel.barh(
        places,
        change,
        height=0.62,
        color=["0.25" if size > 0 else "0.8" for size in change],
        edgecolor="0.25",
        linewidth=0.8,
    )
    for place, size, (_, before, after) in zip(places, change, cells, strict=True):
        panel.annotate(
            f"{number_text(before, after)} → {number_text(after, before)}",
            (max(float(size), 0.0), place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    panel.axvline(0, color="0.25", linewidth=0.8)
    low, high = limits
    width = (high - low) or 1.0
    panel.set_xlim(low - 0.05 * width, high + _ROOM * width)
    panel.set_ylim(max(len(cells), 1) - 0.4, -0.6)
    panel.set_yticks(places, [str(name) for name, _, _ in cells], fontsize="small")
    panel.tick_params(axis="y", length=0)
    panel.set_title(title, fontsize="medium", loc="left")
    if xlabel is None:
        panel.tick_params(axis="x", labelbottom=False)
    else:
        panel.set_xlabel(xlabel)
    light_grid(panel, "x")


def panels_inside(ax: Axes, n: int, wide: int, gap: tuple[float, float]) -> np.ndarray:
    """Return a grid of panels inside the axes."""
    width = 1 / (wide + gap[0] * (wide - 1))
    height = 1 / (n + gap[1] * (n - 1))
    panels = np.empty((n, wide), dtype=object)
    for row in range(n):
        for column in range(wide):
            left = column * width * (1 + gap[0])
            bottom = 1 - height - row * height * (1 + gap[1])
            panels[row, column] = ax.inset_axes((left, bottom, width, height))
    return panels


def number_text(value: float, other: float) -> str:
    """Write a cell with as many digits as it takes to see that it changed."""
    for digits in range(3, 17):
        texts = [_positional(number, digits) for number in (value, other)]
        if texts[0] != texts[1]:
            break
    return texts[0]


def _positional(value: float, digits: int) -> str:
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    whole = len(str(int(abs(value))))
    return np.format_float_positional(
        value, precision=max(digits, whole), unique=False, fractional=False, trim="-"
    )
