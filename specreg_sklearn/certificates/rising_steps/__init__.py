"""Proofs behind steps that bend each column by itself: logarithms, powers, quantiles, bins."""

from specreg_sklearn.certificates.rising_steps._prover import RisingStepsProver

__all__ = ["RisingStepsProver"]
