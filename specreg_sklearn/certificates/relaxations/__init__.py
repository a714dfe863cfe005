"""Dense networks: linear relaxations in balls and boxes, and branch and bound on signs."""

from specreg_sklearn.certificates.relaxations._boxed_balls import falls_in_balls
from specreg_sklearn.certificates.relaxations._curves import CurveBetween
from specreg_sklearn.certificates.relaxations._prover import RelaxationProver

__all__ = ["CurveBetween", "RelaxationProver", "falls_in_balls"]
