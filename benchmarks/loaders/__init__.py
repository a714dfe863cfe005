"""Loaders of public data sets from the security and vision literature.

They read files that lie on this machine already and behave like ``sklearn.datasets.load_*``: they
return a :class:`sklearn.utils.Bunch`, or ``(data, target)`` with ``return_X_y=True``, and pandas
objects with ``as_frame=True``. Nothing is downloaded: the folder is named by `data_home` or by the
environment variable ``SPECREG_DATA``, every file is checked against its SHA-256, and the error for
a missing one says how to obtain it. All take the same keyword arguments: see the docstring of one.
"""

from benchmarks.loaders._files import VARIABLE as DATA_VARIABLE
from benchmarks.loaders._image_loaders import load_cifar10, load_mnist
from benchmarks.loaders._mixed_tables import load_adult, load_german_credit, load_nsl_kdd
from benchmarks.loaders._numeric_tables import (
    load_phishing_websites,
    load_spambase,
    load_url_phishing,
)

__all__ = [
    "DATA_VARIABLE",
    "load_adult",
    "load_cifar10",
    "load_german_credit",
    "load_mnist",
    "load_nsl_kdd",
    "load_phishing_websites",
    "load_spambase",
    "load_url_phishing",
]
