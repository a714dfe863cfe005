"""What all displays share: matplotlib on demand, and looks that survive a black and white print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from specreg_sklearn.space import FeatureSpace

_TAG = "specreg-look-"


class Look(NamedTuple):
    """Colour, line, marker and hatch of the n-th thing in a picture."""

    color: str
    line: Any
    marker: str
    hatch: str


# Neighbours differ in lightness as well as in hue, and everything differs in line and marker.
LOOKS = (
    Look("#000000", "-", "o", "////"),
    Look("#D55E00", "--", "s", "\\\\\\\\"),
    Look("#0072B2", "-.", "^", "...."),
    Look("#E69F00", (0, (1, 1.2)), "D", "||||"),
    Look("#009E73", (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)), "v", "xxxx"),
    Look("#CC79A7", (0, (8, 2)), "P", "----"),
)


def require_matplotlib(owner: str) -> None:
    """Raise unless matplotlib can be imported.

    Raises
    ------
    ImportError
        With the command that installs it.
    """
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise ImportError(
            f"{owner} draws with matplotlib, which is not installed; "
            "`pip install specreg-sklearn[plot]` brings it."
        ) from error


def axes_or_new(ax: Any, owner: str, size: tuple[float, float] = (6.4, 4.2)) -> Any:
    """Return the axes given, or those of a new figure; pyplot is left alone when axes are given."""
    require_matplotlib(owner)
    if ax is not None:
        return check_axes(ax)
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def check_axes(ax: Any) -> Any:
    """Raise TypeError unless `ax` can be drawn on."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax={type(ax).__name__} is not a matplotlib Axes or None.")
    return ax


def next_look(ax: Any) -> int:
    """Return how many things with a look the axes hold already."""
    tags = {str(child.get_gid()) for child in ax.get_children()}
    return len([tag for tag in tags if tag.startswith(_TAG)])


def look_of(number: int) -> Look:
    """Return a look; they repeat after the last."""
    return LOOKS[number % len(LOOKS)]


def tag(artist: Any, number: int) -> None:
    """Mark an artist as the `number`-th thing, for :func:`next_look`."""
    artist.set_gid(f"{_TAG}{number}")


def merged(defaults: dict[str, Any], chosen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return keyword arguments for lines: the defaults, overruled by what the user chose."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs(dict(chosen or {}), Line2D)}


def name_of(estimator: Any, name: str | None) -> str:
    """Return the name to print: the given one, or the class of the estimator."""
    return type(estimator).__name__ if name is None else name


def named_estimators(estimators: Any) -> dict[str, Any]:
    """Return estimators by name, from a mapping or from pairs as a pipeline lists its steps."""
    if isinstance(estimators, Mapping):
        return dict(estimators)
    try:
        pairs = [(name, estimator) for name, estimator in estimators]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    names = [name for name, _ in pairs]
    if not pairs or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"estimators={estimators!r} is not accepted; give a dict from name to fitted "
            "estimator, or a list of such pairs."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"estimators holds the same name twice: {names}.")
    return dict(pairs)


def norm_name(norm: float) -> str:
    """Return "L1", "L2" or "Linf"."""
    return "Linf" if norm == np.inf else f"L{norm:g}"


def unit_of(space: FeatureSpace | None, scale: Any) -> str:
    """Say in what distances are counted."""
    if space is not None:
        return "units of X" if np.all(space.scale == 1) else "units of the space"
    if isinstance(scale, str):
        words = {"std": "standard deviations", "range": "ranges of the columns"}
        return words.get(scale, "scaled units")
    return "units of X" if scale is None else "scaled units"


def one_of(value: Any, accepted: Sequence[str], parameter: str) -> str:
    """Raise ValueError unless a word is known."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{parameter}={value!r} is not one of {list(accepted)}.")
    return value


def numbers(values: Any, parameter: str, *, length: int | None = None, of: str = "") -> np.ndarray:
    """Return a 1-D float64 array, of the length of another one if that is given."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{parameter} must hold numbers.") from error
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{parameter} has shape {array.shape}; a list of at least one number is needed."
        )
    if length is not None and len(array) != length:
        raise ValueError(f"{parameter} has {len(array)} entries, but {of} has {length}.")
    return array


def side_by_side(ax: Any, layers: Sequence[str], number: int, step: float) -> np.ndarray:
    """Return where the `number`-th model's layers go on the x axis, and label the axis.

    Models stand beside each other, layer by layer, in groups around the ticks.

    Raises
    ------
    ValueError
        If the axes show other layers already.
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


def from_zero(ax: Any, axis: str) -> None:
    """Let an axis show all that is drawn so far, from 0 on where nothing is negative.

    Limits are set by hand: they would not grow with what is drawn later.
    """
    low, high = getattr(ax.dataLim, f"interval{axis}")
    span = (high - low) or 1.0
    # axvline(0) reaches the limits by way of pixels, with their rounding.
    left = 0.0 if low >= -1e-9 * span else low - 0.03 * span
    ax.set(**{f"{axis}lim": (left, high + 0.03 * span)})


def light_grid(ax: Any, axis: str = "both") -> None:
    """Draw thin lines behind everything."""
    ax.grid(axis=axis, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
