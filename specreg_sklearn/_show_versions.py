"""The versions to put into a bug report."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "specreg-sklearn",
    "scikit-learn",
    "torch",
    "skorch",
    "adversarial-robustness-toolbox",
    "numpy",
    "scipy",
    "joblib",
    "pandas",
    "matplotlib",
)


def show_versions() -> None:
    """Print the versions of Python, the system and the packages that matter here.

    Examples
    --------
    >>> from specreg_sklearn import show_versions
    >>> show_versions()
    python: ...
    """
    for name, shown in versions().items():
        print(f"{name}: {shown}")


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that matter here, by name."""
    found = {"python": sys.version.split()[0], "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
