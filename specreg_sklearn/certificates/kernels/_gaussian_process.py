"""The latent mean of a binary Gaussian process classifier as a sum of radial kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Kernel, Product

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.kernels._expansions import RadialKernel
from specreg_sklearn.certificates.kernels._margins import Expansion
from specreg_sklearn.certificates.pipelines import NoCertificateError

if TYPE_CHECKING:
    from sklearn.gaussian_process._gpc import _BinaryGaussianProcessClassifierLaplace


def latent_expansion(step: _BinaryGaussianProcessClassifierLaplace) -> tuple[FloatArray, Expansion]:
    """Return what inputs are divided by, and the latent mean in these units.

    Parameters
    ----------
    step : estimator
        The fitted binary classifier inside a GaussianProcessClassifier.
    """
    factor, radial = _constant_times_radial(step.kernel_)
    X = np.asarray(step.X_train_, dtype=np.float64)
    units = np.broadcast_to(np.asarray(radial.length_scale, dtype=np.float64), X.shape[1:]).copy()
    weight = factor * (np.asarray(step.y_train_, dtype=np.float64) - step.pi_)
    return units, Expansion(RadialKernel(0.5), X / units, weight, 0.0, np.abs(weight))


def _constant_times_radial(kernel: Kernel) -> tuple[float, RBF]:
    """Take a product of constants and one radial kernel apart."""
    if type(kernel) is RBF:
        return 1.0, kernel
    if type(kernel) is Product:
        for one, other in ((kernel.k1, kernel.k2), (kernel.k2, kernel.k1)):
            if type(one) is ConstantKernel:
                factor, radial = _constant_times_radial(other)
                return factor * float(one.constant_value), radial
    raise NoCertificateError(
        f"GaussianProcessClassifier(kernel={kernel!r}) has no certificate; accepted are RBF and "
        "ConstantKernel times RBF."
    )
