"""The command line: ``python -m specreg_sklearn``, or ``specreg``."""

from specreg_sklearn.report.command_line._main import main

__all__ = ["main"]
