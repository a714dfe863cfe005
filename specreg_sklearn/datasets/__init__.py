"""Public data sets of the security and vision literature, and two toy problems, as loaders.

Loaders read files that lie on this machine already and behave like ``sklearn.datasets.load_*``:
they return a :class:`sklearn.utils.Bunch`, or ``(data, target)`` with ``return_X_y=True``, and
pandas objects with ``as_frame=True``. Nothing is downloaded and no data comes with the library: the
folder is named by `data_home` or by the environment variable ``SPECREG_DATA``, every file is
checked against its SHA-256, and the error for a missing one says how to obtain it. Generators
(:func:`make_noisy_xor`, :func:`make_sin_boundary`) need no file.
"""

from specreg_sklearn.datasets._image_loaders import load_cifar10, load_mnist
from specreg_sklearn.datasets._mixed_tables import load_adult, load_german_credit, load_nsl_kdd
from specreg_sklearn.datasets._numeric_tables import (
    load_phishing_websites,
    load_spambase,
    load_url_phishing,
)
from specreg_sklearn.datasets._toys import make_noisy_xor, make_sin_boundary

__all__ = [
    "load_adult",
    "load_cifar10",
    "load_german_credit",
    "load_mnist",
    "load_nsl_kdd",
    "load_phishing_websites",
    "load_spambase",
    "load_url_phishing",
    "make_noisy_xor",
    "make_sin_boundary",
]
