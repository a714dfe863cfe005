"""One table from names to implementations for the five plug-in axes.

Every choice a user makes is a string for the common case and an object for the rest. Strings
resolve here: first among the built-in names, then among the names added with :func:`register`,
then among installed entry points (groups ``specreg_sklearn.modules``, ``.penalties``,
``.objectives``, ``.constraints``, ``.attacks``).

Built-in targets are written as ``"package.module:attribute"`` and imported on first use, so this
file imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

_BUILT_IN: dict[str, dict[str, str]] = {
    "modules": {
        "mlp": "specreg_sklearn.modules:mlp",
        "convnet": "specreg_sklearn.modules:ConvNet",
        "resnet18": "specreg_sklearn.modules:ResNet18",
    },
    "penalties": {
        "rep_spectral": "specreg_sklearn.penalties:RepSpectral",
        "ll_spectral": "specreg_sklearn.penalties:LLSpectral",
        "product_spectral": "specreg_sklearn.penalties:ProductSpectral",
        "l2": "specreg_sklearn.penalties:L2",
        "l2_sp": "specreg_sklearn.penalties:L2SP",
        "batch_shrinkage": "specreg_sklearn.penalties:BatchSpectralShrinkage",
        "orthogonal": "specreg_sklearn.penalties:Orthogonal",
        "jacobian": "specreg_sklearn.penalties:Jacobian",
        "cross_lipschitz": "specreg_sklearn.penalties:CrossLipschitz",
    },
    "objectives": {
        "cross_entropy": "specreg_sklearn.objectives:CrossEntropy",
        "adversarial": "specreg_sklearn.objectives:Adversarial",
        "trades": "specreg_sklearn.objectives:Trades",
        "gradient": "specreg_sklearn.objectives:Gradient",
        "lipschitz_margin": "specreg_sklearn.objectives:LipschitzMargin",
        "vat": "specreg_sklearn.objectives:VAT",
        "linearity": "specreg_sklearn.objectives:Linearity",
        "barlow_twins": "specreg_sklearn.objectives:BarlowTwins",
        "simclr": "specreg_sklearn.objectives:SimCLR",
        "vicreg": "specreg_sklearn.objectives:VICReg",
    },
    "constraints": {
        "spectral_norm": "specreg_sklearn.constraints:SpectralNorm",
        "svb": "specreg_sklearn.constraints:SVB",
        "parseval": "specreg_sklearn.constraints:Parseval",
    },
    # Every ART evasion attack is reachable as "art/<ClassName>"; attacks/ resolves that prefix.
    "attacks": {
        "cgba": "specreg_sklearn.attacks:CGBA",
        "hop_skip_jump": "specreg_sklearn.attacks:HopSkipJump",
        "tangent": "specreg_sklearn.attacks:TangentAttack",
        "rays": "specreg_sklearn.attacks:RayS",
        "square": "specreg_sklearn.attacks:SquareAttack",
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
        If the axis is unknown or the name is a built-in one.

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
    _ADDED[axis][name] = factory


def available(axis: str) -> list[str]:
    """Return the sorted names that an axis knows.

    Parameters
    ----------
    axis : {"modules", "penalties", "objectives", "constraints", "attacks"}
        The plug-in axis.

    Returns
    -------
    list of str
        Built-in, registered and installed names.
    """
    installed = {entry.name for entry in entry_points(group=f"specreg_sklearn.{axis}")}
    return sorted({*_built_in(axis), *_ADDED[axis], *installed})


def resolve(axis: str, name: str, *, parameter: str | None = None) -> Any:
    """Return what a name stands for on an axis.

    Parameters
    ----------
    axis : {"modules", "penalties", "objectives", "constraints", "attacks"}
        The plug-in axis.
    name : str
        A name listed by :func:`available`.
    parameter : str, default=None
        The user's parameter that held the name, for the error message. By default the axis in the
        singular.

    Returns
    -------
    callable
        The class or factory of that name.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the valid ones.
    """
    if name in _built_in(axis):
        module, _, attribute = _BUILT_IN[axis][name].partition(":")
        return getattr(import_module(module), attribute)
    if name in _ADDED[axis]:
        return _ADDED[axis][name]
    for entry in entry_points(group=f"specreg_sklearn.{axis}"):
        if entry.name == name:
            return entry.load()
    if parameter is None:
        parameter = {"penalties": "penalty"}.get(axis, axis.removesuffix("s"))
    raise ValueError(f"{parameter}={name!r} is not known. Valid names: {available(axis)}.")


def _built_in(axis: str) -> dict[str, str]:
    if axis not in _BUILT_IN:
        raise ValueError(f"axis={axis!r} is not one of {sorted(_BUILT_IN)}.")
    return _BUILT_IN[axis]
