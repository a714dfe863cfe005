"""Draw the thumbnails of the gallery: ``python -m tools.draw_thumbnails``.

What most examples plot are curves, which all look alike at 160 pixels. A thumbnail shows what an
example is about: its data, its model, or the one shape that is its point.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from sklearn.datasets import load_digits

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "_static" / "thumbnails"
BLUE, ORANGE, GREEN, RED, GRAY, INK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#B9BEC4", "#22272D"
)  # fmt: skip
WIDTH, HEIGHT = 10.0, 7.0


def adversarial_examples(axes: Any) -> None:
    """Draw two images that differ in a few pixels, which are marked."""
    image = load_digits().images[3] / 16
    moved = image.copy()
    places = [(2, 3), (4, 2), (4, 6), (6, 1)]
    for row, column in places:
        moved[row, column] = 1 - moved[row, column]
    for left, pixels in ((0.6, image), (5.4, moved)):
        axes.imshow(pixels, cmap="gray_r", extent=(left, left + 4, 1.5, 5.5), zorder=1)
        axes.add_patch(Rectangle((left, 1.5), 4, 4, fill=False, color=INK, linewidth=2, zorder=2))
    for row, column in places:
        corner = (5.4 + column / 2, 5.5 - (row + 1) / 2)
        axes.add_patch(Rectangle(corner, 0.5, 0.5, fill=False, color=RED, linewidth=3, zorder=3))


def certificate_band(axes: Any) -> None:
    """Draw two smooth curves and the gap between them."""
    x = np.linspace(0.6, 9.4, 100)
    high, low = 6.2 / (1 + np.exp(1.1 * (x - 6))) + 0.4, 6.2 / (1 + np.exp(1.1 * (x - 3.4))) + 0.4
    axes.fill_between(x, low, high, color="#56B4E9", alpha=0.6)
    axes.plot(x, high, color=RED, linewidth=5)
    axes.plot(x, low, color=GREEN, linewidth=5)


def convnet_digits(axes: Any) -> None:
    """Draw an image, and maps that get smaller and more."""
    axes.imshow(load_digits().images[8], cmap="gray_r", extent=(0.4, 3.4, 2, 5), zorder=1)
    axes.add_patch(Rectangle((0.4, 2), 3, 3, fill=False, color=INK, linewidth=2))
    for left, side, n, color in ((4.2, 2.0, 3, BLUE), (6.9, 1.1, 5, ORANGE)):
        for k in range(n):
            corner = (left + 0.28 * k, 3.5 - side / 2 + 0.28 * (k - n / 2))
            axes.add_patch(Rectangle(corner, side, side, facecolor=color, edgecolor="white", lw=2))


def credit_table(axes: Any) -> None:
    """Draw coins that may become fewer, and a line that they have to get below."""
    for x, n in ((2.2, 6), (7.4, 3)):
        for k in range(n):
            corner = (x - 1.3, 0.6 + 0.85 * k)
            axes.add_patch(Rectangle(corner, 2.6, 0.7, facecolor=ORANGE, edgecolor=INK, lw=2))
    arrow = {"arrowstyle": "-|>", "linewidth": 5, "color": INK, "mutation_scale": 30}
    axes.annotate("", (6.0, 2.0), (3.7, 4.2), arrowprops=arrow)
    axes.plot([5.7, 9.5], [3.7, 3.7], color=GREEN, linewidth=6, linestyle="--")


def dataframe(axes: Any) -> None:
    """Draw a table with columns that may change, and some that are locked."""
    for column in range(5):
        locked = column in (1, 3)
        for row in range(5):
            color = GRAY if locked else "#9FD3F2"
            color = INK if row == 4 else color
            axes.add_patch(
                Rectangle((0.7 + 1.75 * column, 0.8 + 1.1 * row), 1.6, 0.95, color=color)
            )
        if locked:
            x = 1.5 + 1.75 * column
            axes.add_patch(Rectangle((x - 0.45, 2.2), 0.9, 0.8, color=RED, zorder=3))
            axes.add_patch(Circle((x, 3.05), 0.33, fill=False, color=RED, linewidth=5, zorder=2))


def forest_band(axes: Any) -> None:
    """Draw a tree, and steps whose two ends are one line."""
    for x, y, parent in (
        (2.2, 6, None), (1.2, 4.3, (2.2, 6)), (3.2, 4.3, (2.2, 6)), (0.7, 2.6, (1.2, 4.3)),
        (1.7, 2.6, (1.2, 4.3)), (2.7, 2.6, (3.2, 4.3)), (3.7, 2.6, (3.2, 4.3)),
    ):  # fmt: skip
        if parent:
            axes.plot([parent[0], x], [parent[1], y], color=INK, linewidth=3, zorder=1)
        axes.add_patch(Circle((x, y), 0.36, color=GREEN if y < 3 else INK, zorder=2))
    x, y = np.array([4.6, 5.5, 6.4, 7.3, 8.2, 9.4]), np.array([6.2, 5.2, 3.8, 2.2, 1.2, 0.8])
    axes.step(x, y, where="post", color=INK, linewidth=9)
    axes.step(x, y, where="post", color=GREEN, linewidth=4, linestyle="--")


def forest_budgets(axes: Any) -> None:
    """Draw bars that fall as the budget grows, towards the true distance."""
    for k, height in enumerate((6.0, 4.6, 3.6, 3.0, 2.7)):
        axes.add_patch(Rectangle((0.8 + 1.75 * k, 0.5), 1.3, height, color=ORANGE))
    axes.plot([0.4, 9.6], [3.0, 3.0], color=INK, linewidth=5, linestyle="--")


def malware_table(axes: Any) -> None:
    """Draw an app whose switches are on or off."""
    axes.add_patch(Rectangle((2.6, 0.3), 4.8, 6.4, facecolor="white", edgecolor=INK, linewidth=6))
    for y, on in ((5.2, True), (3.5, False), (1.8, True)):
        color = RED if on else GRAY
        axes.plot([4.2, 5.8], [y, y], color=color, linewidth=30, solid_capstyle="round")
        axes.add_patch(Circle((5.8 if on else 4.2, y), 0.42, color="white", zorder=3))


def phishing_table(axes: Any) -> None:
    """Draw an address with a lock that is not closed."""
    axes.add_patch(Rectangle((0.4, 2.5), 9.2, 2, facecolor="white", edgecolor=INK, linewidth=4))
    axes.add_patch(Rectangle((0.9, 2.95), 1.0, 0.85, color=RED))
    axes.add_patch(Circle((1.75, 3.95), 0.38, fill=False, color=RED, linewidth=4))
    axes.text(2.6, 3.42, "my-b4nk", fontsize=40, va="center", family="monospace", weight="bold")


def regularization_view(axes: Any) -> None:
    """Draw two histograms of margins, one moved away from zero."""
    x = np.linspace(0.3, 9.7, 34)
    for centre, color in ((3.6, GRAY), (6.4, BLUE)):
        height = 5 * np.exp(-((x - centre) ** 2) / 2.6)
        axes.bar(x, height, width=0.26, bottom=0.6, color=color, alpha=0.85)
    axes.plot([2, 2], [0.4, 6.6], color=RED, linewidth=5)


def robust_digits(axes: Any) -> None:
    """Draw one digit in the ball within which it stays what it is."""
    axes.add_patch(Circle((5, 3.5), 3.2, facecolor="#CBE8DC", edgecolor=GREEN, linewidth=6))
    pixels = np.ma.masked_less(load_digits().images[0], 3)
    axes.imshow(pixels, cmap="gray_r", extent=(3.1, 6.9, 1.6, 5.4), zorder=3)


def self_supervised_table(axes: Any) -> None:
    """Draw one row, two views of it, and one place where both go."""
    arrow = {"arrowstyle": "-|>", "linewidth": 4, "color": INK, "mutation_scale": 28}
    for y, color in ((5.4, BLUE), (1.6, ORANGE)):
        axes.annotate("", (4.1, y), (2.0, 3.5), arrowprops=arrow)
        axes.annotate("", (8.0, 3.5), (5.9, y), arrowprops=arrow)
        axes.add_patch(Rectangle((4.1, y - 0.7), 1.8, 1.4, color=color))
    axes.add_patch(Circle((1.4, 3.5), 0.85, color=GRAY))
    axes.add_patch(Circle((8.7, 3.5), 0.85, color=GREEN))


def transfer(axes: Any) -> None:
    """Draw layers that are kept, and a new head on top of them."""
    for level, (half, color) in enumerate(((3.6, BLUE), (2.9, BLUE), (2.2, BLUE))):
        corner = (5 - half, 0.5 + 1.25 * level)
        axes.add_patch(Rectangle(corner, 2 * half, 1.05, color=color))
    for x, color, style in ((2.6, GRAY, ":"), (6.1, RED, "-")):
        axes.add_patch(
            Rectangle((x, 5.0), 1.5, 1.4, facecolor=color, edgecolor=INK, lw=3, linestyle=style)
        )
    arrow = {"arrowstyle": "-|>", "linewidth": 4, "color": INK, "mutation_scale": 26}
    axes.annotate("", (6.0, 5.7), (4.3, 5.7), arrowprops=arrow)


def xor_geometry(axes: Any) -> None:
    """Draw four corners of two classes, and the boundary between them."""
    x, y = np.meshgrid(np.linspace(0, 10, 200), np.linspace(0, 7, 200))
    axes.contourf(x, y, (x - 5) * (y - 3.5), [-100, 0, 100], colors=["#F7D9C4", "#CFE4F3"])
    axes.contour(x, y, (x - 5) * (y - 3.5) - 0.6, [0], colors=[INK], linewidths=5)
    rng = np.random.default_rng(0)
    for cx, cy in ((2.5, 1.75), (7.5, 1.75), (2.5, 5.25), (7.5, 5.25)):
        points = rng.normal((cx, cy), (0.8, 0.55), (9, 2))
        color = BLUE if (cx - 5) * (cy - 3.5) > 0 else RED
        axes.scatter(*points.T, s=130, color=color, edgecolor="white", zorder=3)


THUMBNAILS: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        adversarial_examples, certificate_band, convnet_digits, credit_table, dataframe,
        forest_band, forest_budgets, malware_table, phishing_table, regularization_view,
        robust_digits, self_supervised_table, transfer, xor_geometry,
    )
}  # fmt: skip


def main() -> None:
    """Draw all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in THUMBNAILS.items():
        figure = Figure(figsize=(4, 2.8), dpi=100, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        draw(axes)
        axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
        axes.set_axis_off()
        figure.savefig(FOLDER / f"{name}.png")
    print(f"Drew {len(THUMBNAILS)} pictures in {FOLDER}")


if __name__ == "__main__":
    main()
