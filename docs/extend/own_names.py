"""Register the penalty of examples/custom_penalty.py under a name, and train with the name."""

# start: register
from custom_penalty import Orthogonality

from specreg_sklearn import SpectrallyRegularizedEncoder, register

register("penalties", "orthogonality", Orthogonality)
encoder = SpectrallyRegularizedEncoder(penalty="orthogonality", alpha=1e-2)
# end: register
