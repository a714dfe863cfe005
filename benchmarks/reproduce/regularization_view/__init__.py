"""Adversarial training seen as a regulariser."""

from benchmarks.reproduce.regularization_view._run import run as run
