"""Images from an npz file, on tiny files that the tests write."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from benchmarks.loaders._files import DataFile
from benchmarks.loaders._images import ImageSet


@pytest.fixture(params=[(), (3,)], ids=["grey", "colour"])
def small(request, tmp_path):
    """Six training and four test images of 2 x 3 pixels, and the set that reads them."""
    rng = np.random.default_rng(0)
    arrays = {
        part: rng.integers(0, 256, size=(n, 2, 3, *request.param), dtype=np.uint8)
        for part, n in (("x_train", 6), ("x_test", 4))
    }
    arrays["x_train"][0], arrays["x_train"][1] = 0, 255
    arrays["y_train"] = np.array([0, 1, 1, 0, 1, 0], dtype=np.uint8)
    arrays["y_test"] = np.array([1, 1, 0, 0], dtype=np.uint8)
    path = tmp_path / "small.npz"
    np.savez_compressed(path, **arrays)
    file = DataFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), "the attic.")
    channels = ("red", "green", "blue") if request.param else ("pixel",)
    return ImageSet("load_small", file, channels, ("cat", "dog"), "Small."), arrays


def load(images, folder, **options):
    defaults = {"subset": "train", "return_X_y": False, "as_frame": False}
    return images.load(data_home=folder, **{**defaults, **options})


@pytest.mark.parametrize("subset", ["train", "test"])
def test_every_pixel_is_where_its_name_says(small, tmp_path, subset):
    images, arrays = small
    bunch = load(images, tmp_path, subset=subset)
    pixels = arrays[f"x_{subset}"]
    pixels = pixels.reshape(*pixels.shape[:3], -1)
    assert bunch.data.shape == (len(pixels), len(bunch.feature_names))
    for column, name in enumerate(bunch.feature_names):
        channel, i, j = name.split("_")
        c = images.channels.index(channel)
        expected = (pixels[:, int(i), int(j), c] / 255).astype(np.float32)
        np.testing.assert_array_equal(bunch.data[:, column], expected)
        np.testing.assert_array_equal(bunch.images[:, c, int(i), int(j)], expected)
    np.testing.assert_array_equal(bunch.target, arrays[f"y_{subset}"])


def test_shapes_and_types(small, tmp_path):
    images, _ = small
    bunch = load(images, tmp_path)
    channels = len(images.channels)
    assert bunch.image_shape == (channels, 2, 3)
    assert bunch.images.shape == (6, channels, 2, 3)
    assert bunch.data.dtype == bunch.images.dtype == np.float32
    assert bunch.data.flags.c_contiguous
    assert bunch.target.dtype == np.int64
    assert (bunch.data[0] == 0).all()
    assert (bunch.data[1] == 1).all()
    assert bunch.target_names[bunch.target].tolist()[:3] == ["cat", "dog", "dog"]
    assert bunch.frame is None
    assert bunch.DESCR == "Small."


def test_all_is_training_rows_before_test_rows(small, tmp_path):
    images, _ = small
    train, test, both = (load(images, tmp_path, subset=name) for name in ("train", "test", "all"))
    np.testing.assert_array_equal(both.data, np.concatenate([train.data, test.data]))
    np.testing.assert_array_equal(both.target, np.concatenate([train.target, test.target]))


def test_return_X_y_and_frames(small, tmp_path):
    images, _ = small
    bunch = load(images, tmp_path)
    X, y = load(images, tmp_path, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    frames = load(images, tmp_path, as_frame=True)
    assert list(frames.frame.columns) == [*bunch.feature_names, "target"]
    np.testing.assert_array_equal(frames.data.to_numpy(), bunch.data)
    assert (frames.data.dtypes == np.float32).all()
    np.testing.assert_array_equal(frames.frame["target"], bunch.target)
    np.testing.assert_array_equal(frames.images, bunch.images)


@pytest.mark.parametrize("subset", ["validation", None, 1])
def test_a_wrong_subset(small, tmp_path, subset):
    with pytest.raises(ValueError, match=r"subset=.* is not accepted; give 'train', 'test'"):
        load(small[0], tmp_path, subset=subset)
