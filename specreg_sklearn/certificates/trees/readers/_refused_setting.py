"""What messages say of a setting whose trees decide otherwise than a plain sum."""

from __future__ import annotations

from specreg_sklearn.certificates.pipelines import NoCertificateError


def refused_setting(estimator: object, setting: str, reason: str) -> NoCertificateError:
    """Return the error for an estimator with a setting, as in ``booster='dart'``."""
    return NoCertificateError(
        f"{type(estimator).__name__}({setting}) has no certificate: {reason}."
    )
