"""Fully connected networks: linear relaxations in a ball, and branch and bound on signs."""

from specreg_sklearn.certificates.relaxations._boxed_balls import Room, falls_in_balls
from specreg_sklearn.certificates.relaxations._prover import RelaxationProver

__all__ = ["RelaxationProver", "Room", "falls_in_balls"]
