"""What ``python -m specreg_sklearn`` runs: the command line, or the demo without a word."""

from __future__ import annotations

import sys

from specreg_sklearn.report.command_line import main

if __name__ == "__main__":
    sys.exit(main())
