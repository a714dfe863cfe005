"""A report on the robustness of models that somebody else can check.

:func:`robustness_report` measures one model or several and gives a :class:`RobustnessReport`, which
is written as one HTML file, as JSON, or as a section of a model card. :func:`verify_report` takes
the JSON, the models and the data, asks every witness again, proves every lower bound again, and
says of each part whether it held. It runs no attack, and imports none.

The same from a shell: ``python -m specreg_sklearn report --help``.
"""

from typing import TYPE_CHECKING

from specreg_sklearn._lazy import lazy_names

if TYPE_CHECKING:
    from specreg_sklearn.report._report import RobustnessReport
    from specreg_sklearn.report._robustness_report import robustness_report
    from specreg_sklearn.report.verify import Check, Verification, verify_report

# Whoever only verifies never loads an attack.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Check": "specreg_sklearn.report.verify",
        "RobustnessReport": "specreg_sklearn.report._report",
        "Verification": "specreg_sklearn.report.verify",
        "robustness_report": "specreg_sklearn.report._robustness_report",
        "verify_report": "specreg_sklearn.report.verify",
    },
)

__all__ = ["Check", "RobustnessReport", "Verification", "robustness_report", "verify_report"]
