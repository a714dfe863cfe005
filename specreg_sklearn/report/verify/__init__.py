"""A check of a report: what it claims is asked, computed and proved again, without an attack."""

from specreg_sklearn.report.verify._verification import Check, Verification
from specreg_sklearn.report.verify._verify import verify_report

__all__ = ["Check", "Verification", "verify_report"]
