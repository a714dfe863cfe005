"""One table from names to implementations for the five plug-in axes.

Every choice a user makes is a string for the common case and an object for the rest. Strings
resolve here: first among the built-in names, then among the names added with :func:`register`,
then among installed entry points (groups ``specreg_sklearn.modules``, ``.penalties``,
``.objectives``, ``.constraints``, ``.attacks``).

Built-in names stand for attributes of the folder of their axis, imported on first use: this file
imports nothing of the package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from inspect import signature
from typing import Any

_BUILT_IN: dict[str, dict[str, str]] = {
    "modules": {"mlp": "mlp", "convnet": "ConvNet", "resnet18": "ResNet18"},
    "penalties": {
        "rep_spectral": "RepSpectral",
        "ll_spectral": "LLSpectral",
        "product_spectral": "ProductSpectral",
        "l2": "L2",
        "l2_sp": "L2SP",
        "batch_shrinkage": "BatchSpectralShrinkage",
        "orthogonal": "Orthogonal",
        "jacobian": "Jacobian",
        "cross_lipschitz": "CrossLipschitz",
    },
    "objectives": {
        "cross_entropy": "CrossEntropy",
        "adversarial": "Adversarial",
        "trades": "Trades",
        "gradient": "Gradient",
        "lipschitz_margin": "LipschitzMargin",
        "vat": "VAT",
        "linearity": "Linearity",
        "barlow_twins": "BarlowTwins",
        "simclr": "SimCLR",
        "vicreg": "VICReg",
    },
    "constraints": {
        "spectral_norm": "SpectralNorm",
        "svb": "SVB",
        "parseval": "Parseval",
        "orthogonal": "Orthogonal",
    },
    # Every ART evasion attack is reachable as "art/<ClassName>"; attacks/ resolves that prefix.
    "attacks": {
        "cgba": "CGBA",
        "hop_skip_jump": "HopSkipJump",
        "tangent": "TangentAttack",
        "rays": "RayS",
        "square": "SquareAttack",
        "scores": "ScoreSearch",
        "gradients": "GradientAttack",
        "strongest": "Strongest",
        "threshold_search": "ThresholdSearch",
    },
}
_ADDED: dict[str, dict[str, Callable[..., Any]]] = {axis: {} for axis in _BUILT_IN}


def register(axis: str, name: str, factory: Callable[..., Any]) -> None:
    """Add a name to a plug-in axis for the running process.

    Packages that are installed should use an entry point instead: processes started by a
    distributed search then know the name too.

    Parameters
    ----------
    axis : {"modules", "penalties", "objectives", "constraints", "attacks"}
        The plug-in axis.
    name : str
        The new name. A built-in name cannot be replaced.
    factory : callable
        What :func:`resolve` returns for `name`: a class, or a module factory.

    Raises
    ------
    ValueError
        If the axis is unknown, or the name is a built-in one or empty.
    TypeError
        If the name is no string, or `factory` cannot be called as the axis does: with the shape of
        a row for modules, else with nothing.

    Examples
    --------
    >>> from specreg_sklearn import SpectrallyRegularizedEncoder, register
    >>> from specreg_sklearn.penalties import RepSpectral
    >>> class Patient(RepSpectral):
    ...     def __init__(self, *, n_vectors=8, n_power_iterations=3):
    ...         super().__init__(n_vectors=n_vectors, n_power_iterations=n_power_iterations)
    >>> register("penalties", "patient", Patient)
    >>> encoder = SpectrallyRegularizedEncoder(penalty="patient")
    """
    if name in _built_in(axis):
        raise ValueError(f"{name!r} is a built-in name of {axis} and cannot be replaced.")
    _check_name(axis, name)
    _check_factory(axis, name, factory)
    _ADDED[axis][name] = factory


def _check_name(axis: str, name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} must be a string: what {axis} are asked for by.")
    if not name or name != name.strip():
        raise ValueError(f"name={name!r} must not be empty, nor begin or end with a blank.")
    if axis == "attacks" and name.startswith("art/"):
        raise ValueError(f"name={name!r} would never be found: 'art/' stands for attacks of ART.")


def _check_factory(axis: str, name: str, factory: object) -> None:
    """Raise TypeError unless the factory can be called as its axis calls it."""
    # A network can be called, and builds nothing. Whoever has one has loaded torch.
    torch = sys.modules.get("torch")
    built = torch is not None and isinstance(factory, torch.nn.Module)
    if not callable(factory) or built:
        raise TypeError(
            f"factory={factory!r} of {name!r} must be a class or a function that makes one of "
            f"{axis}, not what it makes."
        )
    try:
        parameters = signature(factory)
    except (TypeError, ValueError):  # compiled
        return
    shapes = ["(input_shape)"] if axis == "modules" else []
    for arguments in ([], shapes):
        try:
            parameters.bind(*arguments)
        except TypeError:
            continue
        return
    how = "the shape of a row, or with nothing" if axis == "modules" else "no arguments"
    raise TypeError(f"factory={factory!r} of {name!r} must be callable with {how}.")


def available(axis: str) -> list[str]:
    """Return the sorted names that an axis knows: built-in, registered and installed ones."""
    installed = {entry.name for entry in entry_points(group=f"specreg_sklearn.{axis}")}
    return sorted({*_built_in(axis), *_ADDED[axis], *installed})


def is_known(axis: str, name: str) -> bool:
    """Return whether an axis knows a name; installed packages are asked last, since that is slow.

    Finding entry points reads a file of every distribution of the environment.
    """
    return name in _built_in(axis) or name in _ADDED[axis] or name in available(axis)


def resolve(axis: str, name: str, *, parameter: str | None = None) -> Any:
    """Return the class or factory that a name stands for on an axis.

    ValueError if it is unknown; the message lists the valid names, and calls the user's parameter
    by `parameter`, by default the axis in the singular.
    """
    if name in _built_in(axis):
        return getattr(import_module(f"specreg_sklearn.{axis}"), _BUILT_IN[axis][name])
    if name in _ADDED[axis]:
        return _ADDED[axis][name]
    for entry in entry_points(group=f"specreg_sklearn.{axis}"):
        if entry.name == name:
            return entry.load()
    if parameter is None:
        parameter = {"penalties": "penalty"}.get(axis, axis.removesuffix("s"))
    raise ValueError(f"{parameter}={name!r} is not known. Valid names: {available(axis)}.")


def name_of(axis: str, kind: type) -> str:
    """Return the name under which an axis knows a class, built in or registered; else its own."""
    for name, attribute in _built_in(axis).items():
        if attribute == kind.__name__ and kind.__module__.startswith(f"specreg_sklearn.{axis}"):
            return name
    added = [name for name, factory in _ADDED[axis].items() if factory is kind]
    return added[0] if added else kind.__name__


def _built_in(axis: str) -> dict[str, str]:
    if axis not in _BUILT_IN:
        raise ValueError(f"axis={axis!r} is not one of {sorted(_BUILT_IN)}.")
    return _BUILT_IN[axis]
