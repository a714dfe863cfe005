"""Adversarial training seen as a regulariser: what it does to a network besides robustness."""

from benchmarks.reproduce.regularization_view._run import run

__all__ = ["run"]
